//! The one task that owns the engine: inputs in, outputs into batches, batches to the database.
//!
//! Owns the order of things: what was read before goes in before time does; a plan starts after its
//! run is stored; a watermark moves after the commit. Must not do IO itself: every wait is somebody
//! else's task.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use super::ailments::{Late, Poison};
use super::beginnings::Beginning;
use super::ends::{KnownEnds, LOOK_US, Patience};
use super::lookups::{Lookups, NoAnswer, answered};
use super::options::ResultsKept;
use super::parts::Parts;
use super::record::{InFlight, Pending};
use super::recording::Recorder;
use crate::clock::{CellTime, Clock, monotonic_us};
use crate::dcheck::alerts::{Delivery, Router};
use crate::dcheck::console::{Console, Order, Rollouts, SourceView};
use crate::dcheck::degradation::Degradation;
use crate::dcheck::engine::{Engine, Input};
use crate::dcheck::event::Row;
use crate::dcheck::plans::{Ended, Executor, Planner};
use crate::dcheck::results::sql::View;
use crate::dcheck::results::{Channel, Message, Writer};
use crate::dcheck::sources::{BINLOG, Dating, Entry, FromSource, Position};

/// Inputs taken in one turn: a batch is committed and the view renewed after as many at the latest.
const TURN: usize = 256;
/// The engine is not ticked again before this, should it name an instant that a tick did not use up.
const TICK_GAP_MS: i64 = 5;
/// What a stop waits for the commit under way.
const STOP_LIMIT: Duration = Duration::from_secs(1);

/// What other tasks of the daemon bring back.
pub enum Back {
    Answer { lookup: u64, result: Result<Vec<Row>, NoAnswer> },
    Committed,
}

/// What the core hears.
pub struct Inboxes {
    pub sources: mpsc::Receiver<FromSource>,
    pub orders: mpsc::Receiver<Order>,
    pub back: mpsc::Receiver<Back>,
    pub ended: mpsc::Receiver<Ended>,
    pub signs: mpsc::Receiver<Input>,
    pub stop: Arc<Notify>,
}

/// One source as the core knows it.
#[derive(Debug, Default)]
pub struct SourceState {
    pub position: Option<Position>,
    pub dating: Option<Dating>,
    /// Of a topic that is read: the broker's own id of it.
    pub topic_id: Option<String>,
    /// It was never read before this process, and begins so.
    pub begins: Option<Beginning>,
    pub ends: KnownEnds,
    pub mark: u64,
    pub view: SourceView,
    /// A known end was reached since this process started.
    pub caught_up: bool,
    /// What was read last came later than the smallest window.
    pub late: Option<Late>,
    pub poison: Poison,
}

pub struct Core {
    pub engine: Engine,
    pub planner: Planner,
    pub executor: Executor,
    pub clock: Clock,
    pub console: Arc<Console>,
    pub writer: Writer,
    pub numbers: Arc<AtomicU64>,
    /// What is told of alerts, and when.
    pub router: Router,
    pub alerts: Delivery,
    pub events: Delivery,
    pub lookups: Lookups,
    pub recorder: Recorder,
    /// How fresh a look-up's answer must be: no older than what the engine was given.
    pub view: View,
    pub parts: Parts,
    pub rollouts: Rollouts,
    pub services: Degradation,
    /// Changes of differences between versions that the console knows.
    pub diffs_shown: u64,
    pub back: mpsc::Sender<Back>,
    pub kept: ResultsKept,
    pub sources: BTreeMap<String, SourceState>,
    pub pending: Pending,
    pub in_flight: Option<InFlight>,
    pub outgoing: VecDeque<Message>,
    /// Start of each alert that has not ended, by fingerprint.
    pub open_alerts: HashMap<String, CellTime>,
    /// Inside a transaction of the binlog that came in parts: no checkpoint here.
    pub mid_transaction: bool,
    pub activity: u64,
    pub last_tick: CellTime,
    pub patience: Patience,
    /// Undecodable messages of a source that are borne without an alert.
    pub undecodable_limit: usize,
    /// Until then what nobody waits for is not stored.
    pub next_quiet_commit_us: u64,
}

impl Core {
    /// Until told to stop; then what was judged is stored.
    pub async fn run(mut self, mut inboxes: Inboxes) {
        let mut look = tokio::time::interval(Duration::from_micros(LOOK_US));
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let clock = self.clock.clone();
        loop {
            self.turn_over();
            let due = self.next_due().map(|at| at.max(self.last_tick.plus_ms(TICK_GAP_MS)));
            let (reads, waits) = (self.reads(), self.quiet_commit_in());
            tokio::select! {
                biased;
                () = inboxes.stop.notified() => break,
                Some(back) = inboxes.back.recv() => self.take_back(back),
                Some(order) = inboxes.orders.recv() => {
                    self.take_read(&mut inboxes.sources, None);
                    self.obey(order);
                }
                Some(ended) = inboxes.ended.recv() => self.take_ended(ended),
                Some(sign) = inboxes.signs.recv() => self.take_sign(sign),
                () = sleep_until(&clock, due) => {
                    self.take_read(&mut inboxes.sources, None);
                    self.tick();
                }
                _ = look.tick() => self.look_for_overdue(),
                () = tokio::time::sleep(waits.unwrap_or_default()), if waits.is_some() => {}
                Some(news) = inboxes.sources.recv(), if reads => {
                    self.take_read(&mut inboxes.sources, Some(news));
                }
            }
        }
        self.stop(&mut inboxes).await;
        self.recorder.end().await;
    }

    async fn stop(&mut self, inboxes: &mut Inboxes) {
        let stored = async {
            loop {
                self.next_quiet_commit_us = 0;
                self.commit();
                if self.in_flight.is_none() {
                    return;
                }
                match inboxes.back.recv().await {
                    Some(back) => self.take_back(back),
                    None => return,
                }
            }
        };
        let _ = tokio::time::timeout(STOP_LIMIT, stored).await;
    }

    /// Between two turns: deliver, commit, and tell the console.
    fn turn_over(&mut self) {
        self.decide();
        while let Some(message) = self.outgoing.pop_front() {
            let delivery = match message.channel {
                Channel::Alerts => &self.alerts,
                Channel::PlanEvents => &self.events,
            };
            if let Err(message) = delivery.offer(message) {
                self.outgoing.push_front(message);
                break;
            }
        }
        self.commit();
        self.publish();
    }

    /// What was read before this instant: all of it before time passes, else one turn of it.
    fn take_read(&mut self, inbox: &mut mpsc::Receiver<FromSource>, first: Option<FromSource>) {
        let limit = if first.is_some() { TURN } else { inbox.len() };
        if let Some(first) = first {
            self.take(first);
        }
        for _ in 0..limit {
            let Ok(news) = inbox.try_recv() else { return };
            self.take(news);
        }
    }

    fn take(&mut self, news: FromSource) {
        match news {
            FromSource::Connected { source, position } => {
                let state = self.sources.entry(source.clone()).or_default();
                // A first place is stored at once: a restart must not start behind it.
                self.pending.dirty |= state.position.is_none();
                state.position.get_or_insert(position);
                if source == BINLOG {
                    // What a broken connection left unfinished is read again from its beginning.
                    self.mid_transaction = false;
                    (state.view.connected, state.view.known) = (true, true);
                }
                self.begins_here(&source);
                self.activity += 1;
            }
            FromSource::Lost { source, why } => {
                let state = self.sources.entry(source).or_default();
                (state.view.connected, state.view.why) = (false, why);
            }
            FromSource::Read { source, entries, position, dating, undecodable } => {
                self.take_entries(&source, entries);
                self.take_undecodable(&source, undecodable);
                let state = self.sources.entry(source.clone()).or_default();
                (state.view.connected, state.view.known) = (true, true);
                state.dating = dating;
                if source == BINLOG {
                    self.mid_transaction = position.is_none();
                }
                if position.is_some() {
                    state.position = position;
                }
                self.check_ends(&source);
            }
            FromSource::Missed { source, position, case, what } => {
                let state = self.sources.entry(source.clone()).or_default();
                // Ends of a log that is no more are never reached.
                (state.position, state.ends) = (Some(position), KnownEnds::default());
                self.activity += 1;
                self.pending.dirty = true;
                self.step(Input::Missed { source: source.clone(), id: case, what });
                self.look_at(&source);
            }
            FromSource::Topic { source, id } => {
                self.pending.dirty = true;
                self.sources.entry(source).or_default().topic_id = Some(id);
            }
            FromSource::Tables { tables, ddl } => self.take_tables(tables, ddl),
            FromSource::LogEnd { source, end, at } => {
                let state = self.sources.entry(source.clone()).or_default();
                state.ends.learn_place(end, at, self.patience.spent_us());
                if source != BINLOG {
                    // The broker answered: the partition is there.
                    (state.view.connected, state.view.known) = (true, true);
                }
                self.check_ends(&source);
            }
        }
    }

    fn take_entries(&mut self, source: &str, entries: Vec<Entry>) {
        self.begins_at(source, entries.first().map(Entry::at));
        let state = self.sources.entry(source.to_owned()).or_default();
        state.view.events += entries.len() as u64;
        self.activity += entries.len() as u64;
        // Rows of other schemas move the position only: the stored position of our own commits must
        // not make commits.
        self.pending.dirty |= !entries.is_empty();
        let newest = entries.last().map(Entry::at);
        for entry in entries {
            match entry {
                Entry::Event(event) => {
                    if source == BINLOG {
                        self.view = event.txn.clone().map_or(View::BehindWriters, View::After);
                    }
                    self.step(Input::Event(event));
                }
                Entry::Mark(mark) => {
                    let state = self.sources.entry(source.to_owned()).or_default();
                    state.mark = state.mark.max(mark.seq);
                    let (source, at) = (source.to_owned(), CellTime(mark.at));
                    self.step(Input::Mark { source, seq: mark.seq, at });
                }
            }
        }
        if let Some(newest) = newest {
            self.look_at_lag(source, newest);
        }
    }

    fn check_ends(&mut self, source: &str) {
        let Some(state) = self.sources.get_mut(source) else { return };
        if let Some(at) = state.ends.reached(state.mark, state.position.as_ref()) {
            self.begins_at(source, Some(at));
            self.step(Input::SourceEnd { source: source.to_owned(), at });
        }
        self.look_at(source);
        // A restored engine may still believe that the source is behind.
        if let Some(state) = self.sources.get_mut(source)
            && !state.caught_up
            && state.view.known
            && !state.ends.is_open()
        {
            state.caught_up = true;
            self.first_caught_up(source);
        }
    }

    fn look_for_overdue(&mut self) {
        self.patience.look(monotonic_us());
        if self.sources.values().any(|source| source.ends.is_open()) {
            let names: Vec<String> = self.sources.keys().cloned().collect();
            names.iter().for_each(|name| self.look_at(name));
        }
        self.tell_of_lag();
        self.forget_poison();
        self.show_rollouts();
    }

    fn look_at(&mut self, source: &str) {
        let Some(state) = self.sources.get_mut(source) else { return };
        let overdue = state.ends.overdue(self.patience.spent_us());
        let was = std::mem::replace(&mut state.view.behind_since, overdue);
        let source = source.to_owned();
        match (was, overdue) {
            (None, Some(since)) => self.step(self.behind(source, since)),
            (Some(_), None) => self.step(Input::CaughtUp { source }),
            _ => return,
        }
        self.activity += 1;
        self.pending.dirty = true;
    }

    pub(super) fn tick(&mut self) {
        self.last_tick = self.clock.now();
        self.step(Input::Tick);
        self.tell_due();
    }

    pub fn step(&mut self, input: Input) {
        let now = self.clock.now();
        self.recorder.note(&input, now);
        self.services.hear(&input, now);
        let outputs = self.engine.step(input, now);
        self.activity += outputs.len() as u64;
        outputs.into_iter().for_each(|output| self.put(output));
    }

    fn take_back(&mut self, back: Back) {
        self.activity += 1;
        match back {
            Back::Answer { lookup, result } => {
                self.pending.dirty = true;
                self.step(answered(lookup, result));
            }
            Back::Committed => self.committed(),
        }
    }

    pub(super) fn publish(&mut self) {
        let lagging = self
            .sources
            .values()
            .filter(|state| state.ends.is_open() && state.view.behind_since.is_none())
            .count()
            + self.untold_lags();
        let unstored = usize::from(self.in_flight.is_some()) + usize::from(self.pending.is_due());
        let mut view = self.console.view();
        view.started = true;
        view.read = self.sources.iter().map(|(name, s)| (name.clone(), s.mark)).collect();
        view.sources = self
            .sources
            .iter()
            .map(|(name, state)| {
                let position = state.position.as_ref().map(ToString::to_string);
                let position = position.unwrap_or_default();
                (name.clone(), SourceView { position, ..state.view.clone() })
            })
            .collect();
        view.busy = (lagging + unstored + self.outgoing.len()) as u64;
        view.activity = self.activity;
        view.next_due = self.next_due();
        view.open_windows = self.engine.open_windows() as u64;
        view.lookups_out = self.engine.pending() as u64;
        self.engine.tell_counts(&mut view.counts);
    }
}

async fn sleep_until(clock: &Clock, due: Option<CellTime>) {
    match due {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
