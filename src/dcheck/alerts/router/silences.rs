//! Silences: what somebody keeps back, by name, until an instant.
//!
//! Owns what a silence is and how long it may last. What it kept back and still fires at its end is told then. The watcher's own
//! alerts are kept back only by a silence that names their rule: `severity="P0"` must not blind the watcher unseen.

use serde::{Deserialize, Serialize};

use super::Router;
use crate::clock::CellTime;
use crate::dcheck::alerts::matching::{Labels, Matcher, all_match, takes_everything};

/// Who needs one for longer has a rule to mend.
const SILENCE_MAX_MS: i64 = 30 * 86_400_000;
/// Each is asked for every alert.
const SILENCES: usize = 1_000;
/// Of a reason, as it is kept.
const REASON_CHARS: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    pub id: String,
    pub matchers: Vec<Matcher>,
    pub owner: String,
    pub reason: String,
    pub starts: CellTime,
    pub ends: CellTime,
}

impl Silence {
    /// Every mistake of it.
    pub fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        if takes_everything(&self.matchers) {
            found.push(
                "it would keep everything back: name a label, like alertname=\"refund-paid-twice\""
                    .to_owned(),
            );
        }
        if self.owner.is_empty() {
            found.push("it has no owner".to_owned());
        }
        if self.reason.trim().is_empty() || self.reason.chars().count() > REASON_CHARS {
            found.push(format!("`reason` is empty, or longer than {REASON_CHARS} characters"));
        }
        if self.ends <= self.starts {
            found.push("its end has passed: give it an end after now".to_owned());
        }
        if self.ends.since_ms(self.starts) > SILENCE_MAX_MS {
            let days = SILENCE_MAX_MS / 86_400_000;
            found.push(format!("it lasts longer than {days} days: mend or switch off the rule"));
        }
        found
    }

    fn covers(&self, labels: &Labels, blind: bool) -> bool {
        let names_rule = |matcher: &Matcher| matcher.name == "alertname" && matcher.is_equality();
        all_match(&self.matchers, labels) && (!blind || self.matchers.iter().any(names_rule))
    }
}

impl Router {
    /// From now on; refused where it has a mistake or there are too many.
    pub fn silence(&mut self, silence: Silence) -> Result<(), Vec<String>> {
        let mut mistakes = silence.mistakes();
        if self.silences.len() >= SILENCES {
            mistakes.push(format!("there are {SILENCES} silences: end some first"));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let row = format!("silence/{}", silence.id);
        self.timers.insert((silence.ends, row.clone()));
        self.changed.insert(row);
        self.silences.insert(silence.id.clone(), silence);
        Ok(())
    }

    /// Ends it before its time; none where there is no such silence.
    pub fn unsilence(&mut self, id: &str, now: CellTime) -> Option<Silence> {
        let silence = self.silences.remove(id)?;
        let row = format!("silence/{id}");
        self.timers.remove(&(silence.ends, row.clone()));
        self.changed.insert(row);
        self.release(now);
        Some(silence)
    }

    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.values()
    }

    /// Silences whose time came since this was last asked.
    pub fn take_ended(&mut self) -> Vec<Silence> {
        std::mem::take(&mut self.ended)
    }

    pub(super) fn end_silence(&mut self, id: &str, now: CellTime) {
        let ended = self.unsilence(id, now);
        self.ended.extend(ended);
    }

    pub(super) fn is_silenced(&self, labels: &Labels, blind: bool, now: CellTime) -> bool {
        let mut silences = self.silences.values();
        silences.any(|silence| silence.ends > now && silence.covers(labels, blind))
    }
}
