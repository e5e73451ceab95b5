//! Scenarios as evidence: what each one, once proved, says of its loss point.

use std::borrow::Borrow;

use super::{Scenario, Sentence};
use crate::coverage::Proof;

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
