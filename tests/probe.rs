//! Truth and marks against a real MySQL and a real Kafka (`servers/mod.rs` says where from).

#![cfg(all(feature = "harness", feature = "shop"))]

mod servers;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use lossdrill::clock::{Clock, monotonic_us};
use lossdrill::journal::{Entry, Event, Journal, Phase, PostingKind, read_journal};
use lossdrill::money::Money;
use lossdrill::probe::{Marks, ProbeError, Recorder, Servers, Topics, Truth, TruthAt};
use lossdrill::stage::Login;
use lossdrill::wire::MarkKind;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

const LIMIT: Duration = Duration::from_secs(5);
/// Marks that are timed.
const ROUNDS: u32 = 20;

const TABLES: [&str; 5] = [
    "CREATE TABLE bid (bid_id VARCHAR(64) PRIMARY KEY, seller VARCHAR(64), sku VARCHAR(64), \
     price DECIMAL(18,2), currency CHAR(3), qty INT UNSIGNED, status VARCHAR(16))",
    "CREATE TABLE stock (sku VARCHAR(64) PRIMARY KEY, available INT, on_sale TINYINT)",
    "CREATE TABLE breaker (kind VARCHAR(16), scope VARCHAR(64), run_id VARCHAR(64), \
     until_ms BIGINT NULL, active TINYINT, PRIMARY KEY (kind, scope))",
    "CREATE TABLE orders (order_id VARCHAR(64) PRIMARY KEY, payable DECIMAL(18,2), \
     currency CHAR(3), status VARCHAR(16))",
    "CREATE TABLE drill_mark (seq BIGINT PRIMARY KEY, kind VARCHAR(8), offset_ms BIGINT, \
     at BIGINT)",
];

/// A schema and topics of its own on the shared servers, and a journal.
struct Cell {
    servers: Servers,
    sql: Conn,
    ledger: PathBuf,
    journal: Journal,
    recorder: Recorder,
    _dir: tempfile::TempDir,
}

static CELLS: AtomicU32 = AtomicU32::new(0);

async fn connect(at: &(String, u16)) -> Conn {
    let options = OptsBuilder::default()
        .ip_or_hostname(at.0.clone())
        .tcp_port(at.1)
        .user(Some("root"))
        .prefer_socket(Some(false));
    Conn::new(options).await.unwrap()
}

impl Cell {
    /// None, said aloud, where no servers are prepared.
    async fn new() -> Option<Cell> {
        let servers = servers::up()?;
        let mysql = servers.mysql().endpoint;
        let mysql = (mysql.ip().to_string(), mysql.port());
        let number = CELLS.fetch_add(1, Ordering::Relaxed);
        let name = format!("probe_{}_{number}", monotonic_us());
        let mut sql = connect(&mysql).await;
        sql.query_drop(format!("CREATE DATABASE {name}")).await.unwrap();
        sql.query_drop(format!("USE {name}")).await.unwrap();
        for table in TABLES {
            sql.query_drop(table).await.unwrap();
        }
        let bootstrap = servers.kafka().endpoint.to_string();
        let topics = Topics::builtin(format!("{name}."));
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &bootstrap).create().unwrap();
        let names: Vec<String> =
            topics.logical.iter().map(|(topic, _)| format!("{}{topic}", topics.prefix)).collect();
        let fresh = names.iter().map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1)));
        let fresh: Vec<NewTopic<'_>> = fresh.collect();
        for made in admin.create_topics(&fresh, &AdminOptions::new()).await.unwrap() {
            made.unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::create(&dir.path().join("journal.ndjson")).unwrap();
        let recorder = Recorder::new(Clock::starting_at(1_000_000));
        recorder.set_scribe(Some(journal.scribe("s", recorder.clock().clone())));
        recorder.set_phase(Phase::When);
        let servers = Servers { mysql, login: Login::default(), schema: name, bootstrap, topics };
        let ledger = dir.path().join("ledger.ndjson");
        Some(Cell { servers, sql, ledger, journal, recorder, _dir: dir })
    }

    async fn truth(&self) -> Truth {
        let at = TruthAt { servers: self.servers.clone(), ledger: self.ledger.clone() };
        Truth::start(at, self.recorder.clone()).await.unwrap()
    }

    fn marks(&self) -> Marks {
        Marks::new(&self.servers, self.recorder.clone(), 0).unwrap()
    }

    async fn sql(&mut self, statement: &str) {
        self.sql.query_drop(statement).await.unwrap();
    }

    fn ledger_line(&self, line: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.ledger).unwrap();
        writeln!(file, "{line}").unwrap();
    }

    fn entries(&self) -> Vec<Entry> {
        read_journal(self.journal.path()).unwrap()
    }

    /// Postings and promises, a line each, in the journal's order.
    fn said(&self) -> Vec<String> {
        let events = self.entries().into_iter().map(|entry| entry.event);
        let line = |event| match event {
            Event::Posted { posting } => {
                Some(format!("{:?} {} {}", posting.kind, posting.subject.id, posting.amount))
            }
            Event::Promised { promise } => {
                let state = if promise.open { "open" } else { "closed" };
                Some(format!("{} {} {}x {state}", promise.subject.id, promise.price, promise.qty))
            }
            Event::Note { text } => Some(text),
            _ => None,
        };
        events.filter_map(line).collect()
    }

    async fn drop_schema(mut self) {
        let drop = format!("DROP DATABASE {}", self.servers.schema);
        self.sql(&drop).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moved_is_in_the_journal_when_the_mark_is_read() {
    let Some(mut cell) = Cell::new().await else { return };
    cell.sql("INSERT INTO orders VALUES ('OLD', 1.00, 'CNY', 'PAID')").await;
    let truth = cell.truth().await;
    let marks = cell.marks();
    cell.sql("INSERT INTO stock VALUES ('S', 9, 1)").await;
    cell.sql("INSERT INTO bid VALUES ('B', '王伟', 'S', 199.90, 'CNY', 2, 'ACTIVE')").await;
    cell.sql("INSERT INTO orders VALUES ('O', 199.00, 'CNY', 'PENDING')").await;
    cell.sql("UPDATE orders SET status = 'PAID' WHERE order_id = 'O'").await;
    cell.sql("UPDATE stock SET available = 8, on_sale = 0 WHERE sku = 'S'").await;
    cell.sql("UPDATE bid SET price = 1999.00 WHERE bid_id = 'B'").await;
    cell.sql("UPDATE stock SET on_sale = 1 WHERE sku = 'S'").await;
    cell.ledger_line(concat!(
        r#"{"seq":1,"kind":"collected","order":"O","channel":"alipay","#,
        r#""amount":"199.00 CNY","txn":"T","at_ms":1}"#
    ));
    let mark = marks.write(MarkKind::Beat, 0).await.unwrap();
    assert_eq!((mark.seq, mark.kind, mark.offset_ms), (1, MarkKind::Beat, 0));
    truth.read_to(mark.seq, LIMIT).await.unwrap();
    let mut said = cell.said();
    let ledger = said.iter().position(|line| line.starts_with("Collected")).expect("collected");
    assert_eq!(said.remove(ledger), "Collected O 199.00 CNY");
    let expect = [
        "B 199.90 CNY 2x open",
        "OrderPaid O 199.00 CNY",
        "B 199.90 CNY 2x closed",
        "B 1,999.00 CNY 2x closed",
        "B 1,999.00 CNY 2x open",
    ];
    assert_eq!(said, expect, "and nothing of what was there before");
    let sources = ["binlog", "channel.flow/0", "orders.events/0", "refund.events/0"];
    assert!(
        truth
            .seen()
            .iter()
            .map(|(source, seq)| (source.as_str(), *seq))
            .eq(sources.map(|s| (s, 1)))
    );
    drop(truth);
    cell.drop_schema().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breakers_end_is_seen_when_the_clock_is_advanced() {
    let Some(mut cell) = Cell::new().await else { return };
    let truth = cell.truth().await;
    let marks = cell.marks();
    let clock = cell.recorder.clock().clone();
    let until = clock.now().plus_ms(600_000);
    cell.sql("INSERT INTO bid VALUES ('B', 'x', 'S', 5.00, 'CNY', 1, 'ACTIVE')").await;
    cell.sql(&format!("INSERT INTO breaker VALUES ('sale', 'S', 'r', {}, 1)", until.0)).await;
    let mark = marks.write(MarkKind::A, 600_000).await.unwrap();
    assert!(mark.at >= until.0, "dated with the new total");
    truth.read_to(mark.seq, LIMIT).await.unwrap();
    assert_eq!(cell.said(), ["B 5.00 CNY 1x open", "B 5.00 CNY 1x closed"]);
    let mut entries = cell.journal.subscribe();
    clock.advance(mark.seq, 600_000);
    let entry = tokio::time::timeout(LIMIT, entries.recv()).await.expect("seen").unwrap();
    assert!(matches!(&entry.event, Event::Promised { promise } if promise.open), "{entry:?}");
    assert!(entry.cell_ms.is_some_and(|at| at >= until.0));
    cell.drop_schema().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withheld_is_named() {
    let Some(cell) = Cell::new().await else { return };
    let truth = cell.truth().await;
    let elsewhere = Topics { logical: Vec::new(), ..cell.servers.topics.clone() };
    let row_only = Servers { topics: elsewhere, ..cell.servers.clone() };
    let marks = Marks::new(&row_only, cell.recorder.clone(), 6).unwrap();
    let mark = marks.write(MarkKind::Beat, 0).await.unwrap();
    assert_eq!(mark.seq, 7);
    truth.read_to_on(7, &["binlog".to_owned()], LIMIT).await.unwrap();
    let limit = Duration::from_millis(200);
    match truth.read_to(7, limit).await.unwrap_err() {
        ProbeError::NotRead { seq: 7, missing, .. } => {
            assert_eq!(missing, ["orders.events/0", "refund.events/0", "channel.flow/0"]);
        }
        other => panic!("{other}"),
    }
    cell.drop_schema().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_means_nothing_breaks_the_truth() {
    let Some(mut cell) = Cell::new().await else { return };
    let truth = cell.truth().await;
    cell.sql("INSERT INTO orders VALUES ('O', 1.00, 'XXX', 'PAID')").await;
    let mark = cell.marks().write(MarkKind::Beat, 0).await.unwrap();
    let error = truth.read_to(mark.seq, LIMIT).await.unwrap_err().to_string();
    assert!(error.starts_with("the truth cannot be read: orders.payable is"), "{error}");
    cell.drop_schema().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_is_followed_up_without_a_gap_or_a_repeat() {
    let Some(mut cell) = Cell::new().await else { return };
    let truth = cell.truth().await;
    let marks = cell.marks();
    for round in 0..3 {
        cell.sql(&format!("INSERT INTO orders VALUES ('O{round}', 1.00, 'CNY', 'PAID')")).await;
        let mark = marks.write(MarkKind::Beat, 0).await.unwrap();
        truth.read_to(mark.seq, LIMIT).await.unwrap();
        // Every other connection to this server dies: the stream's and the marks' own.
        let others = "SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID() \
                      AND user = 'root' AND (command LIKE 'Binlog Dump%' OR db = DATABASE())";
        let others: Vec<u64> = cell.sql.query(others).await.unwrap();
        assert!(others.len() >= 2, "{others:?}");
        for id in others {
            // One of another test that runs beside this may be gone already.
            let _ = cell.sql.query_drop(format!("KILL {id}")).await;
        }
    }
    let mark = marks.write(MarkKind::Beat, 0).await.unwrap();
    truth.read_to(mark.seq, LIMIT).await.unwrap();
    let expect = ["OrderPaid O0 1.00 CNY", "OrderPaid O1 1.00 CNY", "OrderPaid O2 1.00 CNY"];
    assert_eq!(cell.said(), expect);
    let seen = cell.entries().into_iter().filter_map(|entry| match entry.event {
        Event::MarkSeen { seq, source } if source == "binlog" => Some(seq),
        _ => None,
    });
    assert!(seen.eq(1..=mark.seq));
    cell.drop_schema().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_are_read_and_a_row_becomes_a_posting() {
    let Some(mut cell) = Cell::new().await else { return };
    let started = Instant::now();
    let truth = cell.truth().await;
    let start = started.elapsed();
    let marks = cell.marks();
    let first = Instant::now();
    let mark = marks.write(MarkKind::Beat, 0).await.unwrap();
    truth.read_to(mark.seq, LIMIT).await.unwrap();
    let first = first.elapsed();
    let (mut write, mut read) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let mark = marks.write(MarkKind::Beat, 0).await.unwrap();
        let written = Instant::now();
        truth.read_to(mark.seq, LIMIT).await.unwrap();
        write += written - began;
        read += written.elapsed();
    }
    let (write, read) = (write / ROUNDS, read / ROUNDS);
    let mut entries = cell.journal.subscribe();
    let before = cell.recorder.clock().now();
    cell.sql("INSERT INTO orders VALUES ('O', 1.00, 'CNY', 'PAID')").await;
    let entry = tokio::time::timeout(LIMIT, entries.recv()).await.expect("seen").unwrap();
    let Event::Posted { posting } = &entry.event else { panic!("{entry:?}") };
    assert_eq!((posting.kind, posting.amount), (PostingKind::OrderPaid, Money::cny(100)));
    let lag_ms = entry.cell_ms.unwrap() - before.0;
    let stop = Instant::now();
    drop((truth, marks));
    let stop = stop.elapsed();
    println!(
        "start {start:?}, first mark {first:?}, then write {write:?} + read {read:?}, \
         row {lag_ms} ms, stop {stop:?}"
    );
    cell.drop_schema().await;
}
