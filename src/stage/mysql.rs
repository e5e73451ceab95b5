//! What a drill's MySQL server is, wherever it runs: its options, its readiness, its schema.
//!
//! A cell's server is thrown away, so nothing is synced to disk; but a commit that was acknowledged
//! survives a kill -9 of the server (it is in the kernel by then), for drills count on that. Knows
//! no provider.

use std::net::SocketAddr;
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder};

use super::StageError;

/// One attempt to connect; a server that starts refuses at once, a paused one lets wait.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// Between two attempts; a start takes a second.
const CONNECT_PAUSE: Duration = Duration::from_millis(15);
/// The schema that a template carries; its DDL is the practice shop's or a user's own.
pub(super) const SCHEMA: &str = "shop";

/// Inside a container.
pub(super) const PORT: u16 = 3306;

/// Server options of every drill server.
pub(super) const OPTIONS: [&str; 14] = [
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=64M",
    "--skip-name-resolve",
    "--mysqlx=OFF",
    "--innodb-redo-log-capacity=8M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-doublewrite=OFF",
    "--sync-binlog=0",
    "--innodb-numa-interleave=OFF",
    "--max-connections=500",
    "--server-id=1",
    "--binlog-format=ROW",
    "--binlog-row-image=FULL",
    "--binlog-row-metadata=FULL",
];

/// Makes `root`, who is the harness, and `cell`, who is a cell's programs, usable from any address without a password: the
/// same rights, but that a server which is read-only refuses what `cell` writes. Idempotent.
pub(super) const ROOT_SQL: &str = "CREATE USER IF NOT EXISTS 'root'@'%';\n\
     GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;\n\
     CREATE USER IF NOT EXISTS 'cell'@'%';\n\
     GRANT ALL ON *.* TO 'cell'@'%' WITH GRANT OPTION;\n\
     REVOKE SUPER, CONNECTION_ADMIN ON *.* FROM 'cell'@'%';\n";

pub(super) fn opts(endpoint: SocketAddr) -> Opts {
    OptsBuilder::default()
        .ip_or_hostname(endpoint.ip().to_string())
        .tcp_port(endpoint.port())
        .user(Some("root"))
        .prefer_socket(false)
        .into()
}

/// Returns when the server answers a query. Never by itself otherwise: the caller bounds it.
pub(super) async fn ready(endpoint: SocketAddr) {
    loop {
        let answered = async {
            let mut conn = Conn::new(opts(endpoint)).await?;
            conn.query_drop("SELECT 1").await?;
            conn.disconnect().await
        };
        if let Ok(Ok(())) = tokio::time::timeout(CONNECT_LIMIT, answered).await {
            return;
        }
        tokio::time::sleep(CONNECT_PAUSE).await;
    }
}

/// Creates the schema and applies `ddl` in it.
pub(super) async fn apply_schema(
    service: &str,
    endpoint: SocketAddr,
    ddl: &str,
) -> Result<(), StageError> {
    let applied = async {
        let mut conn = Conn::new(opts(endpoint)).await?;
        conn.query_drop(format!("CREATE DATABASE IF NOT EXISTS {SCHEMA}")).await?;
        conn.query_drop(format!("USE {SCHEMA}")).await?;
        if !ddl.trim().is_empty() {
            conn.query_drop(ddl).await?;
        }
        conn.disconnect().await
    };
    applied.await.map_err(|error: mysql_async::Error| StageError::Schema {
        service: service.to_owned(),
        error: error.to_string(),
    })
}
