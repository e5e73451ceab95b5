//! The stage on real servers: needs what `ci/setup --local` prepares. Without it each test says that it is skipped;
//! with `LOSSDRILL_NEED_SERVERS=1` (as `ci/test` sets) a skip is a failure.
#![cfg(feature = "harness")]

use std::path::Path;
use std::time::{Duration, Instant};

use lossdrill::stage::{Guardian, Provider, Service, Stage, StageOptions};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};

const PROGRAM: &str = env!("CARGO_BIN_EXE_lossdrill");
const DDL: &str =
    "CREATE TABLE t(id INT PRIMARY KEY, v VARCHAR(20)); CREATE TABLE u(id INT PRIMARY KEY);";

async fn guardian(name: &str) -> Guardian {
    let run_id = format!("test-{name}-{}", std::process::id());
    Guardian::start_with(Path::new(PROGRAM), &run_id).await.unwrap()
}

fn options(provider: Provider, guardian: &Guardian) -> StageOptions {
    StageOptions {
        provider,
        mysql_image: "mysql:9.7".to_owned(),
        kafka_image: "apache/kafka:4.4.0".to_owned(),
        run_id: guardian.run_id().to_owned(),
        schema_sql: DDL.to_owned(),
    }
}

async fn connect(service: &Service) -> Conn {
    let opts = OptsBuilder::default()
        .ip_or_hostname(service.endpoint.ip().to_string())
        .tcp_port(service.endpoint.port())
        .user(Some("root"))
        .prefer_socket(false)
        .db_name(Some("shop"));
    Conn::new(opts).await.unwrap()
}

async fn every_ability(provider: Provider, name: &str) {
    let guardian = guardian(name).await;
    let begin = Instant::now();
    let mut lap = Instant::now();
    let mut say = |what: &str| {
        eprintln!("{:>6} ms  {name}: {what}", lap.elapsed().as_millis());
        lap = Instant::now();
    };
    let stage = Stage::up(options(provider, &guardian), &guardian).await.unwrap();
    say("up");
    stage.prewarm(2);
    let mysql = stage.mysql("c1").await.unwrap();
    say("first mysql");
    let other = stage.mysql("c2").await.unwrap();
    say("second mysql");
    assert_ne!(mysql.endpoint, other.endpoint);
    let mut conn = connect(&mysql).await;
    conn.query_drop("INSERT INTO t VALUES (1, 'a')").await.unwrap();
    conn.query_drop("INSERT INTO u VALUES (1)").await.unwrap();
    let binlog: Option<(String, u64, String, String, String)> =
        conn.query_first("SHOW BINARY LOG STATUS").await.unwrap();
    assert!(binlog.is_some(), "the binlog is on");
    say("rows");

    mysql.pause().await.unwrap();
    let blocked = tokio::time::timeout(
        Duration::from_millis(300),
        conn.query_drop("INSERT INTO t VALUES (2, 'b')"),
    );
    assert!(blocked.await.is_err(), "a paused server does not answer");
    mysql.resume().await.unwrap();
    let mut conn = connect(&mysql).await;
    say("paused and resumed");

    conn.query_drop("INSERT INTO t VALUES (3, 'c')").await.unwrap();
    mysql.kill().await.unwrap();
    assert!(!mysql.is_running().await);
    assert!(std::net::TcpStream::connect(mysql.endpoint).is_err(), "nothing listens");
    say("killed");
    mysql.restart().await.unwrap();
    let mut conn = connect(&mysql).await;
    let kept: Option<u64> =
        conn.query_first("SELECT COUNT(*) FROM t WHERE id IN (1, 3)").await.unwrap();
    assert_eq!(kept, Some(2), "an acknowledged commit survives kill -9");
    say("mysql back, same port");

    let kafka = stage.kafka();
    kafka.pause().await.unwrap();
    kafka.resume().await.unwrap();
    kafka.kill().await.unwrap();
    kafka.restart().await.unwrap();
    say("kafka killed and back");
    kafka.restart().await.unwrap();
    say("kafka restarted");
    assert!(!kafka.logs(5).await.is_empty());
    assert!(!mysql.logs(5).await.is_empty());
    other.remove().await.unwrap();
    assert!(std::net::TcpStream::connect(other.endpoint).is_err());
    say("one removed");
    let facts = stage.facts();
    assert_eq!(facts.len(), 2, "{facts:?}");
    eprintln!("{facts:?}");
    assert!(guardian.bye().await, "nothing left behind");
    say("bye");
    assert!(!guardian.state_dir().exists());
    eprintln!("{:>6} ms  {name}: all", begin.elapsed().as_millis());
}

#[tokio::test(flavor = "multi_thread")]
async fn local_servers_have_every_ability() {
    every_ability(Provider::Local, "local").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_servers_have_every_ability() {
    every_ability(Provider::Docker, "docker").await;
}
