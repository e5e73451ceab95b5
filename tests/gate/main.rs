//! Runs of the real harness on real servers, and what they leave: the same seed gives the same
//! deeds, the journal alone gives the same verdicts, a falsified journal others, reports exist.
//!
//! A few scenarios instead of the whole gate, one run at a time. `servers/mod.rs` says what the
//! local provider needs. Not covered: provider `docker` (`ci/test` runs the gate itself on both).
#![cfg(all(feature = "harness", feature = "shop", feature = "dcheck"))]

mod falsified;
mod reports;
mod same_seed;
#[path = "../servers/mod.rs"]
mod servers;
mod xml;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use lossdrill::journal::{Entry, Event, ScenarioFacts, read_journal};
use lossdrill::stage::Provider;

/// The attack that the tests look at, and a part of the name that picks it and its twin.
const ATTACK: &str = "The approval is delivered twice, and each delivery pays out";
const PAIR: &str = "The approval is delivered";
const DRAWN: &str = "A price with a digit lost, drawn from the seed";

/// A finished run.
struct Run {
    dir: PathBuf,
    output: Output,
    _out: tempfile::TempDir,
}

impl Run {
    /// `lossdrill ARGS --provider local --out …`, one at a time: each takes the whole machine.
    fn of(args: &[&str]) -> Run {
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let out = tempfile::tempdir().unwrap();
        let place = out.path().display().to_string();
        let output = lossdrill(&[args, &["--provider", "local", "--out", &place]].concat());
        let dirs: Vec<PathBuf> =
            std::fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(dirs.len(), 1, "one run, one directory: {}", said(&output));
        Run { dir: dirs[0].clone(), output, _out: out }
    }

    fn of_seed(seed: &str) -> Run {
        let run = Run::of(&["run", "--seed", seed, "--name", PAIR, "--name", DRAWN]);
        assert_eq!(run.output.status.code(), Some(0), "{}", said(&run.output));
        run
    }

    fn entries(&self) -> Vec<Entry> {
        read_journal(&self.dir.join("journal.ndjson")).unwrap()
    }
}

/// A run of the pair and of the drawn bid, with seed 7: made once, looked at by many.
fn first() -> Option<&'static Run> {
    static FIRST: OnceLock<Run> = OnceLock::new();
    servers::have(Provider::Local).then(|| FIRST.get_or_init(|| Run::of_seed("7")))
}

/// Runs the program from the project's folder, where features and scenarios are.
fn lossdrill(args: &[&str]) -> Output {
    Command::new(servers::PROGRAM).args(args).output().expect("lossdrill starts")
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

/// (stable id, facts) of each scenario, in the order of their starts.
fn started(entries: &[Entry]) -> Vec<(String, ScenarioFacts)> {
    let started = entries.iter().filter_map(|entry| match &entry.event {
        Event::ScenarioStarted { facts, .. } => Some((entry.scenario.clone()?, (**facts).clone())),
        _ => None,
    });
    started.collect()
}

fn id_of(entries: &[Entry], name: &str) -> String {
    let found = started(entries).into_iter().find(|(_, facts)| facts.name == name);
    found.unwrap_or_else(|| panic!("no scenario {name:?}")).0
}

/// Writes `entries` as a journal of a run directory of its own, numbered anew.
fn rewritten(entries: impl IntoIterator<Item = Arc<Entry>>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let lines = entries.into_iter().enumerate().map(|(seq, entry)| {
        let entry = Entry { seq: seq as u64, ..(*entry).clone() };
        serde_json::to_string(&entry).unwrap() + "\n"
    });
    std::fs::write(dir.path().join("journal.ndjson"), lines.collect::<String>()).unwrap();
    dir
}

/// The lines of `lossdrill recheck DIR`, with its exit code.
fn recheck(dir: &Path) -> (Option<i32>, Vec<String>) {
    let output = lossdrill(&["recheck", &dir.display().to_string()]);
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text.lines().map(str::to_owned).collect())
}

/// Every verdict comes out of the journal again, with its word.
fn agrees(run: &Run) {
    // Of the run's directory nothing but the journal is there to be looked at.
    let alone = rewritten(run.entries().into_iter().map(Arc::new));
    let (code, lines) = recheck(alone.path());
    assert_eq!(code, Some(0), "{lines:#?}");
    let proved: Vec<&String> = lines.iter().filter(|l| l.starts_with("Pass  proved  ")).collect();
    let told = run.entries();
    assert_eq!(proved.len(), started(&told).len(), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("says otherwise")), "{lines:#?}");
}

#[test]
fn a_journal_alone_gives_every_verdict_again() {
    let Some(run) = first() else { return };
    agrees(run);
}

#[test]
fn a_drill_runs_its_list_in_order() {
    if !servers::have(Provider::Local) {
        return;
    }
    let run = Run::of(&["drill", "run", "drills/quarterly.yaml"]);
    assert_eq!(run.output.status.code(), Some(0), "{}", said(&run.output));
    let text = std::fs::read_to_string("drills/quarterly.yaml").unwrap();
    let listed: Vec<&str> =
        text.lines().filter_map(|line| line.trim().strip_prefix("- scenario: ")).collect();
    let entries = run.entries();
    let names: Vec<String> = started(&entries).into_iter().map(|(_, facts)| facts.name).collect();
    assert_eq!(names, listed, "all of them, in the file's order");
    let mut running = None;
    for entry in &entries {
        match entry.event {
            Event::ScenarioStarted { .. } => {
                assert_eq!(running, None, "one after another");
                running = entry.scenario.clone();
            }
            Event::ScenarioVerdict { .. } => running = None,
            _ => {}
        }
    }
    agrees(&run);
}
