//! Services in the daemon: their file held against rules and plans, and decisions on their way to the engine, the next commit and the
//! console.
//!
//! What is decided, and when, is `degradation`'s. A decision, the verdict that tells of it, the run of its plan and the checkpoint
//! behind which it is not made again are one commit.

use super::core::Core;
use super::options::{CheckOptions, RunOptions};
use super::record::Checkpoint;
use super::start::Mistakes;
use crate::clock::CellTime;
use crate::dcheck::degradation::{self, Change, Degradation, Known, Service};
use crate::dcheck::engine::window::Stream;
use crate::dcheck::engine::{Input, OF_SERVICE, RuleSet, Ward};
use crate::dcheck::plans::spec::PlanSpec;
use crate::dcheck::results::DecisionRow;
use crate::dcheck::sources::Tables;

/// The services' file, where there is one; held against rules and plans where those are in order.
pub fn load(
    files: &CheckOptions,
    known: Option<(&RuleSet, &[PlanSpec])>,
) -> Result<Vec<Service>, Vec<String>> {
    let Some(file) = &files.services else { return Ok(Vec::new()) };
    let known = known.map(|(rules, plans)| {
        let starts =
            |plan: &PlanSpec| (plan.id.clone(), plan.trigger.rules.iter().cloned().collect());
        let telling = rules.rules().iter().filter(|rule| !rule.strategy.tells().is_empty());
        Known {
            plans: plans.iter().map(starts).collect(),
            rules: telling
                .map(|rule| (rule.head.id.clone(), rule.strategy.tells().to_vec()))
                .collect(),
        }
    });
    degradation::load_file(file, known.as_ref())
}

/// The services as they were before a restart.
pub fn restored(
    options: &RunOptions,
    checkpoint: Option<&Checkpoint>,
) -> Result<Degradation, Mistakes> {
    let services = load(&options.files, None).map_err(Mistakes)?;
    let unread = unread(&services, &options.topics);
    if !unread.is_empty() {
        return Err(Mistakes(unread));
    }
    let state = checkpoint.map(|checkpoint| checkpoint.services.clone()).unwrap_or_default();
    Ok(Degradation::restore(services, state))
}

/// Calls that would never be seen.
fn unread(services: &[Service], topics: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for service in services {
        for calls in service.measures.iter().flat_map(|measures| &measures.calls) {
            if let Stream::Topic(topic) = &calls.stream
                && !topics.contains(topic)
            {
                let (id, topics) = (&service.id, topics.join(", "));
                found.push(format!(
                    "services: {id} is measured by topic `{topic}`, which --topics does not name: {topics}"
                ));
            }
        }
    }
    found
}

impl Core {
    /// What the engine, a group of alerts, or a decision about a service waits for.
    pub(super) fn next_due(&self) -> Option<CellTime> {
        let decision = self.services.next_due(self.clock.now());
        [self.engine.next_due(), self.router.next_due(), decision].into_iter().flatten().min()
    }

    /// The last mark before which no window is open, of rules or of services.
    pub(super) fn settled(&self) -> u64 {
        let settled = self.engine.settled();
        self.services.open_since().map_or(settled, |mark| mark.min(settled))
    }

    /// What has become of the columns by which rules judge and services are measured.
    pub(super) fn take_tables(&mut self, tables: Tables, ddl: Option<String>) {
        self.pending.dirty |= ddl.is_some();
        let now = self.clock.now();
        let mut told = self.services.hold_against(&tables, ddl.as_deref(), now);
        self.step(Input::Tables { tables, ddl });
        // Of a service that the file does not name any more nothing is told.
        let ailing = self.engine.ailing().filter(|(ward, _)| *ward == Ward::Columns);
        let gone = ailing.filter_map(|(_, id)| id.strip_prefix(OF_SERVICE)).map(str::to_owned);
        for id in gone.collect::<Vec<_>>() {
            told.entry(id).or_default();
        }
        for (id, why) in told {
            let (ward, id) = (Ward::Columns, format!("{OF_SERVICE}{id}"));
            let ails = self.engine.ailing().any(|ailing| ailing == (ward, id.as_str()));
            self.pending.dirty |= ails != why.is_some();
            match why {
                Some(why) => self.step(Input::Ails { ward, id, since: now, why }),
                None if ails => self.step(Input::Recovered { ward, id }),
                None => {}
            }
        }
    }

    /// Decides by what was read since the last turn.
    pub(super) fn decide(&mut self) {
        let has_moved = self.services.has_moved();
        let engine = &self.engine;
        let changes = self.services.decide(|stream| engine.reach(stream));
        for change in changes {
            self.activity += 1;
            self.pending.dirty = true;
            self.pending.batch.decisions.push(row(&change, self.clock.now()));
            self.step(Input::Decided(Box::new(change.decided)));
        }
        self.services.open(self.console.view().settled);
        if has_moved && !self.services.services().is_empty() {
            self.console.view().services = self.services.told();
        }
    }
}

fn row(change: &Change, now: CellTime) -> DecisionRow {
    let Change { decided, reading, .. } = change;
    DecisionRow {
        service: decided.service.clone(),
        dependency: decided.dependency.clone(),
        decision: decided.step.name(),
        since_ms: decided.since.0,
        from_ms: reading.from.0,
        to_ms: decided.at.0,
        strength: change.strength,
        per_cent: change.per_cent,
        state: change.health.name(),
        calls: reading.calls,
        errors: reading.errors,
        errors_per_mille: reading.errors_per_mille(),
        latency_of: change.latency_of,
        latency_ms: reading.latency_ms,
        limits: change.limits.clone(),
        plan: decided.plan.clone(),
        at_ms: now.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_is_not_read_is_told() {
        let text = "- id: points\n  measured: [{topic: points.calls, ok: after.ok}]\n  window: 60 s\n  \
                    min_calls: 20\n  errors: {ill: 200, well: 50}\n  hold: 30 s\n";
        let services = degradation::load_text("s.yaml", text, None).unwrap();
        let topics =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(unread(&services, &topics(&["a", "points.calls"])), Vec::<String>::new());
        let told = unread(&services, &topics(&["a", "b"]));
        assert!(told[0].contains("`points.calls`, which --topics does not name: a, b"), "{told:?}");
    }
}
