#!/usr/bin/env python3
"""A small reconciler in another language, written from the published contracts alone.

Three checks, no plans, alerts in a format of its own, no watermark; its timers live by the drill's clock.
It knows nothing of Lossdrill but what README.md here lists.
"""

import argparse
import heapq
import json
import queue
import sys
import threading
import time
import urllib.request
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pymysql
from kafka import KafkaConsumer, TopicPartition
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.event import XidEvent
from pymysqlreplication.row_event import UpdateRowsEvent, WriteRowsEvent

FLOW = "channel.flow"
WEEK_MS = 7 * 24 * 3600 * 1000
PAID_WITHIN_S = 30
RETRY_S = 0.2
SERVER_ID = 3_300_000_001


class Clock:
    """Seconds that a drill may advance by the total offset that it orders."""

    def __init__(self):
        self.offset_ms = 0
        self.seq = 0
        self.moved = threading.Condition()

    def now(self):
        return time.monotonic() + self.offset_ms / 1000

    def advance(self, order):
        with self.moved:
            # The same order again, and an older one, change nothing.
            if order["seq"] > self.seq:
                self.seq, self.offset_ms = order["seq"], order["offset_ms"]
            self.moved.notify_all()


class Timers:
    """Calls that are due at an instant of the clock."""

    def __init__(self, clock, events):
        self.clock, self.events, self.due = clock, events, []
        threading.Thread(target=self.run, daemon=True).start()

    def after(self, seconds, what):
        with self.clock.moved:
            heapq.heappush(self.due, (self.clock.now() + seconds, id(what), what))
            self.clock.moved.notify_all()

    def run(self):
        with self.clock.moved:
            while True:
                left = self.due[0][0] - self.clock.now() if self.due else None
                if left is not None and left <= 0:
                    self.events.put(("due", heapq.heappop(self.due)[2]))
                else:
                    self.clock.moved.wait(left)


class Books:
    """Look-ups in the shop's tables."""

    def __init__(self, url):
        self.settings = mysql_settings(url)
        self.connection = None

    def rows(self, query, *values):
        while True:
            try:
                if self.connection is None:
                    self.connection = pymysql.connect(autocommit=True, **self.settings)
                with self.connection.cursor() as cursor:
                    cursor.execute(query, values)
                    return cursor.fetchall()
            except pymysql.MySQLError as error:
                print(f"books: {error}", file=sys.stderr)
                self.connection = None
                time.sleep(RETRY_S)


class Siren:
    """Posts findings, each until it is taken."""

    def __init__(self, url):
        self.url, self.outbox, self.seen = url, queue.Queue(), set()
        self.http = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        threading.Thread(target=self.run, daemon=True).start()

    def finding(self, check, kind, key, row, amount, currency, says):
        if (check, row) not in self.seen:
            self.seen.add((check, row))
            money = {"amount": f"{amount:.2f}", "currency": currency}
            on = {"type": kind, "key": key}
            self.outbox.put({"check": check, "on": on, "row": row, "money": money, "says": says})

    def run(self):
        while True:
            body = json.dumps({"findings": [self.outbox.get()]}).encode()
            while not self.taken(body):
                time.sleep(RETRY_S)

    def taken(self, body):
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        try:
            with self.http.open(request, timeout=5) as answer:
                return answer.status == 200
        except OSError as error:
            print(f"siren: {error}", file=sys.stderr)
            return False


class Checks:
    """The rules. One thread calls them, one event after the other."""

    def __init__(self, books, siren, timers):
        self.books, self.siren, self.timers = books, siren, timers
        self.collected, self.paid_out, self.entries = {}, {}, set()

    def row(self, table, row):
        if table == "bid" and row["status"] == "ACTIVE":
            self.low_price(row)

    def low_price(self, bid):
        """LOW_PRICE: an open bid below half of the median of seven days, without a clearance."""
        at, sku = bid["updated_at_ms"], bid["sku"]
        prices = self.books.rows(
            "SELECT price FROM sku_deal WHERE sku = %s AND currency = %s AND at_ms > %s AND at_ms <= %s "
            "ORDER BY price", sku, bid["currency"], at - WEEK_MS, at)
        cleared = self.books.rows("SELECT 1 FROM clearance WHERE sku = %s AND approved = 1", sku)
        if not prices or cleared:
            return
        middle = [prices[(len(prices) - 1) // 2][0], prices[len(prices) // 2][0]]
        median = sum(middle, Decimal(0)) / 2
        if bid["price"] < median / 2:
            risk = (median - bid["price"]) * bid["qty"]
            says = f"{bid['price']} where {median} is usual"
            self.siren.finding("LOW_PRICE", "item", sku, bid["bid_id"], risk, bid["currency"], says)

    def flow(self, entry):
        if entry["txn"] in self.entries:
            return
        self.entries.add(entry["txn"])
        amount, currency = entry["amount"].split(" ")
        order, amount = entry["order"], Decimal(amount)
        if entry["kind"] == "collected":
            self.collected[order] = self.collected.get(order, Decimal(0)) + amount
            self.timers.after(PAID_WITHIN_S, lambda: self.not_booked(entry, amount, currency))
        elif entry["kind"] == "paid-out":
            self.refund_above(entry, amount, currency)

    def refund_above(self, entry, amount, currency):
        """REFUND_ABOVE_PAYMENT: more is paid out for an order than was collected for it."""
        order = entry["order"]
        self.paid_out[order] = self.paid_out.get(order, Decimal(0)) + amount
        above = self.paid_out[order] - self.collected.get(order, Decimal(0))
        if above > 0:
            says = f"{self.paid_out[order]} paid out"
            self.siren.finding("REFUND_ABOVE_PAYMENT", "order", order, entry["txn"], above, currency, says)

    def not_booked(self, entry, amount, currency):
        """PAID_NOT_BOOKED: the channel collected, and the order is not paid half a minute later."""
        order = entry["order"]
        rows = self.books.rows("SELECT paid_at_ms FROM orders WHERE order_id = %s", order)
        if not rows or rows[0][0] is None:
            says = f"order {order} is unpaid"
            self.siren.finding("PAID_NOT_BOOKED", "order", order, entry["txn"], amount, currency, says)


def mysql_settings(url):
    parts = urlsplit(url)
    return {
        "host": parts.hostname, "port": parts.port or 3306, "user": unquote(parts.username or "root"),
        "passwd": unquote(parts.password or ""), "database": parts.path.strip("/"),
    }


def follow_binlog(url, events, ready):
    """Rows from the log's present end; after a broken connection again from the last whole transaction."""
    settings = mysql_settings(url)
    schema = settings.pop("database")
    place = None
    while True:
        try:
            place = place or log_end(settings)
            stream = BinLogStreamReader(
                connection_settings=settings, server_id=SERVER_ID, blocking=True, resume_stream=True,
                log_file=place[0], log_pos=place[1], only_schemas=[schema],
                only_events=[WriteRowsEvent, UpdateRowsEvent, XidEvent])
            ready.set()
            for event in stream:
                if isinstance(event, XidEvent):
                    place = (stream.log_file, stream.log_pos)
                    continue
                for row in event.rows:
                    events.put(("row", (event.table, row.get("after_values") or row["values"])))
        except Exception as error:  # whatever the log or the link does, we come back
            print(f"binlog: {error!r}", file=sys.stderr)
            time.sleep(RETRY_S)


def log_end(settings):
    connection = pymysql.connect(**settings)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW BINARY LOG STATUS")
            return cursor.fetchone()[:2]
    finally:
        connection.close()


def follow_flow(bootstrap, topic, events, ready):
    """The channel's statement stream, from its beginning."""
    while True:
        try:
            consumer = KafkaConsumer(
                bootstrap_servers=bootstrap, enable_auto_commit=False, allow_auto_create_topics=False,
                fetch_max_wait_ms=100, reconnect_backoff_ms=50, reconnect_backoff_max_ms=500)
            partitions = [TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic) or ()]
            if not partitions:
                raise LookupError(f"no topic {topic}")
            consumer.assign(partitions)
            consumer.seek_to_beginning(*partitions)
            ready.set()
            for record in consumer:
                # Heartbeats of the drill: no business of ours.
                if not any(name == "lossdrill-mark" for name, _ in record.headers):
                    events.put(("flow", json.loads(record.value)))
        except Exception as error:  # the broker or the link is away: entries that come again are known
            print(f"flow: {error!r}", file=sys.stderr)
            time.sleep(RETRY_S)


def serve(listen, clock, ready):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self):
            self.answer(200 if all(one.is_set() for one in ready) else 503)

        def do_POST(self):
            clock.advance(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.answer(200)

        def log_message(self, *_):
            pass

    host, port = listen.rsplit(":", 1)
    threading.Thread(target=ThreadingHTTPServer((host, int(port)), Handler).serve_forever, daemon=True).start()


def main():
    parser = argparse.ArgumentParser()
    for name in ("cdc", "sql", "kafka", "topic-prefix", "alerts", "listen"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    clock, events, ready = Clock(), queue.Queue(), [threading.Event(), threading.Event()]
    checks = Checks(Books(options.sql), Siren(options.alerts), Timers(clock, events))
    sources = [
        (follow_binlog, (options.cdc, events, ready[0])),
        (follow_flow, (options.kafka, options.topic_prefix + FLOW, events, ready[1])),
    ]
    for follow, arguments in sources:
        threading.Thread(target=follow, args=arguments, daemon=True).start()
    serve(options.listen, clock, ready)
    while True:
        kind, what = events.get()
        if kind == "row":
            checks.row(*what)
        elif kind == "flow":
            checks.flow(what)
        else:
            what()


if __name__ == "__main__":
    main()
