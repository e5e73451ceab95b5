//! The metrics, as OpenMetrics text.
//!
//! Owns their names ([`FAMILIES`]): what is not listed is not told, what is listed is told, and `METRICS.md` beside this
//! file documents each; tests hold all three. Values are whole numbers, or exact decimals (money in major units, times in
//! seconds).

use std::collections::BTreeMap;
use std::fmt::Write;

use super::services::of_services;
use super::view::{Figures, View};
use crate::dcheck::engine::Counts;
use crate::money::Money;
use crate::wire::AlertState;

/// What `GET /metrics` is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One family of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Without `_total`, which the samples of a counter end with.
    pub name: &'static str,
    pub kind: &'static str,
    /// The name ends with it; empty: a plain count.
    pub unit: &'static str,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

const fn family(
    name: &'static str,
    kind: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind, unit: "", labels, help }
}

const fn seconds(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind: "gauge", unit: "seconds", labels, help }
}

/// All families, in the order in which they are told.
pub const FAMILIES: &[Family] = &[
    family("dcheck_source_events", "counter", &["source"], "Events read."),
    family(
        "dcheck_source_undecodable",
        "counter",
        &["source", "reason"],
        "Messages that could not be decoded.",
    ),
    family(
        "dcheck_dead_letters_lost",
        "counter",
        &["source"],
        "Undecodable messages that could not be kept.",
    ),
    family("dcheck_source_connected", "gauge", &["source"], "1 while connected."),
    family("dcheck_source_behind", "gauge", &["source"], "1 while a known end is overdue."),
    seconds(
        "dcheck_source_behind_seconds",
        &["source"],
        "Since when a known end has not been reached; 0 where none is overdue.",
    ),
    family(
        "dcheck_occurrences",
        "gauge",
        &["rule", "judgement"],
        "Occurrences by what was said of them last; with dcheck_pending and dcheck_shed they add up to dcheck_taken.",
    ),
    family("dcheck_taken", "counter", &["rule"], "Occurrences that became a rule's to judge."),
    family("dcheck_duplicates", "counter", &["rule"], "Redeliveries of what was taken."),
    family("dcheck_pending", "gauge", &["rule"], "Occurrences not judged yet."),
    family("dcheck_shed", "counter", &["rule"], "Occurrences above a rule's rate, not judged."),
    family("dcheck_lookups", "counter", &["rule", "outcome"], "Questions of rules, by outcome."),
    family(
        "dcheck_lookups_waiting",
        "gauge",
        &["rule"],
        "Unknown for want of an answer, to be asked again.",
    ),
    family("dcheck_open_windows", "gauge", &[], "Windows open."),
    family("dcheck_lookups_out", "gauge", &[], "Lookups without an answer yet."),
    family("dcheck_sql_connections", "gauge", &[], "SQL connections for lookups in use."),
    family("dcheck_sql_connections_limit", "gauge", &[], "Their limit."),
    family("dcheck_lookup_rate_limit", "gauge", &[], "Lookups a second at most."),
    family("dcheck_lookups_sent", "counter", &[], "Lookups that got a turn."),
    family("dcheck_lookups_paced", "counter", &[], "Lookups that waited for their turn."),
    family("dcheck_lookups_refused", "counter", &[], "Lookups for which no turn was near."),
    family("dcheck_alerts_firing", "gauge", &["rule", "severity"], "Alerts that fire."),
    family(
        "dcheck_at_risk",
        "gauge",
        &["rule", "currency"],
        "Money at risk of the alerts that fire, in major units.",
    ),
    family("dcheck_alerts_delivered", "counter", &[], "Messages acknowledged."),
    family("dcheck_alert_posts_failed", "counter", &[], "Posts that were not acknowledged."),
    family("dcheck_alerts_due", "gauge", &[], "Messages to deliver now."),
    family("dcheck_silences", "gauge", &[], "Silences in force."),
    family("dcheck_blind", "gauge", &[], "Open alerts of blindness."),
    family("dcheck_results_away", "gauge", &[], "1 while the results database takes no commit."),
    family("dcheck_plan_runs", "gauge", &["state"], "Plan runs, by state."),
    family(
        "dcheck_plans_halted",
        "gauge",
        &["plan"],
        "1 while a kill switch is thrown; * is all plans.",
    ),
    family(
        "dcheck_service_state",
        "gauge",
        &["service", "state"],
        "1 for the state that it is in.",
    ),
    family("dcheck_service_calls", "gauge", &["service"], "Calls of the last window."),
    family("dcheck_service_errors", "gauge", &["service"], "Of these, those that failed."),
    seconds(
        "dcheck_service_latency_seconds",
        &["service", "of"],
        "Latency of the last window that is held against the limits.",
    ),
    family(
        "dcheck_service_calls_late",
        "counter",
        &["service"],
        "Calls that came after their window was judged first.",
    ),
    family(
        "dcheck_service_calls_unreadable",
        "counter",
        &["service"],
        "Calls of which nobody can say how they went.",
    ),
    family(
        "dcheck_dependency_decision",
        "gauge",
        &["service", "dependency", "decision"],
        "1 while the decision is in force.",
    ),
    family("dcheck_settled_mark", "gauge", &[], "The last mark that is settled."),
    seconds("dcheck_clock_offset_seconds", &[], "By how much a drill has advanced the clock."),
];

/// Values of the labels, and the sample's own.
pub(super) type Rows = Vec<(Vec<String>, String)>;

/// What the deliveries and plans say.
#[derive(Clone, Debug, Default)]
pub struct Deeds {
    pub plan_runs: Vec<(&'static str, u64)>,
    /// Plans whose kill switch is thrown.
    pub halted: Vec<String>,
    pub delivered: u64,
    pub failed_posts: u64,
}

/// The text of `GET /metrics`.
pub fn open_metrics(view: &View, figures: &Figures, deeds: &Deeds) -> String {
    let mut rows = of_sources(view, figures);
    rows.extend(of_rules(view));
    rows.extend(of_lookups(view));
    rows.extend(of_alerts(view, figures, deeds));
    rows.extend(of_services(view));
    let mut text = String::new();
    for family in FAMILIES {
        let Family { name, kind, unit, labels, help } = family;
        let _ = writeln!(text, "# TYPE {name} {kind}");
        if !unit.is_empty() {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(text, "# HELP {name} {help}");
        let suffix = if *kind == "counter" { "_total" } else { "" };
        for (values, value) in rows.remove(name).unwrap_or_default() {
            let pairs = labels.iter().zip(&values);
            let pairs = pairs.map(|(label, value)| format!("{label}=\"{}\"", escaped(value)));
            let pairs = pairs.collect::<Vec<_>>().join(",");
            let pairs = if pairs.is_empty() { pairs } else { format!("{{{pairs}}}") };
            let _ = writeln!(text, "{name}{suffix}{pairs} {value}");
        }
    }
    debug_assert!(rows.is_empty(), "told and not listed: {rows:?}");
    text.push_str("# EOF\n");
    text
}

pub(super) type ByName = BTreeMap<&'static str, Rows>;

fn one(value: u64) -> Rows {
    vec![(Vec::new(), value.to_string())]
}

/// Milliseconds as seconds.
pub(super) fn in_seconds(ms: i64) -> String {
    let (sign, ms) = (if ms < 0 { "-" } else { "" }, ms.unsigned_abs());
    format!("{sign}{}.{:03}", ms / 1000, ms % 1000)
}

fn of_sources(view: &View, figures: &Figures) -> ByName {
    let each = |pick: &dyn Fn(&super::SourceView) -> String| -> Rows {
        view.sources.iter().map(|(name, state)| (vec![name.clone()], pick(state))).collect()
    };
    let mut undecodable = Rows::new();
    for (source, state) in &view.sources {
        let by_reason = state.undecodable.iter();
        undecodable.extend(
            by_reason.map(|(why, count)| (vec![source.clone(), why.clone()], count.to_string())),
        );
    }
    let flag = |flag: bool| u64::from(flag).to_string();
    let behind = |state: &super::SourceView| {
        in_seconds(state.behind_since.map_or(0, |since| figures.now.since_ms(since).max(0)))
    };
    BTreeMap::from([
        ("dcheck_source_events", each(&|s| s.events.to_string())),
        ("dcheck_source_undecodable", undecodable),
        ("dcheck_dead_letters_lost", each(&|s| s.dead_letters_lost.to_string())),
        ("dcheck_source_connected", each(&|s| flag(s.connected))),
        ("dcheck_source_behind", each(&|s| flag(s.behind_since.is_some()))),
        ("dcheck_source_behind_seconds", each(&behind)),
    ])
}

fn of_rules(view: &View) -> ByName {
    let mut occurrences = Rows::new();
    for (rule, counts) in &view.counts {
        for (judgement, count) in [
            ("matched", counts.matched),
            ("mismatched", counts.mismatched),
            ("unknown", counts.unknown),
            ("expired", counts.expired),
            ("refused", counts.refused),
        ] {
            occurrences.push((vec![rule.clone(), judgement.to_owned()], count.to_string()));
        }
    }
    let each = |pick: fn(&Counts) -> u64| -> Rows {
        let counts = view.counts.iter();
        counts.map(|(rule, counts)| (vec![rule.clone()], pick(counts).to_string())).collect()
    };
    BTreeMap::from([
        ("dcheck_occurrences", occurrences),
        ("dcheck_taken", each(|counts| counts.taken)),
        ("dcheck_duplicates", each(|counts| counts.duplicates)),
        ("dcheck_pending", each(|counts| counts.pending)),
        ("dcheck_shed", each(|counts| counts.shed)),
        ("dcheck_open_windows", one(view.open_windows)),
    ])
}

fn of_lookups(view: &View) -> ByName {
    let mut asked = Rows::new();
    for (rule, counts) in &view.lookups {
        for (outcome, count) in [
            ("asked", counts.asked),
            ("failed", counts.failed),
            ("shared", counts.shared),
            ("delayed", counts.delayed),
            ("shed", counts.shed),
            ("given-up", counts.given_up),
        ] {
            asked.push((vec![rule.clone(), outcome.to_owned()], count.to_string()));
        }
    }
    let waiting = view.lookups.iter();
    let waiting = waiting.map(|(rule, counts)| (vec![rule.clone()], counts.waiting.to_string()));
    let load = &view.load;
    BTreeMap::from([
        ("dcheck_lookups", asked),
        ("dcheck_lookups_waiting", waiting.collect()),
        ("dcheck_lookups_out", one(view.lookups_out)),
        ("dcheck_sql_connections", one(load.connections_in_use)),
        ("dcheck_sql_connections_limit", one(load.connections)),
        ("dcheck_lookup_rate_limit", one(load.lookups_per_second)),
        ("dcheck_lookups_sent", one(load.asked)),
        ("dcheck_lookups_paced", one(load.delayed)),
        ("dcheck_lookups_refused", one(load.refused)),
    ])
}

fn of_alerts(view: &View, figures: &Figures, deeds: &Deeds) -> ByName {
    let mut firing: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    let mut at_risk: BTreeMap<Vec<String>, Option<Money>> = BTreeMap::new();
    for alert in view.alerts.values().filter(|alert| alert.state == AlertState::Firing) {
        *firing.entry(vec![alert.rule.clone(), alert.severity.clone()]).or_default() += 1;
        let Some(money) = alert.at_risk else { continue };
        let key = vec![alert.rule.clone(), money.currency.code().to_owned()];
        let sum = at_risk.entry(key).or_insert(Some(Money::zero(money.currency)));
        *sum = sum.and_then(|sum| sum.checked_add(money).ok());
    }
    // A sum that does not fit is more than any limit of an alert.
    let told = |sum: Option<Money>| sum.map_or("+Inf".to_owned(), |sum| sum.plain_amount());
    let runs = deeds.plan_runs.iter();
    BTreeMap::from([
        (
            "dcheck_alerts_firing",
            firing.into_iter().map(|(key, count)| (key, count.to_string())).collect(),
        ),
        ("dcheck_at_risk", at_risk.into_iter().map(|(key, sum)| (key, told(sum))).collect()),
        ("dcheck_alerts_delivered", one(deeds.delivered)),
        ("dcheck_alert_posts_failed", one(deeds.failed_posts)),
        ("dcheck_alerts_due", one(figures.deliveries_due)),
        ("dcheck_silences", one(view.silences.len() as u64)),
        ("dcheck_blind", one(view.blind.len() as u64)),
        ("dcheck_results_away", one(figures.results_away.into())),
        (
            "dcheck_plan_runs",
            runs.map(|(state, count)| (vec![(*state).to_owned()], count.to_string())).collect(),
        ),
        (
            "dcheck_plans_halted",
            deeds.halted.iter().map(|plan| (vec![plan.clone()], "1".to_owned())).collect(),
        ),
        ("dcheck_settled_mark", one(view.settled)),
        ("dcheck_clock_offset_seconds", vec![(Vec::new(), in_seconds(figures.offset_ms))]),
    ])
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
