//! The engine's state as data, and back.
//!
//! Exact as of the inputs given so far. What is *not* kept: lookups that are out (they are asked again). What ailed is kept with the
//! blind alerts that stand: whoever starts again says who is well.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::CellTime;

use super::begins::Begins;
use super::blind::KeptWatches;
use super::columns::Columns;
use super::diff::Diff;
use super::force::InForce;
use super::gaps::Gaps;
use super::port::Ward;
use super::rollout::Left;
use super::rules::group::{Group, Item, Reference};
use super::schedule::Address;
use super::shedding::Shedding;
use super::window::Progress;
use super::{Counts, Decided, Engine, GroupChange, Output, RuleSet, Snapshot, VerdictKey};

/// Grows when the shape of [`State`] changes.
const SHAPE: u32 = 2;

/// Why a snapshot cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot restore the engine's snapshot: {0}; \
     start without one and read the logs from their beginning"
)]
pub struct SnapshotError(pub String);

#[derive(Debug, Serialize, Deserialize)]
struct State {
    shape: u32,
    now: CellTime,
    progress: Progress,
    arrivals: u64,
    next_lookup: u64,
    counts: BTreeMap<String, Counts>,
    #[serde(default)]
    gaps: Gaps,
    #[serde(default)]
    begins: Begins,
    #[serde(default)]
    columns: Columns,
    #[serde(default)]
    diffs: BTreeMap<String, Diff>,
    #[serde(default)]
    shedding: Shedding,
    #[serde(default)]
    decisions: BTreeMap<String, Decided>,
    /// None: stored by a program that did not know it.
    #[serde(default)]
    in_force: Option<InForce>,
    #[serde(default)]
    watches: KeptWatches,
    #[serde(default)]
    unread_until: BTreeMap<String, CellTime>,
}

/// [`Kept`], still in its place.
#[derive(Serialize)]
struct KeptHere<'g> {
    rule: &'g str,
    key: &'g str,
    until: Option<CellTime>,
    group: &'g Group,
}

#[derive(Debug, Deserialize)]
struct Kept {
    rule: String,
    key: String,
    until: Option<CellTime>,
    group: Group,
}

fn text_of(kept: KeptHere<'_>) -> String {
    serde_json::to_string(&kept).expect("invariant: a group is plain data")
}

/// Of any rule and key the same length: a store's own key has a bound.
fn id_of(address: &Address) -> String {
    let mut hash = Sha256::new();
    for part in [&address.rule, &address.key] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

impl Engine {
    /// What the files changed while nothing ran is a change like any other.
    pub(super) fn take_over_restart(&mut self, outputs: &mut Vec<Output>) {
        let Some(left) = self.left.take() else { return };
        self.end_orphans(&[], outputs);
        for (ward, id) in &left.sources {
            self.recovered_with(*ward, id, "it is no source any more", outputs);
        }
        let before = left.before.clone();
        self.begins.rules(&before, &self.rules, self.now);
        self.hand_over(left, outputs);
        self.decide_again(&before, outputs);
    }

    /// All state as data.
    pub fn snapshot(&self) -> Snapshot {
        let mut places: Vec<Address> = Vec::new();
        for (rule, by_key) in &self.groups {
            places
                .extend(by_key.keys().map(|key| Address { rule: rule.clone(), key: key.clone() }));
        }
        places.sort();
        let groups = places.iter().filter_map(|address| self.kept(address));
        let value = |kept| serde_json::to_value(kept).expect("invariant: a group is plain data");
        let groups = groups.map(value).collect();
        Snapshot { groups, ..self.checkpoint() }
    }

    /// All state but the groups, which [`Engine::take_changes`] gives one by one.
    pub fn checkpoint(&self) -> Snapshot {
        let state = State {
            shape: SHAPE,
            now: self.now,
            progress: self.progress.clone(),
            arrivals: self.arrivals,
            next_lookup: self.next_lookup,
            counts: self.counts.clone(),
            gaps: self.gaps.clone(),
            begins: self.begins.clone(),
            columns: self.columns.clone(),
            diffs: self.diffs.clone(),
            shedding: self.shedding.clone(),
            decisions: self.decisions.clone(),
            in_force: Some(match &self.left {
                Some(left) => left.before.clone(),
                None => InForce::of(&self.rules),
            }),
            watches: self.watches.kept(),
            unread_until: self.unread_until.clone(),
        };
        Snapshot {
            read: self.progress.marks(),
            settled: self.settled(),
            checkpoint: self.progress.common_mark(),
            positions: self.progress.positions(),
            state: serde_json::to_value(&state).expect("invariant: the state is plain data"),
            groups: Vec::new(),
        }
    }

    /// The groups that changed since the last call, each as it is now.
    pub fn take_changes(&mut self) -> Vec<GroupChange> {
        let changed = std::mem::take(&mut self.changed);
        self.changed_states = 0;
        let change = |address: &Address| GroupChange {
            id: id_of(address),
            body: self.kept(address).map(text_of),
        };
        changed.iter().map(change).collect()
    }

    /// States that the next [`Engine::take_changes`] will give, about: who stores them takes no more than it can store.
    pub fn changed_states(&self) -> usize {
        self.changed_states
    }

    pub(super) fn note_changed(&mut self, address: Address) {
        let group = self.groups.get(&address.rule).and_then(|groups| groups.get(&address.key));
        let states = group.map_or(0, |group| group.items.len() + group.others.len());
        // Of a group that is noted already only what came since.
        self.changed_states += if self.changed.insert(address) { states } else { 1 };
    }

    fn kept<'g>(&'g self, address: &'g Address) -> Option<KeptHere<'g>> {
        let group = self.groups.get(&address.rule)?.get(&address.key)?;
        let until = self.schedule.remembered_until(address);
        Some(KeptHere { rule: &address.rule, key: &address.key, until, group })
    }

    /// An engine as it was at [`Engine::snapshot`]; lookups that were out are asked again in the
    /// next step, in which rules (by id and version) that are not in `rules`, or off, are gone, as after a reload.
    pub fn restore(
        rules: Arc<RuleSet>,
        sources: &[String],
        already_judged: HashSet<VerdictKey>,
        snapshot: &Snapshot,
    ) -> Result<Engine, SnapshotError> {
        let state: State = serde_json::from_value(snapshot.state.clone())
            .map_err(|error| SnapshotError(error.to_string()))?;
        if state.shape != SHAPE {
            let (found, wanted) = (state.shape, SHAPE);
            return Err(SnapshotError(format!(
                "it has shape {found}, this program reads {wanted}"
            )));
        }
        let mut engine = Engine::new(rules, sources, already_judged);
        engine.progress = state.progress;
        engine.progress.add(sources);
        (engine.now, engine.arrivals, engine.next_lookup) =
            (state.now, state.arrivals, state.next_lookup);
        let names: HashSet<String> =
            engine.rules.rules().iter().map(|rule| rule.name.clone()).collect();
        let before = state.in_force.unwrap_or_else(|| InForce::of(&engine.rules));
        engine.counts = state.counts;
        engine.counts.retain(|name, _| names.contains(name) || before.has(name));
        engine.unread_until = state.unread_until;
        engine.watches = state.watches.into();
        engine.lookups.down = engine.watches.ailing(Ward::Lookup);
        let of_sources = [Ward::Source, Ward::Lag, Ward::Unread, Ward::Undecodable];
        let ailing = engine.ailing().filter(|(ward, _)| of_sources.contains(ward));
        let gone = ailing.filter(|(_, id)| !sources.iter().any(|source| source == id));
        let gone = gone.map(|(ward, id)| (ward, id.to_owned())).collect();
        let mut left = Left { before, sources: gone, ..Left::default() };
        (engine.gaps, engine.begins, engine.columns) = (state.gaps, state.begins, state.columns);
        engine.diff_changes = u64::from(!state.diffs.is_empty());
        engine.diffs = state.diffs;
        engine.shedding = state.shedding;
        engine.decisions = state.decisions;
        for kept in &snapshot.groups {
            let kept = serde_json::from_value(kept.clone());
            let kept: Kept = kept.map_err(|error| SnapshotError(error.to_string()))?;
            let Kept { rule, key, until, mut group } = kept;
            if !engine.is_on(&rule) {
                left.groups.entry(rule).or_default().insert(key, group);
                continue;
            }
            for item in &mut group.items {
                if let Reference::Asked { attempt } = item.reference {
                    item.reference = Reference::Due { at: state.now, attempt, admitted: true };
                }
            }
            let address = Address { rule: rule.clone(), key: key.clone() };
            engine.wait_again(&address, &group);
            if let Some(until) = until {
                engine.schedule.remember(&address, until);
            }
            let is_due = |item: &Item| matches!(item.reference, Reference::Due { .. });
            if group.is_open() || group.items.iter().any(is_due) {
                engine.schedule.reopen(address);
            }
            engine.groups.entry(rule).or_default().insert(key, group);
        }
        engine.left = Some(left);
        Ok(engine)
    }
}
