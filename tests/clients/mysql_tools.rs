//! `mysql`, `mysqldump` and the JDBC driver through a MySQL link.

use std::net::SocketAddr;

use lossdrill::clock::Clock;
use lossdrill::proxy::{Harm, Kind, Link, LinkSpec, Point, SqlError, StatementRule, ToxicId};
use tokio::process::Command;

use super::{Said, facts, java, prepared, run, servers};

struct Rig {
    link: Link,
    direct: SocketAddr,
    schema: &'static str,
}

/// A link before the server, and a schema `schema` made anew behind it.
async fn rig(schema: &'static str) -> Option<Rig> {
    let direct = servers::up()?.mysql().endpoint;
    let clock = Clock::starting_at(0);
    let spec = LinkSpec::new("shop-sql", direct.to_string(), Kind::Mysql, clock);
    let rig = Rig { link: Link::open(spec).await.unwrap(), direct, schema };
    let make = format!(
        "DROP DATABASE IF EXISTS {schema}; CREATE DATABASE {schema}; USE {schema}; \
         CREATE TABLE orders (id BIGINT PRIMARY KEY, minor BIGINT NOT NULL, note LONGBLOB)"
    );
    let mut command = tool("mysql", direct);
    command.args(["-e", &make]);
    run(command, "").await.good();
    Some(rig)
}

/// A program of the server's own package, by that package's dynamic linker.
fn tool(name: &str, at: SocketAddr) -> Command {
    let facts = facts("mysql.prepared");
    let mut command = Command::new(&facts["loader"]);
    command.arg("--library-path").arg(&facts["library_path"]);
    command.arg(format!("{}/usr/bin/{name}", facts["root"])).arg("--no-defaults");
    command.args(["--host=127.0.0.1", "--protocol=tcp", "--user=root"]);
    command.arg(format!("--port={}", at.port()));
    // Its plugins lie in the package's own root, and log-in needs none.
    command
}

impl Rig {
    async fn mysql(&self, at: SocketAddr, words: &[&str], sql: &str) -> Said {
        let mut command = tool("mysql", at);
        command.args(["--batch", "--skip-column-names"]).args(words).arg(self.schema);
        run(command, sql).await
    }

    /// Through the link.
    async fn sql(&self, sql: &str) -> Said {
        self.mysql(self.link.addr(), &[], sql).await
    }

    /// Past it.
    async fn truth(&self, sql: &str) -> String {
        self.mysql(self.direct, &[], sql).await.good().trim().to_owned()
    }

    fn arm(&self, point: &str, harm: Harm) -> ToxicId {
        let point = Point::by_name(point).unwrap();
        self.link.arm_rule(StatementRule::once(point, Some("orders"), harm)).unwrap()
    }

    fn hits(&self, id: ToxicId) -> u64 {
        self.link.rules().iter().find(|rule| rule.id == id).expect("armed").hits
    }

    async fn dump(&self, at: SocketAddr) -> Vec<u8> {
        let mut command = tool("mysqldump", at);
        let words = ["--single-transaction", "--hex-blob", "--skip-dump-date", "--routines"];
        command.args(words).args(["--set-gtid-purged=OFF", self.schema]);
        let said = run(command, "").await;
        said.good();
        said.out
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mysql_works_unchanged_and_feels_each_fault() {
    let Some(rig) = rig("tools").await else { return };
    let script = "INSERT INTO orders VALUES (1, 19900, NULL), (2, 500, 'x');\n\
                  START TRANSACTION; UPDATE orders SET minor = minor + 1; COMMIT;\n\
                  PREPARE p FROM 'SELECT SUM(minor) FROM orders WHERE id > ?'; SET @z = 0; EXECUTE p USING @z;\n";
    assert_eq!(rig.sql(script).await.good().trim(), "20402");

    let id = rig.arm("update", Harm::Refused { error: SqlError::Deadlock });
    rig.sql("UPDATE orders SET minor = 7 WHERE id = 1").await.bad("ERROR 1213 (40001)");
    assert_eq!(rig.hits(id), 1);
    rig.link.disarm(id);
    assert_eq!(rig.truth("SELECT minor FROM orders WHERE id = 1").await, "19901");

    let id = rig.arm("commit", Harm::Ambiguous);
    let said = rig.sql("BEGIN; UPDATE orders SET minor = 9 WHERE id = 1; COMMIT").await;
    said.bad("ERROR 2013 (HY000)");
    assert_eq!(rig.truth("SELECT minor FROM orders WHERE id = 1").await, "9");
    rig.link.disarm(id);
    assert_eq!(rig.sql("SELECT COUNT(*) FROM orders").await.good().trim(), "2");
    let notes = rig.link.notes();
    assert!(notes.len() == 1 && notes[0].contains("as armed"), "{notes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_loaded_through_the_link() {
    let Some(rig) = rig("loaded").await else { return };
    rig.truth("SET GLOBAL local_infile = ON").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("orders.tsv");
    let rows: String = (0..50_000).map(|n| format!("{n}\t{}\tnote {n}\n", n * 100)).collect();
    std::fs::write(&file, rows).unwrap();
    let load = format!("LOAD DATA LOCAL INFILE '{}' INTO TABLE orders", file.display());
    rig.mysql(rig.link.addr(), &["--local-infile=1"], &load).await.good();
    let sum = rig.truth("SELECT COUNT(*), SUM(minor) FROM orders").await;
    rig.truth("SET GLOBAL local_infile = OFF").await;
    assert_eq!(sum, "50000\t124997500000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_is_the_same_to_the_byte_however_slow() {
    let Some(rig) = rig("dumped").await else { return };
    let fill = "SET SESSION cte_max_recursion_depth = 100000; INSERT INTO orders WITH RECURSIVE n (i) AS \
                (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
                SELECT i, i * 7, REPEAT(UNHEX(SHA2(i, 256)), 50) FROM n";
    rig.truth(fill).await;
    let direct = rig.dump(rig.direct).await;
    assert!(direct.len() > 9_000_000, "{}", direct.len());
    assert!(rig.dump(rig.link.addr()).await == direct, "the plain link changed the dump");
    let id = rig.arm("select", Harm::Slow { delay_ms: 300 });
    assert!(rig.dump(rig.link.addr()).await == direct, "a slow statement changed the dump");
    assert_eq!(rig.hits(id), 1);
    assert_eq!(rig.link.notes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_link_cannot_read_is_said_or_not_offered() {
    let Some(rig) = rig("hidden").await else { return };
    // Neither is offered: a client that may do without does so, and one that must not says why.
    for (words, outcome) in [
        (&["--ssl-mode=PREFERRED"][..], Ok("1")),
        (&["--ssl-mode=REQUIRED"], Err("SSL")),
        (&["--compression-algorithms=zlib,uncompressed"], Ok("1")),
        (&["--compression-algorithms=zstd,uncompressed"], Ok("1")),
        (&["--compression-algorithms=zlib"], Err("ompression")),
    ] {
        let id = rig.arm("select", Harm::Slow { delay_ms: 1 });
        let sql = "SELECT COUNT(*) + 1 FROM orders";
        let said = rig.mysql(rig.link.addr(), words, sql).await;
        match outcome {
            Ok(told) => {
                assert_eq!(said.good().trim(), told, "{words:?}");
                assert_eq!(rig.hits(id), 1, "{words:?}: the statement was not read");
            }
            Err(why) => said.bad(why),
        }
        rig.link.disarm(id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jdbc_driver_works_unchanged_and_feels_each_fault() {
    let (Some(rig), Some(libs)) = (rig("jdbc").await, prepared("jars-4")) else { return };
    let deadlock = rig.arm("update", Harm::Refused { error: SqlError::Deadlock });
    let ambiguous = rig.arm("commit", Harm::Ambiguous);
    let mut command = java(&libs, "Jdbc.java");
    command.arg(format!("jdbc:mysql://{}/{}", rig.link.addr(), rig.schema));
    let told = run(command, "").await.good();
    assert_eq!(told, "rows 1000 sum 499500\nupdate 1213 40001\nagain 1\ncommit 08\ncursor 1000\n");
    assert_eq!((rig.hits(deadlock), rig.hits(ambiguous)), (1, 1));
    // The second update, and the one whose commit was not heard of.
    assert_eq!(rig.truth("SELECT SUM(minor) FROM orders").await, "499502");
}
