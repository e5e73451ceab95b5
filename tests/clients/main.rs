//! Other people's programs, unchanged, through our links: MySQL's own tools and JDBC driver, Kafka's console tools of two
//! generations, clients of Toxiproxy's API; with and without faults.
//!
//! `ci/setup --clients` brings them. Not covered: `mysqlbinlog` (it reads past the statements that a MySQL link knows).
#![cfg(all(feature = "harness", feature = "shop"))]

mod kafka_tools;
mod mysql_tools;
#[path = "../toxiproxy/program.rs"]
#[allow(dead_code)] // shared with tests/toxiproxy, which takes more of it
mod program;
#[path = "../servers/mod.rs"]
mod servers;
mod toxiproxy_clients;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// Any of these programs on a loaded machine: a JVM that compiles a source file is the slowest.
const LIMIT: Duration = Duration::from_secs(120);

fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    std::env::var_os("LOSSDRILL_CACHE")
        .map_or_else(|| home().join(".cache/lossdrill"), PathBuf::from)
}

/// What `ci/setup --clients` left; none, and said so, where it is missing and need not be there.
fn prepared(what: &str) -> Option<PathBuf> {
    let path = cache().join("clients").join(what);
    if path.exists() {
        return Some(path);
    }
    let need = std::env::var_os("LOSSDRILL_NEED_SERVERS").is_some();
    assert!(!need, "{} is missing: ci/setup --clients", path.display());
    eprintln!("NOT TESTED, {} is missing: ci/setup --clients", path.display());
    None
}

/// `KEY=VALUE` lines that `ci/setup --local` left about a server.
fn facts(of: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(cache().join(of)).expect("the servers are prepared");
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(file)
}

/// A Java program of the tests, run from its source, with the jars of `libs`.
fn java(libs: &Path, source: &str) -> Command {
    let mut command = jvm(libs);
    command.arg(data(source));
    command
}

fn jvm(libs: &Path) -> Command {
    let mut command = Command::new(&facts("kafka/prepared")["java"]);
    command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]);
    command.arg("-cp").arg(libs.join("*"));
    command
}

/// What a program said, and whether it was content.
#[derive(Debug)]
struct Said {
    done: bool,
    out: Vec<u8>,
    told: String,
}

impl Said {
    fn out(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Its standard output, where it ended well.
    fn good(&self) -> String {
        assert!(self.done, "{}{}", self.out(), self.told);
        self.out()
    }

    /// It ended badly, and said why.
    fn bad(&self, words: &str) {
        assert!(!self.done && self.told.contains(words), "{words}: {}{}", self.out(), self.told);
    }
}

async fn run(mut command: Command, input: &str) -> Said {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().expect("the program starts");
    let mut pipe = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    let write = async move {
        // A program that has read enough closes its end.
        let _ = pipe.write_all(input.as_bytes()).await;
    };
    let ran = async { tokio::join!(write, child.wait_with_output()).1 };
    let output = timeout(LIMIT, ran).await.expect("an end in time").expect("its output");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    Said { done: output.status.success(), out: output.stdout, told }
}
