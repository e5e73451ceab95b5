//! dcheck as a process before a real Alertmanager, with a topic as its second channel.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use lossdrill::wire::{Alert, Webhook};
use mysql_async::prelude::Queryable;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::cell::Cell;
use crate::manager::{self, Manager};
use crate::servers;

const RULE: &str = "bid-below-floor";
const TOKEN: &str = "correct-horse-battery";
const ALL: [&str; 4] = ["binlog", "orders.events/0", "refund.events/0", "channel.flow/0"];
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dcheck_tells_a_real_alertmanager_and_a_topic_while_that_is_dead() {
    let (true, Some(servers)) = (manager::is_here(), servers::up()) else { return };
    let mut manager = Manager::new("5m").await;
    let dir = tempfile::tempdir().unwrap();
    let mut cell = Cell::new(servers, "manager", None).await;
    let topic = cell.topic("dcheck.alerts");
    make(&cell, &topic).await;
    let brokers = cell.client().get("bootstrap.servers").unwrap().to_owned();
    let file = dir.path().join("alerting.yaml");
    let text = format!(
        "first: {{kind: alertmanager, url: '{}'}}\n\
         second: {{kind: kafka, brokers: '{brokers}', topic: {topic}}}\nretry: eager\n",
        manager.url()
    );
    fs::write(&file, text).unwrap();
    let people = dir.path().join("people");
    fs::write(&people, format!("anna {TOKEN}\n")).unwrap();
    fs::set_permissions(&people, fs::Permissions::from_mode(0o600)).unwrap();
    with(&mut cell, &file.display().to_string(), &people.display().to_string()).await;

    bid(&mut cell, "F1").await;
    bid(&mut cell, "F2").await;
    manager.shows(RULE, &["F1", "F2"]).await;
    mend(&mut cell, "F1").await;
    manager.shows(RULE, &["F2"]).await;
    manager.tells("resolved", "F1").await;

    silenced(&mut cell, &manager).await;
    dead(&mut cell, &mut manager, &topic).await;
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}group: {{by: [alertname], wait: 30 s}}\n")).unwrap();
    grouped(&mut cell, &manager).await;
}

/// What a silence keeps back is told at its end, a kill in between or not.
async fn silenced(cell: &mut Cell, manager: &Manager) {
    let silence = json!({"matchers": [format!("alertname=\"{RULE}\"")], "reason": "deploy"});
    let until = |mut silence: Value| {
        silence["for"] = json!("10 min");
        silence
    };
    for (token, body, status) in [
        ("wrong-horse-battery", until(silence.clone()), StatusCode::UNAUTHORIZED),
        (TOKEN, silence.clone(), StatusCode::UNPROCESSABLE_ENTITY),
        (TOKEN, until(silence), StatusCode::OK),
    ] {
        assert_eq!(ask(cell, token, &body).await, status, "{body}");
    }
    let from = Instant::now();
    while cell.get::<Vec<Value>>("silences").await.is_empty() {
        assert!(from.elapsed() < LIMIT, "the silence is not stored");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bid(cell, "F3").await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    manager.shows(RULE, &["F2"]).await;
    cell.kill();
    cell.start().await;
    let silences: Vec<Value> = cell.get("silences").await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    manager.shows(RULE, &["F2"]).await;
    let silences = if silences.is_empty() { cell.get("silences").await } else { silences };
    assert_eq!((&silences[0]["owner"], silences.len()), (&json!("anna"), 1));
    cell.advance(601_000).await;
    manager.shows(RULE, &["F2", "F3"]).await;
    let audit = "SELECT who, what FROM dcheck.audit ORDER BY seq";
    let audit: Vec<(String, String)> = cell.sql.query(audit).await.unwrap();
    let line = |who: &str, what: &str| (who.to_owned(), what.to_owned());
    assert_eq!(audit, [line("anna", "silence"), line("time", "silence-ended")]);
    let told = format!(
        "SELECT COUNT(*) FROM dcheck.outbox WHERE channel = 'alerts' AND body LIKE '%\"{RULE}\"%F3%'"
    );
    assert_eq!(cell.sql.query_first(told).await.unwrap(), Some(1_u64), "told once");
}

/// While Alertmanager is dead the topic is told, of that too; when it is back it is told all that fires.
async fn dead(cell: &mut Cell, manager: &mut Manager, topic: &str) {
    manager.kill();
    manager.forget();
    bid(cell, "F4").await;
    let log = Log::open(cell, topic);
    let told = log.until(2).await;
    let of =
        |rule: &str| told.iter().find(|alert| alert.rule == rule).map(|a| a.subject.id.clone());
    assert_eq!(of(RULE).as_deref(), Some("F4"), "{told:#?}");
    assert_eq!(of("alert-channel-dead").as_deref(), Some("alert-channel"), "{told:#?}");
    manager.start().await;
    cell.advance(21_000).await;
    manager.shows(RULE, &["F2", "F3", "F4"]).await;
    mend(cell, "F4").await;
    manager.shows(RULE, &["F2", "F3"]).await;
}

/// A group that waits survives a kill, and is told once.
async fn grouped(cell: &mut Cell, manager: &Manager) {
    cell.kill();
    cell.start().await;
    for sku in ["F5", "F6"] {
        bid(cell, sku).await;
        let seq = cell.mark().await;
        cell.rest(seq, &ALL).await;
        cell.kill();
        cell.start().await;
    }
    manager.shows(RULE, &["F2", "F3"]).await;
    cell.advance(31_000).await;
    manager.shows(RULE, &["F2", "F3", "F5", "F6"]).await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    let told = "SELECT body FROM dcheck.outbox WHERE channel = 'alerts' AND order_key LIKE 'group-%' \
                AND body LIKE '%F5%'";
    let told: Vec<String> = cell.sql.query(told).await.unwrap();
    assert_eq!(told.len(), 1, "told once: {told:#?}");
    let body: Webhook = serde_json::from_str(&told[0]).unwrap();
    let subjects: Vec<&str> = body.alerts.iter().map(|a| a.labels["subject"].as_str()).collect();
    assert!(["F5", "F6"].iter().all(|sku| subjects.contains(sku)), "{subjects:?}");
    assert_eq!(body.group_labels["alertname"], RULE);
}

/// Starts dcheck anew with an alerting file instead of `--alerts`.
async fn with(cell: &mut Cell, alerting: &str, people: &str) {
    cell.kill();
    let at = cell.args.iter().position(|arg| arg == "--alerts").unwrap();
    cell.args.drain(at..at + 2);
    let more = ["--alerting", alerting, "--people", people];
    cell.args.extend(more.map(str::to_owned));
    cell.start().await;
}

async fn bid(cell: &mut Cell, sku: &str) {
    let (now, floor) = (cell.clock.now().0, "INSERT INTO shop.sku_floor VALUES (?, 1500, 'CNY')");
    cell.sql.exec_drop(floor, (sku,)).await.unwrap();
    let bid = "INSERT INTO shop.bid VALUES (?, 's', ?, 1499.99, 'CNY', 1, 'ACTIVE', NULL, ?, ?)";
    cell.sql.exec_drop(bid, (format!("B-{sku}"), sku, now, now)).await.unwrap();
}

async fn mend(cell: &mut Cell, sku: &str) {
    let mended = "UPDATE shop.bid SET price = 1500, updated_at_ms = ? WHERE sku = ?";
    cell.sql.exec_drop(mended, (cell.clock.now().0, sku)).await.unwrap();
}

async fn ask(cell: &Cell, token: &str, body: &Value) -> StatusCode {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/silences", cell.console);
    http.post(url).bearer_auth(token).json(body).send().await.unwrap().status()
}

async fn make(cell: &Cell, topic: &str) {
    let admin: AdminClient<DefaultClientContext> = cell.client().create().unwrap();
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    let made = admin.create_topics([&new], &AdminOptions::new()).await.expect("Kafka answers");
    made[0].as_ref().expect("a new topic");
}

/// The topic of the second channel, from its beginning.
struct Log(BaseConsumer);

impl Log {
    fn open(cell: &Cell, topic: &str) -> Log {
        let consumer: BaseConsumer = cell.client().set("group.id", topic).create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        Log(consumer)
    }

    /// Until so many alerts, by fingerprint, stand there.
    async fn until(self, count: usize) -> Vec<Alert> {
        let reading = tokio::task::spawn_blocking(move || {
            let (from, mut found) = (Instant::now(), Vec::<Alert>::new());
            while found.len() < count {
                assert!(from.elapsed() < LIMIT, "the topic has {found:#?}");
                let Some(Ok(record)) = self.0.poll(Duration::from_millis(100)) else { continue };
                let alert: Alert = serde_json::from_slice(record.payload().unwrap()).unwrap();
                assert_eq!(record.key(), Some(alert.fingerprint.as_bytes()));
                if !found.iter().any(|known| known.fingerprint == alert.fingerprint) {
                    found.push(alert);
                }
            }
            found
        });
        reading.await.unwrap()
    }
}
