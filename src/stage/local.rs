//! Provider `local`: real servers as private processes below the guardian, from what `ci/setup
//! --local` prepared.
//!
//! MySQL runs by its own dynamic linker out of a Debian root folder, so the release of this machine
//! is no matter; Kafka is a JVM with an archive of its classes. Each server's files lie in the
//! run's state directory.
//! Try it: `cargo test --test stage local`. Not covered: resource limits (they belong to
//! `groups`).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::guardian::{Guardian, ProcSpec, Process, Signal};
use super::ports::free_port;
use super::service::{Kind, START_LIMIT};
use super::{StageError, calls, disk, kafka, mysql, template};
use crate::journal::ServiceFacts;

/// Lines of a server's log that an error quotes.
const QUOTED_LINES: usize = 12;
/// A graceful stop: MySQL 1 s, Kafka 2 s when quiet.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// From SIGSTOP to the state being seen.
const PAUSE_LIMIT: Duration = Duration::from_secs(5);

/// What `ci/setup --local` left in the cache.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) cache: PathBuf,
    pub(super) mysql: BTreeMap<String, String>,
    kafka: BTreeMap<String, String>,
}

/// `${LOSSDRILL_CACHE:-$HOME/.cache/lossdrill}`.
pub(super) fn cache_dir() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    std::env::var_os("LOSSDRILL_CACHE")
        .map_or_else(|| home().join(".cache/lossdrill"), PathBuf::from)
}

impl Prepared {
    /// Reads what is prepared; errors name the first file that is missing and the command that
    /// makes it.
    pub(super) fn read(cache: &Path) -> Result<Prepared, StageError> {
        let mysql = read_lines("MySQL", &cache.join("mysql.prepared"), &MYSQL_KEYS)?;
        let kafka = read_lines("Kafka", &cache.join("kafka/prepared"), &KAFKA_KEYS)?;
        let files = [("MySQL", &mysql["loader"]), ("MySQL", &mysql["template"])];
        let files =
            files.into_iter().chain([("Kafka", &kafka["java"]), ("Kafka", &kafka["archive"])]);
        for (what, file) in files.chain([("Kafka", &kafka["template"])]) {
            if !Path::new(file).exists() {
                return Err(StageError::NotPrepared { what, missing: file.into() });
            }
        }
        Ok(Prepared { cache: cache.to_owned(), mysql, kafka })
    }

    pub(super) fn mysql_version(&self) -> &str {
        &self.mysql["version"]
    }

    fn mysql_source(&self) -> String {
        format!("{}/usr/sbin/mysqld", self.mysql["root"])
    }

    /// What the servers are.
    pub(super) fn facts(&self) -> Vec<ServiceFacts> {
        let jars = self.cache.join("kafka/libs").display().to_string();
        let all = [("mysql", &self.mysql, self.mysql_source()), ("kafka", &self.kafka, jars)];
        let facts = all.map(|(service, prepared, source)| ServiceFacts {
            service: service.to_owned(),
            provider: "local".to_owned(),
            version: prepared["version"].clone(),
            source,
            stand_in: false,
        });
        facts.into()
    }
}

const MYSQL_KEYS: [&str; 6] = ["version", "root", "loader", "library_path", "template", "preload"];
const KAFKA_KEYS: [&str; 6] = ["version", "java", "classpath", "archive", "template", "log4j"];

fn read_lines(
    what: &'static str,
    file: &Path,
    keys: &[&'static str],
) -> Result<BTreeMap<String, String>, StageError> {
    let text = std::fs::read_to_string(file)
        .map_err(|_| StageError::NotPrepared { what, missing: file.to_owned() })?;
    let all: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    match keys.iter().find(|key| !all.contains_key(**key)) {
        Some(key) => Err(StageError::Prepared { file: file.to_owned(), key }),
        None => Ok(all),
    }
}

/// One server: how to start it, and its process of the moment.
pub(super) struct LocalServer {
    guardian: Guardian,
    name: String,
    spec: ProcSpec,
    process: Process,
    dir: PathBuf,
}

impl LocalServer {
    /// Starts a MySQL server on a copy of `data` (a data directory at rest), and waits until it
    /// answers.
    pub(super) async fn start_mysql(
        prepared: &Prepared,
        guardian: &Guardian,
        name: &str,
        data: &Path,
        more: &[&str],
    ) -> Result<(LocalServer, SocketAddr), StageError> {
        let making = guardian.making().await?;
        let dir = new_dir(guardian, name)?;
        template::copy_dir(data, &dir.join("data"), making.clone()).await?;
        let port = free_port()?;
        let mut spec = mysqld(prepared, name, &dir, port, more);
        spec.env.extend(obeying(prepared, &dir)?);
        drop(making);
        LocalServer::start(guardian, name, Kind::MySql, spec, dir, port).await
    }

    /// Starts a Kafka broker on a freshly formatted folder, and waits until it answers; `id` other than the
    /// controller's joins the cluster of the controller at that port.
    pub(super) async fn start_kafka(
        prepared: &Prepared,
        guardian: &Guardian,
        name: &str,
        id: usize,
        controller: u16,
    ) -> Result<(LocalServer, SocketAddr), StageError> {
        let making = guardian.making().await?;
        let dir = new_dir(guardian, name)?;
        let formatted = Path::new(&prepared.kafka["template"]);
        template::copy_dir(formatted, &dir.join("data"), making.clone()).await?;
        if id != kafka::CONTROLLER_ID {
            kafka::settle(&dir.join("data"), id)?;
        }
        let port = free_port()?;
        let local = |port: u16| format!("127.0.0.1:{port}");
        let (client, inner, controller) = (local(port), local(free_port()?), local(controller));
        let node = kafka::Node {
            id,
            client: &client,
            advertised: &client,
            inner: &inner,
            controller: &controller,
        };
        let mut text = String::new();
        for (key, value) in kafka::properties(&node) {
            text.push_str(&format!("{key}={value}\n"));
        }
        text.push_str(&format!("log.dirs={}\n", dir.join("data").display()));
        let file = dir.join("server.properties");
        std::fs::write(&file, text).map_err(StageError::io("write", &file))?;
        let mut spec = broker(prepared, name, &dir);
        spec.env.extend(obeying(prepared, &dir)?);
        drop(making);
        LocalServer::start(guardian, name, Kind::Kafka, spec, dir, port).await
    }

    async fn start(
        guardian: &Guardian,
        name: &str,
        kind: Kind,
        spec: ProcSpec,
        dir: PathBuf,
        port: u16,
    ) -> Result<(LocalServer, SocketAddr), StageError> {
        let endpoint = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let process = guardian.spawn(spec.clone()).await?;
        let server =
            LocalServer { guardian: guardian.clone(), name: name.to_owned(), spec, process, dir };
        match server.await_ready(kind, endpoint, false).await {
            Ok(()) => Ok((server, endpoint)),
            Err(error) => {
                server.remove().await?;
                Err(error)
            }
        }
    }

    /// Waits until the server answers; errors as soon as its process ends.
    async fn await_ready(
        &self,
        kind: Kind,
        endpoint: SocketAddr,
        again: bool,
    ) -> Result<(), StageError> {
        tokio::select! {
            () = kind.ready(endpoint, again) => Ok(()),
            exit = self.process.exited() => Err(StageError::Ended {
                service: self.name.clone(),
                how: format!("{exit:?}"),
                log: self.process.log_tail(QUOTED_LINES).await,
            }),
            () = tokio::time::sleep(START_LIMIT) => Err(StageError::NotReady {
                service: self.name.clone(),
                limit: START_LIMIT,
                log: self.process.log_tail(QUOTED_LINES).await,
            }),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(super) fn is_running(&self) -> bool {
        self.process.exit().is_none()
    }

    pub(super) async fn kill(&self) -> Result<(), StageError> {
        self.process.kill_and_wait().await?;
        Ok(())
    }

    pub(super) async fn stop(&self) -> Result<(), StageError> {
        self.process.stop(STOP_LIMIT).await?;
        Ok(())
    }

    /// Stops all its threads, and returns when the kernel says so.
    pub(super) async fn pause(&self) -> Result<(), StageError> {
        self.process.signal(Signal::Stop).await?;
        self.await_stopped(true).await
    }

    pub(super) async fn resume(&self) -> Result<(), StageError> {
        self.process.signal(Signal::Continue).await?;
        self.await_stopped(false).await
    }

    async fn await_stopped(&self, stopped: bool) -> Result<(), StageError> {
        let wait = async {
            while self.is_running() && is_stopped(self.pid()) != stopped {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PAUSE_LIMIT, wait).await.map_err(|_| StageError::NotInState {
            service: self.name.clone(),
            state: if stopped { "paused" } else { "resumed" },
            limit: PAUSE_LIMIT,
        })
    }

    /// Starts it again on its data and its port. It must not be running.
    pub(super) async fn start_again(
        &mut self,
        kind: Kind,
        endpoint: SocketAddr,
    ) -> Result<(), StageError> {
        disk::check_room(&self.dir)?;
        self.process = self.guardian.spawn(self.spec.clone()).await?;
        self.await_ready(kind, endpoint, true).await
    }

    pub(super) async fn logs(&self, lines: usize) -> String {
        self.process.log_tail(lines).await
    }

    /// Kills it and removes its files.
    pub(super) async fn remove(&self) -> Result<(), StageError> {
        self.kill().await?;
        let removed = tokio::fs::remove_dir_all(&self.dir).await;
        removed.map_err(StageError::io("remove", &self.dir))
    }
}

/// State `T` in `/proc/PID/stat`.
fn is_stopped(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// What lets a server in `dir` obey orders about its calls.
fn obeying(prepared: &Prepared, dir: &Path) -> Result<[(String, String); 2], StageError> {
    let env = calls::environment(dir, &prepared.mysql["preload"]);
    env.map_err(StageError::io("make a page in", dir))
}

fn new_dir(guardian: &Guardian, name: &str) -> Result<PathBuf, StageError> {
    let dir = guardian.state_dir().join(name);
    std::fs::create_dir_all(&dir).map_err(StageError::io("create", &dir))?;
    disk::check_room(&dir)?;
    Ok(dir)
}

/// The command of a MySQL server in `dir`, by the dynamic linker of its own root.
fn mysqld(prepared: &Prepared, name: &str, dir: &Path, port: u16, more: &[&str]) -> ProcSpec {
    let root = &prepared.mysql["root"];
    let mut args = vec![
        "--library-path".to_owned(),
        prepared.mysql["library_path"].clone(),
        prepared.mysql_source(),
        "--no-defaults".to_owned(),
        format!("--basedir={root}/usr"),
        format!("--lc-messages-dir={root}/usr/share/mysql"),
        format!("--character-sets-dir={root}/usr/share/mysql/charsets"),
        format!("--plugin-dir={root}/usr/lib/mysql/plugin"),
        "--secure-file-priv=NULL".to_owned(),
        format!("--datadir={}", dir.join("data").display()),
        // a Unix socket's path may have 107 bytes, and nobody uses it: relative to the data
        // directory it is short
        "--socket=s.sock".to_owned(),
        format!("--pid-file={}", dir.join("server.pid").display()),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--port={port}"),
    ];
    args.extend(mysql::OPTIONS.iter().chain(more).map(|option| (*option).to_owned()));
    // SAFETY: getuid cannot fail.
    if unsafe { libc::getuid() } == 0 {
        args.push("--user=root".to_owned());
    }
    ProcSpec {
        name: name.to_owned(),
        program: PathBuf::from(&prepared.mysql["loader"]),
        args,
        env: BTreeMap::new(),
        cwd: Some(dir.to_owned()),
        log: dir.join("log"),
        uid: None,
    }
}

/// The command of a Kafka broker in `dir`. The JVM's options are those of the archive's training in
/// `ci/setup`.
fn broker(prepared: &Prepared, name: &str, dir: &Path) -> ProcSpec {
    let kafka = &prepared.kafka;
    let args = vec![
        "-Xmx256m".to_owned(),
        "-XX:+UseSerialGC".to_owned(),
        "-XX:TieredStopAtLevel=1".to_owned(),
        format!("-Dlog4j2.configurationFile={}", kafka["log4j"]),
        format!("-XX:SharedArchiveFile={}", kafka["archive"]),
        "-Xshare:auto".to_owned(),
        "-cp".to_owned(),
        kafka["classpath"].clone(),
        "kafka.Kafka".to_owned(),
        dir.join("server.properties").display().to_string(),
    ];
    ProcSpec {
        name: name.to_owned(),
        program: PathBuf::from(&kafka["java"]),
        args,
        env: BTreeMap::new(),
        cwd: Some(dir.to_owned()),
        log: dir.join("log"),
        uid: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_prepared_is_named_with_its_way_out() {
        let cache = tempfile::tempdir().unwrap();
        let check = |expect: &str| {
            let error = Prepared::read(cache.path()).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
            assert!(error.contains("ci/setup --local"), "{error}");
        };
        check("MySQL is not prepared");
        let file = cache.path().join("mysql.prepared");
        std::fs::write(&file, "version=9.7.4\n").unwrap();
        check("no line `root=");
        let all = MYSQL_KEYS.map(|key| format!("{key}=/missing/{key}\n")).concat();
        std::fs::write(&file, all).unwrap();
        check("Kafka is not prepared");
        std::fs::create_dir(cache.path().join("kafka")).unwrap();
        let all = KAFKA_KEYS.map(|key| format!("{key}=/missing/{key}\n")).concat();
        std::fs::write(cache.path().join("kafka/prepared"), all).unwrap();
        check("/missing/loader is missing");
    }
}
