//! The guard before given servers: what speaks against touching them, by their names and seen from inside.
//!
//! Changes nothing there but a lock of its own connection. Every refusal names the thing, and where there is one the way out.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use super::external::ExternalSpec;
use super::{Login, StageError};

/// The owner's word that a schema is for drills: a row of this table in it.
pub(super) const MARKER_TABLE: &str = "lossdrill_marker";
/// What the row says.
const MARKER: &str = "drill";
/// Words in a name that nobody gives to a server for drills.
const PRODUCTION: [&str; 7] = ["prod", "production", "prd", "live", "primary", "master", "prod1"];
/// What a drill that was killed has made is taken away within this, by who holds the schema for it.
const LOCK_S: u32 = 5;
const SYSTEM_SCHEMAS: [&str; 4] = ["mysql", "sys", "information_schema", "performance_schema"];
/// What change capture needs, and is the owner's to set: (variable, value).
const CAPTURE: [(&str, &str); 4] = [
    ("log_bin", "1"),
    ("binlog_format", "ROW"),
    ("binlog_row_image", "FULL"),
    ("binlog_row_metadata", "FULL"),
];

/// The parts of the URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    pub mysql: (String, u16),
    pub login: Login,
    pub schema: String,
    pub kafka: (String, u16),
}

/// The one thing that an owner has to run, once.
pub(super) fn marker_sql(schema: &str) -> String {
    format!(
        "CREATE TABLE `{schema}`.{MARKER_TABLE} (purpose VARCHAR(16) PRIMARY KEY); \
         INSERT INTO `{schema}`.{MARKER_TABLE} VALUES ('{MARKER}')"
    )
}

pub(super) fn refused(refusals: Vec<String>) -> StageError {
    StageError::Guarded(refusals.join("\n  "))
}

pub(super) fn places(spec: &ExternalSpec) -> Result<Places, StageError> {
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
pub(super) fn refusals(spec: &ExternalSpec, places: &Places) -> Vec<String> {
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
pub(super) fn address(
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
pub(super) fn table_names(ddl: &str) -> Vec<String> {
    let made = ddl.split("CREATE TABLE IF NOT EXISTS ").skip(1);
    let name = |text: &str| text.split([' ', '(', '\n']).next().unwrap_or_default().to_owned();
    made.map(|text| name(text).trim_matches('`').to_owned()).collect()
}

/// What speaks against the server and its schema, seen from inside. Changes nothing but the lock of this connection.
pub(super) async fn look(
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
    if !lock_schema(conn, schema, LOCK_S).await? {
        refusals.push(format!("another drill is running in schema `{schema}`"));
    }
    Ok(())
}

/// To be held by who makes or drops tables in the schema: a server goes on with what it was told after its client was
/// killed, and who undoes that waits for the end of it.
pub(super) async fn lock_tables(
    conn: &mut Conn,
    schema: &str,
    limit_s: u32,
) -> Result<(), mysql_async::Error> {
    match lock_schema(conn, &format!("{schema}.tables"), limit_s).await? {
        true => Ok(()),
        false => {
            let told = format!("another connection still makes tables in schema `{schema}`");
            Err(mysql_async::Error::Other(told.into()))
        }
    }
}

/// Makes the schema this connection's, for as long as it lives; false where it is another's for all of `limit_s`.
pub(super) async fn lock_schema(
    conn: &mut Conn,
    schema: &str,
    limit_s: u32,
) -> Result<bool, mysql_async::Error> {
    let lock = format!("SELECT GET_LOCK('lossdrill.{schema}', {limit_s})");
    Ok(conn.query_first::<Option<i64>, _>(lock).await?.flatten() == Some(1))
}

/// A schema of the system under test: not there yet, or left by a drill that was killed.
pub(super) async fn look_beside(
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
pub(super) async fn tables_of(
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

pub(super) async fn is_marked(
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
#[path = "guard_tests.rs"]
mod tests;
