//! What a link counts: connections, bytes, bytes held, and what waits for a later cell time.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tokio::sync::Notify;

use super::board::ArmedToxic;
use crate::clock::CellTime;

/// Notes kept of a link: the oldest go first, since what repeats itself is the same trouble.
const NOTES_MAX: usize = 100;

/// What waits, of one connection: a direction's bytes, or the connection's own end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Waiting {
    ToUpstream(u64),
    ToClient(u64),
    Cut(u64),
}

/// A link's figures now.
#[derive(Clone, Debug, Serialize)]
pub struct Stats {
    pub link: String,
    pub connections_open: u64,
    pub connections_total: u64,
    pub bytes_to_upstream: u64,
    pub bytes_to_client: u64,
    /// Read, passed on or not.
    pub bytes_from_client: u64,
    pub bytes_from_upstream: u64,
    /// Bytes read and not yet written on.
    pub held_bytes: u64,
    /// Of these, bytes that wait for a later cell time.
    pub waiting_bytes: u64,
    pub toxics: Vec<ArmedToxic>,
}

#[derive(Default)]
pub(super) struct Gauge {
    pub open: AtomicU64,
    pub total: AtomicU64,
    pub to_upstream: AtomicU64,
    pub to_client: AtomicU64,
    pub from_client: AtomicU64,
    pub from_upstream: AtomicU64,
    held: AtomicU64,
    drained: Notify,
    filled: Notify,
    waiting: Mutex<HashMap<Waiting, (CellTime, u64)>>,
    notes: Mutex<VecDeque<String>>,
}

impl Gauge {
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Acquire)
    }

    /// A pipe's share of the held bytes went from `before` to `after`.
    pub fn hold(&self, before: u64, after: u64) {
        if after > before {
            if self.held.fetch_add(after - before, Ordering::AcqRel) == 0 {
                self.filled.notify_waiters();
            }
        } else if after < before
            && self.held.fetch_sub(before - after, Ordering::AcqRel) == before - after
        {
            self.drained.notify_waiters();
        }
    }

    /// Waits until nothing is held.
    pub async fn drained(&self) {
        loop {
            let notified = self.drained.notified();
            if self.held() == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Waits until something is held.
    pub async fn filled(&self) {
        loop {
            let notified = self.filled.notified();
            if self.held() > 0 {
                return;
            }
            notified.await;
        }
    }

    /// Says, or takes back, that `bytes` of `who` wait for `due`.
    pub fn wait(&self, who: Waiting, due: Option<(CellTime, u64)>) {
        let mut waiting = self.waiting.lock().expect("no holder panics");
        match due {
            Some(due) => waiting.insert(who, due),
            None => waiting.remove(&who),
        };
    }

    pub fn next_due(&self) -> Option<CellTime> {
        let waiting = self.waiting.lock().expect("no holder panics");
        waiting.values().map(|(due, _)| *due).min()
    }

    pub fn waiting_bytes(&self) -> u64 {
        let waiting = self.waiting.lock().expect("no holder panics");
        waiting.values().map(|(_, bytes)| bytes).sum()
    }

    pub fn note(&self, text: String) {
        let mut notes = self.notes.lock().expect("no holder panics");
        if notes.len() == NOTES_MAX {
            notes.pop_front();
        }
        notes.push_back(text);
    }

    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().expect("no holder panics").iter().cloned().collect()
    }
}
