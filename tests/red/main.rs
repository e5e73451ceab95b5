//! The harness can go red: the gate against a reconciler that is spoilt in one thing at a time.
//!
//! `examples/saboteur` stands before the real `dcheck`. For each of its modes `table.rs` works out which scenarios must be
//! red, and with which word, from what features and catalogue say (`facts.rs`); every other scenario must be green.
//!
//! Every mode runs over the sample: of each of [`RULES`] the first attack, and its twin. `LOSSDRILL_RED_WHOLE=1` runs every
//! mode over the whole gate. `LOSSDRILL_RED=late,swallow cargo test --test red` runs only the modes whose names begin so.

mod facts;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use facts::Facts;
use lossdrill::journal::{Event, Verdict, Word, read_journal};
use table::{Row, TABLE};

/// Modes that never speak wait for the harness's patience: this much is enough where the answer is known.
const DEAF_AFTER_MS: &str = "4000";
/// A gate takes half a minute, on a starving machine minutes; one that takes this long hangs.
const GATE_LIMIT: Duration = Duration::from_secs(600);
/// More at once than there are processors: scenarios wait more than they compute.
const JOBS: &str = "6";

/// One rule of each sort: a stop of sales, a repair, a stop of refunds, one with others beside it, the watcher's own.
const RULES: &[&str] = &[
    "bid-below-market",
    "paid-order-unpaid",
    "refund-paid-twice",
    "refund-exceeds-payment",
    "change-capture-stalled",
];

#[test]
fn every_mode_is_told_by_its_word() {
    let only = std::env::var("LOSSDRILL_RED").unwrap_or_default();
    let only: Vec<&str> = only.split(',').filter(|name| !name.is_empty()).collect();
    let chosen = |row: &&Row| only.is_empty() || only.iter().any(|name| row.mode.starts_with(name));
    let mut scenarios = facts::gate();
    if std::env::var_os("LOSSDRILL_RED_WHOLE").is_none() {
        scenarios = sample(&scenarios);
    }
    let mut wrong = Vec::new();
    for row in TABLE.iter().filter(chosen) {
        let started = Instant::now();
        let differences = run(row, &scenarios);
        let (took, red) = (started.elapsed().as_secs(), red_of(row, &scenarios));
        let says = if differences.is_empty() { "as the table says" } else { "NOT as it says" };
        println!("{took:>4} s  {:<40} {red:>2} of {} red, {says}", row.mode, scenarios.len());
        for difference in &differences {
            println!("        {difference}");
        }
        wrong.extend(differences.into_iter().map(|told| format!("{}: {told}", row.mode)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A mode that turns nothing red proves nothing, but for the nuisances; nor does one whose rule is gone.
#[test]
fn every_mode_bites_in_the_sample() {
    let sample = sample(&facts::gate());
    for row in TABLE {
        let nuisance = ["pass-through", "resends", "slow-posts"].contains(&row.mode);
        assert_eq!(red_of(row, &sample) == 0, nuisance, "{}", row.mode);
    }
}

/// Of each rule the first attack, and its twin.
fn sample(scenarios: &[Facts]) -> Vec<Facts> {
    let asks = |s: &Facts, rule: &str| s.alerts.iter().any(|asked| asked.rule.id == rule);
    let first = |rule: &&str| scenarios.iter().find(|s| !s.control && asks(s, rule));
    let attacks: Vec<&Facts> = RULES.iter().filter_map(first).collect();
    let chosen = |one: &&Facts| {
        attacks.iter().any(|attack| attack.id == one.id || attack.twin.as_ref() == Some(&one.id))
    };
    scenarios.iter().filter(chosen).cloned().collect()
}

/// Where the row's gate differs from the row.
fn run(row: &Row, scenarios: &[Facts]) -> Vec<String> {
    let dir = tempfile::tempdir().expect("a directory for the run");
    let config = dir.path().join("lossdrill.yaml");
    let command = format!(
        "system_under_test: {{kind: builtin, command: [{:?}, {:?}]}}\n",
        saboteur().display().to_string(),
        row.mode
    );
    fs::write(&config, command).expect("the configuration is written");
    let out = dir.path().join("runs");
    let (exit, said) = gate(&config, &out, row.silent, scenarios);
    let Some(run) = fs::read_dir(&out).ok().and_then(|mut runs| runs.next()?.ok()) else {
        return vec![format!("no run directory, exit {exit:?}: {said}")];
    };
    let mut differences = compare(row, scenarios, &verdicts(&run.path()));
    let expected = if red_of(row, scenarios) == 0 { 0 } else { 1 };
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
fn gate(config: &Path, out: &Path, silent: bool, scenarios: &[Facts]) -> (Option<i32>, String) {
    let log = out.with_extension("log");
    let file = fs::File::create(&log).expect("a log beside the run");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lossdrill"));
    command.args(["gate", "--provider", "local", "--jobs", JOBS]);
    command.arg("--config").arg(config).arg("--out").arg(out);
    command.args(scenarios.iter().flat_map(|scenario| ["--name", &scenario.id]));
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
    verdict: Verdict,
    word: Word,
    evidence: String,
}

/// The verdicts of each scenario, from the journal.
fn verdicts(run: &Path) -> BTreeMap<String, Vec<Told>> {
    let entries = read_journal(&run.join("journal.ndjson")).expect("the journal is readable");
    let mut told: BTreeMap<String, Vec<Told>> = BTreeMap::new();
    for entry in entries {
        if let (Some(id), Event::ScenarioVerdict { verdict, word, evidence, .. }) =
            (entry.scenario, entry.event)
        {
            told.entry(id).or_default().push(Told { verdict, word, evidence });
        }
    }
    told
}

fn red_of(row: &Row, scenarios: &[Facts]) -> usize {
    scenarios.iter().filter(|scenario| (row.word)(scenario) != Word::Proved).count()
}

fn compare(row: &Row, scenarios: &[Facts], told: &BTreeMap<String, Vec<Told>>) -> Vec<String> {
    let mut differences = Vec::new();
    for scenario in scenarios {
        let name = &scenario.name;
        let Some([one]) = told.get(&scenario.id).map(Vec::as_slice) else {
            differences.push(format!("{name}: not one verdict"));
            continue;
        };
        let word = (row.word)(scenario);
        let verdict = if word == Word::Proved { Verdict::Pass } else { Verdict::Fail };
        if (one.verdict, one.word) != (verdict, word) {
            let (said, why) = (one.word, &one.evidence);
            differences.push(format!("{name}: {said} instead of {word} ({why})"));
        }
    }
    differences
}
