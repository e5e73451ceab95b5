//! A MySQL link before a real server, with two clients of different make, by text and prepared.
//!
//! `servers/mod.rs` says where the server comes from, and what happens without.
#![cfg(all(feature = "harness", feature = "shop"))]

mod servers;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use lossdrill::clock::Clock;
use lossdrill::faults::{Ground, Nemesis, Struck};
use lossdrill::journal::{Journal, Phase};
use lossdrill::proxy::{
    Harm, Kind, Link, LinkSpec, Point, SqlError, StatementKind, StatementRule, ToxicId,
};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A statement on a loaded machine.
const LIMIT: Duration = Duration::from_secs(60);
/// Results of one text: more than any here has.
const RESULTS_MAX: usize = 10;
/// A client's own word for a connection that is gone.
const LOST: u16 = 0;

/// Who asks, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    SqlxText,
    SqlxPrepared,
    AsyncText,
    AsyncPrepared,
}

const WAYS: [Way; 4] = [Way::SqlxText, Way::SqlxPrepared, Way::AsyncText, Way::AsyncPrepared];

/// A server does not prepare `BEGIN`: drivers send it by text.
fn by_text(way: Way) -> Way {
    match way {
        Way::SqlxText | Way::SqlxPrepared => Way::SqlxText,
        Way::AsyncText | Way::AsyncPrepared => Way::AsyncText,
    }
}

enum Client {
    Sqlx(MySqlConnection),
    Async(Conn),
}

fn async_opts(at: SocketAddr) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname(at.ip().to_string())
        .tcp_port(at.port())
        .user(Some("root"))
        .db_name(Some("wire"))
        .prefer_socket(Some(false))
}

fn sqlx_code(error: &sqlx::Error) -> u16 {
    let known = error.as_database_error();
    known.and_then(|e| e.try_downcast_ref::<MySqlDatabaseError>()).map_or(LOST, |e| e.number())
}

fn async_code(error: &mysql_async::Error) -> u16 {
    match error {
        mysql_async::Error::Server(error) => error.code,
        _ => LOST,
    }
}

impl Client {
    async fn connect(way: Way, at: SocketAddr) -> Result<Client, u16> {
        match way {
            Way::SqlxText | Way::SqlxPrepared => {
                let options = MySqlConnectOptions::new().host("127.0.0.1").port(at.port());
                let options = options.username("root").database("wire");
                let connected = options.ssl_mode(MySqlSslMode::Disabled).connect().await;
                connected.map(Client::Sqlx).map_err(|error| sqlx_code(&error))
            }
            Way::AsyncText | Way::AsyncPrepared => {
                Conn::new(async_opts(at)).await.map(Client::Async).map_err(|e| async_code(&e))
            }
        }
    }

    async fn run(&mut self, way: Way, sql: &str) -> Result<(), u16> {
        match (self, way) {
            (Client::Sqlx(conn), Way::SqlxPrepared) => {
                let done = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(conn).await;
                done.map(drop).map_err(|error| sqlx_code(&error))
            }
            (Client::Sqlx(conn), _) => {
                let done = conn.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
                done.map(drop).map_err(|error| sqlx_code(&error))
            }
            (Client::Async(conn), Way::AsyncPrepared) => {
                conn.exec_drop(sql, ()).await.map_err(|error| async_code(&error))
            }
            (Client::Async(conn), _) => {
                conn.query_drop(sql).await.map_err(|error| async_code(&error))
            }
        }
    }

    async fn number(&mut self, way: Way, sql: &str) -> i64 {
        let found = match (self, way) {
            (Client::Sqlx(conn), Way::SqlxPrepared) => {
                let row = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_one(conn).await;
                Some(row.unwrap().get(0))
            }
            (Client::Sqlx(conn), _) => {
                let row = conn.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
                Some(row.unwrap().get(0))
            }
            (Client::Async(conn), Way::AsyncPrepared) => conn.exec_first(sql, ()).await.unwrap(),
            (Client::Async(conn), _) => conn.query_first(sql).await.unwrap(),
        };
        found.expect("a row")
    }
}

struct Rig {
    link: Link,
    direct: SocketAddr,
}

/// A link before the server; `table (id, n)` is made anew behind it, with one row (1, 0).
async fn rig(table: &str) -> Option<Rig> {
    let direct = servers::up()?.mysql().endpoint;
    let clock = Clock::starting_at(0);
    let spec = LinkSpec::new("shop-sql", direct.to_string(), Kind::Mysql, clock);
    let link = Link::open(spec).await.unwrap();
    let mut conn = Conn::new(async_opts(direct).db_name(None::<&str>)).await.unwrap();
    for sql in [
        "CREATE DATABASE IF NOT EXISTS wire".to_owned(),
        format!("DROP TABLE IF EXISTS wire.{table}"),
        format!("CREATE TABLE wire.{table} (id BIGINT PRIMARY KEY, n BIGINT NOT NULL, t LONGTEXT)"),
        format!("INSERT INTO wire.{table} VALUES (1, 0, '')"),
    ] {
        conn.query_drop(sql).await.unwrap();
    }
    Some(Rig { link, direct })
}

impl Rig {
    async fn client(&self, way: Way) -> Client {
        Client::connect(way, self.link.addr()).await.unwrap()
    }

    /// Past the link.
    async fn truth(&self, sql: &str) -> i64 {
        let mut client = Client::connect(Way::AsyncText, self.direct).await.unwrap();
        client.number(Way::AsyncText, sql).await
    }

    fn arm(&self, rule: StatementRule) -> ToxicId {
        self.link.arm_rule(rule).unwrap()
    }

    /// Statements met, and those that suffered.
    fn counts(&self, id: ToxicId) -> (u64, u64) {
        let rule = self.link.rules().into_iter().find(|rule| rule.id == id).unwrap();
        (rule.met, rule.hits)
    }
}

fn on(name: &str, table: &str, harm: Harm) -> StatementRule {
    StatementRule::once(Point::by_name(name).unwrap(), Some(table), harm)
}

fn refused(error: SqlError) -> Harm {
    Harm::Refused { error }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nth_statement_is_refused_and_no_other() {
    let Some(rig) = rig("nth").await else { return };
    for way in WAYS {
        let mut client = rig.client(way).await;
        let rule = on("update", "nth", refused(SqlError::LockWait));
        let id = rig.arm(StatementRule { nth: 2, ..rule });
        let update = "UPDATE nth SET n = n + 1 WHERE id = 1";
        let mut told = Vec::new();
        for _ in 0..3 {
            told.push(client.run(way, update).await);
            client.run(way, "UPDATE other SET n = 1").await.unwrap_err();
            client.number(way, "SELECT n FROM nth").await;
        }
        assert_eq!(told, [Ok(()), Err(1205), Ok(())], "{way:?}");
        assert_eq!(rig.counts(id), (3, 1));
        assert!(rig.link.disarm(id) && !rig.link.disarm(id));
    }
    assert_eq!(rig.truth("SELECT n FROM nth").await, 8);
    assert_eq!(rig.link.notes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_leaves_the_session_as_a_server_would() {
    let Some(rig) = rig("state").await else { return };
    for (error, code, stays) in [
        (SqlError::Deadlock, 1213, 0),
        (SqlError::LockWait, 1205, 1),
        (SqlError::ReadOnly, 1290, 1),
    ] {
        for way in WAYS {
            let mut client = rig.client(way).await;
            client.run(way, "DELETE FROM state WHERE id > 1").await.unwrap();
            let id = rig.arm(on("update", "state", refused(error)));
            let text = by_text(way);
            client.run(text, "BEGIN").await.unwrap();
            client.run(way, "INSERT INTO state VALUES (2, 0, '')").await.unwrap();
            let told = client.run(way, "UPDATE state SET n = 9").await;
            assert_eq!(told, Err(code), "{way:?}");
            let rows = "SELECT COUNT(*) FROM state WHERE id = 2";
            assert_eq!(client.number(way, rows).await, stays, "{way:?} {code}");
            client.run(text, "COMMIT").await.unwrap();
            assert_eq!(rig.truth(rows).await, stays, "{way:?} {code}");
            assert_eq!(rig.truth("SELECT SUM(n = 9) FROM state").await, 0);
            // Nothing is locked any more, and the same statement works.
            client.run(way, "UPDATE state SET n = 0").await.unwrap();
            rig.link.disarm(id);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ambiguous_commit_is_done_once_and_its_answer_is_lost() {
    let Some(rig) = rig("ambiguous").await else { return };
    for (number, way) in (2..).zip(WAYS) {
        let text = by_text(way);
        let id = rig.arm(on("commit", "ambiguous", Harm::Ambiguous));
        let mut other = rig.client(way).await;
        // A transaction that only read, and one that wrote and took it back, commit in peace.
        other.run(text, "BEGIN").await.unwrap();
        other.number(way, "SELECT n FROM ambiguous").await;
        other.run(text, "COMMIT").await.unwrap();
        other.run(text, "BEGIN").await.unwrap();
        other.run(way, "UPDATE ambiguous SET n = 5").await.unwrap();
        other.run(text, "ROLLBACK").await.unwrap();
        other.run(text, "BEGIN").await.unwrap();
        other.run(text, "COMMIT").await.unwrap();
        assert_eq!(rig.counts(id), (0, 0));

        let mut client = rig.client(way).await;
        client.run(text, "BEGIN").await.unwrap();
        client.run(way, &format!("INSERT INTO ambiguous VALUES ({number}, 1, '')")).await.unwrap();
        let told = tokio::time::timeout(LIMIT, client.run(text, "COMMIT")).await.unwrap();
        assert_eq!(told, Err(LOST), "{way:?}");
        let rows = format!("SELECT COUNT(*) FROM ambiguous WHERE id = {number}");
        assert_eq!(rig.truth(&rows).await, 1);
        assert_eq!(rig.counts(id), (1, 1));
        // Once: the others live, and the next commit is heard of.
        other.run(text, "BEGIN").await.unwrap();
        other.run(way, "UPDATE ambiguous SET n = n + 1").await.unwrap();
        other.run(text, "COMMIT").await.unwrap();
        rig.link.disarm(id);
    }
    // A write outside a transaction is its own commit.
    let id = rig.arm(on("write", "ambiguous", Harm::Ambiguous));
    let mut client = rig.client(Way::AsyncText).await;
    let told = client.run(Way::AsyncText, "INSERT INTO ambiguous VALUES (99, 1, '')").await;
    assert_eq!((told, rig.counts(id).1), (Err(LOST), 1));
    assert_eq!(rig.truth("SELECT COUNT(*) FROM ambiguous WHERE id = 99").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_refused_and_statements_cut() {
    let Some(rig) = rig("cut").await else { return };
    for way in [Way::SqlxText, Way::AsyncText] {
        let full = refused(SqlError::TooManyConnections);
        let rule = StatementRule::once(Point::Connect, None, full);
        let id = rig.arm(StatementRule { nth: 2, ..rule });
        let mut first = rig.client(way).await;
        assert_eq!(Client::connect(way, rig.link.addr()).await.err(), Some(1040), "{way:?}");
        let mut third = rig.client(way).await;
        assert_eq!(rig.counts(id), (3, 1));
        rig.link.disarm(id);
        // Gone: before it reached the server.
        let id = rig.arm(on("insert", "cut", refused(SqlError::Gone)));
        let told = first.run(way, "INSERT INTO cut VALUES (2, 0, '')").await;
        assert_eq!((told, rig.counts(id)), (Err(LOST), (1, 1)));
        assert_eq!(rig.truth("SELECT COUNT(*) FROM cut").await, 1);
        third.run(way, "UPDATE cut SET n = 1").await.unwrap();
        rig.link.disarm(id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_statement_is_late_and_let_go_when_disarmed() {
    let Some(rig) = rig("slow").await else { return };
    for way in WAYS {
        let mut client = rig.client(way).await;
        let select = "SELECT n FROM slow";
        let id = rig.arm(on("select", "slow", Harm::Slow { delay_ms: 300 }));
        let start = Instant::now();
        client.number(way, select).await;
        assert!(start.elapsed() >= Duration::from_millis(300), "{way:?}");
        assert_eq!(rig.counts(id), (1, 1));
        client.number(way, select).await;
        rig.link.disarm(id);
        // Longer than a second is cell time, which nobody advances here.
        let id = rig.arm(on("select", "slow", Harm::Slow { delay_ms: 3_600_000 }));
        let asked = tokio::spawn(async move { client.number(way, select).await });
        tokio::time::timeout(LIMIT, rig.link.holding()).await.unwrap();
        let due = async {
            while rig.link.next_due().is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LIMIT, due).await.unwrap();
        assert!(!asked.is_finished(), "{way:?}");
        rig.link.disarm(id);
        assert_eq!(tokio::time::timeout(LIMIT, asked).await.unwrap().unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_read_repeats_its_first_answer() {
    let Some(rig) = rig("stale").await else { return };
    for way in WAYS {
        let mut client = rig.client(way).await;
        client.run(way, "UPDATE stale SET n = 0").await.unwrap();
        let select = "SELECT n FROM stale WHERE id = 1";
        let on_select = Point::Kind(StatementKind::Select);
        let rule = StatementRule::once(on_select, Some("stale"), Harm::Stale);
        let id = rig.arm(StatementRule { times: u64::MAX, ..rule });
        assert_eq!(client.number(way, select).await, 0);
        client.run(way, "UPDATE stale SET n = 7").await.unwrap();
        for _ in 0..2 {
            assert_eq!(client.number(way, select).await, 0, "{way:?}");
        }
        // Another session, too; another question and a locking read are answered by the server.
        let mut other = rig.client(way).await;
        assert_eq!(other.number(way, select).await, 0, "{way:?}");
        assert_eq!(client.number(way, "SELECT n FROM stale").await, 7);
        assert_eq!(client.number(way, &format!("{select} FOR UPDATE")).await, 7);
        assert_eq!(rig.counts(id).1, 3);
        rig.link.disarm(id);
        assert_eq!(client.number(way, select).await, 7, "{way:?}");
    }
}

/// One statement of a random workload: by text or prepared.
fn draw(rng: &mut ChaCha8Rng, table: &str) -> (bool, String) {
    let id = rng.random_range(1..40);
    let sql = match rng.random_range(0..14) {
        0 | 1 => format!("INSERT INTO {table} VALUES ({id}, {id}, REPEAT('x', {}))", id * 97),
        2 => format!("REPLACE INTO {table} VALUES ({id}, 1, REPEAT('y', {}))", id * 5_003),
        3 => format!("UPDATE {table} SET n = n + 1 WHERE id <= {id}"),
        4 => format!("DELETE FROM {table} WHERE id = {id}"),
        5 => "BEGIN".to_owned(),
        6 => "COMMIT".to_owned(),
        7 => "ROLLBACK".to_owned(),
        8 => format!("SELECT * FROM {table} WHERE id > {id} ORDER BY id"),
        9 => format!("SELECT id, n, t, NULL, 1.5 FROM {table} WHERE 1 = 0"),
        10 => "SELECT nothing FROM nowhere".to_owned(),
        11 => format!("SELECT REPEAT('z', {})", 3_000_000 / id),
        12 => format!("SELECT a.id FROM {table} a JOIN {table} b LIMIT 500"),
        _ => format!("SELECT 1; SELECT n FROM {table} ORDER BY id; SELECT 2"),
    };
    // What the server cannot prepare goes by text.
    let prepared = rng.random_bool(0.5) && !sql.contains(';') && !sql.ends_with("IN");
    (prepared, sql)
}

/// Everything that a client is told, in words.
async fn told(conn: &mut Conn, prepared: bool, sql: &str) -> String {
    let mut all = String::new();
    if prepared {
        match conn.exec::<mysql_async::Row, _, _>(sql, ()).await {
            Ok(rows) => all.push_str(&format!("{rows:?}")),
            Err(error) => all.push_str(&error.to_string()),
        }
        return all;
    }
    let mut result = match conn.query_iter(sql).await {
        Ok(result) => result,
        Err(error) => return error.to_string(),
    };
    for _ in 0..RESULTS_MAX {
        if result.is_empty() && result.columns().is_none() {
            break;
        }
        all.push_str(&format!("{:?} {} ", result.columns(), result.affected_rows()));
        match result.collect::<mysql_async::Row>().await {
            Ok(rows) => all.push_str(&format!("{rows:?};")),
            Err(error) => all.push_str(&error.to_string()),
        }
    }
    format!("{all} {}", result.affected_rows())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_rule_meets_is_as_without_a_link() {
    let Some(rig) = rig("direct").await else { return };
    let mut words = Vec::new();
    for at in [rig.direct, rig.link.addr()] {
        // The same names on both ways, so that the words are the same.
        let mut conn = Conn::new(async_opts(at)).await.unwrap();
        conn.query_drop("TRUNCATE direct").await.unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(20_261_123);
        let mut all = Vec::new();
        for round in 0..300 {
            let (prepared, sql) = draw(&mut rng, "direct");
            all.push(format!("{sql} -> {}", told(&mut conn, prepared, &sql).await));
            if round % 100 == 99 {
                conn.reset().await.unwrap();
            }
        }
        // A payload of several packets, both ways.
        let long = "l".repeat(17 * 1024 * 1024);
        let back: Option<String> = conn.exec_first("SELECT ?", (&long,)).await.unwrap();
        assert!(back.as_deref() == Some(long.as_str()), "17 MB come back whole");
        let length: Option<usize> =
            conn.query_first(format!("SELECT LENGTH('{long}')")).await.unwrap();
        assert_eq!(length, Some(long.len()));
        conn.change_user(mysql_async::ChangeUserOpts::new()).await.unwrap();
        conn.query_drop("SELECT 1").await.unwrap();
        words.push(all);
    }
    for (direct, linked) in words[0].iter().zip(&words[1]) {
        let differs = direct.bytes().zip(linked.bytes()).position(|(d, l)| d != l);
        let from = differs.unwrap_or_default().saturating_sub(200);
        let (d, l) = (&direct[from..], &linked[from..]);
        assert!(direct == linked, "at {differs:?}:\ndirect: {d:.400}\nlinked: {l:.400}");
    }
    let notes: Vec<_> = rig.link.notes();
    assert_eq!(notes, [""; 0]);
    assert_eq!(rig.link.held_bytes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_insists_on_tls_is_told_why_not() {
    let Some(rig) = rig("tls").await else { return };
    let mut stream = TcpStream::connect(rig.link.addr()).await.unwrap();
    let mut bytes = vec![0; 4096];
    let greeted = stream.read(&mut bytes).await.unwrap();
    assert!(greeted > 40 && bytes[4] == 10, "a greeting");
    // CLIENT_PROTOCOL_41 | CLIENT_SSL | CLIENT_SECURE_CONNECTION and no user: a hello before TLS.
    let mut hello = vec![32, 0, 0, 1];
    hello.extend_from_slice(&0x8a00_u32.to_le_bytes());
    hello.resize(36, 0);
    stream.write_all(&hello).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer[4] == 0xff && answer[5..7] == 1043_u16.to_le_bytes(), "{text}");
    assert!(text.contains("has no TLS: connect with TLS off"), "{text}");
    assert!(rig.link.notes()[0].contains("insisted on TLS"), "{:?}", rig.link.notes());
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_strike_are_proved_by_their_statement_and_heal() {
    let Some(rig) = rig("faults").await else { return };
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::create(&dir.path().join("journal.ndjson")).unwrap();
    let scribe = journal.scribe("s", Clock::starting_at(0));
    let links = [("shop-sql".to_owned(), rig.link.clone())].into();
    let mut nemesis = Nemesis::new(Ground { links, ..Ground::default() });
    let way = Way::SqlxPrepared;
    for (id, sql, suffers) in [
        ("mysql.statement.refused", "UPDATE faults SET n = 1", Err(1205)),
        ("mysql.statement.slow", "UPDATE faults SET n = 2", Ok(())),
        ("mysql.commit.ambiguous", "COMMIT", Err(LOST)),
        ("mysql.read.stale", "SELECT n FROM faults", Ok(())),
    ] {
        let params = [("table".to_owned(), "faults".to_owned())].into();
        let struck = nemesis.strike(id, params, &scribe, Phase::When).await.unwrap();
        assert!(matches!(struck, Struck::InPlace(_)), "{id}");
        let unproved = nemesis.confirm_bites(&scribe, Phase::Judge).await;
        assert_eq!(unproved, [(id.to_owned(), "no traffic has met it".to_owned())]);
        let mut client = rig.client(way).await;
        if sql == "COMMIT" {
            client.run(Way::SqlxText, "BEGIN").await.unwrap();
            client.run(way, "UPDATE faults SET n = 3").await.unwrap();
        }
        if sql.starts_with("SELECT") {
            client.run(way, sql).await.unwrap();
        }
        let asking = if sql == "COMMIT" { Way::SqlxText } else { way };
        assert_eq!(client.run(asking, sql).await, suffers, "{id}");
        assert_eq!(nemesis.confirm_bites(&scribe, Phase::Judge).await, [], "{id}");
        for _ in 0..2 {
            let healed = nemesis.heal_all(&scribe, Phase::Heal, LIMIT).await;
            assert!(healed.iter().all(|healed| healed.result.is_ok()), "{healed:?}");
        }
        assert_eq!(rig.link.rules().len(), 0);
    }
}
