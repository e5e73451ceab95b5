//! Loss points against the scenarios that drill them, by count and by theoretical loss.
//!
//! A view of catalogue and features: what was proved in a run stands in that run's `coverage.json`. Not covered:
//! the policy that fails a gate (exit 5).

use std::fmt::Write;

use serde::Serialize;

use crate::catalog::Catalog;
use crate::config::{padded, width};
use crate::money::Money;

/// The head of the first column.
const HEAD: &str = "loss point";

/// One loss point with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    pub loss_point: String,
    pub title: String,
    /// Theoretical loss: per event × events an hour × worst duration.
    pub loss: Money,
    pub attacks: usize,
    pub controls: usize,
}

/// All loss points of a catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    pub rows: Vec<Row>,
}

impl Table {
    /// `evidence` is (loss point, is a control) of each scenario; sorted by loss, else by id.
    pub fn of<'a>(
        catalog: &Catalog,
        evidence: impl Iterator<Item = (&'a str, bool)> + Clone,
        by_loss: bool,
    ) -> Table {
        let count = |id: &str, control: bool| {
            evidence.clone().filter(|(point, is)| *point == id && *is == control).count()
        };
        let row = |point: &crate::catalog::LossPoint| Row {
            loss_point: point.id.clone(),
            title: point.title.clone(),
            loss: point.loss.theoretical().unwrap_or(point.loss.per_event),
            attacks: count(&point.id, false),
            controls: count(&point.id, true),
        };
        let mut rows: Vec<Row> = catalog.loss_points.iter().map(row).collect();
        rows.sort_by(|a, b| match by_loss {
            true => b.loss.minor.cmp(&a.loss.minor).then(a.loss_point.cmp(&b.loss_point)),
            false => a.loss_point.cmp(&b.loss_point),
        });
        Table { rows }
    }

    pub fn render_text(&self) -> String {
        let mut text = String::new();
        let widths = self.rows.iter().map(|row| width(&row.loss_point));
        let widest = widths.max().unwrap_or_default().max(width(HEAD));
        let head = padded(HEAD, widest);
        let _ = writeln!(
            text,
            "{head}  {:>18}  {:>7}  {:>8}",
            "theoretical loss", "attacks", "controls"
        );
        for row in &self.rows {
            let (attacks, controls) = (row.attacks, row.controls);
            let (id, loss) = (padded(&row.loss_point, widest), row.loss.to_string());
            let _ = writeln!(text, "{id}  {loss:>18}  {attacks:>7}  {controls:>8}");
        }
        let drilled = self.rows.iter().filter(|row| row.attacks > 0).count();
        let _ = writeln!(
            text,
            "{drilled} of {} loss points have an attack that drills them",
            self.rows.len()
        );
        text
    }

    pub fn render_json(&self) -> String {
        serde_json::to_string_pretty(self).map(|text| text + "\n").unwrap_or_default()
    }
}
