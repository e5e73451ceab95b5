//! Given servers: guarded, used by one cell, and left as they were.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lossdrill::journal::{Verdict, Word};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::{Run, mini_config, python, servers};

pub const MARK: &str = "CREATE TABLE lossdrill_marker (purpose VARCHAR(16) PRIMARY KEY); \
                    INSERT INTO lossdrill_marker VALUES ('drill')";

/// A private MySQL and Kafka that stand for somebody else's.
pub struct Given {
    pub mysql: SocketAddr,
    pub kafka: SocketAddr,
    schema: &'static str,
}

impl Given {
    /// A new schema after `sql` in it.
    pub async fn new(schema: &'static str, sql: &str) -> Option<Given> {
        let servers = servers::up()?;
        let given =
            Given { mysql: servers.mysql().endpoint, kafka: servers.kafka().endpoint, schema };
        given.run(&format!("CREATE DATABASE {schema}; USE {schema}; {sql}")).await;
        Some(given)
    }

    pub async fn conn(&self) -> Conn {
        let login = lossdrill::stage::Login::default();
        let options = login.mysql_async(&self.mysql.ip().to_string(), self.mysql.port());
        Conn::new(options).await.unwrap()
    }

    pub async fn run(&self, sql: &str) {
        self.conn().await.query_drop(sql).await.unwrap();
    }

    pub async fn names(&self, sql: &str) -> Vec<String> {
        self.conn().await.query(sql).await.unwrap()
    }

    pub async fn tables(&self) -> Vec<String> {
        self.names(&format!("SHOW TABLES IN {}", self.schema)).await
    }

    /// Topics below our prefix.
    pub fn topics(&self) -> Vec<String> {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", self.kafka.to_string()).create().unwrap();
        let metadata = consumer.fetch_metadata(None, Duration::from_secs(10)).unwrap();
        let names = metadata.topics().iter().map(|topic| topic.name().to_owned());
        names.filter(|name| name.starts_with(&self.prefix())).collect()
    }

    fn prefix(&self) -> String {
        format!("{}.", self.schema)
    }

    fn stage(&self) -> String {
        let Given { mysql, kafka, schema } = self;
        format!(
            "stage:\n  mysql: {{provider: external, url: \"mysql://root@{mysql}/{schema}\"}}\n  \
             kafka: {{provider: external, url: \"{kafka}\"}}\n  \
             guard: {{hosts: [127.0.0.1], schemas: [{schema}, dcheck], topic_prefixes: [{schema}.]}}\n"
        )
    }

    fn drill(&self, more: &str, args: &[&str]) -> Run {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("lossdrill.yaml");
        fs::write(&config, self.stage() + more).unwrap();
        let config = config.display().to_string();
        Run::of(&[&["--provider", "external", "--config", &config], args].concat())
    }

    /// Nothing is there but the schema and what its owner put into it.
    async fn is_as_it_was(&self, tables: &[&str]) {
        assert_eq!(self.tables().await, tables);
        let schemas = self.names("SHOW DATABASES").await;
        assert!(!schemas.iter().any(|schema| schema == "dcheck"), "{schemas:?}");
        assert_eq!(self.topics(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_on_given_servers_passes_and_leaves_nothing() {
    let Some(given) = Given::new("given_gate", MARK).await else { return };
    let run = given.drill("", &["--name", "The approval is delivered"]);
    let told = run.told();
    assert_eq!(told.len(), 2, "{}", run.said());
    assert!(told.iter().all(|told| told.verdict == Verdict::Pass), "{}", run.said());
    assert!(run.said().contains("(external,"), "{}", run.said());
    given.is_as_it_was(&["lossdrill_marker"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_without_its_owners_word_is_not_touched() {
    let table = "CREATE TABLE customers (id INT)";
    for (schema, sql, told, tables) in [
        ("given_bare", "SELECT 1", "has no drill marker row", vec![]),
        ("given_full", table, "is not empty and has no drill marker row", vec!["customers"]),
        (
            "given_mixed",
            &format!("{MARK}; {table}"),
            "tables that are not ours ([\"customers\"])",
            vec!["customers", "lossdrill_marker"],
        ),
        ("given_live", MARK, "looks like production (`live`)", vec!["lossdrill_marker"]),
    ] {
        let Some(given) = Given::new(schema, sql).await else { return };
        let run = given.drill("", &["--name", "The approval is delivered once"]);
        assert!(run.said().contains(told), "{schema}: {}", run.said());
        assert_eq!(run.output.status.code(), Some(3), "{}", run.said());
        given.is_as_it_was(&tables).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_kills_a_server_is_refused_before_anything() {
    let Some(given) = Given::new("given_faults", MARK).await else { return };
    let dir = tempfile::tempdir().unwrap();
    let feature = fs::read_to_string("features/binlog.feature").unwrap();
    let feature = feature.replace("link.binlog.stalled", "process.mysql.paused");
    let feature = feature.replace("link.binlog.slow", "process.mysql.restarted");
    fs::write(dir.path().join("hurt.feature"), feature).unwrap();
    let features = dir.path().display().to_string();
    let run = given.drill("", &["--features", &features, "--drills", "no/drills"]);
    assert!(run.said().contains("never killed, paused or restarted"), "{}", run.said());
    assert_eq!(run.output.status.code(), Some(2), "{}", run.said());
    given.is_as_it_was(&["lossdrill_marker"]).await;
}

/// Ended with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    lossdrill::stage::ports::free_port().unwrap()
}

/// The example, started by its owner beside the given servers and told once where everything is.
fn started(given: &Given, log: &Path, inbox: u16, listen: u16) -> Running {
    let mysql = format!("mysql://root@{}/{}", given.mysql, given.schema);
    let out = fs::File::create(log).unwrap();
    let child = Command::new(python())
        .arg("examples/mini-reconciler/mini.py")
        .args(["--cdc", &mysql, "--sql", &mysql, "--kafka", &given.kafka.to_string()])
        .args([
            "--topic-prefix",
            &given.prefix(),
            "--alerts",
            &format!("http://127.0.0.1:{inbox}/alerts"),
        ])
        .args(["--listen", &format!("127.0.0.1:{listen}")])
        .stdout(Stdio::null())
        .stderr(out)
        .spawn();
    Running(child.expect("python starts"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconciler_that_runs_already_is_drilled_where_it_is() {
    let Some(given) = Given::new("given_running", MARK).await else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("mini.log");
    let (inbox, listen) = (free_port(), free_port());
    let _running = started(&given, &log, inbox, listen);
    let config = mini_config();
    let config =
        config.replace("kind: process", "kind: external").replace("${port}", &listen.to_string());
    let (head, rest) = config.split_once("  command:").unwrap();
    let (_, rest) = rest.split_once("  ready:").unwrap();
    let config = format!("{head}  ready:{rest}");
    let config = config
        .replace(
            "from: webhook",
            &format!("from: webhook\n    url: http://127.0.0.1:{inbox}/alerts"),
        )
        .replace("cells: auto", "cells: 1");
    let started = Instant::now();
    let run = given.drill(&config, &["--loss-point", "refund-exceeds-payment"]);
    let words: Vec<Word> = run.told().iter().map(|told| told.word).collect();
    let said = || {
        let log = fs::read_to_string(&log).unwrap_or_default();
        format!("after {:?}: {}\n{log}", started.elapsed(), run.said())
    };
    assert_eq!(words, [Word::PlanNotStarted, Word::Proved, Word::Proved], "{}", said());
    given.is_as_it_was(&["lossdrill_marker"]).await;
}
