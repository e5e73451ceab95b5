//! What is to be seen inside a MySQL server, by this test's own statements: variables, accounts, schemas, rows, who is
//! connected and what is locked.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, OptsBuilder, Row};

/// A server that is up answers at once.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// Each server has its own, and they tell nothing of a fault.
const OWN: [&str; 4] = ["server_uuid", "gtid_executed", "gtid_purged", "timestamp"];
const SYSTEM: &str = "'mysql', 'sys', 'information_schema', 'performance_schema'";

pub async fn connect(at: SocketAddr) -> Result<Conn, Error> {
    let options = OptsBuilder::default()
        .ip_or_hostname(at.ip().to_string())
        .tcp_port(at.port())
        .user(Some("root"))
        .prefer_socket(false);
    Conn::new(options).await
}

/// One line each; `at` itself and the server's folder are not told, so that two servers that are alike read alike.
pub async fn take(at: SocketAddr) -> Result<BTreeSet<String>, String> {
    let taken = tokio::time::timeout(ANSWER_LIMIT, lines(at)).await;
    let taken = taken.map_err(|_| format!("mysql {at} gives no answer"))?;
    taken.map_err(|error| format!("mysql {at}: {error}"))
}

async fn lines(at: SocketAddr) -> Result<BTreeSet<String>, Error> {
    let mut conn = connect(at).await?;
    let mut lines = variables(&mut conn, at).await?;
    for (user, host) in
        conn.query::<(String, String), _>("SELECT user, host FROM mysql.user").await?
    {
        let grants: Vec<String> = conn.query(format!("SHOW GRANTS FOR '{user}'@'{host}'")).await?;
        lines.extend(grants.into_iter().map(|grant| format!("account {user}@{host}: {grant}")));
    }
    let schemas = format!(
        "SELECT CAST(schema_name AS CHAR) FROM information_schema.schemata WHERE schema_name NOT IN ({SYSTEM})"
    );
    for schema in conn.query::<String, _>(schemas).await? {
        lines.insert(format!("schema {schema}"));
        for table in conn.query::<String, _>(format!("SHOW TABLES IN `{schema}`")).await? {
            lines.extend(table_lines(&mut conn, &format!("`{schema}`.`{table}`")).await?);
        }
    }
    let open = "SELECT CAST(trx_state AS CHAR), trx_rows_locked FROM information_schema.innodb_trx \
                WHERE trx_mysql_thread_id <> CONNECTION_ID()";
    for (state, rows) in conn.query::<(String, u64), _>(open).await? {
        lines.insert(format!("transaction {state}, {rows} rows locked"));
    }
    let others = "SELECT CAST(user AS CHAR), CAST(command AS CHAR) FROM information_schema.processlist \
                  WHERE id <> CONNECTION_ID() AND user NOT IN ('system user', 'event_scheduler')";
    for (user, command) in conn.query::<(String, String), _>(others).await? {
        lines.insert(format!("connection of {user}: {command}"));
    }
    conn.disconnect().await?;
    Ok(lines)
}

async fn variables(conn: &mut Conn, at: SocketAddr) -> Result<BTreeSet<String>, Error> {
    let all: Vec<(String, String)> = conn.query("SHOW GLOBAL VARIABLES").await?;
    let folder = all.iter().find(|(name, _)| name == "datadir").map(|(_, value)| value.clone());
    let folder = folder.unwrap_or_default();
    let folder = folder.trim_end_matches('/').trim_end_matches("/data");
    let alike = |value: &str| value.replace(folder, "…").replace(&at.port().to_string(), "…");
    let told = all.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    Ok(told.map(|(name, value)| format!("variable {name}={}", alike(value))).collect())
}

/// How it is made, and what is in it.
async fn table_lines(conn: &mut Conn, table: &str) -> Result<[String; 2], Error> {
    let made: Option<Row> = conn.query_first(format!("SHOW CREATE TABLE {table}")).await?;
    let made: String = made.and_then(|row| row.get(1)).unwrap_or_default();
    let rows: Option<Row> = conn.query_first(format!("CHECKSUM TABLE {table}")).await?;
    let sum: Option<u64> = rows.and_then(|row| row.get(1)).flatten();
    let count: Option<u64> = conn.query_first(format!("SELECT COUNT(*) FROM {table}")).await?;
    let made = made.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok([
        format!("table {table}: {made}"),
        format!("rows of {table}: {} with checksum {}", count.unwrap_or(0), sum.unwrap_or(0)),
    ])
}
