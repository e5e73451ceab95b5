//! Queries over the entries of one scenario.

use std::sync::Arc;

use super::{Entry, Event, ScenarioFacts};
use crate::clock::CellTime;

/// The entries of one scenario, in order.
#[derive(Clone, Debug, Default)]
pub struct History {
    entries: Vec<Arc<Entry>>,
}

impl History {
    /// Entries of other scenarios and of the run are left out.
    pub fn of(scenario: &str, entries: impl IntoIterator<Item = Arc<Entry>>) -> History {
        let own = |entry: &Arc<Entry>| entry.scenario.as_deref() == Some(scenario);
        History { entries: entries.into_iter().filter(own).collect() }
    }

    pub fn push(&mut self, entry: Arc<Entry>) {
        self.entries.push(entry);
    }

    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// The scenario's facts, from its first entry.
    pub fn facts(&self) -> Option<&ScenarioFacts> {
        self.entries.iter().find_map(|entry| match &entry.event {
            Event::ScenarioStarted { facts, .. } => Some(&**facts),
            _ => None,
        })
    }

    /// Entries whose event `pick` accepts, with what it made of them.
    pub fn pick<'a, T: 'a>(
        &'a self,
        pick: impl Fn(&'a Event) -> Option<T> + 'a,
    ) -> impl Iterator<Item = (&'a Entry, T)> + 'a {
        self.entries.iter().filter_map(move |entry| pick(&entry.event).map(|made| (&**entry, made)))
    }

    /// Cell time of the last entry that has one.
    pub fn last_time(&self) -> Option<CellTime> {
        self.entries.iter().rev().find_map(|entry| entry.cell_ms.map(CellTime))
    }
}
