import eu.rekawek.toxiproxy.Proxy;
import eu.rekawek.toxiproxy.ToxiproxyClient;
import eu.rekawek.toxiproxy.model.ToxicDirection;
import eu.rekawek.toxiproxy.model.toxic.Latency;
import java.io.IOException;
import java.net.Socket;

/** toxiproxy-java: a proxy made, harmed by each toxic of the library, met, taken down and removed. */
public class JavaClient {
    static void must(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException(what);
        }
    }

    static long roundTripMs(Proxy proxy) throws IOException {
        int port = Integer.parseInt(proxy.getListen().replaceAll(".*:", ""));
        try (Socket conn = new Socket("127.0.0.1", port)) {
            conn.setSoTimeout(30_000);
            long start = System.nanoTime();
            conn.getOutputStream().write("ping".getBytes());
            must(conn.getInputStream().readNBytes(4).length == 4, "an echo");
            return (System.nanoTime() - start) / 1_000_000;
        }
    }

    public static void main(String[] args) throws IOException {
        ToxiproxyClient server = new ToxiproxyClient(args[0], Integer.parseInt(args[1]));
        must(!server.version().isEmpty(), "a version");
        String upstream = args[2] + ":" + args[3];
        Proxy proxy = server.createProxy("p", "127.0.0.1:0", upstream);
        must(server.getProxy("p").getUpstream().equals(upstream), "its upstream");
        must(server.getProxyOrNull("q") == null, "no proxy q");
        roundTripMs(proxy);

        Latency latency = proxy.toxics().latency("slow", ToxicDirection.DOWNSTREAM, 100);
        latency.setLatency(300).setToxicity(1.0f);
        must(proxy.toxics().get("slow", Latency.class).getLatency() == 300, "its latency reads back");
        must(roundTripMs(proxy) >= 300, "the latency is felt");
        proxy.toxics().bandwidth("narrow", ToxicDirection.UPSTREAM, 1_000);
        proxy.toxics().slicer("sliced", ToxicDirection.UPSTREAM, 100, 0);
        proxy.toxics().slowClose("slow-close", ToxicDirection.UPSTREAM, 1);
        proxy.toxics().limitData("limited", ToxicDirection.UPSTREAM, 1_000_000);
        must(proxy.toxics().getAll().size() == 5, "five toxics");
        latency.remove();
        roundTripMs(proxy);

        proxy.disable();
        try {
            roundTripMs(proxy);
            throw new IllegalStateException("a proxy that is down was met");
        } catch (IOException expected) {
            proxy.enable();
        }
        server.reset();
        must(proxy.toxics().getAll().isEmpty(), "no toxic after a reset");
        roundTripMs(proxy);
        proxy.delete();
        must(server.getProxies().isEmpty(), "nothing is left");
        System.out.println("ok");
    }
}
