//! Provider `external`: a MySQL and a Kafka that the user gives, and the guard before them.
//!
//! Nothing is touched before every check has passed, and all that fail are told at once. What a drill makes there has a name
//! that this file knows, and goes by that name: the tables of the DDL, the schemas beside, the topics of its cells. Servers are
//! never killed, paused or reconfigured. Try it: `cargo test --test foreign`. Not covered: TLS, and Kafka with a login.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Mutex;
use std::time::Duration;

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::service::{Backend, Kind, Service};
use super::{Login, StageError, topics};
use crate::config::Guard;
use crate::journal::ServiceFacts;

/// The owner's word that a schema is for drills: a row of this table in it.
pub const MARKER_TABLE: &str = "lossdrill_marker";
/// What the row says.
const MARKER: &str = "drill";
/// A given server that is up answers in milliseconds; over a network it gets this much.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Words in a name that nobody gives to a server for drills.
const PRODUCTION: [&str; 7] = ["prod", "production", "prd", "live", "primary", "master", "prod1"];
const SYSTEM_SCHEMAS: [&str; 4] = ["mysql", "sys", "information_schema", "performance_schema"];
/// What change capture needs, and is the owner's to set: (variable, value).
const CAPTURE: [(&str, &str); 4] = [
    ("log_bin", "1"),
    ("binlog_format", "ROW"),
    ("binlog_row_image", "FULL"),
    ("binlog_row_metadata", "FULL"),
];

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
    made: Mutex<BTreeSet<String>>,
    /// Holds the schema's lock: two drills in one schema would judge each other's money.
    _lock: Conn,
    pub facts: Vec<ServiceFacts>,
}

/// The parts of the URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Places {
    mysql: (String, u16),
    login: Login,
    schema: String,
    kafka: (String, u16),
}

impl External {
    /// Checks everything, then makes the tables.
    pub async fn open(spec: &ExternalSpec, ddl: &str) -> Result<External, StageError> {
        let places = places(spec)?;
        let mut refusals = refusals(spec, &places);
        let mysql = address(&places.mysql, spec.guard.allow_remote, &mut refusals);
        let kafka = address(&places.kafka, spec.guard.allow_remote, &mut refusals);
        let (Some(mysql), Some(kafka)) = (mysql, kafka) else { return Err(refused(refusals)) };
        if !refusals.is_empty() {
            return Err(refused(refusals));
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
            made: Mutex::default(),
            _lock: conn,
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
    pub fn topic_prefix(&self, cell: &str) -> String {
        let first = &self.spec.guard.topic_prefixes[0];
        let prefix = if self.spec.fixed_topics { first.clone() } else { format!("{first}{cell}.") };
        self.made.lock().expect("no holder panics").insert(prefix.clone());
        prefix
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
        self.drop_topics().await?;
        let mut conn = self.connect().await?;
        let dropped = self.drop_tables(&mut conn).await;
        dropped.map_err(failed(self.mysql))
    }

    async fn drop_topics(&self) -> Result<(), StageError> {
        let made = std::mem::take(&mut *self.made.lock().expect("no holder panics"));
        let made: Vec<String> = made.into_iter().collect();
        topics::delete(self.kafka, &made).await.map_err(|error| StageError::Engine {
            what: "delete topics",
            service: self.kafka.to_string(),
            error: error.to_string(),
        })
    }

    async fn connect(&self) -> Result<Conn, StageError> {
        let (host, port) = (self.mysql.ip().to_string(), self.mysql.port());
        in_time("connect", self.mysql, Conn::new(self.login.mysql_async(&host, port))).await
    }

    async fn remake(&self) -> Result<(), StageError> {
        let mut conn = self.connect().await?;
        let made = async {
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

/// The one thing that an owner has to run, once.
fn marker_sql(schema: &str) -> String {
    format!(
        "CREATE TABLE `{schema}`.{MARKER_TABLE} (purpose VARCHAR(16) PRIMARY KEY); \
         INSERT INTO `{schema}`.{MARKER_TABLE} VALUES ('{MARKER}')"
    )
}

fn facts(service: &str, version: String, source: String) -> ServiceFacts {
    let (service, provider) = (service.to_owned(), "external".to_owned());
    ServiceFacts { service, version, provider, source, stand_in: false }
}

fn refused(refusals: Vec<String>) -> StageError {
    StageError::Guarded(refusals.join("\n  "))
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

fn places(spec: &ExternalSpec) -> Result<Places, StageError> {
    let bad = |what: &str, text: &str, example: &str| {
        refused(vec![format!("stage.{what}.url `{text}` is no address: write it like {example}")])
    };
    let example = "mysql://USER:PASSWORD@127.0.0.1:3306/SCHEMA";
    let shown = spec.mysql.rsplit('@').next().unwrap_or_default();
    let no_mysql = || bad("mysql", shown, example);
    let url = reqwest::Url::parse(&spec.mysql).map_err(|_| no_mysql())?;
    let schema = url.path().trim_start_matches('/').to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_whole = url.scheme() == "mysql" && !url.username().is_empty() && !schema.is_empty();
    if !is_whole || !schema.chars().all(plain) {
        return Err(no_mysql());
    }
    let host = url.host_str().ok_or_else(no_mysql)?.to_owned();
    let no_kafka = || bad("kafka", &spec.kafka, "127.0.0.1:9092, one bootstrap address");
    let (kafka, port) = spec.kafka.rsplit_once(':').ok_or_else(no_kafka)?;
    if kafka.is_empty() || kafka.contains(',') {
        return Err(no_kafka());
    }
    let user = decoded(url.username()).ok_or_else(no_mysql)?;
    let password = match url.password() {
        Some(text) => Some(decoded(text).ok_or_else(no_mysql)?),
        None => None,
    };
    Ok(Places {
        mysql: (host, url.port().unwrap_or(3306)),
        login: Login { user, password },
        schema,
        kafka: (kafka.to_owned(), port.parse().map_err(|_| no_kafka())?),
    })
}

/// A part of a URL without its `%XX`.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let (digits, left) = after.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = left;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

/// What speaks against these places before anybody has connected.
fn refusals(spec: &ExternalSpec, places: &Places) -> Vec<String> {
    let guard = &spec.guard;
    let mut refusals = Vec::new();
    let mut named = |what: &str, name: &str, list: &[String], key: &str| {
        if !list.iter().any(|one| one == name) {
            refusals.push(format!("{what} `{name}` is not in stage.guard.{key}"));
        }
        if let Some(word) = looks_productive(name) {
            refusals.push(format!("{what} `{name}` looks like production (`{word}`)"));
        }
    };
    named("host", &places.mysql.0, &guard.hosts, "hosts");
    if places.kafka.0 != places.mysql.0 {
        named("host", &places.kafka.0, &guard.hosts, "hosts");
    }
    named("schema", &places.schema, &guard.schemas, "schemas");
    for beside in &spec.beside {
        named("schema", beside, &guard.schemas, "schemas");
    }
    let prefix = guard.topic_prefixes.first().cloned().unwrap_or_default();
    named("topic prefix", &prefix, &guard.topic_prefixes, "topic_prefixes");
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if prefix.len() < 2 || !prefix.ends_with(['.', '_', '-']) || !prefix.chars().all(plain) {
        let told = "must be a name and end with `.`, `_` or `-`, like `drill.`";
        refusals.push(format!("topic prefix `{prefix}` {told}"));
    }
    if SYSTEM_SCHEMAS.contains(&places.schema.to_ascii_lowercase().as_str()) {
        refusals.push(format!("schema `{}` is the server's own", places.schema));
    }
    refusals
}

/// The word of a name that only production bears.
fn looks_productive(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.find_map(|word| PRODUCTION.iter().find(|bad| **bad == word).copied())
}

/// Where a host is; remote ones need a word.
fn address(
    (host, port): &(String, u16),
    allow_remote: bool,
    refusals: &mut Vec<String>,
) -> Option<SocketAddr> {
    let found: Vec<SocketAddr> = match (host.as_str(), *port).to_socket_addrs() {
        Ok(found) => found.collect(),
        Err(error) => {
            refusals.push(format!("host `{host}` has no address: {error}"));
            return None;
        }
    };
    let address = found.iter().find(|a| a.is_ipv4()).or(found.first()).copied();
    let Some(address) = address else {
        refusals.push(format!("host `{host}` has no address"));
        return None;
    };
    if !is_near(address.ip()) && !allow_remote {
        let told =
            "is neither loopback nor private: say `allow_remote: true` in stage.guard if it is";
        refusals.push(format!("host `{host}` ({}) {told} for drills", address.ip()));
    }
    Some(address)
}

fn is_near(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// The tables that a DDL makes.
fn table_names(ddl: &str) -> Vec<String> {
    let made = ddl.split("CREATE TABLE IF NOT EXISTS ").skip(1);
    let name = |text: &str| text.split([' ', '(', '\n']).next().unwrap_or_default().to_owned();
    made.map(|text| name(text).trim_matches('`').to_owned()).collect()
}

/// What speaks against the server and its schema, seen from inside. Changes nothing but the lock of this connection.
async fn look(
    conn: &mut Conn,
    schema: &str,
    ours: &[String],
    refusals: &mut Vec<String>,
) -> Result<(), mysql_async::Error> {
    for (variable, wanted) in CAPTURE {
        let value: Option<String> = conn.query_first(format!("SELECT @@{variable}")).await?;
        if value.as_deref() != Some(wanted) {
            let value = value.unwrap_or_default();
            let told = format!("change capture needs {wanted}, and it is the owner's to set");
            refusals.push(format!("the given mysql has {variable}={value}: {told}"));
        }
    }
    let Some(tables) = tables_of(conn, schema).await? else {
        refusals.push(format!("there is no schema `{schema}`: CREATE DATABASE `{schema}`"));
        return Ok(());
    };
    let others: Vec<&String> =
        tables.iter().filter(|t| *t != MARKER_TABLE && !ours.contains(t)).collect();
    let marked = is_marked(conn, schema, &tables).await?;
    if !marked {
        let empty = if tables.is_empty() { "" } else { "is not empty and " };
        let sql = marker_sql(schema);
        let told = format!("has no drill marker row; if it is for drills, run: {sql}");
        refusals.push(format!("schema `{schema}` {empty}{told}"));
    }
    if marked && !others.is_empty() {
        let told = "a drill drops and makes tables, and wants a schema of its own";
        refusals
            .push(format!("schema `{schema}` has tables that are not ours ({others:?}): {told}"));
    }
    let lock = format!("SELECT GET_LOCK('lossdrill.{schema}', 0)");
    if conn.query_first::<Option<i64>, _>(lock).await?.flatten() != Some(1) {
        refusals.push(format!("another drill is running in schema `{schema}`"));
    }
    Ok(())
}

/// A schema of the system under test: not there yet, or left by a drill that was killed.
async fn look_beside(
    conn: &mut Conn,
    schema: &str,
    refusals: &mut Vec<String>,
) -> Result<(), mysql_async::Error> {
    if let Some(tables) = tables_of(conn, schema).await?
        && !is_marked(conn, schema, &tables).await?
    {
        let told = "is there already and no drill made it: it would be dropped";
        refusals.push(format!("schema `{schema}`, which the reconciler makes, {told}"));
    }
    Ok(())
}

/// None where there is no such schema.
async fn tables_of(
    conn: &mut Conn,
    schema: &str,
) -> Result<Option<Vec<String>>, mysql_async::Error> {
    let there = "SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?";
    if conn.exec_first::<i64, _, _>(there, (schema,)).await? != Some(1) {
        return Ok(None);
    }
    let names =
        "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = ?";
    conn.exec(names, (schema,)).await.map(Some)
}

async fn is_marked(
    conn: &mut Conn,
    schema: &str,
    tables: &[String],
) -> Result<bool, mysql_async::Error> {
    if !tables.iter().any(|table| table == MARKER_TABLE) {
        return Ok(false);
    }
    let row = format!("SELECT COUNT(*) FROM `{schema}`.{MARKER_TABLE} WHERE purpose = '{MARKER}'");
    Ok(conn.query_first::<i64, _>(row).await? == Some(1))
}

#[cfg(test)]
#[path = "external_tests.rs"]
mod tests;
