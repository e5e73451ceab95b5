//! The catalogue's mistakes as data, against a small catalogue that has none.

use std::path::Path;

use super::Catalog;
use crate::config::Mistake;
use crate::journal::LossPointFacts;
use crate::money::Money;
use crate::wire::Effect;

const REFUND: &str = r#"# Refunds
- id: refund-exceeds-payment
  title: Refunds exceed what was paid
  domain: refund
  cause: service-failure
  loss: {per_event: "199.00 CNY", events_per_hour: 40, worst_duration: 60 min}
  priority: p0
  subject: order
  deadlines: {detect: 60 s, respond: 5 min, contain: 10 min}
  rules: [refund-exceeds-payment]
  with: {refund-paid-twice: "the second payout is also a duplicate"}
  grace: 30 s
  plan: refund-breaker
  checks:
    design: {doc: "scenarios/design/refunds.md#at-most-once"}
    code: {forbid: "f64|f32", in: "src/shop/services/refund*.rs"}
    log: {event: refund_paid, fields: [order_id, refund_id, amount]}
    alert: {rule: refund-exceeds-payment, route: pager}
    sql: {unique: "refund_order(order_id, request_no)", exact: "refund_order.amount"}
    deploy: {gray: refund-exceeds-payment, starts_at: 10%}
  reproduce: [{fault: app.refund-guard.bypassed}, {data: lost-digit}]
"#;

const WATCHER: &str = r#"
- id: change-capture-stalled
  title: Blind
  domain: watcher
  cause: middleware-failure
  loss: {per_event: "199.00 CNY", events_per_hour: 40, worst_duration: 60 min}
  subject: source
  deadlines: {detect: 60 s, respond: 5 min, contain: 10 min}
  rules: [change-capture-stalled]
  grace: 30 s
  checks:
    design: {doc: "scenarios/design/refunds.md#silence"}
    code: {require: "clock", in: "src/dcheck/**/*.rs"}
    log: {event: source_stale, fields: [source]}
    alert: {rule: change-capture-stalled, route: pager}
    sql: {unique: "drill_mark(seq)"}
    deploy: {gray: change-capture-stalled, starts_at: 100%}
  reproduce: [{fault: link.binlog.stalled}]
"#;

const RULES: &str = "\
- {id: refund-exceeds-payment, loss_point: refund-exceeds-payment, strategy: sum-bound}
- {id: refund-paid-twice, strategy: at-most-one}
- {id: change-capture-stalled, loss_point: change-capture-stalled}
- {id: bid-below-market}
";

const PLANS: &str = "\
id: refund-breaker
trigger: {rules: [refund-exceeds-payment, refund-paid-twice]}
scope: {kind: channel, field: channel}
effect: {stops: refund}
ttl: 10 min
sop: scenarios/design/refunds.md#refund-breaker
";

const DESIGN: &str = "# Refunds\n\n## At most once\nPoint `refund-exceeds-payment`.\n\n## Silence\n\
`change-capture-stalled`\n\n## refund-breaker\nPlan `refund-breaker`.\n";

const DRILL: &str = "id: quarterly\ntitle: A drill\nscenarios:\n  - scenario: One\n";

const FILES: [(&str, &str); 6] = [
    ("scenarios/refund.yaml", REFUND),
    ("scenarios/watcher.yaml", WATCHER),
    ("scenarios/rules/all.yaml", RULES),
    ("scenarios/plans/refund-breaker.yaml", PLANS),
    ("scenarios/design/refunds.md", DESIGN),
    ("drills/quarterly.yaml", DRILL),
];

/// Reads the small catalogue with one text of one file changed.
fn read_changed(file: &str, from: &str, to: &str) -> (Catalog, Vec<Mistake>) {
    let dir = tempfile::tempdir().expect("a folder");
    for (path, text) in FILES {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("below the folder")).expect("made");
        let changed = path.ends_with(Path::new(file));
        assert!(!changed || text.contains(from), "{file} has no `{from}`");
        let text = if changed { text.replacen(from, to, 1) } else { text.to_owned() };
        std::fs::write(path, text).expect("written");
    }
    Catalog::read(&dir.path().join("scenarios"), &dir.path().join("drills"))
}

/// A catalogue without a mistake, for the tests of rooms above.
pub fn small_catalog() -> Catalog {
    let (catalog, mistakes) = read_changed("none", "", "");
    assert_eq!(mistakes, []);
    catalog
}

#[test]
fn a_sound_catalogue_gives_the_judge_its_facts() {
    let catalog = small_catalog();
    let expect = LossPointFacts {
        id: "refund-exceeds-payment".into(),
        title: "Refunds exceed what was paid".into(),
        detect_ms: 60_000,
        respond_ms: 300_000,
        contain_ms: 600_000,
        grace_ms: 30_000,
        rules: vec!["refund-exceeds-payment".into()],
        with: vec!["refund-paid-twice".into()],
        plan: Some("refund-breaker".into()),
        effect: Some(Effect::Stops("refund".into())),
        watcher: false,
        per_event: Money::cny(19_900),
    };
    assert_eq!(catalog.facts("refund-exceeds-payment"), Some(expect));
    assert!(catalog.facts("change-capture-stalled").expect("there").watcher);
    assert_eq!(catalog.facts("nothing"), None);
    assert_eq!(catalog.plan("refund-breaker").expect("there").scope.as_deref(), Some("channel"));
    assert_eq!(catalog.drill("quarterly").expect("there").scenarios.len(), 1);
}

/// One change each: file, from, to, and the mistake's code, line, message and help.
type Case =
    (&'static str, &'static str, &'static str, &'static str, usize, &'static str, &'static str);

const CASES: [Case; 35] = [
    ("refund.yaml", "  title:", "  titel:", "unknown-key", 3, "`titel`", "`title`"),
    ("refund.yaml", "  grace: 30 s\n", "", "missing-key", 2, "no `grace`", ""),
    (
        "refund.yaml",
        "  grace: 30 s",
        "  grace: 30 s\n  grace: 1 s",
        "duplicate-key",
        13,
        "`grace`",
        "line 12",
    ),
    ("refund.yaml", "grace: 30 s", "grace: 30", "bad-value", 12, "is not a duration", ""),
    ("refund.yaml", "\"199.00 CNY\"", "\"199.0 CNY\"", "bad-value", 6, "2 digits", ""),
    ("refund.yaml", "\"199.00 CNY\"", "199.00", "bad-value", 6, "no currency", ""),
    (
        "refund.yaml",
        "cause: service-failure",
        "cause: service",
        "bad-value",
        5,
        "cannot be `service`",
        "`service-failure`",
    ),
    (
        "refund.yaml",
        "subject: order",
        "subject: ordr",
        "bad-value",
        8,
        "cannot be `ordr`",
        "did you mean `order`?",
    ),
    (
        "refund.yaml",
        "priority: p0",
        "priority: p2",
        "priority-not-derived",
        7,
        "7,960.00 CNY makes this p0, not p2",
        "reason",
    ),
    ("refund.yaml", "respond: 5 min", "respond: 50 min", "bad-value", 9, "in order", ""),
    (
        "refund.yaml",
        "rules: [refund-exceeds-payment]",
        "rules: [refund-exceed-payment]",
        "unknown-rule",
        10,
        "`refund-exceed-payment`",
        "`refund-exceeds-payment`",
    ),
    (
        "refund.yaml",
        "rules: [refund-exceeds-payment]",
        "rules: []",
        "bad-value",
        10,
        "at least one rule",
        "",
    ),
    (
        "refund.yaml",
        "with: {refund-paid-twice:",
        "with: {refund-paid-twic:",
        "unknown-rule",
        11,
        "`refund-paid-twic`",
        "`refund-paid-twice`",
    ),
    (
        "refund.yaml",
        "with: {refund-paid-twice:",
        "with: {refund-exceeds-payment:",
        "needless-with",
        10,
        "needs no `with`",
        "",
    ),
    (
        "refund.yaml",
        "plan: refund-breaker",
        "plan: refund-braker",
        "unknown-plan",
        13,
        "`refund-braker`",
        "`refund-breaker`",
    ),
    (
        "refund.yaml",
        "domain: refund",
        "domain: order",
        "wrong-file",
        4,
        "`order` stands in `refund.yaml`",
        "order.yaml",
    ),
    (
        "refund.yaml",
        "- id: refund-exceeds-payment",
        "- id: Refund_Exceeds",
        "bad-value",
        2,
        "kebab-case",
        "",
    ),
    ("refund.yaml", "#at-most-once", "#at-most-twice", "design-note", 15, "`#at-most-twice`", ""),
    ("refund.yaml", "refunds.md#", "refund.md#", "design-note", 15, "does not exist", ""),
    ("refund.yaml", "    log: {event", "    lgo: {event", "unknown-key", 17, "`lgo`", "`log`"),
    (
        "refund.yaml",
        "forbid: \"f64|f32\"",
        "forbid: \"f64|(\"",
        "bad-value",
        16,
        "no regular expression",
        "",
    ),
    (
        "refund.yaml",
        "{rule: refund-exceeds-payment, route",
        "{rule: refund-paid-twice, route",
        "unknown-rule",
        18,
        "is no rule of",
        "",
    ),
    ("refund.yaml", "(order_id, request_no)", "order_id", "bad-value", 19, "must be like", ""),
    ("refund.yaml", "starts_at: 10%", "starts_at: 110%", "bad-value", 20, "above 100%", ""),
    ("refund.yaml", "starts_at: 10%", "starts_at: 0.1", "bad-value", 20, "not a percentage", ""),
    (
        "refund.yaml",
        "{data: lost-digit}",
        "{date: lost-digit}",
        "unknown-key",
        21,
        "`date`",
        "`data`",
    ),
    (
        "refund.yaml",
        "rules: [refund-exceeds-payment]",
        "rules: [change-capture-stalled]",
        "rule-of-another-point",
        10,
        "loss point `change-capture-stalled`",
        "with:",
    ),
    (
        "watcher.yaml",
        "- id: change-capture-stalled",
        "- id: refund-exceeds-payment",
        "duplicate-id",
        2,
        "given twice",
        "refund.yaml:2",
    ),
    ("watcher.yaml", "  cause: middleware", " cause: middleware", "not-yaml", 5, "", ""),
    (
        "all.yaml",
        "- {id: bid-below-market}",
        "- {id: refund-paid-twice}",
        "duplicate-id",
        4,
        "given twice",
        "all.yaml:2",
    ),
    (
        "all.yaml",
        "{id: bid-below-market}",
        "{id: x, loss_point: bid}",
        "unknown-loss-point",
        4,
        "`bid`",
        "",
    ),
    (
        "refund-breaker.yaml",
        "effect: {stops: refund}",
        "efect: {stops: refund}",
        "missing-key",
        1,
        "declares no effect",
        "",
    ),
    (
        "refund-breaker.yaml",
        "refund-exceeds-payment, refund-paid-twice",
        "bid-below-market",
        "plan-never-starts",
        13,
        "on no rule of",
        "",
    ),
    (
        "quarterly.yaml",
        "  - scenario: One",
        "  - scenaro: One",
        "unknown-key",
        4,
        "`scenaro`",
        "`scenario`",
    ),
    ("quarterly.yaml", "\n  - scenario: One", " []", "empty-drill", 3, "lists no scenario", ""),
];

#[test]
fn each_mistake_is_told_with_its_line_and_the_way_out() {
    for (file, from, to, code, line, message, help) in CASES {
        let (_, mistakes) = read_changed(file, from, to);
        let matches = |mistake: &&Mistake| {
            mistake.code == code
                && mistake.place.line == line
                && mistake.message.contains(message)
                && mistake.help.join(" ").contains(help)
        };
        let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert!(mistakes.iter().any(|m| matches(&m)), "{code} in {file}: {}", all.join("\n"));
    }
}

#[test]
fn mistakes_of_several_files_come_together() {
    let dir = tempfile::tempdir().expect("a folder");
    let scenarios = dir.path().join("scenarios");
    std::fs::create_dir_all(scenarios.join("rules")).expect("made");
    std::fs::write(scenarios.join("order.yaml"), "- {id: a, titel: b}\n- {id: c}\n").expect("ok");
    std::fs::write(scenarios.join("bid.yaml"), "- id: [\n").expect("ok");
    std::fs::write(scenarios.join("rules/x.yaml"), "- {strategy: none}\n").expect("ok");
    let (_, mistakes) = Catalog::read(&scenarios, &dir.path().join("drills"));
    let files: std::collections::BTreeSet<String> =
        mistakes.iter().map(|mistake| mistake.place.file.clone()).collect();
    assert_eq!(files.len(), 3);
    assert!(mistakes.len() > 20, "{}", mistakes.len());
    assert!(Catalog::load(&scenarios, &dir.path().join("drills")).is_err());
    // Not a domain: the reconciler's own.
    std::fs::write(scenarios.join("services.yaml"), "- {id: points}\n").expect("ok");
    let (_, again) = Catalog::read(&scenarios, &dir.path().join("drills"));
    assert_eq!(again.len(), mistakes.len());
    let (_, mistakes) = Catalog::read(&dir.path().join("none"), &dir.path().join("none"));
    assert_eq!(mistakes[0].code, "no-catalogue");
}
