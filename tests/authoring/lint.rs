//! `lint`: each rule told at its place, what is safe mended, SARIF that a code host reads.

use std::fs;
use std::path::Path;

use lossdrill::author::{CheckArgs, Linting, lint};

use super::fault;

const BASE: &str = r#"@lp:refund-paid-twice @tier:gate
Feature: A refund is paid out at most once
  Most channels cannot claw back a second payout.

  Background:
    Given order "O-1" was paid 199.00 CNY through channel "alipay"
    And refund "R-1" of 199.00 CNY on order "O-1" is approved
    And fault "app.refund-payout.not-idempotent" is active

  Scenario: The approval is delivered twice
    When the refund-approved message of refund "R-1" is delivered 2 times
    Then alert "refund-paid-twice" is raised in time for refund "R-1"
    And the loss is at most 199.00 CNY

  @control
  Scenario: The approval is delivered once
    When the refund-approved message of refund "R-1" is delivered 1 time
    Then no alert is raised
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn with(source: &str) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        fs::write(folder.file(), source).unwrap();
        folder
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.path().join("f.feature")
    }

    fn lint(&self, fix: bool) -> Linting {
        let mut args = CheckArgs::in_project(Path::new(env!("CARGO_MANIFEST_DIR")));
        args.features = self.0.path().to_owned();
        args.drills = self.0.path().join("drills");
        let mut linting = lint(&args, &fault, fix);
        // The other loss points have no attack here.
        linting.mistakes.retain(|mistake| mistake.code != "undrilled");
        linting
    }
}

#[test]
fn the_shipped_features_are_in_style() {
    let linting =
        lint(&CheckArgs::in_project(Path::new(env!("CARGO_MANIFEST_DIR"))), &fault, false);
    assert!(linting.mistakes.is_empty(), "{}", linting.render_text());
    assert_eq!(linting.exit_code(), 0);
    assert_eq!(Folder::with(BASE).lint(false).mistakes, []);
}

/// (what is replaced, by what, the rule, line and column, mended by `--fix`)
const CASES: &[(&str, &str, &str, (usize, usize), bool)] = &[
    ("at most once\n", "once by the Kafka consumer\n", "mechanism-word", (2, 43), false),
    ("Most channels", "We know that channels", "first-person", (3, 3), false),
    ("delivered twice", "delivered twice after 5 seconds", "wait-word", (10, 45), false),
    ("    And refund", "    Given refund", "repeated-keyword", (7, 5), true),
    ("2 times\n", "2 times\n    And I wait 5 s\n", "first-person", (12, 9), false),
    ("R-1\"\n    And the loss", "R-1\" and the loss", "two-facts", (12, 10), true),
    ("R-1\"\n    And the loss is", "R-1\" and the losses are", "two-facts", (12, 10), false),
    ("raised in time", "raised within 5 min", "bound-too-long", (12, 10), true),
    (" @tier:gate", "", "no-tier", (9, 3), true),
    ("Background:", "Background：", "full-width", (5, 13), true),
    ("  @control", "  ＠control", "full-width", (15, 3), true),
    ("  @control\n", "", "no-twin", (10, 3), false),
    ("    And the loss is at most 199.00 CNY\n", &LONG, "too-many-steps", (10, 3), false),
    ("refund \"R-1\"\n    And the loss", PINTS, "unknown-service", (12, 69), false),
    ("app.refund-payout.not-idempotent", STARVED, "fault-out-of-reach", (8, 16), false),
];

/// Its limits reach no process of an engine's.
const STARVED: &str = "process.mysql.starved";

/// Half a litre.
const PINTS: &str = "dependency \"checkout/pints\"\n    And the loss";

const LONG: &str = "    And the loss is at most 199.00 CNY
    And the loss is contained in time
    And the loss is contained within 9 min
    And the loss is contained within 8 min
    And the loss is contained within 7 min
";

#[test]
fn every_rule_is_told_and_what_is_safe_is_mended() {
    for (from, to, rule, (line, column), safe) in CASES {
        assert!(BASE.contains(from), "no `{from}`");
        let folder = Folder::with(&BASE.replacen(from, to, 1));
        let told = folder.lint(false);
        let found = told.mistakes.iter().find(|mistake| mistake.code == *rule);
        let found = found.unwrap_or_else(|| panic!("{rule}: {}", told.render_text()));
        // Where a tag is missing, each scenario is told; the first stands for all.
        let line = if *rule == "no-tier" { &10 } else { line };
        assert_eq!((found.place.line, found.place.column), (*line, *column), "{rule}: {found}");
        assert_eq!(told.exit_code(), 6, "{rule}");
        assert_eq!(told.fixable > 0, *safe, "{rule}: {}", told.render_text());
        let before = fs::read_to_string(folder.file()).unwrap();
        let mended = folder.lint(true);
        let after = fs::read_to_string(folder.file()).unwrap();
        match safe {
            true => assert_eq!(mended.mistakes, [], "{rule}: {after}"),
            false => assert_eq!(after, before, "{rule} is not ours to mend"),
        }
        assert_eq!(!mended.fixed.is_empty(), *safe, "{rule}");
    }
}

#[test]
fn only_the_gate_needs_both_providers() {
    let nightly = BASE
        .replace("@tier:gate", "@tier:nightly")
        .replace("app.refund-payout.not-idempotent", STARVED);
    let linting = Folder::with(&nightly).lint(false);
    assert_eq!(linting.mistakes, [], "{}", linting.render_text());
}

#[test]
fn a_chinese_file_says_so_at_its_head() {
    let source = "@lp:paid-order-unpaid @tier:gate\n功能: 漏单\n\n  场景: 回调丢失\n    \
        假如订单“O-2”待支付 199.00 元\n    假如故障“app.payment-callback.dropped”生效\n    \
        当用户通过渠道“alipay”为订单“O-2”支付 199.00 元且扣款成功\n    \
        那么及时产生告警“paid-order-unpaid”，对象为订单“O-2”\n\n  @control\n  场景: 我们的回调迟到\n    \
        假如订单“O-2”待支付 199.00 元\n    并且故障“app.payment-callback.delayed”生效\n    \
        当用户通过渠道“alipay”为订单“O-2”支付 199.00 元且扣款成功\n    那么没有任何告警\n";
    let folder = Folder::with(source);
    let linting = folder.lint(true);
    let codes: Vec<&str> = linting.mistakes.iter().map(|mistake| mistake.code).collect();
    assert_eq!(codes, ["first-person"], "{}", linting.render_text());
    let text = fs::read_to_string(folder.file()).unwrap();
    assert!(text.starts_with("# language: zh-CN\n"), "{text}");
    assert!(text.contains("    并且故障“app.payment-callback.dropped”生效"), "{text}");
}

#[test]
fn a_code_host_reads_the_findings() {
    let folder = Folder::with(&BASE.replace("twice\n", "twice by our proxy\n"));
    let linting = folder.lint(false);
    let sarif: serde_json::Value = serde_json::from_str(&linting.render_sarif()).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), linting.mistakes.len());
    assert!(!results.is_empty());
    for result in results {
        let index = result["ruleIndex"].as_u64().unwrap() as usize;
        let rule = &run["tool"]["driver"]["rules"][index];
        assert_eq!(rule["id"], result["ruleId"]);
        assert_ne!(rule["shortDescription"]["text"], rule["id"], "each rule has its text");
        let region = &result["locations"][0]["physicalLocation"]["region"];
        assert_eq!(region["startLine"], 10);
        assert!(region["endColumn"].as_u64() > region["startColumn"].as_u64());
    }
}
