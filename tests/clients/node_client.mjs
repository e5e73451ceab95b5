// toxiproxy-node-client: a proxy made, harmed, met, healed and removed.
import assert from "node:assert";
import net from "node:net";
import { createRequire } from "node:module";

const [library, host, port, echoHost, echoPort] = process.argv.slice(2);
const { Toxiproxy } = createRequire(import.meta.url)(library);
const server = new Toxiproxy(`http://${host}:${port}`);
assert(await server.getVersion());

const upstream = `${echoHost}:${echoPort}`;
const proxy = await server.createProxy({ name: "p", listen: "127.0.0.1:0", upstream });
assert.equal((await server.get("p")).upstream, upstream);
await assert.rejects(server.get("q"));

const roundTrip = () => new Promise((done, failed) => {
  const start = performance.now();
  const conn = net.connect(Number(proxy.listen.split(":").pop()), "127.0.0.1");
  conn.on("error", failed);
  conn.on("data", () => { conn.end(); done(performance.now() - start); });
  conn.write("ping");
});

await roundTrip();
const body = { type: "latency", name: "slow", stream: "upstream", toxicity: 1, attributes: { latency: 300, jitter: 0 } };
const toxic = await proxy.addToxic(body);
assert.equal((await proxy.getToxic("slow")).attributes.latency, 300);
assert(await roundTrip() >= 290);
await toxic.remove();
assert.deepEqual((await server.get("p")).toxics, []);
const both = await server.populate([{ name: "q", listen: "127.0.0.1:0", upstream }]);
await both.q.remove();
await server.reset();
await roundTrip();
await proxy.remove();
assert.deepEqual(await server.getAll(), {});
console.log("ok");
