//! Plan files that are read, and mistakes that are named.

use super::super::spec::{Approval, BlastLimit, Several};
use super::*;
use crate::money::{Currency, Money};

const GOOD: &str = "
id: take-off-sale
trigger: {rules: [bid-below-market], min_severity: P2}
scope: {kind: item, field: sku}
effect: {stops: buy}
actions:
  - step: off
    http: {target: shop, method: PUT, path: '/breakers/sale/{scope}', body: {run_id: '{run}'}}
proof:
  - http: {target: shop, path: /breakers, expect: {scope: '{scope}', active: true}}
ttl: 10 min
while: {sql: SELECT 1 FROM bid WHERE sku = ?, params: ['{scope}']}
revert:
  - step: on
    http: {target: shop, method: DELETE, path: '/breakers/sale/{scope}'}
blast_limit: {runs: 5, per: 10 min}
";

fn load(text: &str) -> Result<Vec<PlanSpec>, PlanMistakes> {
    let known = Known {
        rules: ["bid-below-market".to_owned()].into(),
        targets: ["shop".to_owned()].into(),
    };
    load_texts(&[("p.yaml".to_owned(), text.to_owned())], &known)
}

#[test]
fn a_plan_is_read_whole() {
    let plans = load(GOOD).unwrap();
    let plan = &plans[0];
    assert_eq!((plan.id.as_str(), plan.ttl_ms), ("take-off-sale", Some(600_000)));
    assert_eq!(plan.effect, Effect::Stops("buy".into()));
    assert_eq!(plan.blast_limit, BlastLimit { runs: 5, per_ms: 600_000 });
    assert_eq!((&plan.trigger.min_at_risk[..], plan.trigger.findings), (&[][..], None));
    assert_eq!(plan.approval, Approval::Automatic);
    let Proof::Http { expect, .. } = &plan.proof[0] else { panic!("{plan:?}") };
    assert_eq!(expect[1], ("active".to_owned(), "true".to_owned()));
}

#[test]
fn money_counts_and_approval_are_read() {
    let trigger = "min_severity: P2, min_at_risk: ['1,000.00 CNY', 150.00 USD], findings: {count: 3, within: 10 min}";
    let text = GOOD.replacen("min_severity: P2", trigger, 1);
    let plans = load(&(text + "approval: manual\n")).unwrap();
    let trigger = &plans[0].trigger;
    assert_eq!(trigger.min_at_risk, [Money::cny(100_000), Money::new(15_000, Currency::Usd)]);
    assert_eq!(trigger.findings, Some(Several { count: 3, within_ms: 600_000 }));
    assert_eq!(plans[0].approval, Approval::Manual { within_ms: 1_800_000 });
    let one = GOOD.replacen("min_severity: P2", "min_at_risk: 0.01 CNY", 1);
    assert_eq!(load(&one).unwrap()[0].trigger.min_at_risk, [Money::cny(1)]);
}

#[test]
fn each_mistake_is_named_with_the_way_out() {
    for (from, to, message) in [
        ("trigger:", "triger:", "did you mean `trigger`?"),
        ("[bid-below-market]", "[bid-below-markt]", "did you mean `bid-below-market`?"),
        ("target: shop, method", "target: shp, method", "did you mean `shop`?"),
        ("method: PUT", "method: PUSH", "unknown method `PUSH`"),
        ("ttl: 10 min", "ttl: 10 minutes", "no duration"),
        ("{stops: buy}", "stop", "an effect is"),
        ("'/breakers/sale/{scope}', body", "'/breakers/sale/{scop}', body", "`scope`?"),
        ("params: ['{scope}']", "params: []", "1 `?` and `params` 0 entries"),
        ("SELECT 1 FROM bid WHERE sku = ?", "DROP TABLE bid WHERE ?", "is one SELECT"),
        ("SELECT 1 FROM bid WHERE sku = ?", "DELETE FROM bid -- ?", "has a WHERE"),
        ("{runs: 5, per", "{runs: 0, per", "above 0"),
        ("min_severity: P2", "min_severity: P9", "unknown severity"),
        (
            "{rules: [bid-below-market], min",
            "{min_at_risk: 10.0 CNY, rules: [bid-below-market], min",
            "10.0",
        ),
        (
            "{rules: [bid-below-market], min",
            "{min_at_risk: 0.00 CNY, rules: [bid-below-market], min",
            "above 0",
        ),
        (
            "{rules: [bid-below-market], min",
            "{min_at_risk: [1.00 CNY, 2.00 CNY], rules: [bid-below-market], min",
            "CNY stands twice",
        ),
        (
            "{rules: [bid-below-market], min",
            "{findings: {count: 0, within: 1 min}, rules: [bid-below-market], min",
            "from 1",
        ),
        (
            "{rules: [bid-below-market], min",
            "{findings: {count: 2}, rules: [bid-below-market], min",
            "`within` is a dur",
        ),
        ("ttl: 10 min", "approve_within: 5 min\nttl: 10 min", "nobody is asked"),
        ("ttl: 10 min", "approval: manuel\nttl: 10 min", "did you mean `manual`?"),
        ("ttl: 10 min", "approval: manual\napprove_within: 0 s\nttl: 10 min", "above 0"),
        ("step: on\n", "step: off\n", "under `actions` and under `revert`"),
        ("revert:\n", "revert_proof: [{sql: SELECT 1}]\nrevart:\n", "give `revert`"),
        ("id: take-off-sale", "id: take-off-sale\nid: again", "duplicate"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        let mistakes = load(&text).expect_err(from).to_string();
        assert!(mistakes.contains(message), "{from}: {mistakes}");
    }
}

#[test]
fn all_mistakes_come_at_once_with_their_lines() {
    let text = GOOD.replace("ttl: 10 min", "ttl: soon").replace("proof:", "prof:");
    let mistakes = load(&text).unwrap_err().0;
    assert!(mistakes.len() >= 3, "{mistakes:?}");
    assert!(mistakes.iter().any(|m| m.starts_with("p.yaml:9:")), "{mistakes:?}");
}

#[test]
fn an_id_is_given_once() {
    let mistakes = load(&format!("- {}", GOOD.trim().replace('\n', "\n  "))).map(|_| ());
    assert_eq!(mistakes, Ok(()));
    let one = ("a.yaml".to_owned(), GOOD.to_owned());
    let two = ("b.yaml".to_owned(), GOOD.to_owned());
    let mistakes = load_texts(&[one, two], &Known::default()).unwrap_err();
    assert!(mistakes.to_string().contains("is taken"), "{mistakes}");
}

#[test]
fn the_plans_of_the_repository_are_in_order() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/plans");
    let plans = load_dir(&dir, &Known::default()).unwrap_or_else(|error| panic!("{error}"));
    let ids: Vec<String> = plans.iter().map(|plan| plan.id.clone()).collect();
    let mut files: Vec<String> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(ids, files, "one plan a file, called like it");
}

#[test]
fn a_record_and_a_statement_say_by_what_they_are_known() {
    let actions = "actions:
  - step: tell
    kafka: {topic: risk.orders, key: '{scope}', body: {sku: '{scope}', list: [1, '{run}']}}
  - {step: mend, sql: UPDATE t SET a = 1 WHERE b = ?, params: ['{scope}'], ticket: 'OPS-{run}'}
";
    let text = GOOD.replacen("actions:\n", actions, 1);
    let plan = load(&text).unwrap().remove(0);
    let Action::Kafka(kafka) = &plan.actions[0].action else { panic!("{plan:?}") };
    assert_eq!((kafka.topic.as_str(), kafka.key.as_str()), ("risk.orders", "{scope}"));
    let Action::Sql(sql) = &plan.actions[1].action else { panic!("{plan:?}") };
    assert_eq!(sql.ticket, "OPS-{run}");
    for (from, to, message) in [
        ("key: '{scope}'", "key: '{scop}'", "did you mean `scope`?"),
        ("key: '{scope}'", "kee: '{scope}'", "did you mean `key`?"),
        ("list: [1, '{run}']", "list: [1, '{rum}']", "did you mean `run`?"),
        ("ticket: 'OPS-{run}'", "ticket: 'OPS-{rum}'", "did you mean `run`?"),
        ("kafka: {topic", "sql: SELECT 1\n    kafka: {topic", "either `http`"),
        ("topic: risk.orders, ", "", "`topic` is missing"),
    ] {
        let mistakes = load(&text.replacen(from, to, 1)).expect_err(from).to_string();
        assert!(mistakes.contains(message), "{from}: {mistakes}");
    }
    let by_hand = text.replacen("ttl: 10 min\n", "", 1);
    assert_eq!(load(&by_hand).map(|plans| plans[0].ttl_ms), Ok(None));
    let repairs = by_hand.replacen("{stops: buy}", "repairs", 1);
    assert!(load(&repairs).unwrap_err().to_string().contains("within a `ttl` alone"));
}

#[test]
fn what_would_not_fit_into_the_results_database_is_refused() {
    for (from, limit) in [("id: take-off-sale", 51), ("step: off", 64), ("kind: item", 32)] {
        let (key, _) = from.split_once(": ").unwrap();
        for (length, fits) in [(limit, true), (limit + 1, false)] {
            let text = GOOD.replacen(from, &format!("{key}: {}", "x".repeat(length)), 1);
            match load(&text) {
                Ok(_) => assert!(fits, "{key} of {length}"),
                Err(mistakes) => {
                    let told = mistakes.to_string();
                    assert!(!fits && told.contains(&format!("at most {limit}")), "{key}: {told}");
                }
            }
        }
    }
}
