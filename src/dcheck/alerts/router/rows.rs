//! The router's state as rows: `alert/…`, `group/…`, `silence/…`, `storm/…`, each a JSON text.
//!
//! Owns what is written and how a start makes a router of it, with another policy than before too: what was not told yet is
//! told by the policy of now, and what was told before anything was remembered is known from the stored verdicts.

use std::collections::VecDeque;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Entry, Router, groups};
use crate::clock::CellTime;
use crate::dcheck::alerts::policy::Policy;
use crate::wire::WebhookAlert;

/// What a start knows.
#[derive(Default)]
pub struct Before {
    /// Rows as they were committed.
    pub rows: Vec<(String, String)>,
    /// Alerts that fire, by the stored verdicts.
    pub open: Vec<WebhookAlert>,
    /// Rule and instant of the alerts that were new lately, oldest first.
    pub recent: Vec<(String, CellTime)>,
}

impl Router {
    /// The router of before, and what of its rows cannot be read.
    pub fn restore(policy: Policy, before: Before, now: CellTime) -> (Router, Vec<String>) {
        let mut router = Router::new(policy);
        let mut mistakes = Vec::new();
        for (row, body) in &before.rows {
            if let Err(why) = router.read_row(row, body) {
                mistakes.push(format!("row `{row}` of dcheck.alert_state: {why}"));
            }
        }
        for alert in before.open {
            let print = alert.fingerprint.clone();
            if router.policy.remembers() && !router.entries.contains_key(&print) {
                let revision = String::new();
                let (blind, fresh, told, stormed) = (false, false, true, false);
                router.put(&print, Entry { alert, revision, blind, fresh, told, stormed });
            }
        }
        if let Some(limit) = router.policy.storm {
            for (rule, at) in before.recent {
                let recent: &mut VecDeque<CellTime> = router.recent.entry(rule).or_default();
                recent.push_back(at);
                if recent.len() > limit.more_than + 1 {
                    recent.pop_front();
                }
            }
        }
        router.forget_what_is_told();
        groups::regroup(&mut router, now);
        match router.policy.storm {
            None => router.end_all_storms(now),
            Some(_) => {
                let due: Vec<_> = router.storms.iter().map(|(r, s)| (r.clone(), s.next)).collect();
                due.into_iter().for_each(|(rule, next)| router.set_storm_next(&rule, next));
            }
        }
        (router, mistakes)
    }

    fn read_row(&mut self, row: &str, body: &str) -> Result<(), String> {
        let (kind, id) = row.split_once('/').ok_or("it has no kind")?;
        let id = id.to_owned();
        match kind {
            "alert" => {
                let entry: Entry = read(body)?;
                self.sources.set(&self.policy.inhibitions, &id, &entry);
                self.entries.insert(id, entry);
            }
            "group" => {
                self.groups.insert(id, read(body)?);
            }
            "storm" => {
                self.storms.insert(id, read(body)?);
            }
            "silence" => {
                let silence: super::Silence = read(body)?;
                self.timers.insert((silence.ends, row.to_owned()));
                self.silences.insert(id, silence);
            }
            other => return Err(format!("kind `{other}` is not known")),
        }
        Ok(())
    }

    /// A policy that remembers nothing needs no more than what is held.
    fn forget_what_is_told(&mut self) {
        if self.policy.remembers() {
            return;
        }
        let told = self.entries.iter().filter(|(_, entry)| !entry.fresh && !entry.stormed);
        let told: Vec<String> = told.map(|(print, _)| print.clone()).collect();
        told.iter().for_each(|print| self.forget(print));
    }

    /// Of the alerts that fire, by the stored verdicts, those that somebody was told of; and storms.
    pub fn told(&self, open: Vec<WebhookAlert>) -> Vec<WebhookAlert> {
        let held = |alert: &WebhookAlert| {
            self.entries.get(&alert.fingerprint).is_some_and(|entry| !entry.told)
        };
        let mut told: Vec<WebhookAlert> = open.into_iter().filter(|alert| !held(alert)).collect();
        let storms = self.entries.values().filter(|entry| {
            entry.told
                && entry.fires()
                && entry
                    .alert
                    .labels
                    .get("subject_kind")
                    .is_some_and(|kind| kind == super::storms::KIND)
        });
        told.extend(storms.map(|entry| entry.alert.clone()));
        told
    }

    /// Rows that changed since this was last asked; none: it is gone.
    pub fn take_changes(&mut self) -> Vec<(String, Option<String>)> {
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|row| (row.clone(), self.row(&row))).collect()
    }

    fn row(&self, row: &str) -> Option<String> {
        let (kind, id) = row.split_once('/')?;
        match kind {
            "alert" => self.entries.get(id).map(write),
            "group" => self.groups.get(id).map(write),
            "storm" => self.storms.get(id).map(write),
            _ => self.silences.get(id).map(write),
        }
    }
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, String> {
    serde_json::from_str(body).map_err(|error| error.to_string())
}

fn write<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("invariant: the router's state is plain data")
}
