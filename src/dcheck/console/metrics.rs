//! The metrics, as OpenMetrics text.

use std::fmt::Write;

use super::view::{Figures, View};

/// What is told of plans.
#[derive(Default)]
pub struct PlanFigures<'a> {
    /// How many runs are in each state.
    pub runs: &'a [(&'static str, u64)],
    /// Plans whose kill switch is thrown.
    pub halted: &'a [String],
}

/// The text of `GET /metrics`.
pub fn open_metrics(
    view: &View,
    figures: &Figures,
    plans: &PlanFigures<'_>,
    delivered: u64,
    failed_posts: u64,
) -> String {
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, rows: Vec<(String, u64)>| {
        let _ = writeln!(text, "# TYPE dcheck_{name} {kind}\n# HELP dcheck_{name} {help}");
        let suffix = if kind == "counter" { "_total" } else { "" };
        for (labels, value) in rows {
            let _ = writeln!(text, "dcheck_{name}{suffix}{labels} {value}");
        }
    };
    let sources = |pick: fn(&super::SourceView) -> u64| -> Vec<(String, u64)> {
        view.sources.iter().map(|(name, s)| (label("source", name), pick(s))).collect()
    };
    family("source_events", "counter", "Events read.", sources(|s| s.events));
    let mut undecodable = Vec::new();
    for (source, state) in &view.sources {
        let by_reason = state.undecodable.iter();
        undecodable.extend(by_reason.map(|(why, n)| (two("source", source, "reason", why), *n)));
    }
    family("source_undecodable", "counter", "Messages that could not be decoded.", undecodable);
    family(
        "dead_letters_lost",
        "counter",
        "Undecodable messages that could not be kept.",
        sources(|s| s.dead_letters_lost),
    );
    family("source_connected", "gauge", "1 while connected.", sources(|s| s.connected.into()));
    family(
        "source_behind",
        "gauge",
        "1 while a known end is overdue.",
        sources(|s| s.behind_since.is_some().into()),
    );
    let mut verdicts = Vec::new();
    for (rule, counts) in &view.counts {
        for (judgement, count) in [
            ("matched", counts.matched),
            ("mismatched", counts.mismatched),
            ("unknown", counts.unknown),
            ("expired", counts.expired),
            ("refused", counts.refused),
        ] {
            verdicts.push((two("rule", rule, "judgement", judgement), count));
        }
    }
    family("verdicts", "counter", "Occurrences judged, by rule and judgement.", verdicts);
    let pick = |field: fn(&crate::dcheck::engine::Counts) -> u64| -> Vec<(String, u64)> {
        view.counts.iter().map(|(rule, c)| (label("rule", rule), field(c))).collect()
    };
    family("taken", "counter", "Occurrences that became a rule's to judge.", pick(|c| c.taken));
    family("duplicates", "counter", "Redeliveries of what was taken.", pick(|c| c.duplicates));
    family("pending", "gauge", "Occurrences not judged yet.", pick(|c| c.pending));
    family("shed", "counter", "Occurrences above a rule's rate, not judged.", pick(|c| c.shed));
    let mut asked = Vec::new();
    for (rule, counts) in &view.lookups {
        for (outcome, count) in [
            ("asked", counts.asked),
            ("failed", counts.failed),
            ("shared", counts.shared),
            ("delayed", counts.delayed),
            ("shed", counts.shed),
        ] {
            asked.push((two("rule", rule, "outcome", outcome), count));
        }
    }
    family("lookups", "counter", "Questions of rules, by rule and outcome.", asked);
    let waiting = view.lookups.iter().map(|(rule, c)| (label("rule", rule), c.waiting)).collect();
    family(
        "lookups_waiting",
        "gauge",
        "Unknown for want of an answer, to be asked again.",
        waiting,
    );
    let one = |value: u64| vec![(String::new(), value)];
    family("open_windows", "gauge", "Windows open.", one(view.open_windows));
    family("lookups_out", "gauge", "Lookups without an answer yet.", one(view.lookups_out));
    let load = &view.load;
    family(
        "sql_connections",
        "gauge",
        "SQL connections for lookups in use.",
        one(load.connections_in_use),
    );
    family("sql_connections_limit", "gauge", "Their limit.", one(load.connections));
    family("lookup_rate_limit", "gauge", "Lookups a second at most.", one(load.lookups_per_second));
    family("lookups_sent", "counter", "Lookups that got a turn.", one(load.asked));
    family("lookups_paced", "counter", "Lookups that waited for their turn.", one(load.delayed));
    family("lookups_refused", "counter", "Lookups for which no turn was near.", one(load.refused));
    family("alerts_delivered", "counter", "Messages acknowledged.", one(delivered));
    family("alert_posts_failed", "counter", "Posts that were not acknowledged.", one(failed_posts));
    family("alerts_due", "gauge", "Messages to deliver now.", one(figures.deliveries_due));
    family("silences", "gauge", "Silences in force.", one(view.silences.len() as u64));
    family("blind", "gauge", "Open alerts of blindness.", one(view.blind.len() as u64));
    family(
        "results_away",
        "gauge",
        "1 while the results database takes no commit.",
        one(figures.results_away.into()),
    );
    let runs = plans.runs.iter().map(|(state, n)| (label("state", state), *n)).collect();
    family("plan_runs", "gauge", "Plan runs, by state.", runs);
    let halted = plans.halted.iter().map(|plan| (label("plan", plan), 1)).collect();
    family("plans_halted", "gauge", "1 while a kill switch is thrown; * is all plans.", halted);
    family("settled_mark", "gauge", "The last mark that is settled.", one(view.settled));
    text.push_str("# EOF\n");
    text
}

fn label(name: &str, value: &str) -> String {
    format!("{{{name}=\"{}\"}}", escaped(value))
}

fn two(name: &str, value: &str, other: &str, text: &str) -> String {
    format!("{{{name}=\"{}\",{other}=\"{}\"}}", escaped(value), escaped(text))
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::SourceView;
    use super::*;
    use crate::dcheck::console::LoadView;
    use crate::dcheck::engine::{Counts, LookupCounts};

    #[test]
    fn the_text_is_open_metrics() {
        let counts = Counts { taken: 8, shed: 5, matched: 2, mismatched: 1, ..Counts::default() };
        let source =
            SourceView { undecodable: [("no-json".to_owned(), 3)].into(), ..SourceView::default() };
        let sources = [("flow/0".to_owned(), source)].into();
        let asked = LookupCounts { asked: 4, waiting: 2, ..LookupCounts::default() };
        let load = LoadView { connections: 8, connections_in_use: 3, ..LoadView::default() };
        let lookups = [("bid@1".to_owned(), asked)].into();
        let view = View {
            lookups,
            load,
            sources,
            counts: [("a\"b".to_owned(), counts)].into(),
            ..View::default()
        };
        let plans = PlanFigures { runs: &[("effective", 2)], halted: &["*".to_owned()] };
        let text = open_metrics(&view, &Figures::default(), &plans, 7, 1);
        for line in [
            "# TYPE dcheck_verdicts counter",
            "dcheck_verdicts_total{rule=\"a\\\"b\",judgement=\"matched\"} 2",
            "dcheck_source_undecodable_total{source=\"flow/0\",reason=\"no-json\"} 3",
            "dcheck_plan_runs{state=\"effective\"} 2",
            "dcheck_shed_total{rule=\"a\\\"b\"} 5",
            "dcheck_lookups_total{rule=\"bid@1\",outcome=\"asked\"} 4",
            "dcheck_lookups_waiting{rule=\"bid@1\"} 2",
            "dcheck_sql_connections 3",
            "dcheck_sql_connections_limit 8",
            "dcheck_plans_halted{plan=\"*\"} 1",
            "dcheck_alerts_delivered_total 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
