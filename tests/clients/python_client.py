"""toxiproxy-python: a proxy made, harmed, met, healed, taken down and removed."""

import socket
import sys
import time

from toxiproxy import Toxiproxy
from toxiproxy.api import APIConsumer
from toxiproxy.exceptions import NotFound, ProxyExists

host, port, echo_host, echo_port = sys.argv[1:]
APIConsumer.host, APIConsumer.port = host, int(port)
server = Toxiproxy()
assert server.running() and server.version()

upstream = f"{echo_host}:{echo_port}"
proxy = server.create(name="p", upstream=upstream, listen="127.0.0.1:0")
assert server.get_proxy("p").upstream == upstream and server.get_proxy("q") is None
try:
    server.create(name="p", upstream=upstream)
    sys.exit("a second proxy of the same name was taken")
except ProxyExists:
    pass


def round_trip():
    at = server.get_proxy("p").listen.rsplit(":", 1)
    with socket.create_connection((at[0], int(at[1])), timeout=30) as conn:
        start = time.monotonic()
        conn.sendall(b"ping")
        assert conn.recv(4) == b"ping"
        return time.monotonic() - start


round_trip()
proxy.add_toxic(type="latency", attributes={"latency": 300, "jitter": 0})
toxic = proxy.get_toxic("latency_downstream")
assert toxic.attributes["latency"] == 300 and toxic.toxicity == 1.0
assert round_trip() >= 0.3
assert proxy.destroy_toxic("latency_downstream") and proxy.toxics() == {}
try:
    proxy.destroy_toxic("latency_downstream")
    sys.exit("a toxic was removed twice")
except NotFound:
    pass

with proxy.down():
    try:
        round_trip()
        sys.exit("a proxy that is down was met")
    except OSError:
        pass
proxy.add_toxic(type="timeout", attributes={"timeout": 0})
server.reset()
assert proxy.toxics() == {}
round_trip()
server.destroy_all()
print("ok")
