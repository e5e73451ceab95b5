//! The warm stage: a holder process keeps Kafka and some MySQL servers up between runs; runs lease
//! them.
//!
//! `lossdrill-state/warm/` has the holder's lock, its socket and `stage.json`. A lease is a
//! connection: it starts with one [`Request`] and carries what is to be done to that one server;
//! when it ends, however it ends, the holder takes the server back: a MySQL server is thrown away
//! and another one started ahead then, Kafka is made to run again and, when its last lease ends, loses
//! its topics. The holder has a guardian of its own, so warm servers never outlive it. Try it:
//! `lossdrill stage up && lossdrill stage status && lossdrill stage down`.
//! Not covered: holders on other machines, and two holders for one user with the same TMPDIR.

mod held;
mod hold;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;

pub(super) use held::{HeldServer, Wanted, lease, lease_cluster};
pub use hold::hold;

use super::state::{self, StateLock};
use super::{Provider, StageError, StageOptions, template};
use crate::journal::ServiceFacts;

/// From `stage up` to servers that answer, the making of a template and a pull of images included.
const UP_LIMIT: Duration = Duration::from_secs(1200);
/// From `stage down` to the holder being gone: its guardian's promise, twice.
const DOWN_LIMIT: Duration = Duration::from_secs(25);
const DOWN_LOOK_PAUSE: Duration = Duration::from_millis(20);
/// A holder that lives answers at once.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// What a holder is to keep; JSON on its standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldSpec {
    /// `auto`, `docker`, `local`
    pub provider: String,
    pub mysql_image: String,
    pub kafka_image: String,
    pub schema_sql: String,
    /// MySQL servers that are up and not leased.
    pub mysql_ahead: usize,
}

/// `stage.json`: what runs need to know to decide whether to lease, and people by `stage status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmStage {
    pub pid: u32,
    pub run_id: String,
    pub facts: Vec<ServiceFacts>,
    pub kafka: SocketAddr,
    pub mysql_ahead: usize,
    /// Stands for schema and images: a run with others does not lease.
    pub key: String,
}

/// The first line of a connection, and what follows on a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
enum Request {
    LeaseKafka,
    /// A broker that nobody else uses.
    LeaseOwnKafka {
        name: String,
    },
    /// Brokers that are one cluster, which nobody else uses.
    LeaseCluster {
        name: String,
    },
    LeaseMysql,
    /// A server that follows the leased one at this address.
    LeaseReplica {
        of: SocketAddr,
    },
    Kill,
    Pause,
    Resume,
    Restart,
    Remove,
    IsRunning,
    Logs {
        lines: usize,
    },
    Down,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Leased(SocketAddr),
    LeasedAll(Vec<SocketAddr>),
    Done,
    Running(bool),
    Text(String),
    Failed(String),
}

fn dir() -> PathBuf {
    state::run_dir("warm")
}

fn socket() -> PathBuf {
    dir().join("hold.sock")
}

/// The same key = the same servers.
fn key(mysql_image: &str, kafka_image: &str, schema_sql: &str, provider: &str) -> String {
    let images = if provider == "docker" { [mysql_image, kafka_image] } else { ["", ""] };
    template::key(&[provider, images[0], images[1], schema_sql])
}

/// The warm stage, when a holder lives.
pub fn status() -> Option<WarmStage> {
    let dir = dir();
    let text = std::fs::read_to_string(dir.join("stage.json")).ok()?;
    match StateLock::take_existing(&dir) {
        Ok(None) => serde_json::from_str(&text).ok(),
        _ => None, // nobody holds it: of a holder that was killed
    }
}

/// The warm stage, when it is what `options` ask for.
pub(super) fn fitting(options: &StageOptions) -> Option<WarmStage> {
    let warm = status()?;
    let provider = warm.facts.first()?.provider.clone();
    let wanted = match options.provider {
        Provider::Auto => true,
        Provider::Docker => provider == "docker",
        Provider::Local => provider == "local",
        Provider::External => false,
    };
    let key = key(&options.mysql_image, &options.kafka_image, &options.schema_sql, &provider);
    (wanted && warm.key == key).then_some(warm)
}

/// Starts a holder by `program` (`lossdrill`) and waits until its servers are up.
pub async fn up(program: &Path, spec: &HoldSpec) -> Result<WarmStage, StageError> {
    if let Some(warm) = status() {
        let text = format!("a warm stage is up (pid {}): `lossdrill stage down` first", warm.pid);
        return Err(StageError::Warm(text));
    }
    let failed = |error: io::Error| {
        StageError::Warm(format!("start the holder {}: {error}", program.display()))
    };
    let mut holder = Command::new(program)
        .args(["stage", "hold"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let mut input = holder.stdin.take().expect("invariant: stdin is piped");
    let spec = serde_json::to_vec(spec).expect("invariant: a spec is plain data");
    input.write_all(&spec).await.map_err(failed)?;
    drop(input);
    let output = holder.stdout.take().expect("invariant: stdout is piped");
    let mut line = String::new();
    let mut reader = BufReader::new(output);
    let read = tokio::time::timeout(UP_LIMIT, reader.read_line(&mut line)).await;
    read.map_err(|_| StageError::Warm(format!("the stage was not up within {UP_LIMIT:?}")))?
        .map_err(failed)?;
    match serde_json::from_str::<Result<WarmStage, String>>(&line) {
        Ok(Ok(warm)) => Ok(warm),
        Ok(Err(error)) => Err(StageError::Warm(error)),
        Err(_) => Err(failed(io::Error::other("it ended without a word"))),
    }
}

/// Ends the holder and its servers; returns when nothing of them is left. False when none was up.
pub async fn down() -> Result<bool, StageError> {
    if status().is_none() {
        return Ok(false);
    }
    let mut connection = Connection::open().await?;
    connection.ask(&Request::Down).await?;
    let gone = async {
        while dir().exists() && matches!(StateLock::take_existing(&dir()), Ok(None)) {
            tokio::time::sleep(DOWN_LOOK_PAUSE).await;
        }
    };
    let waited = tokio::time::timeout(DOWN_LIMIT, gone).await;
    waited
        .map_err(|_| StageError::Warm(format!("the holder did not end within {DOWN_LIMIT:?}")))?;
    Ok(true)
}

/// One connection to the holder: request and answer, line by line.
struct Connection(BufReader<UnixStream>);

impl Connection {
    async fn open() -> Result<Connection, StageError> {
        let opened = tokio::time::timeout(ANSWER_LIMIT, UnixStream::connect(socket())).await;
        let opened = opened.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)));
        opened
            .map(|stream| Connection(BufReader::new(stream)))
            .map_err(StageError::io("connect to the warm stage's holder at", &socket()))
    }

    async fn ask(&mut self, request: &Request) -> Result<Answer, StageError> {
        let answered = async {
            self.0.write_all(&line(request)).await?;
            let mut text = String::new();
            match self.0.read_line(&mut text).await? {
                0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                _ => serde_json::from_str(&text).map_err(io::Error::other),
            }
        };
        match answered.await {
            Ok(Answer::Failed(error)) => Err(StageError::Warm(error)),
            Ok(answer) => Ok(answer),
            Err(error) => Err(StageError::Warm(format!("the warm stage is gone: {error}"))),
        }
    }
}

fn line(data: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(data).expect("invariant: plain data");
    line.push(b'\n');
    line
}

impl HoldSpec {
    fn options(&self, run_id: &str) -> Result<StageOptions, StageError> {
        Ok(StageOptions {
            provider: self.provider.parse()?,
            mysql_image: self.mysql_image.clone(),
            kafka_image: self.kafka_image.clone(),
            run_id: run_id.to_owned(),
            schema_sql: self.schema_sql.clone(),
            external: None,
        })
    }
}

/// For `stage status`: the facts as text, one line each.
impl std::fmt::Display for WarmStage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "warm stage of pid {}: kafka at {}, ", self.pid, self.kafka)?;
        write!(f, "{} mysql kept ahead", self.mysql_ahead)?;
        let by_service: BTreeMap<_, _> = self.facts.iter().map(|f| (&f.service, f)).collect();
        for (service, facts) in by_service {
            let stand_in = if facts.stand_in { ", a stand-in" } else { "" };
            write!(f, "\n  {service} {} by {}", facts.version, facts.provider)?;
            write!(f, " ({}{stand_in})", facts.source)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_leases_only_what_it_would_have_started_itself() {
        let docker = key("mysql:9.7", "apache/kafka:4.4.0", "ddl", "docker");
        assert_ne!(docker, key("mysql:9.6", "apache/kafka:4.4.0", "ddl", "docker"));
        assert_ne!(docker, key("mysql:9.7", "apache/kafka:4.4.0", "other ddl", "docker"));
        assert_ne!(docker, key("mysql:9.7", "apache/kafka:4.4.0", "ddl", "local"));
        let local = key("mysql:9.7", "apache/kafka:4.4.0", "ddl", "local");
        assert_eq!(local, key("mysql:8", "x:1", "ddl", "local"), "local runs no images");
    }
}
