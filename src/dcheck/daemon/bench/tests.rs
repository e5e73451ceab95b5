//! What `dcheck bench` measures and says; no time is looked at but that of a rule far dearer than another.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::clock::CellTime;
use crate::dcheck::daemon::recording::tests::record;
use crate::dcheck::engine::{Input, RuleSet};

fn rule(id: &str, filter: &str, check: &str) -> String {
    format!(
        "- id: {id}\n  version: 1\n  loss_point: l\n  severity: P1\n  rollout: full\n  \
         strategy: threshold\n  subject: {{kind: payment, id: after.pay_id}}\n  \
         occurrence: after.pay_id\n  on: {{table: payment, ops: [insert]{filter}}}\n  \
         check: {check}\n  when_absent: finding\n  remember: 1 d\n  expected: e\n  actual: a\n",
    )
}

fn loaded(text: String) -> RuleSet {
    rules::load(&[(PathBuf::from("r.yaml"), text)]).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn options(dir: &Path, recording: Option<&Path>) -> BenchOptions {
    let (rules, recording) = (dir.to_owned(), recording.map(Path::to_owned));
    BenchOptions { rules, recording, events: 600, rounds: 1, dearest: 3, json: true }
}

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/rules")
}

fn parsed(told: Result<String, Mistakes>) -> serde_json::Value {
    match told {
        Ok(text) => serde_json::from_str(&text).unwrap(),
        Err(mistakes) => panic!("{:?}", mistakes.0),
    }
}

#[test]
fn events_are_made_for_most_shipped_rules() {
    let told = parsed(told(&options(&shipped(), None)));
    let all = told["rules"].as_array().unwrap();
    let idle: Vec<&str> = all
        .iter()
        .filter(|rule| rule["events"] == 0)
        .map(|rule| rule["rule"].as_str().unwrap())
        .collect();
    assert!(idle.len() * 10 <= all.len(), "of {} none for {idle:?}", all.len());
    assert_eq!(told["events"], 600);
    assert!(told["verdicts"].as_u64() > Some(100), "{told}");
    for part in ["decoding", "no_rule", "all_rules"] {
        assert!(told[part]["events_per_s"].as_f64() > Some(0.0), "{part}: {told}");
    }
}

#[test]
fn the_dearest_rule_stands_first() {
    let dear = vec!["after.amount * after.amount >= after.amount"; 20].join(" and ");
    let cheap = ", where: after.kind == \"rare\"";
    let text = rule("cheap", cheap, "after.amount > 0") + &rule("dear", "", &dear);
    let set = loaded(text);
    let stream = Stream::made(&set, 500);
    let costs = Costs::measured(&set, &stream, 3).unwrap();
    let found: Vec<(&str, usize)> =
        costs.rules.iter().map(|rule| (rule.name.as_str(), rule.events)).collect();
    assert_eq!(found, [("dear@1", 500), ("cheap@1", 250)]);
    let table = costs.table(&stream, 1);
    assert!(table.starts_with("500 events made from what 2 rules name\n"), "{table}");
    assert!(table.contains("\ndear@1 ") && table.contains("\n1 others "), "{table}");
}

#[test]
fn a_rule_that_no_event_reaches_is_told() {
    let set =
        loaded(rule("odd", ", where: after.amount > 9 and after.amount < 9", "after.amount > 0"));
    let stream = Stream::made(&set, 50);
    let table = Costs::measured(&set, &stream, 1).unwrap().table(&stream, 5);
    assert!(table.ends_with("no event for: odd@1; a --recording may have some"), "{table}");
}

#[tokio::test]
async fn a_recording_is_judged_by_the_rules_that_are_given() {
    let dir = tempfile::tempdir().unwrap();
    let (rules_dir, path) = (dir.path().join("rules"), dir.path().join("r"));
    std::fs::create_dir(&rules_dir).unwrap();
    let text = rule("dear", "", "after.amount > 1_002".replace('_', "").as_str());
    std::fs::write(rules_dir.join("r.yaml"), &text).unwrap();
    let set = Arc::new(loaded(text));
    let mut inputs = Stream::made(&set, 10).inputs;
    let answer = Input::Answer { lookup: 7, result: Ok(Vec::new()) };
    inputs.insert(3, (CellTime(0), answer));
    // Recorded under other rules, which do not matter here.
    record(&path, &RuleSet::default(), &inputs, 1 << 20).await;
    let of_recording = parsed(told(&options(&rules_dir, Some(&path))));
    assert_eq!((&of_recording["events"], &of_recording["verdicts"]), (&10.into(), &10.into()));
    assert_eq!(of_recording["findings"], 3);
    assert_eq!(of_recording["rules"][0]["events"], 10);
    let first = BenchOptions { events: 4, ..options(&rules_dir, Some(&path)) };
    assert_eq!(parsed(told(&first))["events"], 3);
    for (file, why) in [("r2", "cannot read"), ("rules/r.yaml", "it does not follow")] {
        let file = dir.path().join(file);
        let refused = told(&options(&rules_dir, Some(&file))).map_err(|mistakes| mistakes.0);
        assert!(refused.as_ref().is_err_and(|whys| whys[0].contains(why)), "{refused:?}");
    }
}
