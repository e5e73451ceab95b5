//! The loss-point catalogue: `scenarios/*.yaml`, the ids in `scenarios/rules` and `scenarios/plans`, `drills/*.yaml`.
//!
//! Owns the schema of a loss point, its cross-checks, and the telling of all mistakes of all files at once, each with
//! line, caret and the nearest known word. Must not know steps, nor how a rule works. Try it: `lossdrill check`,
//! `cargo test --lib catalog`. Not covered: executing the six process checks (`prevention`).

mod checks;
mod cross_check;
mod documents;
mod load;
mod loss_point;
mod parts;
mod read;
mod subject;

use std::collections::HashMap;

use crate::config::Place;
use crate::journal::LossPointFacts;

pub use load::SERVICES;
pub use loss_point::{
    AlertCheck, Cause, Checks, CodeCheck, Column, DOMAINS, Deadlines, DeployCheck, DesignCheck,
    LogCheck, Loss, LossPoint, Priority, Reproduce, SqlCheck, UniqueKey, WATCHER,
};
pub use parts::{Drill, DrillItem, PlanRef, RuleRef};
pub use subject::SubjectKind;

/// Everything that the catalogue's folders say.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    pub loss_points: Vec<LossPoint>,
    pub rules: Vec<RuleRef>,
    pub plans: Vec<PlanRef>,
    pub drills: Vec<Drill>,
    /// Services, and what they depend on: `checkout`, `checkout/points`.
    pub services: Vec<String>,
    pub dependencies: Vec<String>,
    /// Where (loss point, word) stands in its file.
    places: HashMap<(String, String), Place>,
}

impl Catalog {
    pub fn loss_point(&self, id: &str) -> Option<&LossPoint> {
        self.loss_points.iter().find(|point| point.id == id)
    }

    pub fn plan(&self, id: &str) -> Option<&PlanRef> {
        self.plans.iter().find(|plan| plan.id == id)
    }

    pub fn drill(&self, id: &str) -> Option<&Drill> {
        self.drills.iter().find(|drill| drill.id == id)
    }

    /// What the judge needs of a loss point.
    pub fn facts(&self, id: &str) -> Option<LossPointFacts> {
        let point = self.loss_point(id)?;
        let plan = point.plan.as_deref().and_then(|plan| self.plan(plan));
        Some(point.facts(plan.and_then(|plan| plan.effect.clone())))
    }

    /// How the points are brought about, each with the place where it says so.
    pub fn reproductions(&self) -> impl Iterator<Item = (&LossPoint, &Reproduce, Place)> {
        self.loss_points.iter().flat_map(move |point| {
            point.reproduce.iter().map(move |how| {
                let (Reproduce::Fault(word) | Reproduce::Data(word)) = how;
                (point, how, self.place_of(point, word))
            })
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
