//! The text is OpenMetrics, and every metric is documented.

use super::super::SourceView;
use super::*;
use crate::clock::CellTime;
use crate::dcheck::console::LoadView;
use crate::dcheck::engine::LookupCounts;
use crate::wire::{Alert, Subject};

fn alert(print: &str, state: AlertState, minor: i64) -> Alert {
    Alert {
        rule: "r".into(),
        loss_point: "l".into(),
        subject: Subject::new("order", "O"),
        occurrence: "O".into(),
        severity: "P0".into(),
        at_risk: Some(Money::cny(minor)),
        expected: String::new(),
        actual: String::new(),
        position: String::new(),
        starts_at: "2026-01-05T00:00:00Z".into(),
        state,
        fingerprint: print.into(),
    }
}

fn text() -> String {
    let counts = Counts { taken: 8, shed: 5, matched: 2, mismatched: 1, ..Counts::default() };
    let asked = LookupCounts { asked: 4, waiting: 2, ..LookupCounts::default() };
    let load = LoadView { connections: 8, connections_in_use: 3, ..LoadView::default() };
    let source = SourceView {
        undecodable: [("no-json".to_owned(), 3)].into(),
        behind_since: Some(CellTime(1_000)),
        ..SourceView::default()
    };
    let mut view = View {
        lookups: [("bid@1".to_owned(), asked)].into(),
        load,
        sources: [("flow/0".to_owned(), source)].into(),
        counts: [("a\"b".to_owned(), counts)].into(),
        ..View::default()
    };
    view.keep_alert(alert("a", AlertState::Firing, 19_990));
    view.keep_alert(alert("b", AlertState::Firing, 10));
    view.keep_alert(alert("c", AlertState::Resolved, 500));
    let figures = Figures { now: CellTime(62_500), offset_ms: -30_000, ..Figures::default() };
    let (plan_runs, halted) = (vec![("effective", 2)], vec!["*".to_owned()]);
    let deeds = Deeds { plan_runs, halted, delivered: 7, failed_posts: 1 };
    open_metrics(&view, &figures, &deeds)
}

#[test]
fn the_text_is_open_metrics() {
    let text = text();
    for line in [
        "# TYPE dcheck_taken counter",
        "dcheck_taken_total{rule=\"a\\\"b\"} 8",
        "dcheck_shed_total{rule=\"a\\\"b\"} 5",
        "dcheck_lookups_total{rule=\"bid@1\",outcome=\"asked\"} 4",
        "dcheck_lookups_waiting{rule=\"bid@1\"} 2",
        "dcheck_sql_connections 3",
        "dcheck_sql_connections_limit 8",
        "dcheck_occurrences{rule=\"a\\\"b\",judgement=\"matched\"} 2",
        "dcheck_source_undecodable_total{source=\"flow/0\",reason=\"no-json\"} 3",
        "# UNIT dcheck_source_behind_seconds seconds",
        "dcheck_source_behind_seconds{source=\"flow/0\"} 61.500",
        "dcheck_alerts_firing{rule=\"r\",severity=\"P0\"} 2",
        "dcheck_at_risk{rule=\"r\",currency=\"CNY\"} 200.00",
        "dcheck_plan_runs{state=\"effective\"} 2",
        "dcheck_plans_halted{plan=\"*\"} 1",
        "dcheck_alerts_delivered_total 7",
        "dcheck_clock_offset_seconds -30.000",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
    // Each family once and in one piece; a unit ends its name; a counter never ends with what its samples add.
    for family in FAMILIES {
        let head = format!("# TYPE {} {}\n", family.name, family.kind);
        assert_eq!(text.matches(&head).count(), 1, "{head}");
        assert!(family.name.ends_with(family.unit) && !family.name.ends_with("_total"));
        assert!(["counter", "gauge"].contains(&family.kind), "{family:?}");
    }
}

#[test]
fn every_metric_is_documented_and_nothing_else_is() {
    let page = include_str!("METRICS.md");
    let rows = page.lines().filter(|line| line.starts_with("| `dcheck_"));
    let documented: Vec<String> = rows.map(str::to_owned).collect();
    let wanted: Vec<String> = FAMILIES
        .iter()
        .map(|Family { name, kind, unit, labels, help }| {
            let suffix = if *kind == "counter" { "_total" } else { "" };
            let labels = labels.join(", ");
            format!("| `{name}{suffix}` | {kind} | {unit} | {labels} | {help} |")
        })
        .collect();
    assert_eq!(documented, wanted, "METRICS.md:\n{}", wanted.join("\n"));
}
