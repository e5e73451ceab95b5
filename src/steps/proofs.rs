//! Scenarios as evidence: what each one, once proved, says of its loss point.

use std::borrow::Borrow;
use std::collections::BTreeSet;

use super::{Scenario, Sentence};
use crate::coverage::Proof;

/// The kinds of the subjects for which plans are to take effect.
pub fn plan_scopes(scenario: &Scenario) -> BTreeSet<&str> {
    let scope = |sentence| match sentence {
        &Sentence::PlanEffective { ref scope, .. } => Some(scope.kind.as_str()),
        _ => None,
    };
    scenario.steps.iter().filter_map(|step| scope(&step.sentence)).collect()
}

/// One for each scenario, in their order.
pub fn proofs<S: Borrow<Scenario>>(scenarios: &[S]) -> Vec<Proof> {
    let all = || scenarios.iter().map(Borrow::borrow);
    let proof = |scenario: &Scenario| Proof {
        scenario: scenario.id.clone(),
        loss_point: scenario.loss_point.clone(),
        control: scenario.control,
        twin: all().any(|other| other.twin.as_ref() == Some(&scenario.id)),
        plan: scenario
            .steps
            .iter()
            .any(|step| matches!(step.sentence, Sentence::PlanEffective { .. })),
    };
    all().map(proof).collect()
}
