//! The harness can go red: the whole gate against a reconciler that is spoilt in one thing at a time.
//!
//! `examples/saboteur` stands before the real `dcheck`. For each of its modes the table in `table.rs` says which scenarios
//! must be red, and with which word; every other scenario must be green. The table was written from the catalogue and the
//! features. `LOSSDRILL_RED=late,swallow cargo test --test red` runs only the modes whose names begin so.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lossdrill::journal::{Event, Verdict, Word, read_journal};
use table::{Row, SCENARIOS, TABLE};

/// Modes that never speak wait for the harness's patience: this much is enough where the answer is known.
const DEAF_AFTER_MS: &str = "4000";
/// A gate takes half a minute, on a starving machine minutes; one that takes this long hangs.
const GATE_LIMIT: Duration = Duration::from_secs(600);
/// More at once than there are processors: scenarios wait more than they compute.
const JOBS: &str = "6";

#[test]
fn every_mode_is_told_by_its_word() {
    let only = std::env::var("LOSSDRILL_RED").unwrap_or_default();
    let only: Vec<&str> = only.split(',').filter(|name| !name.is_empty()).collect();
    let chosen = |row: &&Row| only.is_empty() || only.iter().any(|name| row.mode.starts_with(name));
    let mut wrong = Vec::new();
    for row in TABLE.iter().filter(chosen) {
        let started = Instant::now();
        let differences = run(row);
        let (took, red) = (started.elapsed().as_secs(), red_of(row).len());
        let says = if differences.is_empty() { "as the table says" } else { "NOT as it says" };
        println!("{:>4} s  {:<45} {red:>2} red, {says}", took, row.mode);
        for difference in &differences {
            println!("        {difference}");
        }
        wrong.extend(differences.into_iter().map(|told| format!("{}: {told}", row.mode)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The table names scenarios that exist, each of the gate in every row once.
#[test]
fn the_table_knows_the_gate() {
    let known: BTreeSet<&str> = SCENARIOS.iter().copied().collect();
    let mut written = BTreeSet::new();
    for feature in fs::read_dir("features").expect("features are here").flatten() {
        let text = fs::read_to_string(feature.path()).expect("a feature is text");
        let titles = text.lines().filter_map(|line| {
            let line = line.trim();
            line.strip_prefix("Scenario: ").or(line.strip_prefix("场景: "))
        });
        written.extend(titles.map(str::to_owned));
    }
    assert_eq!(known, written.iter().map(String::as_str).collect());
    for row in TABLE {
        let named: Vec<&str> =
            row.red.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        assert!(named.iter().all(|name| known.contains(name)), "{}", row.mode);
        assert_eq!(named.len(), red_of(row).len(), "{}: a scenario has one word", row.mode);
    }
}

/// Where the row's gate differs from the row.
fn run(row: &Row) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a directory for the run");
    let config = dir.path().join("lossdrill.yaml");
    let command = format!(
        "system_under_test: {{kind: builtin, command: [{:?}, {:?}]}}\n",
        saboteur().display().to_string(),
        row.mode
    );
    fs::write(&config, command).expect("the configuration is written");
    let out = dir.path().join("runs");
    let (exit, said) = gate(&config, &out, row.silent);
    let Some(run) = fs::read_dir(&out).ok().and_then(|mut runs| runs.next()?.ok()) else {
        return vec![format!("no run directory, exit {exit:?}: {said}")];
    };
    let mut differences = compare(row, &verdicts(&run.path()));
    let expected = if row.red.is_empty() { 0 } else { 1 };
    if exit != Some(expected) {
        differences.push(format!("exit {exit:?} instead of {expected}"));
    }
    if !differences.is_empty() {
        let kept = dir.keep();
        differences.push(format!("the run is kept in {}", kept.display()));
    }
    differences
}

/// The shim that `cargo test` builds with the examples; `cargo test --test red` alone does not.
fn saboteur() -> PathBuf {
    let programs = Path::new(env!("CARGO_BIN_EXE_lossdrill")).parent().expect("it has a folder");
    let saboteur = programs.join("examples/saboteur");
    assert!(
        saboteur.is_file(),
        "there is no {}: cargo build --example saboteur",
        saboteur.display()
    );
    saboteur
}

/// Exit code, and what was printed.
fn gate(config: &Path, out: &Path, silent: bool) -> (Option<i32>, String) {
    let log = out.with_extension("log");
    let file = fs::File::create(&log).expect("a log beside the run");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lossdrill"));
    command.args(["gate", "--provider", "local", "--jobs", JOBS]);
    command.arg("--config").arg(config).arg("--out").arg(out);
    command.stdin(Stdio::null()).stderr(file.try_clone().expect("a second handle")).stdout(file);
    if silent {
        command.env("LOSSDRILL_DEAF_AFTER_MS", DEAF_AFTER_MS);
    }
    let mut child = command.spawn().expect("lossdrill starts");
    let exit = wait(&mut child);
    (exit, fs::read_to_string(log).unwrap_or_default())
}

/// None where it hangs: then it is ended, and heals.
fn wait(child: &mut Child) -> Option<i32> {
    let started = Instant::now();
    let mut asked = false;
    loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return status.code().filter(|_| !asked);
        }
        if started.elapsed() > GATE_LIMIT && !asked {
            asked = true;
            // SAFETY: a plain system call on our own child, which is not reaped yet.
            unsafe { libc::kill(child.id().cast_signed(), libc::SIGTERM) };
        }
        if started.elapsed() > GATE_LIMIT * 2 {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

struct Told {
    name: String,
    verdict: Verdict,
    word: Word,
    evidence: String,
}

/// The verdict of each scenario, from the journal.
fn verdicts(run: &Path) -> Vec<Told> {
    let entries = read_journal(&run.join("journal.ndjson")).expect("the journal is readable");
    let mut names = BTreeMap::new();
    let mut told = Vec::new();
    for entry in entries {
        let Some(id) = entry.scenario else { continue };
        match entry.event {
            Event::ScenarioStarted { facts, .. } => {
                names.insert(id, facts.name);
            }
            Event::ScenarioVerdict { verdict, word, evidence, .. } => {
                let name = names.get(&id).cloned().unwrap_or(id);
                told.push(Told { name, verdict, word, evidence });
            }
            _ => {}
        }
    }
    told
}

fn red_of(row: &Row) -> BTreeMap<&'static str, Word> {
    let red = row.red.iter().flat_map(|(word, names)| names.iter().map(|name| (*name, *word)));
    red.collect()
}

fn compare(row: &Row, told: &[Told]) -> Vec<String> {
    let mut differences = Vec::new();
    let red = red_of(row);
    for name in SCENARIOS {
        let mut ours = told.iter().filter(|told| told.name == *name);
        let (Some(one), None) = (ours.next(), ours.next()) else {
            differences.push(format!("{name}: not one verdict"));
            continue;
        };
        let (verdict, word) = match red.get(name) {
            Some(word) => (Verdict::Fail, *word),
            None => (Verdict::Pass, Word::Proved),
        };
        if (one.verdict, one.word) != (verdict, word) {
            let (said, why) = (one.word, &one.evidence);
            differences.push(format!("{name}: {said} instead of {word} ({why})"));
        }
    }
    differences
}
