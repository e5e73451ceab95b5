//! Alerts that come by SQL and by Kafka, on real servers.

use std::time::{Duration, Instant};

use lossdrill::clock::{Clock, monotonic_us};
use lossdrill::config::{Feed, Settings};
use lossdrill::journal::{Event, Journal, read_journal};
use lossdrill::probe::{FeedAt, FeedSource, Inbox, Reading, Recorder, RuleNames, Topic};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rdkafka::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};

use super::servers;

const LIMIT: Duration = Duration::from_secs(20);

/// An inbox with a journal of its own.
struct Ear {
    inbox: Inbox,
    journal: Journal,
    _dir: tempfile::TempDir,
}

impl Ear {
    async fn new() -> Ear {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::create(&dir.path().join("journal.ndjson")).unwrap();
        let recorder = Recorder::new(Clock::starting_at(1_000_000));
        recorder.set_scribe(Some(journal.scribe("s", recorder.clock().clone())));
        let inbox = Inbox::start(recorder).await.unwrap();
        Ear { inbox, journal, _dir: dir }
    }

    /// The subjects of the alerts, once there are `count`.
    async fn heard(&self, count: usize) -> Vec<String> {
        let started = Instant::now();
        loop {
            let entries = read_journal(self.journal.path()).unwrap();
            let subjects = entries.iter().filter_map(|entry| match &entry.event {
                Event::Alerted { alert } => Some(alert.subject.id.clone()),
                _ => None,
            });
            let subjects: Vec<String> = subjects.collect();
            if subjects.len() >= count {
                return subjects;
            }
            assert!(started.elapsed() < LIMIT, "{entries:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn feed(text: &str) -> Feed {
    let map = "map: {rule: $.rule, subject_kind: item, subject: $.sku, at_risk: '{$.risk} CNY'}";
    let source = format!(
        "system_under_test: {{kind: process, command: [x], alerts: {{format: json, {text}, {map}}}}}\n"
    );
    Settings::parse("f.yaml", &source).expect("no mistakes").system_under_test.alerts.unwrap()
}

fn reading(feed: &Feed) -> Reading {
    Reading::of(Topic::Alerts, feed, RuleNames::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_come_are_alerts_and_rows_that_were_there_are_not() {
    let Some(servers) = servers::up() else { return };
    let mysql = servers.mysql();
    let schema = format!("feeds_{}", monotonic_us());
    let options = mysql.login.mysql_async(&mysql.endpoint.ip().to_string(), mysql.endpoint.port());
    let mut sql = Conn::new(options.clone()).await.unwrap();
    let insert = |sku: &str, risk: &str| {
        format!("INSERT INTO {schema}.finding (rule, sku, risk) VALUES ('low', '{sku}', {risk})")
    };
    sql.query_drop(format!("CREATE DATABASE {schema}")).await.unwrap();
    let table = "finding (rule VARCHAR(9), sku VARCHAR(9), risk DECIMAL(18,2))";
    sql.query_drop(format!("CREATE TABLE {schema}.{table}")).await.unwrap();
    sql.query_drop(insert("old", "1.00")).await.unwrap();
    let told = feed("from: sql, query: 'SELECT rule, sku, risk FROM finding'");
    let source = FeedSource::Sql {
        options: options.db_name(Some(schema.clone())),
        query: told.query.clone().unwrap(),
    };
    let mut ear = Ear::new().await;
    ear.inbox.follow(FeedAt { source, reading: reading(&told) }).await;
    sql.query_drop(insert("new", "1799.10")).await.unwrap();
    assert_eq!(ear.heard(1).await, ["new"]);
    sql.query_drop(format!("DROP DATABASE {schema}")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_alerts_even_where_the_topic_comes_later() {
    let Some(servers) = servers::up() else { return };
    let endpoint = servers.kafka().endpoint;
    let prefix = format!("feeds{}.", monotonic_us());
    // Any of a cell's topics will do.
    let topic = format!("{prefix}orders.events");
    let told = feed("from: kafka, topic: later");
    let source = FeedSource::Kafka { bootstrap: endpoint.to_string(), topic: topic.clone() };
    let mut ear = Ear::new().await;
    ear.inbox.follow(FeedAt { source, reading: reading(&told) }).await;
    lossdrill::stage::topics::create(endpoint, std::slice::from_ref(&prefix), 1).await.unwrap();
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", endpoint.to_string()).create().unwrap();
    let send = async |sku: &str| {
        let body = format!(r#"{{"rule": "low", "sku": "{sku}", "risk": "1.00"}}"#);
        let record = FutureRecord::<str, str>::to(&topic).payload(&body);
        producer.send(record, LIMIT).await.unwrap();
    };
    send("first").await;
    assert_eq!(ear.heard(1).await, ["first"]);
    // A second listener finds the topic there, and the first record old.
    let mut late = Ear::new().await;
    let source = FeedSource::Kafka { bootstrap: endpoint.to_string(), topic: topic.clone() };
    late.inbox.follow(FeedAt { source, reading: reading(&told) }).await;
    send("second").await;
    assert_eq!(late.heard(1).await, ["second"]);
    assert_eq!(ear.heard(2).await, ["first", "second"]);
    lossdrill::stage::topics::delete(endpoint, &[prefix]).await.unwrap();
}
