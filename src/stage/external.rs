//! Provider `external`: a MySQL and a Kafka that the user gives, used behind the guard (`guard`).
//!
//! Nothing is touched before every check has passed, and all that fail are told at once. What a drill makes there has a name
//! that this file knows, and goes by that name: the tables of the DDL, the schemas beside, the topics of its cells; a kill of
//! the harness changes nothing about that (`undo`). Servers are
//! never killed, paused or reconfigured. Try it: `cargo test --test foreign`. Not covered: TLS, and Kafka with a login.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::guard::{
    address, lock_tables, look, look_beside, marker_sql, places, refusals, refused, table_names,
};
use super::guardian::{Cleanup, Guardian};
use super::service::{Backend, Kind, Service};
use super::undo::{self, Record};
use super::{Login, StageError, kafka, topics};
use crate::config::Guard;
use crate::journal::ServiceFacts;

/// A given server that is up answers in milliseconds; over a network it gets this much.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Nobody else makes tables in a schema that is ours; this only bounds the end of the connection before.
const TABLES_S: u32 = 5;
/// What the configuration gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalSpec {
    /// `mysql://USER:PASSWORD@HOST:PORT/SCHEMA`
    pub mysql: String,
    /// `HOST:PORT`
    pub kafka: String,
    pub guard: Guard,
    /// Schemas that the system under test makes for itself on the same server.
    pub beside: Vec<String>,
    /// The topics' names do not change from cell to cell: somebody reads them who was told once.
    pub fixed_topics: bool,
}

/// The given servers after all checks, and what was made on them.
pub(super) struct External {
    mysql: SocketAddr,
    login: Login,
    schema: String,
    kafka: SocketAddr,
    spec: ExternalSpec,
    ddl: String,
    made: Made,
    /// Holds the schema's lock: two drills in one schema would judge each other's money.
    lock: Mutex<Option<Conn>>,
    pub facts: Vec<ServiceFacts>,
}

impl External {
    /// Checks everything, writes down what will be made, then makes the tables.
    pub async fn open(
        spec: &ExternalSpec,
        ddl: &str,
        guardian: &Guardian,
    ) -> Result<External, StageError> {
        let places = places(spec)?;
        let mut refusals = refusals(spec, &places);
        let mysql = address(&places.mysql, spec.guard.allow_remote, &mut refusals);
        let kafka = address(&places.kafka, spec.guard.allow_remote, &mut refusals);
        let (Some(mysql), Some(kafka)) = (mysql, kafka) else { return Err(refused(refusals)) };
        if !refusals.is_empty() {
            return Err(refused(refusals));
        }
        let brokers = kafka::brokers(kafka).await?;
        if brokers != 1 {
            refusals
                .push(format!("kafka {kafka} has {brokers} brokers: a cell's link carries one"));
        }
        let options = places.login.mysql_async(&mysql.ip().to_string(), mysql.port());
        let mut conn = in_time("connect", mysql, Conn::new(options)).await?;
        let tables = table_names(ddl);
        look(&mut conn, &places.schema, &tables, &mut refusals).await.map_err(failed(mysql))?;
        for beside in &spec.beside {
            look_beside(&mut conn, beside, &mut refusals).await.map_err(failed(mysql))?;
        }
        if !refusals.is_empty() {
            return Err(refused(refusals));
        }
        let version: Option<String> =
            conn.query_first("SELECT VERSION()").await.map_err(failed(mysql))?;
        let record = Record {
            mysql,
            user: places.login.user.clone(),
            password: places.login.password.clone(),
            schema: places.schema.clone(),
            tables,
            beside: spec.beside.clone(),
            kafka,
            topic_prefixes: BTreeSet::new(),
        };
        let external = External {
            mysql,
            login: places.login,
            facts: vec![
                facts("mysql", version.unwrap_or_default(), format!("{mysql}/{}", places.schema)),
                facts("kafka", "unknown".to_owned(), kafka.to_string()),
            ],
            schema: places.schema,
            kafka,
            spec: spec.clone(),
            ddl: ddl.to_owned(),
            made: Made::write_down(record, guardian).await?,
            lock: Mutex::new(Some(conn)),
        };
        external.remake().await?;
        Ok(external)
    }

    pub fn mysql(&self, name: &str) -> Service {
        let service = Service::new(name, Kind::MySql, self.mysql, Backend::Given);
        service.met_as(self.login.clone(), &self.schema)
    }

    pub fn kafka(&self) -> Service {
        Service::new("kafka", Kind::Kafka, self.kafka, Backend::Given)
    }

    /// What stands before the logical names of a cell's topics; what is made there is remembered.
    pub fn topic_prefix(&self, cell: &str) -> Result<String, StageError> {
        let first = &self.spec.guard.topic_prefixes[0];
        let prefix = if self.spec.fixed_topics { first.clone() } else { format!("{first}{cell}.") };
        self.made.change(|prefixes| prefixes.insert(prefix.clone()))?;
        Ok(prefix)
    }

    /// Empty tables again, and the cells' topics gone: what the next scenario finds.
    pub async fn clean(&self) -> Result<(), StageError> {
        if !self.spec.fixed_topics {
            self.drop_topics().await?;
        }
        self.remake().await
    }

    /// Removes all that was made, by name; the owner's schema and marker stay.
    pub async fn leave(&self) -> Result<(), StageError> {
        let left = self.remove().await;
        // Where something stays, the undo record is carried out, and that needs the schema.
        let lock = self.lock.lock().expect("no holder panics").take();
        if let Some(lock) = lock {
            let _ = in_time("leave", self.mysql, lock.disconnect()).await;
        }
        left
    }

    async fn remove(&self) -> Result<(), StageError> {
        self.drop_topics().await?;
        let mut conn = self.connect().await?;
        let dropped = self.drop_tables(&mut conn).await;
        dropped.map_err(failed(self.mysql))?;
        self.made.forget().await
    }

    async fn drop_topics(&self) -> Result<(), StageError> {
        let made = self.made.topic_prefixes();
        topics::delete(self.kafka, &made).await.map_err(|error| StageError::Engine {
            what: "delete topics",
            service: self.kafka.to_string(),
            error: error.to_string(),
        })?;
        self.made.change(|prefixes| prefixes.retain(|prefix| !made.contains(prefix)))
    }

    async fn connect(&self) -> Result<Conn, StageError> {
        let (host, port) = (self.mysql.ip().to_string(), self.mysql.port());
        in_time("connect", self.mysql, Conn::new(self.login.mysql_async(&host, port))).await
    }

    async fn remake(&self) -> Result<(), StageError> {
        let mut conn = self.connect().await?;
        let made = async {
            lock_tables(&mut conn, &self.schema, TABLES_S).await?;
            self.drop_tables(&mut conn).await?;
            conn.query_drop(format!("USE `{}`", self.schema)).await?;
            conn.query_drop(&self.ddl).await?;
            for beside in &self.spec.beside {
                conn.query_drop(format!("CREATE DATABASE `{beside}`")).await?;
                conn.query_drop(marker_sql(beside)).await?;
            }
            Ok(())
        };
        made.await.map_err(failed(self.mysql))
    }

    async fn drop_tables(&self, conn: &mut Conn) -> Result<(), mysql_async::Error> {
        for table in table_names(&self.ddl) {
            conn.query_drop(format!("DROP TABLE IF EXISTS `{}`.`{table}`", self.schema)).await?;
        }
        for beside in &self.spec.beside {
            conn.query_drop(format!("DROP DATABASE IF EXISTS `{beside}`")).await?;
        }
        Ok(())
    }
}

/// What was made on the given servers, as the undo record has it: should this process be killed, the guardian undoes it.
struct Made {
    record: Mutex<Record>,
    guardian: Guardian,
    cleanup: u64,
}

impl Made {
    async fn write_down(record: Record, guardian: &Guardian) -> Result<Made, StageError> {
        let dir = guardian.state_dir();
        record.write(&dir).map_err(StageError::io("write the undo record in", &dir))?;
        let program = guardian.program().display().to_string();
        let args = vec!["undo".to_owned(), dir.display().to_string()];
        let cleanup = guardian.add_cleanup(Cleanup::Undo { program, args }).await?;
        Ok(Made { record: Mutex::new(record), guardian: guardian.clone(), cleanup })
    }

    fn topic_prefixes(&self) -> Vec<String> {
        let record = self.record.lock().expect("no holder panics");
        record.topic_prefixes.iter().cloned().collect()
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeSet<String>) -> T) -> Result<(), StageError> {
        let mut record = self.record.lock().expect("no holder panics");
        change(&mut record.topic_prefixes);
        let dir = self.guardian.state_dir();
        record.write(&dir).map_err(StageError::io("write the undo record in", &dir))
    }

    async fn forget(&self) -> Result<(), StageError> {
        self.guardian.drop_cleanup(self.cleanup).await?;
        let dir = self.guardian.state_dir();
        undo::forget(&dir).map_err(StageError::io("remove the undo record in", &dir))
    }
}

fn facts(service: &str, version: String, source: String) -> ServiceFacts {
    let (service, provider) = (service.to_owned(), "external".to_owned());
    ServiceFacts { service, version, provider, source, stand_in: false }
}

fn failed(at: SocketAddr) -> impl Fn(mysql_async::Error) -> StageError {
    move |error| StageError::Engine {
        what: "prepare the given mysql",
        service: at.to_string(),
        error: error.to_string(),
    }
}

async fn in_time<T>(
    what: &'static str,
    at: SocketAddr,
    work: impl Future<Output = Result<T, mysql_async::Error>>,
) -> Result<T, StageError> {
    let failed = |error: String| StageError::Engine { what, service: at.to_string(), error };
    match tokio::time::timeout(ANSWER_LIMIT, work).await {
        Ok(done) => done.map_err(|error| failed(error.to_string())),
        Err(_) => Err(failed(format!("no answer within {ANSWER_LIMIT:?}"))),
    }
}
