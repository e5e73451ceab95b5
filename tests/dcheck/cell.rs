//! One dcheck with its own schema, topics, inbox and clock.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::Method;
use axum::routing::{any, post};
use lossdrill::clock::Clock;
use lossdrill::wire::{
    Advance, MARK_HEADER, Mark, MarkKind, PlanRun, Watermark, Webhook, WebhookAlert,
};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde::de::DeserializeOwned;

use crate::servers::Servers;

pub const TOPICS: [&str; 3] = ["orders.events", "refund.events", "channel.flow"];
/// Waits end here: far above what a loaded machine needs.
pub const LIMIT: Duration = Duration::from_secs(20);

const TABLES: [&str; 10] = [
    "DROP DATABASE IF EXISTS dcheck",
    "DROP DATABASE IF EXISTS shop",
    "CREATE DATABASE shop",
    "CREATE TABLE shop.drill_mark (seq BIGINT PRIMARY KEY, kind VARCHAR(8), offset_ms BIGINT, \
     at BIGINT)",
    "CREATE TABLE shop.orders (order_id VARCHAR(64) PRIMARY KEY, buyer VARCHAR(64), payable \
     DECIMAL(18,2), currency CHAR(3), status VARCHAR(16), channel VARCHAR(80))",
    "CREATE TABLE shop.bid (bid_id VARCHAR(64) PRIMARY KEY, seller VARCHAR(64), sku VARCHAR(64), \
     price DECIMAL(18,2), currency CHAR(3), qty INT, status VARCHAR(16), \
     clearance_ticket VARCHAR(64) NULL, created_at_ms BIGINT, updated_at_ms BIGINT)",
    "CREATE TABLE shop.sku_deal (deal_id BIGINT AUTO_INCREMENT PRIMARY KEY, sku VARCHAR(64), \
     price DECIMAL(18,2), currency CHAR(3), at_ms BIGINT)",
    "CREATE TABLE shop.clearance (ticket VARCHAR(64) PRIMARY KEY, sku VARCHAR(64), \
     approved TINYINT)",
    "CREATE TABLE shop.sku_floor (sku VARCHAR(64) PRIMARY KEY, floor DECIMAL(18,2), \
     currency CHAR(3))",
    "CREATE TABLE shop.stock (sku VARCHAR(64) PRIMARY KEY, available BIGINT, total BIGINT)",
];

/// What was posted, and the practice shop's breakers.
#[derive(Default)]
pub struct Heard {
    pub alerts: Mutex<Vec<WebhookAlert>>,
    pub plans: Mutex<Vec<PlanRun>>,
    pub breakers: Mutex<BTreeMap<(String, String), bool>>,
    pub keys: Mutex<Vec<String>>,
}

pub struct Cell {
    pub clock: Clock,
    pub heard: Arc<Heard>,
    pub sql: Conn,
    producer: FutureProducer,
    http: reqwest::Client,
    kafka: String,
    prefix: String,
    pub args: Vec<String>,
    pub console: String,
    process: Option<Child>,
    seq: u64,
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Cell {
    /// `cdc` is where the binlog is read: the server itself, or a link before it.
    pub async fn new(servers: &Servers, name: &str, cdc: Option<&str>) -> Cell {
        let (mysql, kafka) = (servers.mysql(), servers.kafka().endpoint.to_string());
        let opts = Opts::from_url(&mysql.mysql_url("")).unwrap();
        let mut sql = Conn::new(opts).await.expect("MySQL answers");
        for statement in TABLES {
            sql.query_drop(statement).await.unwrap();
        }
        let prefix = format!("{name}-{}.", std::process::id());
        let producer = topics(&kafka, &prefix).await;
        let heard = Arc::new(Heard::default());
        let inbox = listen(Arc::clone(&heard)).await;
        let port = free_port();
        let root = env!("CARGO_MANIFEST_DIR");
        let direct = mysql.endpoint.to_string();
        let cdc = cdc.unwrap_or(&direct);
        let args = format!(
            "run --rules {root}/scenarios/rules --plans {root}/scenarios/plans \
             --cdc mysql://root@{cdc}/shop --sql mysql://root@{direct}/shop --kafka {kafka} \
             --topic-prefix {prefix} --topics {} --group {name} --alerts {inbox}/alerts \
             --plan-events {inbox}/plans --target shop={inbox}/shop --listen 127.0.0.1:{port} \
             --drill-clock --start new --results all",
            TOPICS.join(",")
        );
        let mut cell = Cell {
            clock: Clock::starting_at(1_767_578_400_000),
            heard,
            sql,
            producer,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            kafka,
            prefix,
            args: args.split_whitespace().map(str::to_owned).collect(),
            console: format!("http://127.0.0.1:{port}"),
            process: None,
            seq: 0,
        };
        cell.mark().await;
        cell.start().await;
        cell
    }

    /// Starts dcheck.
    pub fn spawn(&mut self) {
        let child = Command::new(env!("CARGO_BIN_EXE_dcheck"))
            .args(&self.args)
            .env("LOSSDRILL_CLOCK", self.clock.origin().to_string())
            .stdin(Stdio::null())
            .spawn()
            .expect("dcheck starts");
        self.process = Some(child);
    }

    /// Starts dcheck and waits until it is ready.
    pub async fn start(&mut self) {
        self.spawn();
        let (from, url) = (Instant::now(), format!("{}/healthz", self.console));
        while !self.http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(from.elapsed() < LIMIT, "not ready: {}", self.text("healthz").await);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        eprintln!("dcheck ready after {} ms", from.elapsed().as_millis());
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGTERM; the exit code and how long it took.
    pub fn stop(&mut self) -> (Option<i32>, Duration) {
        let mut child = self.process.take().expect("dcheck runs");
        let from = Instant::now();
        let pid = i32::try_from(child.id()).expect("a pid");
        // SAFETY: the pid is that of our own child, which has not been waited for.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        (child.wait().expect("our child").code(), from.elapsed())
    }

    /// A mark on every source, with the clock's present offset.
    pub async fn mark(&mut self) -> u64 {
        self.seq += 1;
        let mark = Mark {
            seq: self.seq,
            kind: MarkKind::Beat,
            offset_ms: self.clock.offset_ms(),
            at: self.clock.now().0,
        };
        let values = (mark.seq, mark.offset_ms, mark.at);
        self.sql
            .exec_drop("INSERT INTO shop.drill_mark VALUES (?, 'beat', ?, ?)", values)
            .await
            .unwrap();
        let body = serde_json::to_string(&mark).unwrap();
        for topic in TOPICS {
            self.produce(topic, &body, true).await;
        }
        self.seq
    }

    pub async fn send(&self, topic: &str, body: &str) {
        self.produce(topic, body, false).await;
    }

    async fn produce(&self, topic: &str, body: &str, mark: bool) {
        let topic = format!("{}{topic}", self.prefix);
        let mut record = FutureRecord::<str, str>::to(&topic).payload(body).key("k");
        if mark {
            let header = Header { key: MARK_HEADER, value: Some("1") };
            record = record.headers(OwnedHeaders::new().insert(header));
        }
        self.producer.send(record, LIMIT).await.expect("produced");
    }

    /// Marks, then orders the offset of dcheck.
    pub async fn advance(&mut self, by_ms: i64) {
        let offset_ms = self.clock.offset_ms() + by_ms;
        let (seq, before) = (self.seq + 1, self.clock.seq());
        assert!(self.clock.advance(seq, offset_ms), "{before}");
        assert_eq!(self.mark().await, seq);
        let url = format!("{}/clock/advance", self.console);
        let answer = self.http.post(&url).json(&Advance { seq, offset_ms }).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    /// A topic as the broker calls it.
    pub fn topic(&self, topic: &str) -> String {
        format!("{}{topic}", self.prefix)
    }

    pub fn client(&self) -> ClientConfig {
        client(&self.kafka)
    }

    /// Throws the records of a topic away up to `end`.
    pub async fn cut(&self, topic: &str, end: i64) {
        let mut list = TopicPartitionList::new();
        let name = format!("{}{topic}", self.prefix);
        list.add_partition_offset(&name, 0, Offset::Offset(end)).unwrap();
        admin(&self.kafka).delete_records(&list, &AdminOptions::new()).await.expect("cut");
    }

    /// Deletes a topic, and makes it anew as soon as the broker lets go of the name.
    pub async fn make_anew(&self, topic: &str) {
        let (name, admin) = (format!("{}{topic}", self.prefix), admin(&self.kafka));
        let options = AdminOptions::new();
        admin.delete_topics(&[&name], &options).await.expect("Kafka answers");
        let from = Instant::now();
        let new = NewTopic::new(&name, 1, TopicReplication::Fixed(1));
        while admin.create_topics([&new], &options).await.expect("Kafka answers")[0].is_err() {
            assert!(from.elapsed() < LIMIT, "{name} stays");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let text = self.text(path).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    pub async fn text(&self, path: &str) -> String {
        match self.http.get(format!("{}/{path}", self.console)).send().await {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    /// Until two watermarks in a row are idle with equal activity, and mark `seq` is read on
    /// `sources`.
    pub async fn rest(&self, seq: u64, sources: &[&str]) -> Watermark {
        let (from, mut last) = (Instant::now(), None);
        loop {
            let watermark: Watermark = self.get("watermark").await;
            let read = sources.iter().all(|name| watermark.read.get(*name) >= Some(&seq));
            let idle = read && watermark.clock.busy == 0;
            if idle && last == Some(watermark.clock.activity) {
                return watermark;
            }
            last = idle.then_some(watermark.clock.activity);
            assert!(from.elapsed() < LIMIT, "no rest: {watermark:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn until(&self, what: &str, holds: impl Fn(&Heard) -> bool) {
        let from = Instant::now();
        while !holds(&self.heard) {
            if from.elapsed() >= LIMIT {
                let alerts = self.heard.alerts.lock().unwrap().clone();
                let (watermark, plans) = (self.text("watermark").await, self.text("plans").await);
                panic!("not in time: {what}; {alerts:#?} {watermark} {plans}");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Alerts of a rule: (subject, status, startsAt, fingerprint).
    pub fn alerts(&self, rule: &str) -> Vec<(String, String, String, String)> {
        let alerts = self.heard.alerts.lock().unwrap();
        let of_rule = alerts.iter().filter(|alert| alert.labels["alertname"] == rule);
        of_rule
            .map(|alert| {
                let subject = alert.labels["subject"].clone();
                let (start, print) = (alert.starts_at.clone(), alert.fingerprint.clone());
                (subject, alert.status.clone(), start, print)
            })
            .collect()
    }
}

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("broker.address.family", "v4");
    config.set("topic.metadata.refresh.fast.interval.ms", "100");
    config
}

fn admin(brokers: &str) -> AdminClient<DefaultClientContext> {
    client(brokers).create().unwrap()
}

async fn topics(brokers: &str, prefix: &str) -> FutureProducer {
    let admin = admin(brokers);
    let names: Vec<String> = TOPICS.iter().map(|topic| format!("{prefix}{topic}")).collect();
    let new = names.iter().map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1)));
    let new: Vec<NewTopic<'_>> = new.collect();
    for made in admin.create_topics(&new, &AdminOptions::new()).await.expect("Kafka answers") {
        made.expect("a new topic");
    }
    client(brokers).set("linger.ms", "0").create().unwrap()
}

async fn listen(heard: Arc<Heard>) -> String {
    type Inbox = State<Arc<Heard>>;
    async fn alerts(State(heard): Inbox, body: axum::Json<Webhook>) {
        heard.alerts.lock().unwrap().extend(body.0.alerts);
    }
    async fn plans(State(heard): Inbox, body: axum::Json<PlanRun>) {
        heard.plans.lock().unwrap().push(body.0);
    }
    async fn breaker(
        State(heard): Inbox,
        Path(place): Path<(String, String)>,
        method: Method,
        headers: axum::http::HeaderMap,
    ) {
        let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        heard.keys.lock().unwrap().extend(key.map(str::to_owned));
        heard.breakers.lock().unwrap().insert(place, method == Method::PUT);
    }
    async fn breakers(State(heard): Inbox) -> axum::Json<serde_json::Value> {
        let breakers = heard.breakers.lock().unwrap();
        let list = breakers.iter().map(|((kind, scope), active)| {
            serde_json::json!({"kind": kind, "scope": scope, "run_id": "r", "active": active})
        });
        axum::Json(list.collect())
    }
    let router = Router::new()
        .route("/alerts", post(alerts))
        .route("/plans", post(plans))
        .route("/shop/breakers", any(breakers))
        .route("/shop/breakers/{kind}/{scope}", any(breaker))
        .with_state(heard);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").port()
}
