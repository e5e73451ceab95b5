//! What is told of services to people, over the console.

use serde::Serialize;

use super::Degradation;
use super::spec::Service;
use super::words;
use crate::clock::rfc3339;

/// One service as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    pub service: String,
    pub title: String,
    /// None: nobody measures it.
    pub measured: Option<Measured>,
    pub dependencies: Vec<ToldDependency>,
}

/// Its last window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Measured {
    pub state: &'static str,
    /// When it fell ill.
    pub since: Option<String>,
    /// The end of the window.
    pub at: Option<String>,
    pub calls: u64,
    pub errors: u64,
    pub errors_per_mille: u64,
    pub latency_of: &'static str,
    pub latency_ms: Option<u64>,
    pub limits: String,
    pub late: u64,
    pub unreadable: u64,
    /// Why the last one was unreadable.
    pub why: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ToldDependency {
    pub on: String,
    pub strength: &'static str,
    /// None: nothing is done.
    pub decision: Option<&'static str>,
    pub since: Option<String>,
    /// Which carries the decision out.
    pub plan: Option<String>,
}

impl Degradation {
    pub fn told(&self) -> Vec<Told> {
        self.services().iter().map(|service| self.told_of(service)).collect()
    }

    fn told_of(&self, service: &Service) -> Told {
        let measured = service.measures.as_ref().map(|measures| {
            let watched = self.watched(&service.id).cloned().unwrap_or_default();
            let judged = watched.grade.is_some();
            Measured {
                state: watched.health.name(),
                since: watched.health.since().map(|at| rfc3339(at.0)),
                at: judged.then(|| rfc3339(watched.last.to.0)),
                calls: watched.last.calls,
                errors: watched.last.errors,
                errors_per_mille: watched.last.errors_per_mille(),
                latency_of: measures.latency.map_or("", |(quantile, _)| quantile.name()),
                latency_ms: watched.last.latency_ms,
                limits: words::limits(measures),
                late: watched.late,
                unreadable: watched.unreadable,
                why: watched.why,
            }
        });
        let dependencies = service.dependencies.iter().map(|dependency| {
            let in_force = self.in_force(&service.id, &dependency.on);
            let step = in_force.map(|in_force| in_force.step);
            let steps = dependency.strength.steps();
            let plan = steps.iter().find(|(known, _)| Some(*known) == step);
            ToldDependency {
                on: dependency.on.clone(),
                strength: dependency.strength.name(),
                decision: step.map(|step| step.name()),
                since: in_force.map(|in_force| rfc3339(in_force.since.0)),
                plan: plan.and_then(|(_, plan)| plan.map(str::to_owned)),
            }
        });
        let (id, title) = (service.id.clone(), service.title.clone());
        Told { service: id, title, measured, dependencies: dependencies.collect() }
    }
}
