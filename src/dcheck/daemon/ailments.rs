//! What the core hears of its own health, handed to the engine: lag, parts that ail, rules that were
//! refused.

use super::core::Core;
use super::ends::LOOK_US;
use super::parts::RULES;
use crate::clock::CellTime;
use crate::dcheck::console::Loaded;
use crate::dcheck::engine::{Input, Ward};

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

impl Core {
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
            Ok(rules) => {
                self.step(Input::Replace(rules));
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
