//! What the core hears of its own health, handed to the engine: lag, parts that ail, rules that were
//! refused.

use super::core::Core;
use super::parts::RULES;
use crate::clock::CellTime;
use crate::dcheck::console::Loaded;
use crate::dcheck::engine::{Input, Ward};

impl Core {
    /// What is read later than the smallest window may come too late for a rule that waited. Not
    /// asked while a start reads what was written before it.
    pub(super) fn look_at_lag(&mut self, source: &str, oldest: CellTime, newest: CellTime) {
        let Some(window_ms) = self.engine.rules().smallest_window_ms() else { return };
        let now = self.clock.now();
        let Some(state) = self.sources.get_mut(source) else { return };
        let (ward, id, late_ms) = (Ward::Lag, source.to_owned(), now.since_ms(oldest));
        if state.caught_up && !state.lagging && late_ms > window_ms {
            state.lagging = true;
            let why = format!("blind: lag, `{source}` is read {} s late", late_ms / 1000);
            self.step(Input::Ails { ward, id, since: oldest, why });
        } else if state.lagging && now.since_ms(newest) <= window_ms {
            state.lagging = false;
            self.step(Input::Recovered { ward, id });
        }
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
