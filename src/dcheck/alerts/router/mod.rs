//! What is told when: alerts and instants in, messages out. Pure: it reads no clock and posts nothing.
//!
//! Owns the alerts that are held or remembered, their groups (`groups`), silences (`silences`), inhibition (`inhibition`) and
//! storms (`storms`). Its state is rows (`rows`): the caller commits those that changed together with the messages, in the
//! transaction of the verdicts, so that a kill at any instant neither loses an alert nor tells it twice.
//! With the default policy and no silence it holds nothing, and each alert is a message at once.
//! Try it: `cargo test --lib dcheck::alerts::router`. Not covered: labels other than those of the alert; a tree of routes.

mod groups;
mod inhibition;
mod rows;
mod silences;
mod storms;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::policy::Policy;
use super::webhook::{FIRING, single};
use crate::clock::CellTime;
use crate::wire::WebhookAlert;

use groups::Group;
use inhibition::Sources;
use storms::Storm;

pub use rows::Before;
pub use silences::Silence;

/// Alerts in one message: a body stays far below what a receiver takes.
const MESSAGE_ALERTS: usize = 500;

/// One alert on its way in.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub alert: WebhookAlert,
    /// Tells two messages about the same state apart.
    pub revision: String,
    /// It was firing before this.
    pub was_open: bool,
    /// One of the watcher's own: told at once and by itself, and kept back only by a silence that names its rule.
    pub blind: bool,
}

/// One message to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Messages of one key are told in order.
    pub order_key: String,
    /// The same text is told once.
    pub dedupe: String,
    pub body: String,
}

/// An alert that is held, or remembered.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    alert: WebhookAlert,
    revision: String,
    blind: bool,
    /// Not told yet as it is now.
    fresh: bool,
    /// Somebody was told that it fires, and must hear of its end.
    told: bool,
    /// It is told by the storm of its rule.
    stormed: bool,
}

impl Entry {
    fn fires(&self) -> bool {
        self.alert.status == FIRING
    }

    fn rule(&self) -> &str {
        self.alert.labels.get("alertname").map_or("", String::as_str)
    }
}

pub struct Router {
    policy: Policy,
    /// By fingerprint.
    entries: BTreeMap<String, Entry>,
    groups: BTreeMap<String, Group>,
    silences: BTreeMap<String, Silence>,
    /// By rule.
    storms: BTreeMap<String, Storm>,
    /// New alerts of a rule within the storm limit's window.
    recent: HashMap<String, VecDeque<CellTime>>,
    sources: Sources,
    /// What is due when, by row.
    timers: BTreeSet<(CellTime, String)>,
    /// Rows that are not as the caller last took them.
    changed: BTreeSet<String>,
    /// Silences whose end came and was not taken note of yet.
    ended: Vec<Silence>,
}

impl Router {
    pub fn new(policy: Policy) -> Router {
        Router {
            policy,
            entries: BTreeMap::new(),
            groups: BTreeMap::new(),
            silences: BTreeMap::new(),
            storms: BTreeMap::new(),
            recent: HashMap::new(),
            sources: Sources::default(),
            timers: BTreeSet::new(),
            changed: BTreeSet::new(),
            ended: Vec::new(),
        }
    }

    /// Takes an alert as it is now; what is to be told by it, and by time until now.
    pub fn take(&mut self, incoming: Incoming, now: CellTime) -> Vec<Notice> {
        let print = incoming.alert.fingerprint.clone();
        let known = self.entries.get(&print);
        if known.is_none() && !self.policy.remembers() && !self.is_muted_now(&incoming, now) {
            return vec![alone(&incoming.alert, &incoming.revision, None)];
        }
        let is_new = !incoming.was_open && known.is_none();
        let entry = Entry {
            told: known.map_or(incoming.was_open, |known| known.told),
            stormed: known.is_some_and(|known| known.stormed),
            alert: incoming.alert,
            revision: incoming.revision,
            blind: incoming.blind,
            fresh: true,
        };
        let (fires, rule, blind) = (entry.fires(), entry.rule().to_owned(), entry.blind);
        let kept_others_back = self.sources.has(&print);
        self.move_group(&print, &entry);
        self.put(&print, entry);
        if fires && is_new && !blind {
            self.count(&rule, &print, now);
        }
        if self.entries.get(&print).is_some_and(|entry| entry.stormed) {
            self.in_storm(&rule, &print, now);
        } else {
            self.schedule(&print, now);
        }
        if kept_others_back && !fires {
            self.release(now);
        }
        self.due(now)
    }

    /// What is to be told by time until now.
    pub fn due(&mut self, now: CellTime) -> Vec<Notice> {
        let mut notices = Vec::new();
        while let Some((at, row)) = self.timers.first().cloned().filter(|(at, _)| *at <= now) {
            self.timers.remove(&(at, row.clone()));
            match row.split_once('/') {
                Some(("group", id)) => notices.extend(self.flush(id, now)),
                Some(("storm", rule)) => self.tell_storm(rule, now),
                Some(("silence", id)) => self.end_silence(id, now),
                _ => {}
            }
        }
        notices
    }

    /// When there is something to do without a new alert.
    pub fn next_due(&self) -> Option<CellTime> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn put(&mut self, print: &str, entry: Entry) {
        self.sources.set(&self.policy.inhibitions, print, &entry);
        self.entries.insert(print.to_owned(), entry);
        self.changed.insert(format!("alert/{print}"));
    }

    fn forget(&mut self, print: &str) {
        self.entries.remove(print);
        self.sources.remove(print);
        self.changed.insert(format!("alert/{print}"));
    }

    fn is_muted_now(&self, incoming: &Incoming, now: CellTime) -> bool {
        // Without inhibitions only a silence can keep it back.
        self.is_silenced(&incoming.alert.labels, incoming.blind, now)
    }

    fn is_muted(&self, print: &str, entry: &Entry, now: CellTime) -> bool {
        self.is_silenced(&entry.alert.labels, entry.blind, now)
            || !entry.blind && self.sources.inhibit(&self.policy.inhibitions, print, &entry.alert)
    }

    /// Something that kept others back is gone: those are looked at again.
    fn release(&mut self, now: CellTime) {
        let held: Vec<String> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.fresh && !entry.stormed)
            .map(|(print, _)| print.clone())
            .collect();
        held.iter().for_each(|print| self.schedule(print, now));
    }
}

/// The message of one alert by itself; `again` where it repeats one that was told.
fn alone(alert: &WebhookAlert, revision: &str, again: Option<CellTime>) -> Notice {
    let (print, word) = (&alert.fingerprint, &alert.status);
    let start = crate::clock::parse_rfc3339(&alert.starts_at).unwrap_or_default();
    let again = again.map(|at| format!(":again:{}", at.0)).unwrap_or_default();
    Notice {
        order_key: print.clone(),
        dedupe: format!("{print}:{start}:{word}:{revision}{again}"),
        body: single(alert.clone()),
    }
}
