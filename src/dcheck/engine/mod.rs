//! The rule engine: `step(Input, now) -> Vec<Output>`, pure; the same inputs give the same outputs.
//!
//! Owns the template of every rule (filter -> pair -> fetch -> compare -> verdict) and the state
//! between steps. Knows no task, socket, SQL or clock: a lookup is an [`Output`] whose answer comes
//! back as an [`Input`], and `now` is handed in. Try it: `cargo test --lib dcheck::engine`; cases
//! in `scenarios/rules/tests/`.
//!
//! Findings depend on event times and business identities, never on the order in which sources are
//! read. Restart: the daemon stores a [`Snapshot`] with its positions, reads on from there, and
//! hands over the keys of verdicts stored since, which are not emitted again. (A low-water mark
//! alone would replay as many days of log as rules remember.)

mod begins;
mod blind;
mod columns;
mod decided;
mod diff;
pub mod expr;
mod force;
mod gaps;
pub mod gate;
mod gathering;
mod judge;
mod lookups;
pub mod port;
mod rollout;
pub mod rules;
mod schedule;
mod shedding;
mod snapshot;
pub mod trial;
mod unanswered;
pub mod window;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::clock::CellTime;
use crate::dcheck::event::Event;
use crate::wire::{Judgement, Subject};

pub use blind::OF_SERVICE;
pub use decided::{Decided, ONLY_PLAN, Step};
pub use diff::{Diff, Example, Tally};
pub use lookups::LookupCounts;
pub use port::{Counts, GroupChange, Input, Output, Snapshot, Verdict, VerdictKey, Ward};
pub use rules::{RuleError, RuleHead, RuleSet, load_dir};
pub use shedding::Shed;
pub use snapshot::SnapshotError;

use begins::Begins;
use blind::Watches;
use columns::Columns;
use gaps::Gaps;
use lookups::{Fault, Lookups};
use rollout::Left;
use rules::Rule;
use rules::group::Group;
use rules::rule::Unreadable;
use schedule::{Address, Schedule};
use shedding::Shedding;
use window::Progress;

/// The state between steps.
pub struct Engine {
    rules: Arc<RuleSet>,
    progress: Progress,
    /// Rule name (`id@version`) -> key -> group.
    groups: HashMap<String, BTreeMap<String, Group>>,
    /// Groups that are not as the last [`Engine::take_changes`] gave them.
    changed: BTreeSet<Address>,
    /// Items and counterparts in those, about.
    changed_states: usize,
    schedule: Schedule,
    lookups: Lookups,
    shedding: Shedding,
    next_lookup: u64,
    arrivals: u64,
    watches: Watches,
    gaps: Gaps,
    begins: Begins,
    columns: Columns,
    /// By `service/dependency`: what was decided last.
    decisions: BTreeMap<String, Decided>,
    /// Why rules, by id, never fitted their tables.
    unfit: BTreeMap<String, String>,
    /// By rule id, where two versions stand side by side.
    diffs: BTreeMap<String, Diff>,
    diff_changes: u64,
    /// By source: when the alert of its last gap ends.
    unread_until: BTreeMap<String, CellTime>,
    /// By rule name.
    counts: BTreeMap<String, Counts>,
    already_judged: HashSet<VerdictKey>,
    /// What a restart found in force, until it is handed over.
    left: Option<Left>,
    /// Of a sweep: the first instant that is no part of its books.
    books_end: Option<CellTime>,
    now: CellTime,
}

impl Engine {
    /// An engine that has seen nothing. `sources` are all that will be read (`binlog`,
    /// `channel.flow/0`); `already_judged` are the stored verdicts, which are not emitted again.
    pub fn new(
        rules: Arc<RuleSet>,
        sources: &[String],
        already_judged: HashSet<VerdictKey>,
    ) -> Engine {
        Engine {
            rules,
            progress: Progress::of(sources),
            groups: HashMap::new(),
            changed: BTreeSet::new(),
            changed_states: 0,
            schedule: Schedule::default(),
            lookups: Lookups::default(),
            shedding: Shedding::default(),
            next_lookup: 1,
            arrivals: 0,
            watches: Watches::default(),
            gaps: Gaps::default(),
            begins: Begins::default(),
            columns: Columns::default(),
            decisions: BTreeMap::new(),
            unfit: BTreeMap::new(),
            diffs: BTreeMap::new(),
            diff_changes: 0,
            unread_until: BTreeMap::new(),
            counts: BTreeMap::new(),
            already_judged,
            left: None,
            books_end: None,
            now: CellTime(i64::MIN),
        }
    }

    /// Takes one input at cell time `now`. Time never goes back: an earlier `now` counts as the
    /// latest seen.
    pub fn step(&mut self, input: Input, now: CellTime) -> Vec<Output> {
        self.now = self.now.max(now);
        let mut outputs = Vec::new();
        self.take_over_restart(&mut outputs);
        match input {
            Input::Event(event) => self.take(event, &mut outputs),
            Input::Mark { source, seq, at } => {
                self.progress.mark(&source, seq, at);
                self.schedule.source_moved();
            }
            Input::SourceEnd { source, at } => {
                self.progress.end(&source, at);
                self.schedule.source_moved();
            }
            Input::Behind { source, since } => self.watches.behind(source, since),
            Input::CaughtUp { source } => self.recovered(Ward::Source, &source, &mut outputs),
            Input::Ails { ward, id, since, why } => self.watches.ails(ward, id, since, why),
            Input::Recovered { ward, id } => self.recovered(ward, &id, &mut outputs),
            Input::Missed { source, id, what } => self.miss(&source, id, what, &mut outputs),
            Input::Begins { source, at } => self.begins.source(source, at),
            Input::Tables { tables, ddl } => self.learn_tables(&tables, ddl, &mut outputs),
            Input::Unfit { rule, why } => self.unfit(rule, why),
            Input::Decided(decided) => self.decide(*decided, &mut outputs),
            Input::Answer { lookup, result } => {
                self.answer(lookup, &result, Fault::Place, &mut outputs);
            }
            Input::NoAnswer { lookup, why } => {
                self.answer(lookup, &Err(why), Fault::Key, &mut outputs);
            }
            Input::Tick => {}
            Input::Fitted => self.accept_columns(&mut outputs),
            Input::Replace(rules) => self.replace(rules, &mut outputs),
            Input::RollOut(rules) => self.put_in_force(rules, &mut outputs),
        }
        self.probe();
        self.end_shedding(&mut outputs);
        for address in self.schedule.due(self.now) {
            self.settle(&address, &mut outputs);
        }
        for address in self.schedule.forgotten(self.now) {
            self.forget(&address);
        }
        self.go_blind(&mut outputs);
        self.pass_gaps(&mut outputs);
        outputs
    }

    /// The earliest instant at which time alone could change something: the deadline of an open
    /// window, a lookup's retry, a source's staleness. None for a window past its deadline: it
    /// waits for a source.
    pub fn next_due(&self) -> Option<CellTime> {
        let stale = self.watches.next_due(&self.rules);
        let own = [self.lookups.next_due(), self.shedding.next_due()];
        self.schedule.next_due().into_iter().chain(stale).chain(own.into_iter().flatten()).min()
    }

    /// The last mark read on every source before which no window is open and no lookup out.
    pub fn settled(&self) -> u64 {
        let open = self.schedule.oldest_open_mark();
        open.map_or(self.progress.common_mark(), |mark| mark.min(self.progress.common_mark()))
    }

    /// Last mark read, per source.
    pub fn read(&self) -> BTreeMap<String, u64> {
        self.progress.marks()
    }

    /// Occurrences that wait for their deadline, for a source, or for an answer.
    pub fn open_windows(&self) -> usize {
        self.counts.values().map(|counts| counts.pending as usize).sum()
    }

    /// Lookups out: work due now.
    pub fn pending(&self) -> usize {
        self.lookups.pending()
    }

    /// What rules shed now, by rule name.
    pub fn shedding(&self) -> &BTreeMap<String, Shed> {
        &self.shedding.now
    }

    /// What came of lookups, by rule name.
    pub fn lookup_counts(&self) -> &BTreeMap<String, LookupCounts> {
        self.lookups.counts()
    }

    /// Brings `told` up to date: per rule, by `id@version`. In place, because it is asked between any two turns.
    pub fn tell_counts(&self, told: &mut BTreeMap<String, Counts>) {
        for rule in self.rules.rules() {
            if !told.contains_key(&rule.name) {
                told.insert(rule.name.clone(), Counts::default());
            }
        }
        for (name, counts) in &self.counts {
            match told.get_mut(name) {
                Some(known) => *known = *counts,
                None => drop(told.insert(name.clone(), *counts)),
            }
        }
    }

    /// The first thing that is read of `source` says where it begins: [`Input::Begins`].
    pub fn awaits(&self, source: &str) -> bool {
        self.begins.awaits(source)
    }

    /// Everything that `stream` had before this instant has been given.
    pub fn reach(&self, stream: &window::Stream) -> Option<CellTime> {
        self.progress.reach(stream)
    }

    pub fn rules(&self) -> &Arc<RuleSet> {
        &self.rules
    }

    /// Filter and pair.
    fn take(&mut self, event: Event, outputs: &mut Vec<Output>) {
        self.progress.took(&event.source, &event.position);
        let (rules, event) = (Arc::clone(&self.rules), Arc::new(event));
        for (rule_number, side_number) in rules.listening(&event) {
            let rule = &rules.rules()[rule_number];
            if let Err(why) = self.take_for(rule, side_number, &event) {
                self.refuse(rule, &event, &why, outputs);
            }
        }
    }

    fn take_for(
        &mut self,
        rule: &Rule,
        side_number: usize,
        event: &Arc<Event>,
    ) -> Result<(), Unreadable> {
        let side = &rule.sides[side_number];
        if !side.passes(event)? {
            return Ok(());
        }
        let (name, key) = (rule.name.clone(), side.key_of(event)?);
        let address = Address { rule: name.clone(), key: key.clone() };
        let is_new = if side_number == 0 {
            let after_mark = self.progress.mark_of(&event.source);
            self.arrivals += 1;
            let item = rule.item(Arc::clone(event), self.arrivals, after_mark, self.now)?;
            let applies = item.applies;
            if applies && self.is_shed(rule, &key, &item) {
                return Ok(());
            }
            let counts = self.counts.entry(name.clone()).or_default();
            let groups = self.groups.entry(name).or_default();
            let is_new = groups.entry(key).or_default().take(item);
            if !is_new {
                counts.duplicates += 1;
            } else if applies {
                counts.taken += 1;
                counts.pending += 1;
            }
            is_new
        } else {
            let id = side.id_of(event)?;
            let kept = rule.strategy.states_kept();
            let groups = self.groups.entry(name).or_default();
            groups.entry(key).or_default().take_other(id, Arc::clone(event), kept)
        };
        if is_new {
            self.schedule.touch(address.clone());
        }
        self.schedule.remember(&address, self.now.plus_ms(rule.remember_ms));
        self.note_changed(address);
        Ok(())
    }

    /// An event that a rule listens to and cannot judge: told once, under the hash of its content.
    fn refuse(&mut self, rule: &Rule, event: &Event, why: &Unreadable, outputs: &mut Vec<Output>) {
        let content = serde_json::to_vec(&(&event.before, &event.after)).unwrap_or_default();
        let hash = hex::encode(Sha256::digest(content));
        let subject =
            rule.subject_of(event).unwrap_or_else(|_| Subject::new(rule.subject_kind.clone(), "?"));
        let verdict = Verdict {
            subject,
            occurrence: format!("row-{}", &hash[..12]),
            position: event.position.clone(),
            event_at: event.at,
            actual: why.to_string(),
            ..judge::blank(rule, Judgement::Refused, self.now)
        };
        let counts = self.counts.entry(rule.name.clone()).or_default();
        if self.already_judged.insert(verdict.key()) {
            counts.taken += 1;
            counts.refused += 1;
            outputs.push(Output::Verdict(Box::new(verdict)));
        } else {
            counts.duplicates += 1;
        }
    }

    fn replace(&mut self, rules: Arc<RuleSet>, outputs: &mut Vec<Output>) {
        self.put_in_force(rules, outputs);
        let compares = |rule: &Arc<Rule>| self.rules.other_version(rule).is_some();
        let ids: HashSet<&str> = self
            .rules
            .rules()
            .iter()
            .filter(|rule| compares(rule))
            .map(|rule| rule.head.id.as_str())
            .collect();
        self.diff_changes += 1;
        self.diffs.retain(|id, _| ids.contains(id.as_str()));
    }

    fn forget(&mut self, address: &Address) {
        let Some(groups) = self.groups.get_mut(&address.rule) else { return };
        let keeps = |group: &Group| group.is_open() || !group.open.is_empty();
        if groups.get(&address.key).is_some_and(|group| !keeps(group)) {
            groups.remove(&address.key);
            self.lookups.forget(address);
            self.changed.insert(address.clone());
        }
    }
}

#[cfg(test)]
mod tests;
