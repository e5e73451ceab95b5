//! An explanation as JSON, and as text for a terminal.

use std::fmt::Write;

use super::{Explanation, Near, PlanStep, Stay, Trace};
use crate::config::{padded, wrapped};
use crate::expect::span_text;
use crate::report::pretty;
use crate::wire::Subject;

/// Columns of the left half of the two: both fit on a terminal of 120.
const LEFT_COLUMNS: usize = 54;
const RIGHT_COLUMNS: usize = 62;
/// Judgements of the expected subjects, told one by one.
const JUDGEMENTS_MAX: usize = 20;

impl Explanation {
    pub fn render_json(&self) -> String {
        pretty(&serde_json::json!(self))
    }

    pub fn render_text(&self) -> String {
        let mut text = format!("{} · {} · {}\n", self.word, self.name, self.location);
        let _ = writeln!(text, "  why    {}", self.evidence);
        if let Some(refused) = &self.refused {
            let _ = writeln!(text, "  no     {refused}");
        }
        let _ = writeln!(text, "  money  {} lost, {} stood to be lost", self.lost, self.exposed);
        let _ = writeln!(text, "  from   {}: all times below count from it", self.origin);
        let _ = writeln!(text, "  again  {}", self.again);
        let _ = writeln!(text, "\n{}  observed", padded("expected", LEFT_COLUMNS));
        for pair in &self.pairs {
            let word = pair.word.map_or("not judged".to_owned(), |word| word.to_string());
            let observed = format!("{word}: {}", pair.observed);
            text.push_str(&side_by_side(&pair.expected, &observed));
        }
        if !self.faults.is_empty() {
            text.push_str("\nfaults, from strike to heal\n");
        }
        for stay in &self.faults {
            let _ = writeln!(text, "  {}", stay.line());
        }
        text.push_str("\nalerts, the nearest first\n");
        for alert in &self.alerts {
            let _ = writeln!(text, "  {}", alert.line());
        }
        if self.alerts.is_empty() {
            text.push_str("  none was raised\n");
        }
        text.push_str("\nplans\n");
        for plan in &self.plans {
            let _ = writeln!(text, "  {}", plan.line());
        }
        if self.plans.is_empty() {
            text.push_str("  none ran\n");
        }
        for trace in &self.traces {
            let _ = writeln!(text, "\nrule {}, as it judged", trace.rule);
            text.push_str(&trace.text());
        }
        if !self.judged {
            text.push_str("\nthis reconciler reports no single judgements\n");
        }
        for note in &self.notes {
            let _ = writeln!(text, "\nnote  {note}");
        }
        text
    }
}

fn since(after_ms: i64) -> String {
    let sign = if after_ms < 0 { "-" } else { "+" };
    format!("{:>10}", format!("{sign}{}", span_text(after_ms.abs())))
}

impl Near {
    fn line(&self) -> String {
        let how = match (self.same_rule, self.same_subject) {
            (true, true) => "as expected",
            (true, false) => "the rule, another subject",
            (false, true) => "another rule, the subject",
            (false, false) => "another rule and subject",
        };
        let at_risk =
            self.at_risk.as_ref().map_or(String::new(), |money| format!(", {money} at risk"));
        let mut line =
            format!("{}  {}  {}{at_risk}  ({how})", since(self.after_ms), self.rule, self.subject);
        if !self.expected.is_empty() || !self.actual.is_empty() {
            let _ = write!(line, "\n{:>14}expected {}, found {}", "", self.expected, self.actual);
        }
        line
    }
}

impl Stay {
    fn line(&self) -> String {
        let healed = self.healed_after_ms.map_or_else(|| format!("{:>10}", "not healed"), since);
        format!("{} {healed}  {}", since(self.struck_after_ms), self.fault)
    }
}

impl PlanStep {
    fn line(&self) -> String {
        let state = serde_json::json!(self.state);
        let state = state.as_str().unwrap_or_default();
        let scope: Vec<String> = self.scope.iter().map(Subject::to_string).collect();
        let note = if self.note.is_empty() { String::new() } else { format!("  ({})", self.note) };
        format!("{}  {}  {state}  {}{note}", since(self.after_ms), self.plan, scope.join(", "))
    }
}

impl Trace {
    fn text(&self) -> String {
        let mut text = String::new();
        let all = &self.of_the_subject;
        for one in all.iter().take(JUDGEMENTS_MAX) {
            let after = one.after_ms.map_or(one.at.clone(), since);
            let (what, subject, occurrence) = (one.judgement.name(), &one.subject, &one.occurrence);
            let _ = writeln!(text, "  {after}  {what}  {subject}, occurrence {occurrence}");
        }
        if all.len() > JUDGEMENTS_MAX {
            let _ = writeln!(text, "  and {} more: see --format json", all.len() - JUDGEMENTS_MAX);
        }
        if all.is_empty() {
            text.push_str("  nothing of the expected subjects\n");
        }
        let others = self.of_others.iter().map(|(what, count)| format!("{count} {what}"));
        let others: Vec<String> = others.collect();
        if !others.is_empty() {
            let _ = writeln!(text, "  of other subjects: {}", others.join(", "));
        }
        text
    }
}

/// Two texts in two columns, each wrapped at its own width.
fn side_by_side(left: &str, right: &str) -> String {
    let (left, right) = (wrapped(left, LEFT_COLUMNS), wrapped(right, RIGHT_COLUMNS));
    let mut text = String::new();
    for index in 0..left.len().max(right.len()) {
        let part = |side: &[String]| side.get(index).cloned().unwrap_or_default();
        let line = format!("{}  {}", padded(&part(&left), LEFT_COLUMNS), part(&right));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
