//! Faults inside the MySQL server: rows locked, connections exhausted, a table altered, writes refused.
//!
//! What can die with its connection does (locks, connections); else the old value is kept before it is touched, and
//! put back by value. The server is the cell's own and ends with it, so that nothing outlives a kill of the harness.
//! Not covered: servers that are given, replicas.

use futures::future::join_all;
use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use tokio::time::{Instant, sleep};

use super::link::ASK_AGAIN;
use super::params::{Param, Params, Scale};
use super::sql::{self, SQL_LIMIT, SqlError};
use super::{Blast, FaultError, FaultSpec, Ground, Late, Layer, Need};

const TABLE: &str = "table";
/// The column that somebody adds.
const COLUMN: &str = "drill_note";
/// A server that lets in more than this is not exhausted by us.
const CONNECTIONS_MAX: usize = 4096;
/// Connections that are opened side by side.
const OPEN_AT_ONCE: usize = 32;

const TOO_MANY_CONNECTIONS: u16 = 1040;
const READ_ONLY: u16 = 1290;
const LOCKED: u16 = 3572;

/// (what follows `mysql.`, doc, what it withholds)
type Row = (&'static str, &'static str, &'static [&'static str]);

const ROWS: &[Row] = &[
    ("locks.held", "a transaction that does not end holds a table's row locks", &["shop"]),
    ("connections.exhausted", "the database has no connection left for a newcomer", &[]),
    ("table.altered", "somebody adds a column to a table; healing drops it", &[]),
    (
        "server.read-only",
        "the database is read-only, and refuses whatever shop and reconciler write",
        &["mysql", "shop", "dcheck"],
    ),
];

pub(super) fn specs() -> impl Iterator<Item = FaultSpec> {
    ROWS.iter().map(|(what, doc, withholds)| FaultSpec {
        id: format!("mysql.{what}"),
        doc: (*doc).to_owned(),
        layer: Layer::Mysql,
        params: match *what {
            "locks.held" => vec![table("whose rows are locked")],
            "table.altered" => vec![table("that gets the column")],
            _ => Vec::new(),
        },
        needs: Need::Server,
        blast: Blast::Cell,
        withholds: withholds.to_vec(),
        raises: Vec::new(),
        waits_for_traffic: false,
        late: Late::default(),
    })
}

fn table(doc: &'static str) -> Param {
    Param { name: TABLE, doc, scale: Scale::Name { default: "orders" } }
}

enum What {
    LocksHeld { table: String },
    ConnectionsExhausted,
    TableAltered { table: String },
    ReadOnly,
}

pub(super) struct ServerFault {
    spec: &'static FaultSpec,
    server: MySqlConnectOptions,
    /// As the cell's programs are let in.
    anybody: MySqlConnectOptions,
    what: What,
    /// What is held until it is healed: it goes with its connections.
    held: Vec<MySqlConnection>,
    /// How it was before it was touched.
    before: Option<Vec<String>>,
}

impl ServerFault {
    pub fn new(
        spec: &'static FaultSpec,
        params: &Params,
        ground: &Ground,
    ) -> Result<ServerFault, FaultError> {
        let table = || params.word(TABLE).to_owned();
        let what = match spec.id.trim_start_matches("mysql.") {
            "locks.held" => What::LocksHeld { table: table() },
            "connections.exhausted" => What::ConnectionsExhausted,
            "table.altered" => What::TableAltered { table: table() },
            "server.read-only" => What::ReadOnly,
            other => unreachable!("the table has no `{other}`"),
        };
        let server = ground.server(spec)?.disable_statement_logging();
        let anybody = ground.books(spec)?.disable_statement_logging();
        Ok(ServerFault { spec, server, anybody, what, held: Vec::new(), before: None })
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        let done = match &self.what {
            What::LocksHeld { table } => self.lock(&table.clone()).await,
            What::ConnectionsExhausted => self.exhaust().await,
            What::TableAltered { table } => self.alter(&table.clone()).await,
            What::ReadOnly => self.refuse_writes().await,
        };
        done.map_err(|reason| FaultError::Inject { fault: self.spec.id.clone(), reason })
    }

    async fn open(&self) -> Result<MySqlConnection, String> {
        sql::open(&self.server).await.map_err(said)
    }

    async fn lock(&mut self, table: &str) -> Result<String, String> {
        if self.held.is_empty() {
            let mut holder = self.open().await?;
            sql::run(&mut holder, "BEGIN").await.map_err(said)?;
            let lock = format!("SELECT COUNT(*) FROM `{table}` FOR UPDATE");
            let rows = sql::first(&mut holder, &lock).await.map_err(said)?;
            self.held.push(holder);
            self.before = rows;
        }
        let rows = self.before.iter().flatten().next().cloned().unwrap_or_default();
        Ok(format!("a transaction holds the {rows} rows of `{table}` and all that would be new"))
    }

    async fn exhaust(&mut self) -> Result<String, String> {
        while self.held.len() < CONNECTIONS_MAX {
            let more = join_all((0..OPEN_AT_ONCE).map(|_| sql::open(&self.server))).await;
            let mut is_full = false;
            for opened in more {
                match opened {
                    Ok(conn) => self.held.push(conn),
                    Err(error) if error.code() == Some(TOO_MANY_CONNECTIONS) => is_full = true,
                    Err(error) => return Err(said(error)),
                }
            }
            if is_full {
                return Ok(format!("{} connections are held", self.held.len()));
            }
        }
        Err(format!("{CONNECTIONS_MAX} connections are open, and the server takes still more"))
    }

    async fn alter(&mut self, table: &str) -> Result<String, String> {
        let mut server = self.open().await?;
        // Somebody else's column of this name would be dropped by the heal.
        if self.before.is_none() && self.has_column(table).await? {
            return Err(format!("`{table}` has a column `{COLUMN}` of its own"));
        }
        self.before = Some(Vec::new());
        if !self.has_column(table).await? {
            let add = format!("ALTER TABLE `{table}` ADD COLUMN {COLUMN} VARCHAR(16) NULL");
            sql::run(&mut server, &add).await.map_err(said)?;
        }
        Ok(format!("`{table}` got a column `{COLUMN}`"))
    }

    async fn has_column(&self, table: &str) -> Result<bool, String> {
        let query = format!(
            "SELECT 1 FROM information_schema.columns WHERE table_schema = DATABASE() \
             AND table_name = '{table}' AND column_name = '{COLUMN}'"
        );
        Ok(sql::first(&mut self.open().await?, &query).await.map_err(said)?.is_some())
    }

    async fn refuse_writes(&mut self) -> Result<String, String> {
        let mut server = self.open().await?;
        if self.before.is_none() {
            let now = "SELECT @@GLOBAL.read_only, @@GLOBAL.super_read_only";
            self.before = sql::first(&mut server, now).await.map_err(said)?;
        }
        // Not for administrators: the harness's marks must get through, or nobody knows how far the log was read.
        sql::run(&mut server, "SET GLOBAL read_only = ON").await.map_err(said)?;
        Ok(format!(
            "read-only for all but administrators; it was {:?}",
            self.before.iter().flatten()
        ))
    }

    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let seen = match &self.what {
            What::LocksHeld { table } => self.is_locked(table).await,
            What::ConnectionsExhausted => match sql::open(&self.server).await {
                Err(error) if error.code() == Some(TOO_MANY_CONNECTIONS) => Ok(said(error)),
                other => Err(format!("a newcomer got {}", told(other))),
            },
            What::TableAltered { table } => match self.has_column(table).await {
                Ok(true) => Ok(format!("`{table}` reads back with `{COLUMN}`")),
                Ok(false) => Err(format!("`{table}` reads back without `{COLUMN}`")),
                Err(error) => Err(error),
            },
            What::ReadOnly => match self.write().await {
                Err(error) if error.code() == Some(READ_ONLY) => Ok(said(error)),
                other => Err(format!("a write got {}", told(other))),
            },
        };
        seen.map_err(|reason| FaultError::NoBite { fault: self.spec.id.clone(), reason })
    }

    /// Somebody else is refused a row; of an empty table the server says who holds its end.
    async fn is_locked(&self, table: &str) -> Result<String, String> {
        let mut other = self.open().await?;
        let take = format!("SELECT 1 FROM `{table}` LIMIT 1 FOR UPDATE NOWAIT");
        match sql::first(&mut other, &take).await {
            Err(error) if error.code() == Some(LOCKED) => Ok(said(error)),
            Ok(None) => {
                let held = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_rows_locked > 0 \
                            AND trx_mysql_thread_id <> CONNECTION_ID()";
                let held = sql::first(&mut other, held).await.map_err(said)?;
                match held.iter().flatten().next() {
                    Some(count) if count != "0" => Ok(format!("{count} transactions hold locks")),
                    _ => Err(format!("`{table}` is empty, and nobody holds its locks")),
                }
            }
            other => Err(format!("who asked for a row of `{table}` got {}", told(other))),
        }
    }

    /// Would change no row even where it is let.
    async fn write(&self) -> Result<(), SqlError> {
        let mut other = sql::open(&self.anybody).await?;
        sql::run(&mut other, "DELETE FROM drill_mark WHERE FALSE").await
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        self.held.clear();
        let healed = match (&self.what, &self.before) {
            (What::TableAltered { table }, Some(_)) => self.drop_column(table).await,
            (What::ReadOnly, Some(before)) => self.put_back(before).await,
            _ => Ok(()),
        };
        healed.map_err(|reason| FaultError::Heal { fault: self.spec.id.clone(), reason })
    }

    /// Looks only once nobody else is at work on the table: the server goes on with what nobody awaits any more.
    async fn drop_column(&self, table: &str) -> Result<(), String> {
        let mut server = self.open().await?;
        sql::run(&mut server, &format!("LOCK TABLES `{table}` WRITE")).await.map_err(said)?;
        if !self.has_column(table).await? {
            return Ok(());
        }
        let drop = format!("ALTER TABLE `{table}` DROP COLUMN {COLUMN}");
        sql::run(&mut server, &drop).await.map_err(said)
    }

    async fn put_back(&self, before: &[String]) -> Result<(), String> {
        let mut server = self.open().await?;
        for (name, value) in ["read_only", "super_read_only"].into_iter().zip(before) {
            // `read_only` takes `super_read_only` with it when it goes off.
            let set = format!("SET GLOBAL {name} = {value}");
            sql::run(&mut server, &set).await.map_err(said)?;
        }
        Ok(())
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let seen = match &self.what {
            What::LocksHeld { table } => self.is_free(table).await,
            What::ConnectionsExhausted => self.lets_in().await,
            What::TableAltered { table } => match self.has_column(table).await {
                Ok(false) => Ok(format!("`{table}` reads back without `{COLUMN}`")),
                Ok(true) => Err(format!("`{table}` still has `{COLUMN}`")),
                Err(error) => Err(error),
            },
            What::ReadOnly => match (self.write().await, &self.before) {
                (Ok(()), _) => Ok("a write is taken".to_owned()),
                (Err(error), Some(before)) if before.iter().any(|value| value != "0") => {
                    Ok(format!("as it was before: {error}"))
                }
                (Err(error), _) => Err(said(error)),
            },
        };
        seen.map_err(|reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason })
    }

    /// A server notices the end of a connection in its own time.
    async fn is_free(&self, table: &str) -> Result<String, String> {
        let start = Instant::now();
        loop {
            let take = format!("SELECT COUNT(*) FROM `{table}` FOR UPDATE NOWAIT");
            match sql::first(&mut self.open().await?, &take).await {
                Ok(_) => return Ok(format!("somebody else could lock the rows of `{table}`")),
                // The business may hold a row for a moment.
                Err(error) if start.elapsed() > SQL_LIMIT => return Err(said(error)),
                Err(_) => sleep(ASK_AGAIN).await,
            }
        }
    }

    async fn lets_in(&self) -> Result<String, String> {
        let start = Instant::now();
        loop {
            match sql::open(&self.server).await {
                Ok(_) => return Ok("a newcomer is let in".to_owned()),
                Err(error) if start.elapsed() > SQL_LIMIT => return Err(said(error)),
                Err(_) => sleep(ASK_AGAIN).await,
            }
        }
    }
}

fn said(error: SqlError) -> String {
    error.to_string()
}

fn told<T>(result: Result<T, SqlError>) -> String {
    result.map_or_else(said, |_| "what was asked for".to_owned())
}
