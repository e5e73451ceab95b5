//! Somebody else's reconciler, and somebody else's servers.
//!
//! `examples/mini-reconciler` is another team's, in another language: the drill must say of it what its `EXPECTED.md` said before
//! the first run. Given servers are a private MySQL and Kafka of this test. Needs what `ci/setup --local` prepares, and
//! `python3`; for a reconciler in a container an engine.
#![cfg(all(feature = "harness", feature = "shop", feature = "dcheck"))]

mod boxed;
mod feeds;
mod given;
mod mini;
mod schemas;
#[path = "../servers/mod.rs"]
mod servers;
mod undone;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use lossdrill::journal::{Entry, Event, Verdict, Word, read_journal};
use lossdrill::stage::Provider;

/// A finished run, in a directory of its own.
pub struct Run {
    pub output: Output,
    pub entries: Vec<Entry>,
    dir: PathBuf,
    _out: tempfile::TempDir,
}

/// What became of one scenario.
#[derive(Clone, Debug)]
pub struct Told {
    pub loss_point: String,
    pub name: String,
    pub verdict: Verdict,
    pub word: Word,
    pub evidence: String,
}

impl Run {
    /// `lossdrill run ARGS --out …`; the journal is empty where there was no run.
    pub fn of(args: &[&str]) -> Run {
        let out = tempfile::tempdir().unwrap();
        let place = out.path().join("runs");
        let mut command = Command::new(servers::PROGRAM);
        command.arg("run").args(args).arg("--out").arg(&place);
        command.env("LOSSDRILL_PYTHON", python());
        let output = command.output().expect("lossdrill starts");
        let dir = std::fs::read_dir(&place).ok().and_then(|mut all| all.next()?.ok());
        let dir = dir.map(|entry| entry.path()).unwrap_or_default();
        let entries = read_journal(&dir.join("journal.ndjson")).unwrap_or_default();
        Run { output, entries, dir, _out: out }
    }

    pub fn said(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!("{}\n{}", text(&self.output.stdout), text(&self.output.stderr))
    }

    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.join(name)).unwrap_or_default()
    }

    pub fn told(&self) -> Vec<Told> {
        let facts = |id: &str| {
            self.entries.iter().find_map(|entry| match &entry.event {
                Event::ScenarioStarted { facts, .. } if entry.scenario.as_deref() == Some(id) => {
                    Some(facts)
                }
                _ => None,
            })
        };
        let verdicts = self.entries.iter().filter_map(|entry| match &entry.event {
            Event::ScenarioVerdict { verdict, word, evidence, .. } => {
                let facts = facts(entry.scenario.as_deref()?)?;
                Some(Told {
                    loss_point: facts.loss_point.id.clone(),
                    name: facts.name.clone(),
                    verdict: *verdict,
                    word: *word,
                    evidence: evidence.clone(),
                })
            }
            _ => None,
        });
        verdicts.collect()
    }
}

/// The servers that every test here needs.
pub fn ready() -> bool {
    servers::have(Provider::Local)
}

/// The interpreter with the example's packages, as `ci/python` prepares it.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let made = Command::new("ci/python").output().expect("ci/python is there");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        PathBuf::from(String::from_utf8_lossy(&made.stdout).trim())
    })
}

/// The example's configuration, as text to change.
pub fn mini_config() -> String {
    std::fs::read_to_string("examples/mini-reconciler/lossdrill.yaml").expect("it is shipped")
}
