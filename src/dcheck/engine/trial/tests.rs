//! The project's own rule tests pass and show nothing; a spoilt rule or case does.

use std::path::{Path, PathBuf};

use super::*;
use crate::dcheck::engine::rules;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/rules")
}

fn trial(rule: &str, cases: &str) -> Report {
    let set = rules::load(&[(PathBuf::from("r.yaml"), rule.to_owned())]);
    let set = set.unwrap_or_else(|errors| panic!("{errors:?}"));
    let cases = serde_yaml::from_str(cases).unwrap_or_else(|error| panic!("{error}"));
    try_all(&Arc::new(set), &[TrialFile { name: "c.yaml".to_owned(), cases }])
}

#[test]
fn the_rules_of_the_project_pass_their_tests() {
    let rules = rules::load_dir(&project()).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(rules.advice(), [], "of the rules themselves");
    let files = load_dir(&project()).unwrap_or_else(|errors| panic!("{errors:?}"));
    let report = try_all(&Arc::new(rules), &files);
    let told: Vec<&str> =
        report.failures.iter().chain(&report.findings).map(String::as_str).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
    println!("{report}");
    assert_eq!(report.in_both_spaces + report.untested.len(), report.judging, "{report}");
}

const RULE: &str = r#"
- id: few
  version: 1
  loss_point: none
  severity: P3
  rollout: full
  strategy: threshold
  subject: {kind: deed, id: after.id}
  occurrence: after.id
  on: {table: deed, ops: [insert]}
  check: after.n <= 3
  when_absent: finding
  expected: "few"
  actual: "{after.n}"
  ignores: [note]
"#;
const CASES: &str = r#"
- case: three
  rules: [few]
  steps: [{at: 1, table: deed, row: {id: D-1, n: 3, note: x}}]
  verdicts: ["few matched deed D-1 / D-1"]
- case: four
  rules: [few]
  steps: [{at: 1, table: deed, row: {id: D-1, n: 4, note: x}}]
  verdicts: ["few mismatched deed D-1 / D-1"]
"#;

#[test]
fn what_the_cases_show() {
    let sound = trial(RULE, CASES);
    assert_eq!((&sound.failures, &sound.findings), (&vec![], &vec![]));
    assert_eq!((sound.cases, sound.judging, sound.in_both_spaces), (2, 1, 1));
    assert_eq!((sound.columns, sound.seen), (3, 2));
    for rollout in ["off", "shadow", "10%"] {
        let partial = trial(&RULE.replace("full", rollout), CASES);
        assert_eq!(partial.failures, Vec::<String>::new(), "a rule is tested in full: {rollout}");
    }
    let candidate = RULE.replace("version: 1", "version: 2").replace("full", "shadow");
    let both = format!("{RULE}{}", candidate.trim_start().replace("<= 3", "<= 4"));
    let beside = trial(&both, CASES);
    assert_eq!((beside.failures, beside.untested), (vec![], vec!["few@2".to_owned()]));
    let own =
        CASES.replace("rules: [few]", "rules: [few@2]").replace("- case: four", "- case: five");
    let own = own.replace("n: 4", "n: 5");
    assert_eq!(trial(&both, &format!("{CASES}{}", own.trim_start())).in_both_spaces, 2);
    let (_, only_three) = CASES.split_once("- case: four").map_or(("", ""), |(a, b)| (b, a));
    for (rule, cases, told) in [
        (RULE.replace("<= 3", "<= 4"), CASES.to_owned(), "is to be `few mismatched"),
        (RULE.replace("  ignores: [note]\n", ""), CASES.to_owned(), "does not see `deed.note`"),
        (RULE.replace("[note]", "[note, n]"), CASES.to_owned(), "ignores `n` and sees it"),
        (RULE.replace("[note]", "[note, z]"), CASES.to_owned(), "`z`, which no case has"),
        (RULE.to_owned(), only_three.to_owned(), "fires in none"),
        (RULE.to_owned(), CASES.replace("[few]", "[fw]"), "names no rule of these: [fw]"),
        (RULE.to_owned(), CASES.replace("n: 4", "n: 3"), "and is `few matched"),
        (RULE.to_owned(), CASES.replace("at: 1, table: deed, row", "at: 1, answer"), "c.yaml"),
    ] {
        if told == "c.yaml" {
            assert!(serde_yaml::from_str::<Vec<Case>>(&cases).is_err(), "an answer is a list");
            continue;
        }
        let report = trial(&rule, &cases);
        let all: Vec<String> = [report.failures, report.findings].concat();
        assert!(all.iter().any(|line| line.contains(told)), "{told}: {all:?}");
    }
}

#[test]
fn what_a_rule_itself_betrays() {
    for (from, to, told) in [
        ("after.n <= 3", "after.n <= after.n", "compares `after.n` with itself"),
        ("after.n <= 3", "1 <= 3", "names no field"),
        ("after.n <= 3", "after.a == 1 and after.a == 2", "wants `after.a` to be two things"),
        ("ops: [insert]", "ops: [insert], changed: [n]", "`changed` is of updates"),
        ("ops: [insert]", "ops: [delete]", "a deleted row has no `after`"),
    ] {
        let text = RULE.replace(from, to);
        let set = rules::load(&[(PathBuf::from("r.yaml"), text)]).expect("it can be read");
        let advice: Vec<String> = set.advice().iter().map(ToString::to_string).collect();
        assert!(advice.iter().any(|line| line.contains(told)), "{told}: {advice:?}");
    }
    let set = rules::load(&[(PathBuf::from("r.yaml"), RULE.to_owned())]).expect("sound");
    assert_eq!(set.advice(), []);
}

#[test]
fn what_does_not_fit_is_unknown_and_what_fits_is_exact() {
    let product = "check: decimal(after.n) * decimal(after.n) <= 3";
    let square = RULE.replace("check: after.n <= 3", product);
    let cube = square.replace("<= 3", "* decimal(after.n) <= 3");
    let full = format!("\"{}.{}\"", "9".repeat(35), "9".repeat(30));
    let told = |rule: &str, n: &str, judgement: &str| {
        let case = format!(
            "- {{case: c, rules: [few], verdicts: [few {judgement} deed D / D], steps: [{{at: 1, \
             table: deed, row: {{id: D, n: {n}}}}}]}}"
        );
        trial(rule, &case).failures
    };
    assert_eq!(told(&square, &full, "mismatched"), Vec::<String>::new());
    assert_eq!(
        told(&square, "\"1.732050807568877293527446341505\"", "matched"),
        Vec::<String>::new()
    );
    assert_eq!(
        told(&square, "\"1.732050807568877293527446341506\"", "mismatched"),
        Vec::<String>::new()
    );
    assert_eq!(told(&cube, &full, "unknown"), Vec::<String>::new());
}
