//! The stage on real servers of both providers (`servers/mod.rs` says what that needs).
#![cfg(all(feature = "harness", feature = "shop"))]

mod servers;

use std::path::Path;
use std::time::{Duration, Instant};

use lossdrill::stage::guardian::Cleanup;
use lossdrill::stage::sweep::sweep;
use lossdrill::stage::warm::{self, HoldSpec};
use lossdrill::stage::{Guardian, ProcSpec, Process, Provider, Service, Stage, StageOptions};
use lossdrill::stage::{cluster, topics};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use servers::{PROGRAM, guardian, have};

const DDL: &str =
    "CREATE TABLE t(id INT PRIMARY KEY, v VARCHAR(20)); CREATE TABLE u(id INT PRIMARY KEY);";

fn options(provider: Provider, guardian: &Guardian) -> StageOptions {
    servers::options(provider, guardian, DDL)
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
    if !have(provider) {
        return;
    }
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

/// A shell with a descendant in a session of its own, whose pid it writes to `FILE`.
async fn family(guardian: &Guardian, name: &str) -> (Process, u32) {
    let file = guardian.state_dir().join(format!("{name}.descendant"));
    let script = format!("trap '' TERM; setsid sleep 1000 & echo $! >{}; wait", file.display());
    let spec = ProcSpec {
        name: name.to_owned(),
        program: "/bin/sh".into(),
        args: vec!["-c".to_owned(), script],
        log: guardian.state_dir().join(format!("{name}.log")),
        ..ProcSpec::default()
    };
    let process = guardian.spawn(spec).await.unwrap();
    let descendant = within(Duration::from_secs(5), || {
        std::fs::read_to_string(&file).ok()?.trim().parse::<u32>().ok()
    });
    (process, descendant.await.expect("the shell wrote its descendant's pid"))
}

/// Looks until there is something, or the limit is over.
async fn within<T>(limit: Duration, look: impl Fn() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        match look() {
            None if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(5)).await,
            found => return found,
        }
    }
}

/// Gone, or dead and not yet reaped by whoever adopted it.
fn is_gone(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

#[tokio::test(flavor = "multi_thread")]
async fn guardian_without_a_harness_undoes_and_kills_everything() {
    let guardian = guardian("eof").await;
    let (state, own) = (guardian.state_dir(), guardian.pid());
    let (first, grandchild) = family(&guardian, "first").await;
    let (second, _) = family(&guardian, "second").await;
    second.signal(lossdrill::stage::Signal::Stop).await.unwrap();
    let trace = std::env::temp_dir().join(format!("{}.trace", guardian.run_id()));
    for word in ["one", "two", "never"] {
        let script = format!("echo {word} >>{}", trace.display());
        let args = vec!["-c".to_owned(), script];
        let id = guardian.add_cleanup(Cleanup::Undo { program: "/bin/sh".to_owned(), args }).await;
        if word == "never" {
            guardian.drop_cleanup(id.unwrap()).await.unwrap();
        }
    }
    let pids = [own, first.pid(), second.pid(), grandchild];
    assert!(pids.iter().all(|pid| !is_gone(*pid)));
    let begin = Instant::now();
    drop((first, second, guardian)); // the pipe ends, as when the harness is killed
    let all_gone = || (pids.iter().all(|pid| is_gone(*pid)) && !state.exists()).then_some(());
    within(Duration::from_secs(10), all_gone).await.expect("nothing is left after 10 s");
    eprintln!("{:>6} ms  EOF to nothing left", begin.elapsed().as_millis());
    assert_eq!(std::fs::read_to_string(&trace).unwrap(), "two\none\n", "undone in reverse");
    std::fs::remove_file(trace).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn guardian_killed_takes_its_children_and_a_sweep_takes_the_rest() {
    let (killed, alive) = (guardian("killed").await, guardian("alive").await);
    let (child, grandchild) = family(&killed, "child").await;
    let (spared, spared_grandchild) = family(&alive, "spared").await;
    // SAFETY: a plain system call on a process that this test started.
    unsafe { libc::kill(killed.pid().cast_signed(), libc::SIGKILL) };
    tokio::time::timeout(Duration::from_secs(5), killed.gone()).await.expect("the end is told");
    within(Duration::from_secs(5), || is_gone(child.pid()).then_some(())).await.expect("PDEATHSIG");
    assert!(child.exit().is_some());
    assert!(!is_gone(grandchild), "a descendant in another session outlives the guardian");
    assert!(killed.spawn(ProcSpec::default()).await.is_err(), "no new process in a dead run");

    let swept = sweep().await;
    assert!(swept.is_clean(), "{swept}");
    assert!(swept.processes.iter().any(|(pid, _)| *pid == grandchild), "{swept}");
    assert!(is_gone(grandchild) && !killed.state_dir().exists());
    assert!(!is_gone(spared.pid()) && !is_gone(spared_grandchild), "a living run is spared");
    assert!(alive.state_dir().exists());
    drop(spared);
    assert!(alive.bye().await);
    assert!(is_gone(spared_grandchild));
    assert!(!sweep().await.runs.iter().any(|run| run == killed.run_id()), "twice is once");
}

#[tokio::test(flavor = "multi_thread")]
async fn guardian_refuses_what_it_cannot_do() {
    let guardian = guardian("refuse").await;
    let twin = Guardian::start_with(Path::new(PROGRAM), guardian.run_id()).await;
    let error = twin.err().expect("one run has one guardian").to_string();
    assert!(error.contains("guarded by another process"), "{error}");
    let bad = Guardian::start_with(Path::new(PROGRAM), "../etc").await.err().unwrap().to_string();
    assert!(bad.contains("run id `../etc`"), "{bad}");
    let spec = ProcSpec {
        name: "shop-c1".to_owned(),
        program: "/no/such/program".into(),
        log: guardian.state_dir().join("log"),
        ..ProcSpec::default()
    };
    let error = guardian.spawn(spec).await.err().unwrap().to_string();
    assert!(error.contains("start shop-c1 (/no/such/program)"), "{error}");
    assert!(guardian.bye().await);
}

/// Brokers that are one cluster, and a server that follows another; nothing of them is left behind.
async fn servers_that_belong_together(stage: &Stage) {
    let brokers = stage.own_cluster("together").await.unwrap();
    assert_eq!(brokers.len(), cluster::BROKERS);
    // Refused where there are fewer than it is to lie on.
    topics::create(brokers[0].endpoint, &["t.".to_owned()], cluster::BROKERS).await.unwrap();
    let primary = stage.mysql("together").await.unwrap();
    connect(&primary).await.query_drop("INSERT INTO t VALUES (1, 'before')").await.unwrap();
    let replica = stage.replica(&primary).await.unwrap();
    let mut at_replica = connect(&replica).await;
    let rows: Option<u64> = at_replica.query_first("SELECT COUNT(*) FROM t").await.unwrap();
    assert_eq!(rows, Some(1), "what stood there before is there at once");
    let refused = at_replica.query_drop("INSERT INTO t VALUES (2, 'there')").await.unwrap_err();
    assert!(refused.to_string().contains("read-only"), "{refused}");
    connect(&primary).await.query_drop("INSERT INTO t VALUES (2, 'after')").await.unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while at_replica.query_first::<u64, _>("SELECT COUNT(*) FROM t").await.unwrap() != Some(2) {
        assert!(Instant::now() < end, "a change follows");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    drop(at_replica);
    let servers: Vec<Service> = brokers.into_iter().chain([replica, primary]).collect();
    let endpoints: Vec<_> = servers.iter().map(|server| server.endpoint).collect();
    // A lease of several ends with the handle to its first.
    for server in servers {
        server.remove().await.unwrap();
    }
    for endpoint in endpoints {
        let refused = || std::net::TcpStream::connect(endpoint).is_err().then_some(());
        within(Duration::from_secs(10), refused).await.expect("it is gone");
    }
}

async fn together_on(provider: Provider, name: &str) {
    if !have(provider) {
        return;
    }
    let guardian = guardian(name).await;
    let stage = Stage::up_fresh(options(provider, &guardian), &guardian).await.unwrap();
    servers_that_belong_together(&stage).await;
    assert!(guardian.bye().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn local_servers_belong_together() {
    together_on(Provider::Local, "together").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_servers_belong_together() {
    together_on(Provider::Docker, "together-docker").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn warm_servers_are_leased_and_taken_back() {
    if !have(Provider::Local) {
        return;
    }
    let spec = HoldSpec {
        provider: "local".to_owned(),
        mysql_image: String::new(),
        kafka_image: String::new(),
        schema_sql: format!("{DDL} -- warm"),
        mysql_ahead: 1,
    };
    let up = warm::up(Path::new(PROGRAM), &spec).await.unwrap();
    eprintln!("{up}");
    assert!(warm::up(Path::new(PROGRAM), &spec).await.is_err(), "one at a time");
    let guardian = guardian("lease").await;
    let mut options = options(Provider::Local, &guardian);
    options.schema_sql = spec.schema_sql.clone();
    let begin = Instant::now();
    let stage = Stage::up(options.clone(), &guardian).await.unwrap();
    assert!(stage.is_warm() && stage.kafka().endpoint == up.kafka);
    let mysql = stage.mysql("c1").await.unwrap();
    let mut conn = connect(&mysql).await;
    conn.query_drop("INSERT INTO t VALUES (1, 'a')").await.unwrap();
    eprintln!("{:>6} ms  leased and written", begin.elapsed().as_millis());
    mysql.kill().await.unwrap();
    assert!(!mysql.is_running().await);
    mysql.restart().await.unwrap();
    assert!(!mysql.logs(3).await.is_empty());
    stage.kafka().pause().await.unwrap();
    let first = mysql.endpoint;
    drop((mysql, stage)); // as when the run is killed
    assert!(guardian.bye().await);
    let refused = || std::net::TcpStream::connect(first).is_err().then_some(());
    within(Duration::from_secs(10), refused).await.expect("a leased server is thrown away");

    let again = servers::guardian("lease-again").await;
    let stage = Stage::up(options.clone(), &again).await.unwrap();
    stage.kafka().restart().await.unwrap(); // it was paused: it runs again
    let mysql = stage.mysql("c1").await.unwrap();
    let rows: Option<u64> =
        connect(&mysql).await.query_first("SELECT COUNT(*) FROM t").await.unwrap();
    assert_eq!(rows, Some(0), "a fresh server");
    servers_that_belong_together(&stage).await;
    // What is limited, or whose calls are spoilt, is nobody's but this run's.
    assert!(!mysql.is_on_this_machine());
    for ours in [stage.own_mysql("c2").await.unwrap(), stage.own_kafka("c2").await.unwrap()] {
        assert!(ours.is_on_this_machine() && ours.is_running().await);
        ours.remove().await.unwrap();
    }
    options.schema_sql.push_str(" -- other");
    let own = Stage::up(options, &again).await.unwrap();
    assert!(!own.is_warm(), "another schema does not fit");
    assert!(warm::down().await.unwrap());
    assert!(warm::status().is_none() && !warm::down().await.unwrap());
    assert!(mysql.kill().await.unwrap_err().to_string().contains("warm stage"));
    assert!(again.bye().await);
}

fn containers_of(run_id: &str) -> usize {
    let filter = format!("label=lossdrill.run={run_id}");
    let args = ["ps", "-aq", "--filter", filter.as_str()];
    let output = std::process::Command::new("docker").args(args).output().unwrap();
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_go_with_the_harness_or_by_the_sweep() {
    if !have(Provider::Docker) {
        return;
    }
    let (dropped, killed) = (guardian("containers").await, guardian("containers-killed").await);
    for guardian in [&dropped, &killed] {
        let stage = Stage::up(options(Provider::Docker, guardian), guardian).await.unwrap();
        stage.mysql("c1").await.unwrap().pause().await.unwrap();
        assert_eq!(containers_of(guardian.run_id()), 2);
    }
    let run_id = dropped.run_id().to_owned();
    let begin = Instant::now();
    drop(dropped);
    let none = || (containers_of(&run_id) == 0).then_some(());
    within(Duration::from_secs(10), none).await.expect("no container is left after 10 s");
    eprintln!("{:>6} ms  EOF to no container", begin.elapsed().as_millis());
    // SAFETY: a plain system call on a process that this test started.
    unsafe { libc::kill(killed.pid().cast_signed(), libc::SIGKILL) };
    killed.gone().await;
    let swept = sweep().await;
    assert!(swept.is_clean() && swept.containers >= 2, "{swept}");
    assert_eq!(containers_of(killed.run_id()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_image_names_both_ways_out() {
    if !have(Provider::Docker) {
        return;
    }
    let guardian = guardian("image").await;
    for provider in [Provider::Docker, Provider::Auto] {
        let mut options = options(provider, &guardian);
        options.mysql_image = "lossdrill-no-such-image:1".to_owned();
        let error =
            Stage::up(options, &guardian).await.err().expect("no fall to local").to_string();
        for part in ["`lossdrill-no-such-image:1`", "ci/images/build", "--provider local"] {
            assert!(error.contains(part), "{error}");
        }
    }
    let error = Stage::up(options(Provider::External, &guardian), &guardian).await.err().unwrap();
    assert!(error.to_string().contains("`stage.mysql.url`"), "{error}");
    assert!(guardian.bye().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_wrong_is_told_with_its_statement() {
    if !have(Provider::Local) {
        return;
    }
    let guardian = guardian("schema").await;
    let mut options = options(Provider::Local, &guardian);
    options.schema_sql = "CREATE TABLE good(id INT); CREATE TABEL bad(id INT);".to_owned();
    let error =
        Stage::up(options, &guardian).await.err().expect("the second statement").to_string();
    assert!(error.contains("apply the schema") && error.contains("TABEL"), "{error}");
    assert!(guardian.bye().await);
}
