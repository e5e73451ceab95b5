//! The views for machines: `result.json`, `stage.lock.json`.

use serde_json::{Value, json};

use super::pretty;
use super::view::{Milestone, RunView, ScenarioView};

/// `result.json`: every verdict with its numbers.
pub(super) fn result(view: &RunView) -> String {
    let scenarios: Vec<Value> =
        view.scenarios.iter().map(|scenario| scenario_json(view, scenario)).collect();
    pretty(&json!({
        "run": view.run,
        "version": view.version,
        "seed": view.seed,
        "args": view.args,
        "exit": view.exit,
        "passed": view.passed(),
        "failed": view.failed(),
        "skipped": view.skipped(),
        "inconclusive": view.inconclusive(),
        "start_ms": view.start_ms,
        "scenarios_ms": view.scenarios_ms,
        "teardown_ms": view.teardown_ms,
        "scenarios": scenarios,
    }))
}

fn scenario_json(view: &RunView, scenario: &ScenarioView) -> Value {
    let facts = &scenario.facts;
    let milestone = |at: Option<Milestone>| {
        at.map(|at| json!({"after_ms": at.after_ms, "real_ms": at.real_ms}))
    };
    let expectations: Vec<Value> = scenario
        .expectations
        .iter()
        .map(|view| {
            let told = view.verdict.as_ref();
            json!({
                "sentence": view.sentence,
                "expectation": view.expectation,
                "verdict": told.map(|(verdict, ..)| verdict),
                "word": told.map(|(_, word, _)| word),
                "evidence": told.map(|(_, _, evidence)| evidence),
            })
        })
        .collect();
    let faults: Vec<Value> = scenario
        .spans
        .iter()
        .map(|span| {
            let (struck, healed) = (milestone(Some(span.struck)), milestone(span.healed));
            json!({"fault": span.fault, "struck": struck, "healed": healed})
        })
        .collect();
    json!({
        "id": scenario.id,
        "name": facts.name,
        "feature": facts.feature,
        "location": facts.location,
        "loss_point": facts.loss_point.id,
        "control": facts.control,
        "verdict": scenario.verdict,
        "word": scenario.word,
        "evidence": scenario.evidence,
        "real_ms": scenario.real_ms,
        "cell": scenario.cell,
        "seed": facts.seed,
        "origin": scenario.origin_is,
        "alert": milestone(scenario.alert),
        "plan": milestone(scenario.plan),
        "contained": milestone(scenario.contained),
        "faults": faults,
        "loss_peak": scenario.loss_peak,
        "exposure_peak": scenario.exposure_peak,
        "expectations": expectations,
        "again": view.again(&facts.name),
    })
}

/// `stage.lock.json`: what must be the same for the run to be the same.
pub(super) fn stage_lock(view: &RunView) -> String {
    pretty(&json!({
        "run": view.run,
        "version": view.version,
        "seed": view.seed,
        "args": view.args,
        "commit": view.basis.commit,
        "vocabulary": view.basis.vocabulary,
        "texts": view.basis.texts,
        "shard": view.basis.shard,
        "services": view.services,
    }))
}
