//! Groups: alerts with the same values of some labels are told in one message.
//!
//! Owns when a group speaks: `wait` after its first alert, `interval` after it last spoke where something changed, `repeat` where
//! nothing did. A message names all that fires in the group and what has ended since the last one. An end is told to whoever was
//! told the beginning, also under a silence; what began and ended unheard is told once, as ended, unless it was kept back.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Entry, MESSAGE_ALERTS, Notice, Router, alone};
use crate::clock::CellTime;
use crate::dcheck::alerts::matching::Labels;
use crate::dcheck::alerts::webhook::{digest, group_body};
use crate::wire::WebhookAlert;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Group {
    /// None: a group of one alert by itself.
    labels: Option<Labels>,
    pub next: Option<CellTime>,
    told_at: Option<CellTime>,
    /// Rebuilt from the alerts.
    #[serde(skip)]
    pub members: BTreeSet<String>,
}

/// What a look at a group found.
#[derive(Default)]
struct Look {
    told: Vec<String>,
    ended: Vec<String>,
    dropped: Vec<String>,
    has_news: bool,
    fires: bool,
}

impl Router {
    /// The group of an alert, and the labels that name it.
    pub(super) fn group_of(&self, print: &str, entry: &Entry) -> (String, Option<Labels>) {
        let by = match &self.policy.grouping.by {
            // The watcher's own alerts wait for nobody.
            Some(by) if !entry.blind => by,
            _ => return (print.to_owned(), None),
        };
        let value = |name: &String| entry.alert.labels.get(name).cloned().unwrap_or_default();
        let labels: Labels = by.iter().map(|name| (name.clone(), value(name))).collect();
        let text = serde_json::to_string(&labels).expect("invariant: labels are plain data");
        let hash = hex::encode(&Sha256::digest(text.as_bytes())[..8]);
        (format!("group-{hash}"), Some(labels))
    }

    /// An alert whose labels changed leaves the group of before.
    pub(super) fn move_group(&mut self, print: &str, entry: &Entry) {
        let Some(known) = self.entries.get(print) else { return };
        let (from, to) = (self.group_of(print, known).0, self.group_of(print, entry).0);
        if let Some(group) = self.groups.get_mut(&from).filter(|_| from != to) {
            group.members.remove(print);
        }
    }

    /// The alert has news: its group speaks when it may.
    pub(super) fn schedule(&mut self, print: &str, now: CellTime) {
        let Some(entry) = self.entries.get(print) else { return };
        let (id, labels) = self.group_of(print, entry);
        let (wait_ms, interval_ms) = match labels {
            Some(_) => (self.policy.grouping.wait_ms, self.policy.grouping.interval_ms),
            None => (0, 0),
        };
        let group = self.groups.entry(id.clone()).or_default();
        (group.labels, _) = (labels, group.members.insert(print.to_owned()));
        let at = match group.told_at {
            Some(told_at) => told_at.plus_ms(interval_ms).max(now),
            None => now.plus_ms(wait_ms),
        };
        let at = group.next.map_or(at, |next| next.min(at));
        self.set_next(&id, Some(at));
    }

    pub(super) fn set_next(&mut self, id: &str, next: Option<CellTime>) {
        let Some(group) = self.groups.get_mut(id) else { return };
        let row = format!("group/{id}");
        if let Some(was) = group.next {
            self.timers.remove(&(was, row.clone()));
        }
        group.next = next;
        if let Some(at) = next {
            self.timers.insert((at, row.clone()));
        }
        self.changed.insert(row);
    }

    /// The group's instant has come.
    pub(super) fn flush(&mut self, id: &str, now: CellTime) -> Vec<Notice> {
        self.set_next(id, None);
        let Some(group) = self.groups.get(id).cloned() else { return Vec::new() };
        let look = self.look(&group, now);
        let repeat_ms = self.policy.grouping.repeat_ms;
        let is_repeat = match (repeat_ms, group.told_at) {
            (Some(repeat_ms), Some(told_at)) => {
                look.fires && told_at.plus_ms(repeat_ms) <= now && !look.has_news
            }
            _ => false,
        };
        let speaks = look.has_news || is_repeat;
        let notices = match speaks {
            true => self.notices(id, &group, &look, is_repeat, now),
            false => Vec::new(),
        };
        if speaks {
            look.told.iter().for_each(|print| self.was_told(print));
            self.groups.get_mut(id).expect("invariant: it was just read").told_at = Some(now);
        }
        look.ended.iter().chain(&look.dropped).for_each(|print| self.leave(id, print));
        if !self.policy.remembers() {
            look.told.iter().for_each(|print| self.leave(id, print));
        }
        self.after(id, look.fires, now);
        notices
    }

    fn look(&self, group: &Group, now: CellTime) -> Look {
        let mut look = Look::default();
        for print in &group.members {
            let Some(entry) = self.entries.get(print).filter(|entry| !entry.stormed) else {
                look.dropped.push(print.clone());
                continue;
            };
            let muted = self.is_muted(print, entry, now);
            match (entry.fires(), muted) {
                (true, true) => {}
                (true, false) => {
                    look.told.push(print.clone());
                    look.has_news |= entry.fresh;
                    look.fires = true;
                }
                (false, true) if !entry.told => look.dropped.push(print.clone()),
                (false, _) => {
                    look.ended.push(print.clone());
                    look.has_news = true;
                }
            }
        }
        look
    }

    fn notices(
        &self,
        id: &str,
        group: &Group,
        look: &Look,
        is_repeat: bool,
        now: CellTime,
    ) -> Vec<Notice> {
        let prints = look.told.iter().chain(&look.ended);
        let mut entries: Vec<&Entry> = prints.filter_map(|print| self.entries.get(print)).collect();
        let Some(labels) = &group.labels else {
            let again = is_repeat.then_some(now);
            return entries.iter().map(|e| alone(&e.alert, &e.revision, again)).collect();
        };
        entries.sort_by_key(|entry| (&entry.alert.starts_at, &entry.alert.fingerprint));
        let parts = entries.chunks(MESSAGE_ALERTS).enumerate();
        let notice = |(part, some): (usize, &[&Entry])| {
            let alerts: Vec<WebhookAlert> = some.iter().map(|entry| entry.alert.clone()).collect();
            let body = group_body(labels.clone(), alerts);
            // Of one instant may be two messages: the second tells what came after the first.
            let told = digest(&[&body]);
            Notice {
                order_key: id.to_owned(),
                dedupe: format!("{id}:{}:{part}:{told}", now.0),
                body,
            }
        };
        parts.map(notice).collect()
    }

    fn was_told(&mut self, print: &str) {
        if let Some(entry) = self.entries.get_mut(print)
            && (entry.fresh || !entry.told)
        {
            (entry.fresh, entry.told) = (false, true);
            self.changed.insert(format!("alert/{print}"));
        }
    }

    fn leave(&mut self, id: &str, print: &str) {
        if let Some(group) = self.groups.get_mut(id) {
            group.members.remove(print);
        }
        if self.entries.get(print).is_some_and(|entry| !entry.stormed) {
            self.forget(print);
        }
    }

    fn after(&mut self, id: &str, fires: bool, now: CellTime) {
        let Some(group) = self.groups.get(id) else { return };
        if group.members.is_empty() {
            self.groups.remove(id);
            self.changed.insert(format!("group/{id}"));
            return;
        }
        let last = group.told_at.unwrap_or(now);
        let repeat = self.policy.grouping.repeat_ms.filter(|_| fires);
        self.set_next(id, repeat.map(|ms| last.plus_ms(ms)));
    }
}

/// Groups by the present policy; a group that is no more gives its alerts to another.
pub fn regroup(router: &mut Router, now: CellTime) {
    let stored = std::mem::take(&mut router.groups);
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    let mut unknown = Vec::new();
    for (print, entry) in router.entries.iter().filter(|(_, entry)| !entry.stormed) {
        let (id, labels) = router.group_of(print, entry);
        let known = stored.get(&id);
        if known.is_none() {
            unknown.push(print.clone());
        }
        let group = groups.entry(id).or_insert_with(|| known.cloned().unwrap_or_default());
        group.labels = labels;
        group.members.insert(print.clone());
    }
    let gone = stored.keys().filter(|id| !groups.contains_key(*id));
    router.changed.extend(gone.map(|id| format!("group/{id}")));
    router.groups = groups;
    let due: Vec<(String, Option<CellTime>)> =
        router.groups.iter().map(|(id, group)| (id.clone(), group.next)).collect();
    for (id, next) in due {
        router.set_next(&id, next);
    }
    // What a silence or an inhibition kept back, of which this start may know no more, waits for nobody.
    let waits = |print: &&String| {
        let id = router.group_of(print, &router.entries[*print]).0;
        router.groups.get(&id).is_some_and(|group| group.next.is_none())
    };
    let held = router.entries.iter().filter(|(_, entry)| !entry.stormed).map(|(print, _)| print);
    unknown.extend(held.filter(waits).cloned().collect::<Vec<_>>());
    for print in unknown {
        if router.entries[&print].fresh {
            router.schedule(&print, now);
        }
    }
}
