//! The rule engine: `step(Input, now) -> Vec<Output>`, pure; the same inputs give the same outputs.
//!
//! Knows no task, socket, SQL or clock. Boundary: [`Input`], [`Output`], [`Verdict`].

pub mod expr;
pub mod port;
pub mod rules;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use crate::clock::CellTime;

pub use port::{Counts, Input, Output, Snapshot, Verdict, VerdictKey};
pub use rules::{RuleError, RuleHead, RuleSet};

/// Why a snapshot cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot restore the engine's snapshot: {0}; start from the log's beginning or an empty state instead"
)]
pub struct SnapshotError(pub String);

/// The state between steps.
pub struct Engine {
    rules: Arc<RuleSet>,
}

impl Engine {
    /// An engine that has seen nothing. `sources` are all that will be read (`binlog`, `channel.flow/0`);
    /// `already_judged` are the stored verdicts, which are not emitted again.
    pub fn new(
        rules: Arc<RuleSet>,
        sources: &[String],
        already_judged: HashSet<VerdictKey>,
    ) -> Engine {
        let _ = (sources, already_judged);
        Engine { rules }
    }

    /// An engine as it was at [`Engine::snapshot`]; lookups that were out are asked again in the next step.
    pub fn restore(
        rules: Arc<RuleSet>,
        sources: &[String],
        already_judged: HashSet<VerdictKey>,
        snapshot: &Snapshot,
    ) -> Result<Engine, SnapshotError> {
        let _ = snapshot;
        Ok(Engine::new(rules, sources, already_judged))
    }

    /// Takes one input at cell time `now`. Time never goes back: an earlier `now` counts as the latest seen.
    pub fn step(&mut self, input: Input, now: CellTime) -> Vec<Output> {
        let _ = (input, now);
        Vec::new()
    }

    /// The earliest instant at which time alone could change something: the deadline of an open window, a lookup's
    /// retry, a source's staleness. None for a window past its deadline: it waits for a source.
    pub fn next_due(&self) -> Option<CellTime> {
        None
    }

    /// The last mark read on every source before which no window is open and no lookup out.
    pub fn settled(&self) -> u64 {
        0
    }

    /// Last mark read, per source.
    pub fn read(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    /// All state as data, exact as of the inputs given so far.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            read: BTreeMap::new(),
            settled: 0,
            checkpoint: 0,
            positions: BTreeMap::new(),
            state: serde_json::Value::Null,
        }
    }

    /// Occurrences that wait for their deadline or for a source.
    pub fn open_windows(&self) -> usize {
        0
    }

    /// Lookups out: work due now.
    pub fn pending(&self) -> usize {
        0
    }

    /// Per rule id.
    pub fn counts(&self) -> BTreeMap<String, Counts> {
        BTreeMap::new()
    }

    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }
}
