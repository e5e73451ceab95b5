//! A cell on the servers: schema, topics, shop, channel, clock. Ends every process it started when
//! dropped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lossdrill::clock::{ClockOrigin, monotonic_us};
use lossdrill::stage::Service;
use lossdrill::wire::ClockReport;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};

use crate::servers::Servers;

/// How long a condition may take to come true: the shop's reader of Kafka comes back 10 to 30 s
/// after its broker was killed and started again.
pub const SOON: Duration = Duration::from_secs(60);
const EPOCH_MS: i64 = 1_767_578_400_000;
const SECRET: &str = "practice";

/// A process of the cell, killed when dropped.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

pub struct Cell {
    pub servers: &'static Servers,
    pub http: reqwest::Client,
    pub books: MySqlPool,
    pub shop: Option<Process>,
    pub channel: Option<Process>,
    schema: String,
    pub prefix: String,
    folder: tempfile::TempDir,
    shop_port: u16,
    channel_port: u16,
    base_us: u64,
    seq: AtomicU64,
    offset_ms: AtomicI64,
    producer: FutureProducer,
}

impl Cell {
    pub async fn lease(servers: &'static Servers, number: usize) -> Cell {
        let kafka = servers.kafka().endpoint.to_string();
        let (schema, prefix) = (format!("shop{number}"), format!("c{number}."));
        let books = make_schema(servers.mysql(), &schema).await;
        make_topics(&kafka, &prefix).await;
        let mut producer = ClientConfig::new();
        producer.set("bootstrap.servers", &kafka).set("linger.ms", "0");
        let mut cell = Cell {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            books,
            shop: None,
            channel: None,
            schema,
            prefix,
            folder: tempfile::tempdir().unwrap(),
            shop_port: free_port(),
            channel_port: free_port(),
            base_us: monotonic_us(),
            seq: AtomicU64::new(0),
            offset_ms: AtomicI64::new(0),
            producer: producer.create().unwrap(),
            servers,
        };
        cell.start_channel().await;
        cell.start_shop().await;
        cell
    }

    pub async fn start_shop(&mut self) {
        let mysql = self.servers.mysql().mysql_url(&self.schema);
        let channel = format!("http://127.0.0.1:{}", self.channel_port);
        let args = ["serve", "--mysql", &mysql, "--channel", &channel];
        self.shop = Some(self.spawn(&args, self.shop_port));
        self.ready("shop", self.shop_port).await;
    }

    pub async fn start_channel(&mut self) {
        let shop = format!("http://127.0.0.1:{}", self.shop_port);
        let ledger = self.ledger_path().display().to_string();
        let args = ["channel", "--shop", &shop, "--ledger", &ledger];
        self.channel = Some(self.spawn(&args, self.channel_port));
        self.ready("channel", self.channel_port).await;
    }

    fn spawn(&self, args: &[&str], port: u16) -> Process {
        let origin = ClockOrigin {
            epoch_ms: EPOCH_MS,
            base_us: self.base_us,
            offset_ms: self.offset_ms.load(Ordering::SeqCst),
            seq: self.seq.load(Ordering::SeqCst),
        };
        let log = self.folder.path().join(format!("{}.log", args[0]));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_shop"))
            .args(args)
            .args(["--listen", &format!("127.0.0.1:{port}"), "--drill-clock"])
            .args(["--kafka", &self.kafka(), "--topic-prefix", &self.prefix])
            .env("LOSSDRILL_CLOCK", origin.to_string())
            .env("LOSSDRILL_CHANNEL_SECRET", SECRET)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        Process(child.unwrap())
    }

    fn kafka(&self) -> String {
        self.servers.kafka().endpoint.to_string()
    }

    async fn ready(&self, name: &str, port: u16) {
        let started = Instant::now();
        let url = format!("http://127.0.0.1:{port}/healthz");
        until(&format!("{name} is ready"), async || {
            self.http.get(&url).send().await.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        println!("       {name} ready after {} ms", started.elapsed().as_millis());
    }

    /// Business events that a process logged.
    pub fn logged(&self, process: &str, event: &str) -> Vec<Value> {
        let log = self.folder.path().join(format!("{process}.log"));
        let text = std::fs::read_to_string(log).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["event"] == event).collect()
    }

    fn ledger_path(&self) -> PathBuf {
        self.folder.path().join("ledger.ndjson")
    }

    pub fn ledger(&self, kind: &str) -> Vec<Value> {
        lines(&self.ledger_path()).into_iter().filter(|entry| entry["kind"] == kind).collect()
    }

    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.send(self.http.post(self.url(path)).json(&body)).await
    }

    pub async fn put(&self, path: &str, key: &str, body: Value) -> (u16, Value) {
        self.send(self.http.put(self.url(path)).header("idempotency-key", key).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> (u16, Value) {
        self.send(self.http.delete(self.url(path))).await
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.http.get(self.url(path))).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.shop_port)
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.expect("the shop answers");
        (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
    }

    /// A post that must succeed.
    pub async fn made(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {answer}");
        answer
    }

    pub async fn switch(&self, name: &str, on: bool, params: Value) {
        let path = format!("/switches/{name}");
        let (status, answer) = self.put(&path, "", json!({"on": on, "params": params})).await;
        assert_eq!(status, 200, "{answer}");
    }

    pub async fn hits(&self, name: &str) -> i64 {
        let (_, switches) = self.get("/switches").await;
        let switch = switches.as_array().unwrap().iter().find(|switch| switch["name"] == name);
        switch.unwrap()["hits"].as_i64().unwrap()
    }

    pub async fn status_of(&self, order: &str) -> String {
        let (_, order) = self.get(&format!("/orders/{order}")).await;
        order["status"].as_str().unwrap_or("none").to_owned()
    }

    /// One item with a bid, at 1,999.00 CNY, and its history of deals at that price.
    pub async fn item(&self, sku: &str, stock: i64) {
        let deal = json!({"price": "1999.00 CNY", "at_ms": EPOCH_MS - 86_400_000});
        let history = vec![deal; 3];
        let item = json!({"sku": sku, "category": "shoes", "stock": stock, "history": history});
        self.made("/items", item).await;
        let bid = json!({"bid": format!("B-{sku}"), "seller": "s", "sku": sku, "qty": 5,
            "price": "1999.00 CNY"});
        self.made("/bids", bid).await;
    }

    pub fn purchase(order: &str, sku: &str) -> Value {
        json!({"order": order, "buyer": format!("u-{order}"), "sku": sku, "channel": "alipay",
            "request_no": format!("q-{order}")})
    }

    /// An order of 199.00 CNY that is paid and at rest.
    pub async fn paid_order(&self, order: &str, channel: &str) {
        self.made(
            "/orders",
            json!({"order": order, "buyer": "u", "channel": channel,
            "payable": "199.00 CNY", "request_no": format!("q-{order}")}),
        )
        .await;
        self.made(
            &format!("/orders/{order}/payments"),
            json!({"channel": channel,
            "amount": "199.00 CNY", "request_no": format!("p-{order}")}),
        )
        .await;
        self.rest().await;
        assert_eq!(self.status_of(order).await, "PAID");
    }

    pub async fn clock(&self) -> ClockReport {
        self.clock_at(self.shop_port).await
    }

    async fn clock_at(&self, port: u16) -> ClockReport {
        let url = format!("http://127.0.0.1:{port}/clock");
        match self.http.get(url).send().await {
            Ok(answer) => answer.json().await.unwrap(),
            Err(_) => ClockReport { busy: 1, ..ClockReport::default() },
        }
    }

    /// Rest: two rounds in a row idle, with equal activity. Returns the shop's and the channel's
    /// last report.
    pub async fn rest(&self) -> [ClockReport; 2] {
        let started = Instant::now();
        let mut before: Option<[u64; 2]> = None;
        loop {
            let shop = self.clock().await;
            let channel = self.clock_at(self.channel_port).await;
            let is_idle = shop.busy + channel.busy == 0;
            let activity = [shop.activity, channel.activity];
            if is_idle && before == Some(activity) {
                return [shop, channel];
            }
            before = is_idle.then_some(activity);
            assert!(started.elapsed() < SOON, "no rest: {shop:?} {channel:?}");
        }
    }

    /// Advances shop and channel by `by_ms` and waits for their rest.
    pub async fn advance(&self, by_ms: i64) {
        let seq = self.seq.fetch_add(1, Ordering::SeqCst) + 1;
        let offset_ms = self.offset_ms.fetch_add(by_ms, Ordering::SeqCst) + by_ms;
        for port in [self.shop_port, self.channel_port] {
            let url = format!("http://127.0.0.1:{port}/clock/advance");
            let body = json!({"seq": seq, "offset_ms": offset_ms});
            let answer = self.http.post(url).json(&body).send().await.unwrap();
            assert_eq!(answer.status(), 200);
        }
        self.rest().await;
    }

    pub fn now_ms(&self) -> i64 {
        let elapsed_ms = (monotonic_us() - self.base_us) / 1000;
        EPOCH_MS + i64::try_from(elapsed_ms).unwrap() + self.offset_ms.load(Ordering::SeqCst)
    }

    /// Produces to a logical topic; returns the offset that was acked.
    pub async fn produce(&self, topic: &str, key: &str, payload: &str, is_mark: bool) -> i64 {
        let topic = format!("{}{topic}", self.prefix);
        let mut record = FutureRecord::to(&topic).key(key).payload(payload);
        if is_mark {
            let header = Header { key: "lossdrill-mark", value: Some("1") };
            record = record.headers(OwnedHeaders::new().insert(header));
        }
        self.producer.send(record, Duration::from_secs(5)).await.expect("acked").offset
    }

    /// All records of a logical topic so far.
    pub fn topic(&self, topic: &str) -> Vec<Value> {
        let topic = format!("{}{topic}", self.prefix);
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.kafka()).set("group.id", "reader");
        let consumer: BaseConsumer = config.create().unwrap();
        let (_, end) = consumer.fetch_watermarks(&topic, 0, SOON).unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic, 0, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        let mut records = Vec::new();
        let started = Instant::now();
        while i64::try_from(records.len()).unwrap() < end && started.elapsed() < SOON {
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                records.push(serde_json::from_slice(message.payload().unwrap()).unwrap());
            }
        }
        records
    }

    pub async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.books).await.unwrap()
    }
}

async fn make_schema(mysql: &Service, schema: &str) -> MySqlPool {
    let (host, port) = (mysql.endpoint.ip().to_string(), mysql.endpoint.port());
    let server = MySqlConnectOptions::new().host(&host).port(port).username("root");
    let pool = MySqlPoolOptions::new().max_connections(2);
    let root = pool.clone().connect_with(server.clone()).await.unwrap();
    let make = format!("CREATE DATABASE {schema}");
    sqlx::raw_sql(AssertSqlSafe(make)).execute(&root).await.unwrap();
    root.close().await;
    let books = pool.connect_with(server.database(schema)).await.unwrap();
    let ddl = Command::new(env!("CARGO_BIN_EXE_shop")).arg("schema").output().unwrap().stdout;
    let ddl = String::from_utf8(ddl).unwrap();
    for _ in 0..2 {
        sqlx::raw_sql(AssertSqlSafe(ddl.clone())).execute(&books).await.unwrap();
    }
    books
}

async fn make_topics(kafka: &str, prefix: &str) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka);
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let names = ["orders.events", "refund.events", "channel.flow"].map(|t| format!("{prefix}{t}"));
    let topics = names.iter().map(|name| NewTopic::new(name, 1, TopicReplication::Fixed(1)));
    let topics: Vec<NewTopic> = topics.collect();
    for made in admin.create_topics(&topics, &AdminOptions::new()).await.unwrap() {
        made.unwrap();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Waits until `condition` holds, with a bound.
pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < SOON, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
