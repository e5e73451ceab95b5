//! The example reconciler: the gate says what its `EXPECTED.md` says, with a clock and without one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use lossdrill::author::{CheckArgs, check};
use lossdrill::journal::{Event, Verdict, Word};
use lossdrill::steps::Tier;

use super::{Run, mini_config, ready};

const CONFIG: &str = "examples/mini-reconciler/lossdrill.yaml";
/// Most of a scenario is waiting for a silent reconciler.
const JOBS: &str = "6";

/// (loss point, scenario, word) of each row.
fn expected() -> Vec<[String; 3]> {
    let text = fs::read_to_string("examples/mini-reconciler/EXPECTED.md").expect("it is shipped");
    let rows = text.lines().filter(|line| line.starts_with("| ")).skip(1);
    let cells = |line: &str| {
        let parts: Vec<String> =
            line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        <[String; 3]>::try_from(parts).expect("three columns")
    };
    rows.map(cells).collect()
}

#[test]
fn the_gate_says_what_was_said_beforehand() {
    if !ready() {
        return;
    }
    let rows = expected();
    let mut args = vec!["--provider", "local", "--config", CONFIG, "--jobs", JOBS];
    rows.iter().for_each(|[_, name, _]| args.extend(["--name", name]));
    let run = Run::of(&args);
    let told = run.told();
    let mut differences = Vec::new();
    for [point, name, word] in &rows {
        let mut ours = told.iter().filter(|told| told.name == *name && told.loss_point == *point);
        match (ours.next(), ours.next()) {
            (Some(one), None) => {
                let verdict = match word.as_str() {
                    "proved" => Verdict::Pass,
                    // What cannot be played on it is nobody's failure, and no pass.
                    "fault did not bite" => Verdict::Inconclusive,
                    _ => Verdict::Fail,
                };
                if (one.word.to_string(), one.verdict) != (word.clone(), verdict) {
                    differences
                        .push(format!("{name}: {} ({}) instead of {word}", one.word, one.evidence));
                }
            }
            _ => differences.push(format!("{name}: not one verdict")),
        }
    }
    let listed = |name: &str| rows.iter().any(|[_, row, _]| row == name);
    let unlisted = told.iter().filter(|told| !listed(&told.name));
    differences.extend(unlisted.map(|told| format!("{}: not in EXPECTED.md", told.name)));
    assert!(differences.is_empty(), "{}\n{}", differences.join("\n"), run.said());
    assert_eq!(run.output.status.code(), Some(1), "{}", run.said());
    let advanced = |event: &Event| matches!(event, Event::Advanced { .. });
    assert!(run.entries.iter().any(|entry| advanced(&entry.event)), "it lives by cell time");
}

/// What the gate has of a loss point that is listed is listed; what waits for the night may be.
#[test]
fn every_scenario_of_the_gate_is_in_the_table() {
    let rows = expected();
    let points: BTreeSet<&str> = rows.iter().map(|[point, ..]| point.as_str()).collect();
    let args = CheckArgs::in_project(Path::new(env!("CARGO_MANIFEST_DIR")));
    let (_, checked) = check(&args, &|_: &str, _: &BTreeMap<String, String>| Ok(()));
    let scenarios = checked.expect("the shipped files have no mistake").scenarios;
    for scenario in scenarios.iter().filter(|scenario| scenario.tier == Tier::Gate) {
        let named = |[point, name, _]: &[String; 3]| {
            (point, name) == (&scenario.loss_point, &scenario.name)
        };
        let listed = rows.iter().any(named);
        let there = points.contains(scenario.loss_point.as_str());
        assert!(listed || !there, "{}: not in EXPECTED.md", scenario.name);
    }
}

/// Not every row may be red, nor every row green: a table of one word proves nothing.
#[test]
fn the_table_has_both_colours() {
    let words: BTreeSet<String> = expected().into_iter().map(|[_, _, word]| word).collect();
    for word in ["proved", "plan not started", "never", "silence unproved"] {
        assert!(words.contains(word), "{word}: {words:?}");
    }
}

const SHORT: &str = "\
@lp:bid-below-market @tier:gate
Feature: In real time, with windows that a test can wait for

  Background:
    Given item \"SKU-1\" has a 7-day median of 1,999.00 CNY
    And fault \"app.price-guard.bypassed\" is active

  Scenario: A lost digit
    When a seller who means 1,999.00 CNY bids 199.90 CNY for item \"SKU-1\"
    Then alert \"bid-below-market\" is raised in time for item \"SKU-1\"
    And the alert puts 1,799.10 CNY at risk
    And no other alert is raised

  @control
  Scenario: No lost digit
    When a seller who means 1,999.00 CNY bids 1,999.00 CNY for item \"SKU-1\"
    Then no alert is raised
";

/// The shipped catalogue with the deadlines of a test.
fn short_catalogue(to: &Path) {
    for folder in ["", "rules", "plans", "design"] {
        fs::create_dir_all(to.join(folder)).unwrap();
        for file in fs::read_dir(Path::new("scenarios").join(folder)).unwrap().flatten() {
            let name = file.file_name();
            if file.path().is_file() {
                let text = fs::read_to_string(file.path()).unwrap();
                let text = text.replace("detect: 60 s, respond: 5 min, contain: 10 min", DEADLINES);
                fs::write(to.join(folder).join(name), text.replace("grace: 30 s", "grace: 1 s"))
                    .unwrap();
            }
        }
    }
}

const DEADLINES: &str = "detect: 10 s, respond: 11 s, contain: 12 s";

#[test]
fn without_a_clock_a_cell_lives_in_real_time_and_the_report_says_so() {
    if !ready() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (features, scenarios) = (dir.path().join("features"), dir.path().join("scenarios"));
    fs::create_dir_all(&features).unwrap();
    fs::write(features.join("short.feature"), SHORT).unwrap();
    short_catalogue(&scenarios);
    let config = dir.path().join("lossdrill.yaml");
    let clockless: Vec<String> =
        mini_config().lines().filter(|line| !line.contains("clock:")).map(str::to_owned).collect();
    fs::write(&config, clockless.join("\n")).unwrap();
    let [features, scenarios, config] =
        [&features, &scenarios, &config].map(|path| path.display().to_string());
    let run = Run::of(&[
        "--provider",
        "local",
        "--config",
        &config,
        "--features",
        &features,
        "--scenarios",
        &scenarios,
        "--drills",
        "no/drills",
    ]);
    let told = run.told();
    assert_eq!(told.len(), 2, "{}", run.said());
    for told in &told {
        assert_eq!(
            (told.verdict, told.word),
            (Verdict::Pass, Word::Proved),
            "{told:?} {}",
            run.said()
        );
    }
    let advanced = |event: &Event| matches!(event, Event::Advanced { .. });
    assert!(!run.entries.iter().any(|entry| advanced(&entry.event)), "nothing is ever advanced");
    assert!(run.said().contains("real time"), "{}", run.said());
    assert!(run.file("report.html").contains("real time"), "the page says so");
}
