//! The undo record: what a run makes on given servers, by name, written down before it is made.
//!
//! A file in the run's state directory, which goes with the run. Who ends a dead run carries it out: its guardian, by
//! `lossdrill undo`, else the next sweep. Again is fine. Only schemas that bear the drill's marker are touched, and not
//! where another drill is at work by now. Knows no fault: what faults do on given servers lies in what is made there.
//! Try it: `cargo test --test foreign undone`. Not covered: servers of our own, which end with the run or, leased, are
//! replaced by their holder.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout_at};

use super::guard::{MARKER_TABLE, is_marked, lock_schema, lock_tables, tables_of};
use super::{Login, topics};

const FILE: &str = "undo.json";
/// All of it, tried again and again; takes a second, and this is what the guardian's own limit leaves.
const LIMIT: Duration = Duration::from_secs(7);
const TRY_PAUSE: Duration = Duration::from_millis(100);
/// The dead run's connections end with it; a server that is slow to notice holds their locks for so long.
const LOCK_S: u32 = 2;

/// What was made, or is about to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub mysql: SocketAddr,
    pub user: String,
    pub password: Option<String>,
    pub schema: String,
    /// Made in the schema, which is its owner's.
    pub tables: Vec<String>,
    /// Schemas made beside it.
    pub beside: Vec<String>,
    pub kafka: SocketAddr,
    /// Before the logical names of the cells' topics.
    pub topic_prefixes: BTreeSet<String>,
}

impl Record {
    /// Takes the place of the record before, at once and whole. Only its owner may read it: it holds a password.
    pub fn write(&self, state_dir: &Path) -> io::Result<()> {
        let (part, whole) = (state_dir.join("undo.part"), state_dir.join(FILE));
        let mut options = OpenOptions::new();
        let mut file: File =
            options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(&serde_json::to_vec(self).expect("invariant: a record is plain data"))?;
        std::fs::rename(part, whole)
    }

    async fn carry_out(&self) -> Result<Vec<String>, Undone> {
        let end = Instant::now() + LIMIT;
        loop {
            let late = |_| Err(Undone::Failed(format!("not undone within {LIMIT:?}")));
            match timeout_at(end, self.try_once()).await.unwrap_or_else(late) {
                Err(Undone::Failed(_)) if Instant::now() + TRY_PAUSE < end => {
                    sleep(TRY_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    /// All of it behind the schema's lock: the next drill's tables and topics may bear the same names.
    async fn try_once(&self) -> Result<Vec<String>, Undone> {
        let login = Login { user: self.user.clone(), password: self.password.clone() };
        let options = login.mysql_async(&self.mysql.ip().to_string(), self.mysql.port());
        let mut conn = Conn::new(options).await?;
        if !lock_schema(&mut conn, &self.schema, LOCK_S).await? {
            return Err(Undone::Busy);
        }
        let made = self.drop_made(&mut conn).await;
        // Then the topics: a broker that does not answer keeps nobody from the tables.
        let prefixes: Vec<String> = self.topic_prefixes.iter().cloned().collect();
        let topics = topics::delete(self.kafka, &prefixes).await;
        let mut undone = made?;
        topics.map_err(|error| Undone::Failed(error.to_string()))?;
        undone.extend(prefixes.iter().map(|prefix| format!("deleted topics `{prefix}…`")));
        conn.disconnect().await?;
        Ok(undone)
    }

    /// Drops the tables and schemas by name; what it dropped.
    async fn drop_made(&self, conn: &mut Conn) -> Result<Vec<String>, mysql_async::Error> {
        let (schema, mut undone) = (&self.schema, Vec::new());
        conn.query_drop(format!("SET lock_wait_timeout = {LOCK_S}")).await?;
        lock_tables(conn, schema, LOCK_S).await?;
        let Some(tables) = tables_of(conn, schema).await? else { return Ok(undone) };
        if !is_marked(conn, schema, &tables).await? {
            return Ok(vec![format!("schema `{schema}` bears no marker any more: left as it is")]);
        }
        let ours = self.tables.iter().filter(|table| tables.contains(table));
        let ours: Vec<String> = ours.map(|table| format!("`{schema}`.`{table}`")).collect();
        if !ours.is_empty() {
            conn.query_drop(format!("DROP TABLE IF EXISTS {}", ours.join(", "))).await?;
            undone.extend(ours.iter().map(|table| format!("dropped table {table}")));
        }
        for beside in &self.beside {
            let Some(tables) = tables_of(conn, beside).await? else { continue };
            // Killed between the schema and its marker's row, we made it all the same.
            let only_just = tables.iter().all(|table| table == MARKER_TABLE);
            if only_just || is_marked(conn, beside, &tables).await? {
                conn.query_drop(format!("DROP DATABASE IF EXISTS `{beside}`")).await?;
                undone.push(format!("dropped schema `{beside}`"));
            }
        }
        Ok(undone)
    }
}

/// Why a record is not carried out: it stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undone {
    #[error("another drill is at work there: left to the sweep after it")]
    Busy,
    #[error("{0}")]
    Failed(String),
}

impl Undone {
    fn of(self, record: &Record) -> Undone {
        let (schema, mysql) = (&record.schema, record.mysql);
        match self {
            Undone::Busy => Undone::Busy,
            Undone::Failed(why) => Undone::Failed(format!(
                "undo in schema `{schema}` of the given mysql {mysql}: {why}"
            )),
        }
    }
}

impl From<mysql_async::Error> for Undone {
    fn from(error: mysql_async::Error) -> Undone {
        Undone::Failed(error.to_string())
    }
}

/// Undoes what is recorded in a dead run's state directory; what was undone. Nothing where nothing is recorded.
pub async fn carry_out(state_dir: &Path) -> Result<Vec<String>, Undone> {
    let file = state_dir.join(FILE);
    let failed = |error: io::Error| Undone::Failed(format!("{}: {error}", file.display()));
    let text = match std::fs::read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read.map_err(failed)?,
    };
    let record: Record = serde_json::from_slice(&text)
        .map_err(|error| Undone::Failed(format!("{}: {error}", file.display())))?;
    let undone = record.carry_out().await.map_err(|why| why.of(&record))?;
    forget(state_dir).map_err(failed)?;
    Ok(undone)
}

/// Everything was taken away: there is nothing to undo.
pub(super) fn forget(state_dir: &Path) -> io::Result<()> {
    match std::fs::remove_file(state_dir.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_record_is_its_owners_and_one_that_cannot_be_carried_out_stays() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(carry_out(dir.path()).await, Ok(Vec::new()), "nothing was recorded");
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut record = Record {
            mysql: nowhere,
            user: "drill".to_owned(),
            password: Some("p".to_owned()),
            schema: "s".to_owned(),
            tables: vec!["orders".to_owned()],
            beside: Vec::new(),
            kafka: nowhere,
            topic_prefixes: BTreeSet::new(),
        };
        record.write(dir.path()).unwrap();
        record.topic_prefixes.insert("drill.c1.".to_owned());
        record.write(dir.path()).unwrap();
        let file = dir.path().join(FILE);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let read: Record = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        assert_eq!(read, record);
        record.topic_prefixes.clear();
        record.write(dir.path()).unwrap();
        let error = carry_out(dir.path()).await.unwrap_err().to_string();
        assert!(error.contains("127.0.0.1:1"), "{error}");
        assert!(file.exists(), "the next sweep tries again");
        std::fs::write(&file, "{").unwrap();
        assert!(carry_out(dir.path()).await.unwrap_err().to_string().contains("undo.json"));
        forget(dir.path()).unwrap();
        forget(dir.path()).unwrap();
        assert_eq!(carry_out(dir.path()).await, Ok(Vec::new()));
    }
}
