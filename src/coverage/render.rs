//! The table for people and for machines.

use std::fmt::Write;

use super::{Row, Standing, Table, Tally};
use crate::config::{padded, width};

/// The head of the first column.
const HEAD: &str = "loss point";

impl Table {
    pub fn render_text(&self) -> String {
        let widths = self.rows.iter().map(|row| width(&row.loss_point));
        let widest = widths.max().unwrap_or_default().max(width(HEAD));
        let ran = self.rows.iter().any(|row| row.last.is_some());
        let mut text = format!(
            "{}  {:>18}  {:>8}  {:>7}  {:>5}  {:>8}  {:>5}",
            padded(HEAD, widest),
            "theoretical loss",
            "priority",
            "attacks",
            "twins",
            "controls",
            "plans"
        );
        text.push_str(if ran { "  last\n" } else { "\n" });
        for row in &self.rows {
            let _ = writeln!(text, "{}", row.line(widest));
        }
        for share in &self.shares {
            let what = if ran { "proved" } else { "drilled by an attack" };
            let loss = match (share.covered_loss, share.of_loss) {
                (Some(covered), Some(of)) => format!(", {covered} of {of}"),
                _ => String::new(),
            };
            let (priority, covered, of) = (&share.priority, share.covered, share.of);
            let _ = writeln!(text, "{priority:<3}  {covered} of {of} loss points {what}{loss}");
        }
        text
    }

    pub fn render_json(&self) -> String {
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }
}

impl Row {
    fn line(&self, widest: usize) -> String {
        let passed = self.passed.unwrap_or_default();
        // `1/2`: of two that are written, the run proved one.
        let count = |of: fn(&Tally) -> usize| match self.passed {
            Some(_) => format!("{}/{}", of(&passed), of(&self.written)),
            None => of(&self.written).to_string(),
        };
        let plans = if self.has_plan { count(|tally| tally.plans) } else { "-".to_owned() };
        let mut line = format!(
            "{}  {:>18}  {:>8}  {:>7}  {:>5}  {:>8}  {plans:>5}",
            padded(&self.loss_point, widest),
            self.loss.to_string(),
            self.priority,
            count(|tally| tally.attacks),
            count(|tally| tally.twins),
            count(|tally| tally.controls),
        );
        if let Some(last) = self.last {
            let _ = write!(line, "  {last}");
        }
        line
    }
}

impl std::fmt::Display for Standing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Standing::NotRun => "not run",
            Standing::Failed => "failed",
            Standing::Inconclusive => "inconclusive",
            Standing::NotAttacked => "not attacked",
            Standing::Proved => "proved",
        })
    }
}
