//! All services together: calls in, decisions out.
//!
//! Owns which decisions are in force. A window is judged once everything before its end was given: what its source was read to,
//! not what the clock says. Try it: `cargo test --lib dcheck::degradation`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::calls::Reading;
use super::health::{Health, Level};
use super::spec::{Measures, Service, Strength};
use super::watched::{Turn, Watched};
use super::words;
use crate::clock::CellTime;
use crate::dcheck::engine::port::Tables;
use crate::dcheck::engine::window::Stream;
use crate::dcheck::engine::{Decided, Input, Step};

/// A decision in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    pub service: String,
    pub dependency: String,
    pub step: Step,
    pub since: CellTime,
    pub at: CellTime,
}

/// All that a restart needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub(super) services: BTreeMap<String, Watched>,
    in_force: Vec<InForce>,
    /// Columns that services name, as they were first seen.
    #[serde(default, skip_serializing_if = "Tables::is_empty")]
    pub(super) columns: Tables,
}

/// A decision with its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub decided: Decided,
    pub strength: &'static str,
    /// What is let through, where it is limited.
    pub per_cent: Option<u8>,
    pub health: Health,
    pub reading: Reading,
    /// Which latency, and all limits, for people.
    pub latency_of: &'static str,
    pub limits: String,
}

/// Services, their calls and what is decided.
#[derive(Clone, Debug, Default)]
pub struct Degradation {
    pub(super) services: Vec<Service>,
    pub(super) state: State,
    /// A source was read further, or is read no more as it was.
    pub(super) moved: bool,
    /// By service; none where calls came since: to be looked up again.
    pub(super) due: BTreeMap<String, Option<CellTime>>,
    open_since: Option<u64>,
    /// What another file changed, and nobody was told yet.
    untold: Vec<Change>,
    /// Ids of stored rows that are nobody's.
    pub(super) forgotten: Vec<(String, Option<String>)>,
}

impl Degradation {
    /// As it was before; decisions that the file does not know any more end.
    pub fn restore(services: Vec<Service>, mut state: State) -> Degradation {
        let is_gone = |id: &str| measures(&services, id).is_none();
        let gone = state.services.extract_if(.., |id, _| is_gone(id)).collect::<Vec<_>>();
        for (id, watched) in &mut state.services {
            if let Some(measures) = measures(&services, id) {
                watched.kept.touch();
                watched.fit(measures);
            }
        }
        // Even where nothing else moves: what ails goes on recovering.
        let mut restored = Degradation { services, state, moved: true, ..Degradation::default() };
        gone.iter().for_each(|(id, watched)| restored.forget_rows(id, watched.kept.starts()));
        let ids: Vec<String> = restored.services.iter().map(|service| service.id.clone()).collect();
        let mut changes = restored.orphans();
        for id in ids {
            changes.extend(restored.settle(&id));
        }
        restored.untold = changes;
        restored
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    pub fn services(&self) -> &[Service] {
        &self.services
    }

    pub fn watched(&self, id: &str) -> Option<&Watched> {
        self.state.services.get(id)
    }

    pub fn in_force(&self, service: &str, dependency: &str) -> Option<&InForce> {
        let all = &self.state.in_force;
        all.iter().find(|one| one.service == service && one.dependency == dependency)
    }

    /// What the engine is given, on its way there.
    pub fn hear(&mut self, input: &Input, now: CellTime) {
        match input {
            Input::Mark { .. } | Input::SourceEnd { .. } => self.moved = true,
            Input::Missed { source, .. } => self.miss(source, now),
            Input::Event(event) => {
                for service in &self.services {
                    let Some(measures) = &service.measures else { continue };
                    let call = measures.calls.iter().find_map(|calls| calls.read(event));
                    let Some(call) = call else { continue };
                    let watched = self.state.services.entry(service.id.clone()).or_default();
                    watched.take(event.at, call, measures);
                    self.moved |= watched.overflow().is_some();
                    self.due.remove(&service.id);
                }
            }
            _ => {}
        }
    }

    /// Calls that nobody will read: what is known of this time is not enough to judge by.
    fn miss(&mut self, source: &str, now: CellTime) {
        for service in &self.services {
            let calls = service.measures.iter().flat_map(|measures| &measures.calls);
            let is_of = calls.into_iter().any(|calls| calls.stream.is_in(source));
            if let Some(watched) = self.state.services.get_mut(&service.id).filter(|_| is_of) {
                watched.miss(now);
                self.due.remove(&service.id);
            }
        }
    }

    /// Judges every window of which all was given: `reach` says up to when a stream was.
    pub fn decide(&mut self, reach: impl Fn(&Stream) -> Option<CellTime>) -> Vec<Change> {
        if !std::mem::take(&mut self.moved) {
            self.look_ahead();
            return Vec::new();
        }
        let mut turns = Vec::new();
        let mut told = std::mem::take(&mut self.untold);
        for service in &self.services {
            let Some(measures) = &service.measures else { continue };
            let Some(watched) = self.state.services.get_mut(&service.id) else { continue };
            let ends = measures.calls.iter().map(|calls| reach(&calls.stream));
            let end = ends.min().flatten().max(watched.overflow());
            let Some(end) = end else { continue };
            let found = watched.judge(end, measures);
            turns.extend(found.into_iter().map(|turn| (turn.reading.to, service.id.clone(), turn)));
            self.due.remove(&service.id);
        }
        turns.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        for (_, id, turn) in turns {
            told.extend(self.changes(&id, &turn));
        }
        self.look_ahead();
        told
    }

    /// When time alone may bring the next decision, as of the last [`Degradation::decide`]. An instant that has passed is none: then
    /// it waits for its source.
    pub fn next_due(&self, now: CellTime) -> Option<CellTime> {
        self.due.values().flatten().copied().filter(|at| *at > now).min()
    }

    /// Told what was settled last.
    pub fn open(&mut self, settled: u64) {
        let is_healthy = |id| self.watched(id).is_some_and(|one| one.health == Health::Healthy);
        let may_find = self.due.iter().any(|(id, due)| due.is_some() && is_healthy(id));
        self.open_since = may_find.then(|| self.open_since.unwrap_or(settled));
    }

    /// What was settled when calls came that may make a healthy service ill, by time alone; none where there are none.
    pub fn open_since(&self) -> Option<u64> {
        self.open_since
    }

    /// Something may be decided.
    pub fn has_moved(&self) -> bool {
        self.moved
    }

    fn look_ahead(&mut self) {
        for service in &self.services {
            if let Some(measures) = &service.measures
                && let Some(watched) = self.state.services.get(&service.id)
                && !self.due.contains_key(&service.id)
            {
                self.due.insert(service.id.clone(), watched.forecast(measures));
            }
        }
    }

    /// The decisions that a service's state asks for now, where they are others than those in force.
    fn settle(&mut self, id: &str) -> Vec<Change> {
        let Some(watched) = self.state.services.get(id) else { return Vec::new() };
        let (health, reading) = (watched.health, watched.last.clone());
        self.changes(id, &Turn { health, reading })
    }

    fn changes(&mut self, on: &str, turn: &Turn) -> Vec<Change> {
        let mut changes = Vec::new();
        let Some(measures) = measures(&self.services, on).cloned() else { return changes };
        for service in &self.services {
            for dependency in service.dependencies.iter().filter(|one| one.on == on) {
                let own = |one: &&InForce| one.service == service.id && one.dependency == on;
                let before = self.state.in_force.iter().find(own).cloned();
                let wanted = step_for(&dependency.strength, turn.health.level());
                if before.as_ref().map(|before| before.step) == wanted.map(|(step, _)| step) {
                    continue;
                }
                let at = turn.reading.to;
                // A dependency that the file names anew is a case of its own.
                let since = before.as_ref().map_or(at, |before| before.since);
                let (step, plan) = wanted.unwrap_or((Step::Restore, None));
                self.state.in_force.retain(|one| !own(&one));
                let (service, on) = (service.id.clone(), on.to_owned());
                if step != Step::Restore {
                    let (service, dependency) = (service.clone(), on.clone());
                    self.state.in_force.push(InForce { service, dependency, step, since, at });
                }
                let per_cent = match (&dependency.strength, step) {
                    (Strength::Strong { per_cent, .. }, Step::Limit) => Some(*per_cent),
                    _ => None,
                };
                let decided = Decided {
                    service,
                    dependency: on,
                    step,
                    since,
                    at,
                    plan: plan.map(str::to_owned),
                    expected: words::expected(&measures),
                    actual: words::actual(step, per_cent, &turn.reading, &measures),
                };
                changes.push(Change {
                    decided,
                    strength: dependency.strength.name(),
                    per_cent,
                    health: turn.health,
                    reading: turn.reading.clone(),
                    latency_of: measures.latency.map_or("", |(quantile, _)| quantile.name()),
                    limits: words::limits(&measures),
                });
            }
        }
        changes
    }

    /// Decisions in force of which the file knows nothing any more.
    fn orphans(&mut self) -> Vec<Change> {
        let services = &self.services;
        let is_known = |one: &InForce| {
            let service = services.iter().find(|service| service.id == one.service);
            let mut on = service.into_iter().flat_map(|service| &service.dependencies);
            on.any(|known| known.on == one.dependency)
                && measures(services, &one.dependency).is_some()
        };
        let all = std::mem::take(&mut self.state.in_force);
        let (stay, gone): (Vec<_>, Vec<_>) = all.into_iter().partition(is_known);
        self.state.in_force = stay;
        let end = |one: InForce| Change {
            decided: Decided {
                service: one.service,
                dependency: one.dependency,
                step: Step::Restore,
                since: one.since,
                at: one.at,
                plan: None,
                expected: String::new(),
                actual: "restore: the services' file does not name it any more".to_owned(),
            },
            strength: "",
            per_cent: None,
            health: Health::Healthy,
            reading: Reading { from: one.at, to: one.at, ..Reading::default() },
            latency_of: "",
            limits: String::new(),
        };
        gone.into_iter().map(end).collect()
    }
}

fn measures<'s>(services: &'s [Service], id: &str) -> Option<&'s Measures> {
    services.iter().find(|service| service.id == id)?.measures.as_ref()
}

fn step_for(strength: &Strength, level: Level) -> Option<(Step, Option<&str>)> {
    let steps = strength.steps();
    match level {
        Level::Well => None,
        Level::Ill => steps.first().copied(),
        Level::Worse => steps.last().copied(),
    }
}
