//! The two worlds that outlive a run: a warm stage, and servers that somebody gave.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;

use lossdrill::faults::FaultSpec;
use lossdrill::stage::{Guardian, Provider, Stage};
use mysql_async::prelude::Queryable;
use rdkafka::admin::TopicReplication::Fixed;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use tokio::runtime::Runtime;

use crate::census::{self, Census};
use crate::killed::Run;
use crate::{GONE_LIMIT, World, kafka, mysql, servers};

/// What is there now and was not, and what is no longer there. A line that is there twice counts twice.
pub fn beyond(before: &[String], now: &[String]) -> Vec<String> {
    let count = |lines: &[String]| {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        lines.iter().for_each(|line| *counts.entry(line.clone()).or_default() += 1);
        counts
    };
    let (before, now) = (count(before), count(now));
    let more = |a: &BTreeMap<String, i64>, b: &BTreeMap<String, i64>, word: &str| {
        let more = a.iter().filter(|(line, count)| **count > b.get(*line).copied().unwrap_or(0));
        more.map(|(line, _)| format!("{word}: {line}")).collect::<Vec<_>>()
    };
    [more(&now, &before, "new"), more(&before, &now, "gone")].concat()
}

fn lossdrill(args: &[&str]) -> String {
    let done = Command::new(servers::PROGRAM).args(args).output().expect("lossdrill starts");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{args:?}: {said}{}", String::from_utf8_lossy(&done.stderr));
    said
}

/// Ends with the test, also with one that fails.
pub struct Warm {
    runtime: Runtime,
    kafka: SocketAddr,
    mysqls: usize,
}

impl Warm {
    pub fn up() -> Warm {
        lossdrill(&["stage", "up", "--provider", "local"]);
        let told = lossdrill(&["stage", "status", "--format", "json"]);
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON was asked for");
        let kafka = told["kafka"].as_str().and_then(|at| at.parse().ok()).expect("an address");
        let mysqls = census::Warm::take().mysqls;
        Warm { runtime: Runtime::new().expect("a runtime"), kafka, mysqls }
    }
}

impl Drop for Warm {
    fn drop(&mut self) {
        let _ = Command::new(servers::PROGRAM).args(["stage", "down"]).output();
    }
}

impl World for Warm {
    const NAME: &'static str = "warm";
    const SWEPT: &'static str = "removed what 1 dead run(s) left";

    fn allows(spec: &FaultSpec) -> bool {
        spec.able(Provider::Local).is_ok()
    }

    fn start(&self, spec: &FaultSpec) -> Run {
        Run::start(spec, &["--provider", "local"], None)
    }

    fn look(&self) -> Result<Vec<String>, String> {
        let ports = census::warm_mysql_ports();
        if ports.len() != self.mysqls {
            return Err(format!("{} MySQL servers, of {}", ports.len(), self.mysqls));
        }
        self.runtime.block_on(async {
            let mut lines: Vec<String> = kafka::take(self.kafka).await?.into_iter().collect();
            for port in ports {
                lines.extend(mysql::take(SocketAddr::from(([127, 0, 0, 1], port))).await?);
            }
            Ok(lines)
        })
    }

    fn strays(&self, before: &Census) -> Vec<String> {
        census::of_our_folder(Census::take().beyond_warm(before))
    }
}

/// A private MySQL and Kafka that stand for somebody else's, with things of their owner's in them.
pub struct Given {
    runtime: Runtime,
    guardian: Guardian,
    mysql: SocketAddr,
    kafka: SocketAddr,
    schema: &'static str,
}

/// The owner's own topic, and the group that reads it.
const KEPT: &str = "keep.things";
const GROUP: &str = "keep";

/// What is left by hand, and is gone again when what it gave is dropped.
pub type Leave = fn(&Given) -> Undo<'_>;

impl Given {
    pub fn new(schema: &'static str) -> Option<Given> {
        if !servers::have(Provider::Local) {
            return None;
        }
        let runtime = Runtime::new().expect("a runtime");
        let (guardian, mysql, kafka) = runtime.block_on(async {
            let guardian = servers::guardian("given").await;
            let options = servers::options(Provider::Local, &guardian, &servers::shop_schema());
            let stage = Stage::up_fresh(options, &guardian).await.expect("the servers come up");
            let mysql = stage.mysql("given").await.expect("a MySQL server starts");
            (guardian, mysql.endpoint, stage.kafka().endpoint)
        });
        let given = Given { runtime, guardian, mysql, kafka, schema };
        for sql in [
            &format!("CREATE SCHEMA {schema}"),
            &format!("CREATE TABLE {schema}.lossdrill_marker (purpose VARCHAR(16) PRIMARY KEY)"),
            &format!("INSERT INTO {schema}.lossdrill_marker VALUES ('drill')"),
            "CREATE SCHEMA keep",
            "CREATE TABLE keep.things (id INT PRIMARY KEY, amount INT)",
            "CREATE TABLE keep.others (id INT)",
            "INSERT INTO keep.things VALUES (1, 2)",
        ] {
            given.run(sql);
        }
        given.make_topic(KEPT);
        given.send(KEPT);
        given.commit(1);
        Some(given)
    }

    pub fn run(&self, sql: &str) {
        self.runtime.block_on(async {
            let mut conn = mysql::connect(self.mysql).await.expect("the server is up");
            conn.query_drop(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            conn.disconnect().await.expect("the server is up");
        });
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        kafka::client(self.kafka).create().expect("a client")
    }

    fn options() -> AdminOptions {
        AdminOptions::new().operation_timeout(Some(GONE_LIMIT))
    }

    fn make_topic(&self, name: &str) {
        let topic = [NewTopic::new(name, 1, Fixed(1))];
        let (admin, options) = (self.admin(), Self::options());
        let made = self.runtime.block_on(admin.create_topics(&topic, &options));
        made.expect("the broker is up");
        self.look().expect("the topic can be read");
    }

    fn delete_topic(&self, name: &str) {
        let (admin, options) = (self.admin(), Self::options());
        let deleted = self.runtime.block_on(admin.delete_topics(&[name], &options));
        deleted.expect("the broker is up");
    }

    fn configure(&self, retention_ms: &str) {
        let topic = ResourceSpecifier::Topic(KEPT);
        let config = [AlterConfig::new(topic).set("retention.ms", retention_ms)];
        let (admin, options) = (self.admin(), Self::options());
        let altered = self.runtime.block_on(admin.alter_configs(&config, &options));
        altered.expect("the broker is up");
    }

    fn send(&self, topic: &str) {
        let producer: BaseProducer = kafka::client(self.kafka).create().expect("a client");
        let record = BaseRecord::<str, str>::to(topic).partition(0).payload("{}");
        producer.send(record).expect("it is queued");
        producer.flush(GONE_LIMIT).expect("it is sent");
    }

    fn commit(&self, offset: i64) {
        let consumer: BaseConsumer =
            kafka::client(self.kafka).set("group.id", GROUP).create().expect("a client");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(KEPT, 0, Offset::Offset(offset)).expect("an offset");
        consumer.commit(&list, CommitMode::Sync).expect("the broker is up");
    }

    /// Residue that no one statement leaves: (how, what is seen of it).
    pub fn residues(&self) -> [(Leave, &'static str); 5] {
        [
            (Given::hold_rows, "new: transaction"),
            (Given::hold_rows, "new: connection of root"),
            (Given::left_topic, "new: topic left.over"),
            (Given::altered_topic, "retention.ms=1234567"),
            (Given::moved_group, "keep.things/0 read up to 0"),
        ]
    }

    fn hold_rows(&self) -> Undo<'_> {
        let conn = self.runtime.block_on(async {
            let mut conn = mysql::connect(self.mysql).await.expect("the server is up");
            conn.query_drop("BEGIN").await.expect("a transaction");
            conn.query_drop("SELECT * FROM keep.things FOR UPDATE").await.expect("a lock");
            conn
        });
        Undo(Some(Box::new(move || drop(self.runtime.block_on(conn.disconnect())))))
    }

    fn left_topic(&self) -> Undo<'_> {
        self.make_topic("left.over");
        Undo(Some(Box::new(|| self.delete_topic("left.over"))))
    }

    fn altered_topic(&self) -> Undo<'_> {
        self.configure("1234567");
        Undo(Some(Box::new(|| self.configure("604800000"))))
    }

    fn moved_group(&self) -> Undo<'_> {
        self.commit(0);
        Undo(Some(Box::new(|| self.commit(1))))
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        self.runtime.block_on(self.guardian.bye());
    }
}

/// Takes back by hand what was left by hand.
pub struct Undo<'a>(Option<Box<dyn FnOnce() + 'a>>);

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if let Some(undo) = self.0.take() {
            undo();
        }
    }
}

impl World for Given {
    const NAME: &'static str = "given";
    const SWEPT: &'static str = "dropped table `given_kills`.`settle_bill`";

    fn allows(spec: &FaultSpec) -> bool {
        spec.able(Provider::External).is_ok()
    }

    fn start(&self, spec: &FaultSpec) -> Run {
        let Given { mysql, kafka, schema, .. } = self;
        let config = format!(
            "stage:\n  mysql: {{provider: external, url: \"mysql://root@{mysql}/{schema}\"}}\n  \
             kafka: {{provider: external, url: \"{kafka}\"}}\n  \
             guard: {{hosts: [127.0.0.1], schemas: [{schema}, dcheck], topic_prefixes: [{schema}.]}}\n"
        );
        Run::start(spec, &["--provider", "external"], Some(&config))
    }

    fn look(&self) -> Result<Vec<String>, String> {
        self.runtime.block_on(async {
            let (mysql, kafka) =
                tokio::try_join!(mysql::take(self.mysql), kafka::take(self.kafka))?;
            Ok(mysql.into_iter().chain(kafka).collect())
        })
    }

    fn strays(&self, before: &Census) -> Vec<String> {
        census::of_our_folder(Census::take().beyond(before))
    }
}
