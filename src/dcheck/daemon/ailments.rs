//! What the core hears of its own health, handed to the engine: lag, parts that ail, rules that were
//! refused.

use std::collections::VecDeque;

use super::core::Core;
use super::ends::LOOK_US;
use super::parts::RULES;
use crate::clock::{CellTime, rfc3339};
use crate::dcheck::console::{Files, Loaded};
use crate::dcheck::engine::{Input, Ward};
use crate::dcheck::sources::Undecodable;

/// A source that is still late after so much patience is told: a backlog that is read at full speed
/// is over by then.
const LATE_US: u64 = 2 * LOOK_US;

/// A source whose last entry came later than the smallest window.
#[derive(Debug)]
pub struct Late {
    since: CellTime,
    late_ms: i64,
    /// The patience spent until then.
    since_us: u64,
    told: bool,
}

impl Late {
    fn is_due(&self, spent_us: u64) -> bool {
        !self.told && spent_us.saturating_sub(self.since_us) >= LATE_US
    }
}

/// Undecodable messages of this long ago, in cell time, are no longer held against their source.
const POISON_MS: i64 = 600_000;

/// The undecodable messages of a source that count.
#[derive(Debug, Default)]
pub struct Poison {
    at: VecDeque<CellTime>,
    told: bool,
}

impl Poison {
    /// Of before a restart: over once nothing was undecodable for long enough.
    pub fn told_before(now: CellTime) -> Poison {
        Poison { at: [now].into(), told: true }
    }
}

impl Core {
    /// A source is short of a known end: with what its reader last said, where it is not connected.
    pub(super) fn behind(&self, source: String, since: CellTime) -> Input {
        let why = self.sources.get(&source).filter(|state| !state.view.connected);
        match why.map(|state| state.view.why.clone()).filter(|why| !why.is_empty()) {
            Some(why) => {
                let why = format!("blind to `{source}` since {}: {why}", rfc3339(since.0));
                Input::Ails { ward: Ward::Source, id: source, since, why }
            }
            None => Input::Behind { source, since },
        }
    }

    /// Counts a message that nobody can read; told where there are too many, or where it is kept nowhere.
    pub(super) fn take_undecodable(&mut self, source: &str, found: Option<Undecodable>) {
        let Some(Undecodable { reason, lost }) = found else { return };
        let (now, limit) = (self.clock.now(), self.undecodable_limit);
        self.activity += 1;
        self.pending.dirty = true;
        let state = self.sources.entry(source.to_owned()).or_default();
        *state.view.undecodable.entry(reason.to_owned()).or_default() += 1;
        state.view.dead_letters_lost += u64::from(lost.is_some());
        state.poison.at.push_back(now);
        if state.poison.at.len() > limit + 1 {
            state.poison.at.pop_front();
        }
        let many = state.poison.at.len() > limit;
        if state.poison.told || !(many || lost.is_some()) {
            return;
        }
        state.poison.told = true;
        let since = state.poison.at[0];
        let minutes = POISON_MS / 60_000;
        let why = match lost {
            Some(why) => format!(
                "a message of `{source}` is undecodable ({reason}), and kept nowhere: {why}"
            ),
            None => format!(
                "more than {limit} messages of `{source}` within {minutes} min are undecodable, the last one: {reason}; \
                 they are among the dead letters"
            ),
        };
        self.step(Input::Ails { ward: Ward::Undecodable, id: source.to_owned(), since, why });
    }

    /// Ends the alerts of sources that were readable for long.
    pub(super) fn forget_poison(&mut self) {
        let now = self.clock.now();
        let mut over = Vec::new();
        for (source, state) in &mut self.sources {
            let poison = &mut state.poison;
            while poison.at.front().is_some_and(|at| now.since_ms(*at) > POISON_MS) {
                poison.at.pop_front();
            }
            if poison.told && poison.at.is_empty() {
                poison.told = false;
                over.push(source.clone());
            }
        }
        for id in over {
            self.activity += 1;
            self.pending.dirty = true;
            self.step(Input::Recovered { ward: Ward::Undecodable, id });
        }
    }

    /// What is read later than the smallest window may come too late for a rule that waited. Not
    /// asked while a start reads what was written before it.
    pub(super) fn look_at_lag(&mut self, source: &str, newest: CellTime) {
        let Some(window_ms) = self.engine.rules().smallest_window_ms() else { return };
        let (late_ms, since_us) = (self.clock.now().since_ms(newest), self.patience.spent_us());
        let Some(state) = self.sources.get_mut(source) else { return };
        if late_ms > window_ms && state.caught_up {
            state.late.get_or_insert(Late { since: newest, late_ms, since_us, told: false });
        } else if late_ms <= window_ms
            && let Some(Late { told: true, .. }) = state.late.take()
        {
            self.step(Input::Recovered { ward: Ward::Lag, id: source.to_owned() });
        }
    }

    /// Tells of sources that are still late.
    pub(super) fn tell_of_lag(&mut self) {
        let spent_us = self.patience.spent_us();
        let mut told = Vec::new();
        for (source, state) in &mut self.sources {
            let late = state.late.as_mut().filter(|late| late.is_due(spent_us));
            let Some(late) = late else { continue };
            late.told = true;
            let why = format!("blind: lag, `{source}` is read {} s late", late.late_ms / 1000);
            let (ward, id, since) = (Ward::Lag, source.clone(), late.since);
            told.push(Input::Ails { ward, id, since, why });
        }
        for input in told {
            self.activity += 1;
            self.pending.dirty = true;
            self.step(input);
        }
    }

    /// Sources that are late and not told yet.
    pub(super) fn untold_lags(&self) -> usize {
        let late = self.sources.values().filter_map(|state| state.late.as_ref());
        late.filter(|late| !late.told).count()
    }

    /// A part of this process ails, or is well again.
    pub(super) fn take_sign(&mut self, sign: Input) {
        self.activity += 1;
        self.pending.dirty = true;
        self.step(sign);
        self.publish();
        self.parts.heard();
    }

    /// A set that is in order replaces the one in force; one with a mistake is refused whole.
    pub(super) fn take_rules(&mut self, loaded: Loaded) {
        let (ward, id) = (Ward::Rules, RULES.to_owned());
        self.pending.dirty = true;
        match loaded {
            Ok(Files { rules, fitted }) => {
                let rules = self.with_orders(&rules);
                self.step(Input::Replace(rules));
                if fitted {
                    self.step(Input::Fitted);
                }
                self.step(Input::Recovered { ward, id });
            }
            Err(mistakes) => {
                let (first, stays) = (&mistakes[0], self.engine.rules().rules().len());
                let count = mistakes.len();
                let why = format!("{count} mistakes, the first: {first}; the {stays} rules stay");
                self.step(Input::Ails { ward, id, since: self.clock.now(), why });
            }
        }
    }
}
