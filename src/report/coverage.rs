//! `coverage.json`: each loss point of the catalogue with what this run proved of it, and the policy.

use serde_json::{Value, json};

use super::pretty;
use super::view::RunView;
use crate::coverage::{Proof, Table, Verdicts, unmet};
use crate::journal::{Expectation, PointFacts, Verdict};

/// The run's scenarios as evidence.
pub fn proofs(view: &RunView) -> Vec<Proof> {
    let twins = || view.basis.selected.iter().filter_map(|selected| selected.twin.as_deref());
    let proofs = view.scenarios.iter().map(|scenario| Proof {
        scenario: scenario.id.clone(),
        loss_point: scenario.facts.loss_point.id.clone(),
        control: scenario.facts.control,
        twin: twins().any(|twin| twin == scenario.id),
        plan: scenario
            .expectations
            .iter()
            .any(|view| matches!(view.expectation, Expectation::PlanEffective { .. })),
    });
    proofs.collect()
}

/// What the run says of each scenario that it began.
pub fn verdicts(view: &RunView) -> Verdicts<'_> {
    view.scenarios.iter().map(|scenario| (scenario.id.as_str(), scenario.verdict)).collect()
}

/// Every sentence in which the run misses its policy.
pub fn missed(view: &RunView) -> Vec<String> {
    let took_ms = i64::try_from(view.start_ms + view.scenarios_ms + view.teardown_ms);
    unmet(&view.basis, &proofs(view), &verdicts(view), took_ms.unwrap_or(i64::MAX))
}

impl RunView {
    /// (stable id, name) of what is not proved: red, cut off, or never begun.
    pub fn unproved(&self) -> Vec<(String, String)> {
        let red = self.scenarios.iter().filter(|scenario| scenario.verdict != Verdict::Pass);
        let red = red.map(|scenario| (scenario.id.clone(), scenario.facts.name.clone()));
        let begun = |id: &str| self.scenarios.iter().any(|scenario| scenario.id == id);
        let unbegun = self.basis.selected.iter().filter(|selected| !begun(&selected.id));
        red.chain(unbegun.map(|one| (one.id.clone(), one.name.clone()))).collect()
    }
}

/// A journal without a basis knows the points that ran.
fn points(view: &RunView) -> Vec<PointFacts> {
    if !view.basis.points.is_empty() {
        return view.basis.points.clone();
    }
    let mut points: Vec<PointFacts> = Vec::new();
    for point in view.scenarios.iter().map(|scenario| &scenario.facts.loss_point) {
        if points.iter().all(|known| known.id != point.id) {
            points.push(PointFacts {
                id: point.id.clone(),
                title: point.title.clone(),
                priority: "unknown".to_owned(),
                loss: point.per_event,
                plan: point.plan.is_some(),
            });
        }
    }
    points
}

/// The whole document.
pub(super) fn document(view: &RunView) -> String {
    let table = Table::of(&points(view), &proofs(view), Some(&verdicts(view)), false);
    let point = |row: &crate::coverage::Row| {
        let mut value = json!(row);
        value["proved"] = row.is_covered().into();
        value
    };
    let points: Vec<Value> = table.rows.iter().map(point).collect();
    pretty(&json!({
        "run": view.run,
        "loss_points": points,
        "shares": table.shares,
        "demands": view.basis.demands,
        "missed": missed(view),
    }))
}
