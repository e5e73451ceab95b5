//! Two independent readings of one log agree, row by row: ours, and the server's own `mysqlbinlog`.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use lossdrill::clock::{CellTime, Clock};
use lossdrill::dcheck::event::{Event, Op, Row as Image, Value};
use lossdrill::dcheck::sources::binlog::{BinlogReader, BinlogSettings};
use lossdrill::dcheck::sources::table::Table;
use lossdrill::dcheck::sources::{Entry, FromSource, Position, Start};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, Row};
use tokio::sync::mpsc;

use crate::servers::{Servers, cache};

/// Reading a few hundred rows takes milliseconds; this bounds a starved machine.
const LIMIT: Duration = Duration::from_secs(30);
const LABELS: [&str; 3] = ["NEW", "PAID", "元"];
const FLAGS: [&str; 3] = ["a", "b", "c"];

const TABLE: &str = "CREATE TABLE readings.t (id BIGINT PRIMARY KEY, amount DECIMAL(18,2), \
    wide DECIMAL(65,30), counter BIGINT UNSIGNED, small TINYINT, name VARCHAR(200), doc JSON, \
    raw BLOB, day DATE, at DATETIME(6), stamp TIMESTAMP(3) NULL, hour TIME, \
    kind ENUM('NEW','PAID','元'), flags SET('a','b','c'), bits BIT(10))";
const COLUMNS: [&str; 15] = [
    "id", "amount", "wide", "counter", "small", "name", "doc", "raw", "day", "at", "stamp", "hour",
    "kind", "flags", "bits",
];

/// A change as both readings tell it: what it does, and its images, each value in one spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    op: &'static str,
    images: Vec<BTreeMap<String, String>>,
}

const STREAM: [&str; 16] = [
    "INSERT INTO readings.t VALUES (1, 199.00, \
     12345678901234567890123456789012345.123456789012345678901234567890, 18446744073709551615, \
     -128, 'it''s \\\\ 元', '{\"a\": [1, 2.5, null], \"b\": \"x\"}', x'00ff10', '2026-01-05', \
     '2026-01-05 09:08:07.250001', '2026-01-05 09:08:07.250', '12:34:56', 'PAID', 'a,c', b'1000000001')",
    "INSERT INTO readings.t (id) VALUES (2), (3)",
    "INSERT INTO readings.t (id, amount, wide, name, raw, kind, flags, bits, small) VALUES \
     (4, -0.01, -0.000000000000000000000000000001, '', '', '元', '', b'0', 127), \
     (5, 9999999999999999.89, 0, 'a\\nb\\t', 'plain', 'NEW', 'a,b,c', b'1', 0)",
    "UPDATE readings.t SET amount = amount + 0.10, doc = '{}', at = '1970-01-01 00:00:01', name = NULL",
    "UPDATE readings.t SET counter = 9223372036854775808, hour = '00:00:01' WHERE id IN (2, 4)",
    "BEGIN",
    "INSERT INTO readings.t (id, doc) VALUES (6, '[\"a\", {\"deep\": {\"er\": -1}}]')",
    "UPDATE readings.t SET id = 7 WHERE id = 6",
    "COMMIT",
    "ALTER TABLE readings.t MODIFY amount DECIMAL(20,4)",
    "UPDATE readings.t SET amount = 1.2345 WHERE id < 4",
    "SET SESSION binlog_transaction_compression = ON",
    "INSERT INTO readings.t (id, name, amount) VALUES (8, REPEAT('long ', 30), 0.0001), (9, 'x', 2)",
    "UPDATE readings.t SET name = CONCAT(name, '!') WHERE id >= 8",
    "DELETE FROM readings.t WHERE id IN (1, 3, 8)",
    "SET SESSION binlog_transaction_compression = OFF",
];

async fn end(conn: &mut Conn) -> (String, u64) {
    let row: Row = conn.query_first("SHOW BINARY LOG STATUS").await.unwrap().expect("a log");
    (row.get(0).unwrap(), row.get(1).unwrap())
}

pub async fn our_reading_and_mysqlbinlogs_agree(servers: &Servers) {
    let url = servers.mysql().mysql_url("");
    let mut conn = Conn::new(Opts::from_url(&url).unwrap()).await.expect("MySQL answers");
    for statement in [
        "DROP DATABASE IF EXISTS readings",
        "CREATE DATABASE readings",
        TABLE,
        "SET SESSION time_zone = '+00:00'",
        "FLUSH BINARY LOGS",
    ] {
        conn.query_drop(statement).await.unwrap();
    }
    let (file, from) = end(&mut conn).await;
    for statement in STREAM {
        conn.query_drop(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
    }
    let (last, to) = end(&mut conn).await;
    assert_eq!(file, last, "one file");
    let theirs = theirs(servers, &file, from);
    let ours = ours(&url, &file, from, to).await;
    assert_eq!(ours.len(), theirs.len(), "{ours:#?}\n{theirs:#?}");
    for (nth, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(ours, theirs, "row {nth}");
    }
    // 1 + 2 + 2 inserts, 5 + 2 updates, 1 + 1, 3 (of which 3 are changed), then 2, 2, 3 compressed.
    assert_eq!(ours.len(), 24, "the whole stream");
    // The comparison can fail: one digit of one value.
    let mut spoilt = ours.clone();
    spoilt[0].images[0].insert("amount".into(), "199.01".into());
    assert_ne!(spoilt, theirs);
    a_table_is_read_as_its_log_tells_it(&mut conn, &url, &file, to).await;
}

/// A sweep judges rows by the same rules: each value must be spelt alike.
async fn a_table_is_read_as_its_log_tells_it(conn: &mut Conn, url: &str, file: &str, from: u64) {
    conn.query_drop("DELETE FROM readings.t").await.unwrap();
    for id in [1, 2, 3] {
        conn.query_drop(STREAM[0].replace("(1, ", &format!("({id}, "))).await.unwrap();
    }
    let whole = "UPDATE readings.t SET stamp = '2026-01-05 09:08:07', at = '2026-01-05 09:08:07' WHERE id = 2";
    conn.query_drop(whole).await.unwrap();
    conn.query_drop("UPDATE readings.t SET stamp = NULL, doc = NULL, bits = NULL WHERE id = 3")
        .await
        .unwrap();
    let (_, to) = end(conn).await;
    let log = ours(url, file, from, to).await;
    let images: BTreeMap<String, BTreeMap<String, String>> = log
        .iter()
        .filter(|change| change.op != "DELETE")
        .map(|change| change.images.last().expect("an image"))
        .map(|image| (image["id"].clone(), image.clone()))
        .collect();
    let mut reader = lossdrill::dcheck::sources::table::connect(url).await.expect("connects");
    let table = Table::describe(&mut reader, "readings", "t", None).await.expect("a table");
    let (mut rows, mut after) = (BTreeMap::new(), None);
    loop {
        let chunk = table.chunk(&mut reader, after.as_deref(), 2).await.expect("a chunk");
        let Some((key, _)) = chunk.last() else { break };
        after = Some(key.clone());
        for (_, row) in chunk {
            let event = Event {
                source: "binlog".into(),
                stream: "t".into(),
                op: Op::Insert,
                before: None,
                after: Some(row),
                changed: Vec::new(),
                txn: None,
                position: String::new(),
                at: CellTime(0),
            };
            let image = change(&event).images.pop().expect("an image");
            rows.insert(image["id"].clone(), image);
        }
    }
    assert_eq!(rows.len(), 3, "each row once, over two chunks");
    assert_eq!(rows, images);
    assert!(reader.query_drop("DELETE FROM readings.t").await.is_err(), "it may only read");
}

async fn ours(url: &str, file: &str, from: u64, to: u64) -> Vec<Change> {
    let (inbox, mut news) = mpsc::channel(16);
    let settings = BinlogSettings {
        url: url.to_owned(),
        schema: "readings".into(),
        group: "readings".into(),
        from: Some(Position::log(file, from)),
        start: Start::Latest,
        dating: None,
        clock: Clock::system(),
    };
    let reader = tokio::spawn(BinlogReader::new(settings, inbox).run());
    let end = Position::log(file, to);
    let mut changes = Vec::new();
    loop {
        let told = tokio::time::timeout(LIMIT, news.recv()).await.expect("read in time");
        match told.expect("the reader lives") {
            FromSource::Read { entries, position, .. } => {
                changes.extend(entries.iter().filter_map(|entry| match entry {
                    Entry::Event(event) => Some(change(event)),
                    Entry::Mark(_) => None,
                }));
                if position.is_some_and(|position| position >= end) {
                    break;
                }
            }
            FromSource::Lost { why, .. } => panic!("lost: {why}"),
            _ => {}
        }
    }
    reader.abort();
    changes
}

fn change(event: &Event) -> Change {
    assert_eq!(event.stream, "t");
    let op = match event.op {
        Op::Insert => "INSERT",
        Op::Update => "UPDATE",
        Op::Delete => "DELETE",
        Op::Message => panic!("a row"),
    };
    let image =
        |row: &Image| row.iter().map(|(name, value)| (name.clone(), spelt(value))).collect();
    Change { op, images: event.before.iter().chain(&event.after).map(image).collect() }
}

fn spelt(value: &Value) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Bool(truth) => truth.to_string(),
        Value::Int(int) => int.to_string(),
        Value::Dec(decimal) => decimal.to_string(),
        Value::Wide(digits) => digits.clone(),
        Value::Text(text) => format!("'{text}'"),
    }
}

/// What `mysqlbinlog` of the server's own package says of the same stretch.
fn theirs(servers: &Servers, file: &str, from: u64) -> Vec<Change> {
    let facts = std::fs::read_to_string(cache().join("mysql.prepared")).expect("prepared");
    let facts: BTreeMap<&str, &str> =
        facts.lines().filter_map(|line| line.split_once('=')).collect();
    let at = servers.mysql().endpoint;
    // A program of the server's own package, by that package's dynamic linker.
    let out = Command::new(facts["loader"])
        .args(["--library-path", facts["library_path"]])
        .arg(format!("{}/usr/bin/mysqlbinlog", facts["root"]))
        .args(["--no-defaults", "--verbose", "--base64-output=decode-rows"])
        .args(["--read-from-remote-server", "--user=root", "--protocol=tcp"])
        .args([format!("--host={}", at.ip()), format!("--port={}", at.port())])
        .args([format!("--start-position={from}"), file.to_owned()])
        .output()
        .expect("mysqlbinlog runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let mut changes: Vec<Change> = Vec::new();
    for line in out.stdout.split(|byte| *byte == b'\n') {
        let Some(line) = line.strip_prefix(b"### ") else { continue };
        if let Some(value) = line.strip_prefix(b"  @") {
            let split = value.iter().position(|byte| *byte == b'=').expect("@N=VALUE");
            let number: usize = std::str::from_utf8(&value[..split]).unwrap().parse().unwrap();
            let name = COLUMNS[number - 1];
            let images = &mut changes.last_mut().expect("a change").images;
            let image = images.last_mut().expect("an image");
            image.insert(name.into(), respelt(name, &value[split + 1..]));
            continue;
        }
        let line = String::from_utf8_lossy(line);
        match line.split(' ').next().unwrap_or_default() {
            "INSERT" => changes.push(Change { op: "INSERT", images: Vec::new() }),
            "UPDATE" => changes.push(Change { op: "UPDATE", images: Vec::new() }),
            "DELETE" => changes.push(Change { op: "DELETE", images: Vec::new() }),
            "SET" | "WHERE" => {
                changes.last_mut().expect("a change").images.push(BTreeMap::new());
            }
            other => panic!("`{other}` of `{line}`"),
        }
    }
    changes
}

/// `mysqlbinlog`'s spelling of a value, in ours.
fn respelt(name: &str, value: &[u8]) -> String {
    if value == b"NULL" {
        return "NULL".into();
    }
    let plain = || String::from_utf8(value.to_vec()).unwrap();
    let bits = || {
        let digits = plain();
        let digits = digits.trim_start_matches("b'").trim_end_matches('\'').to_owned();
        u64::from_str_radix(&digits, 2).unwrap()
    };
    match name {
        // `-1 (18446744073709551615)`: it does not know the sign.
        "counter" => match plain().split_once(" (") {
            Some((_, unsigned)) => unsigned.trim_end_matches(')').to_owned(),
            None => plain(),
        },
        "small" | "id" => plain().split(' ').next().unwrap().to_owned(),
        "name" | "raw" => match String::from_utf8(unquoted(value)) {
            Ok(text) => format!("'{text}'"),
            Err(bytes) => format!("'{}'", hex::encode(bytes.into_bytes())),
        },
        "doc" => {
            let json: serde_json::Value = serde_json::from_slice(&unquoted(value)).unwrap();
            format!("'{json}'")
        }
        "day" => plain().replace(':', "-"),
        "at" => plain().replace(".000000", ""),
        // Of three places, where ours always has six.
        "stamp" => format!("{}000", plain()),
        "kind" => format!("'{}'", LABELS[plain().parse::<usize>().unwrap() - 1]),
        "flags" => {
            let mask = bits();
            let set = FLAGS.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1);
            format!("'{}'", set.map(|(_, label)| *label).collect::<Vec<_>>().join(","))
        }
        "bits" => bits().to_string(),
        _ => plain(),
    }
}

fn unquoted(value: &[u8]) -> Vec<u8> {
    let inner = &value[1..value.len() - 1];
    let (mut bytes, mut at) = (Vec::new(), 0);
    while at < inner.len() {
        if inner[at..].starts_with(b"\\x") {
            let digits = std::str::from_utf8(&inner[at + 2..at + 4]).unwrap();
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
            at += 4;
        } else if inner[at] == b'\\' {
            bytes.push(match inner[at + 1] {
                b'n' => b'\n',
                b't' => b'\t',
                b'0' => 0,
                other => other,
            });
            at += 2;
        } else {
            bytes.push(inner[at]);
            at += 1;
        }
    }
    bytes
}
