//! The ways to whoever is told: a first channel, and a second that takes over while the first is
//! dead.
//!
//! Owns one post, which channel is believed dead, and what a channel that forgets is reminded of. A channel is dead after
//! [`DEATH_ATTEMPTS`] posts in a row without acknowledgement, and alive at the next one that is acknowledged; a heartbeat
//! (nothing to tell) asks the first one even when nobody needs it, and the second where its death is to be told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::RwLock;

use super::channels::Channel;
use super::ladder::Ladder;
use super::signs::{DEATH_ATTEMPTS, Signs};
use super::webhook::FIRING;
use crate::wire::{Webhook, WebhookAlert};

/// Between the posts of one heartbeat.
const BEAT_PAUSE: Duration = Duration::from_millis(50);
/// Every so many heartbeats a channel that forgets is told again what fires: once a minute, of Alertmanager's five.
const REMIND_BEATS: u64 = 3;

/// Told when a channel dies (why) and when it is back (none).
pub type OnChannel = Arc<dyn Fn(Option<&str>) + Send + Sync>;

/// One channel, and whether it is believed dead.
pub struct Way {
    channel: Channel,
    signs: Mutex<Signs>,
    /// None: nobody wants to know, and it is not asked for a sign of life.
    on_channel: Option<OnChannel>,
    /// What fires and is to be told again, by fingerprint, where the channel forgets.
    open: Mutex<BTreeMap<String, WebhookAlert>>,
    /// What fired before this process, whoever was told of it.
    inherited: Mutex<BTreeMap<String, WebhookAlert>>,
    /// It is dead and cannot be asked: the next message tries it once.
    tries_again: AtomicBool,
}

pub struct Routes {
    first: Way,
    second: Option<Way>,
    pub ladder: Ladder,
    /// A reminder must not overtake an end: it waits for the posts under way, and they for it.
    reminding: RwLock<()>,
    beats: AtomicU64,
}

impl Way {
    pub fn new(channel: Channel, on_channel: Option<OnChannel>) -> Way {
        let (signs, open, inherited) = Default::default();
        Way { channel, signs, on_channel, open, inherited, tries_again: AtomicBool::new(false) }
    }

    async fn post(&self, text: &str) -> Result<(), String> {
        let posted = self.channel.tell(text).await;
        self.count(&posted, false);
        posted
    }

    fn count(&self, posted: &Result<(), String>, is_beat: bool) {
        let mut signs = self.signs.lock().unwrap_or_else(PoisonError::into_inner);
        let was_dead = signs.is_dead();
        if signs.count(is_beat, posted.is_ok()) {
            self.tries_again.store(true, Ordering::Release);
        }
        let is_dead = signs.is_dead();
        let Some(tell) = &self.on_channel else { return };
        // Told under the lock: death and return keep their order.
        match posted {
            Err(why) if is_dead && !was_dead => tell(Some(why)),
            Ok(()) if was_dead && !is_dead => tell(None),
            _ => {}
        }
    }

    fn is_dead(&self) -> bool {
        self.failures() >= DEATH_ATTEMPTS
    }

    fn failures(&self) -> usize {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner).failures()
    }

    /// True where a message may be given to it.
    fn may_be_told(&self) -> bool {
        !self.is_dead() || self.tries_again.swap(false, Ordering::AcqRel)
    }

    /// Takes note of what somebody acknowledged: ends always, what fires where it is `own`.
    fn note(&self, alerts: &[WebhookAlert], own: bool) {
        if !self.channel.forgets() {
            return;
        }
        let (mut open, mut inherited) = (self.open(), self.inherited());
        for alert in alerts {
            if alert.status != FIRING {
                open.remove(&alert.fingerprint);
                inherited.remove(&alert.fingerprint);
            } else if own {
                open.insert(alert.fingerprint.clone(), alert.clone());
            }
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, WebhookAlert>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inherited(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, WebhookAlert>> {
        self.inherited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a sign of life until there is one, or the channel counts as dead.
    async fn beat(&self, open: &[WebhookAlert]) {
        for _ in 0..DEATH_ATTEMPTS {
            let Some(beat) = self.channel.beat(open).await else {
                self.tries_again.store(self.is_dead(), Ordering::Release);
                return;
            };
            // A reminder that is acknowledged is a message.
            self.count(&beat, open.is_empty());
            if beat.is_ok() || self.failures() > DEATH_ATTEMPTS {
                return;
            }
            tokio::time::sleep(BEAT_PAUSE).await;
        }
    }
}

impl Routes {
    pub fn new(first: Way, second: Option<Way>, ladder: Ladder) -> Routes {
        Routes { first, second, ladder, reminding: RwLock::new(()), beats: AtomicU64::new(0) }
    }

    /// One attempt: the first channel, and the second where the first is dead. Errors where nobody
    /// acknowledged.
    pub async fn post(&self, body: &str) -> Result<(), String> {
        let _no_reminder = self.reminding.read().await;
        let Some(second) = &self.second else {
            let posted = self.first.post(body).await;
            return posted.inspect(|()| self.note(body, false));
        };
        if self.first.may_be_told() {
            let posted = self.first.post(body).await;
            if posted.is_ok() || !self.first.is_dead() {
                return posted.inspect(|()| self.note(body, false));
            }
        }
        second.post(body).await.inspect(|()| self.note(body, true))
    }

    /// The first is reminded of all that fires, the second of what it was told itself.
    fn note(&self, body: &str, by_second: bool) {
        let ways = self.second.iter().chain([&self.first]);
        if !ways.into_iter().any(|way| way.channel.forgets()) {
            return;
        }
        let Ok(told) = serde_json::from_str::<Webhook>(body) else { return };
        self.first.note(&told.alerts, true);
        self.second.iter().for_each(|second| second.note(&told.alerts, by_second));
    }

    /// Asks the channels with nothing to tell, until they answer or count as dead.
    pub async fn beat(&self) {
        let count = self.beats.fetch_add(1, Ordering::AcqRel);
        self.ask(&self.first, count).await;
        if let Some(second) = self.second.as_ref().filter(|second| second.on_channel.is_some()) {
            self.ask(second, count).await;
        }
    }

    async fn ask(&self, way: &Way, count: u64) {
        if way.channel.forgets() && (count.is_multiple_of(REMIND_BEATS) || way.is_dead()) {
            let _no_post = self.reminding.write().await;
            let mut open = way.open().clone();
            if self.first.is_dead() {
                open.extend(way.inherited().clone());
            }
            let open: Vec<WebhookAlert> = open.into_values().collect();
            way.beat(&open).await;
        } else {
            way.beat(&[]).await;
        }
    }

    pub fn is_first_dead(&self) -> bool {
        self.first.is_dead()
    }

    pub fn is_second_dead(&self) -> bool {
        self.second.as_ref().is_some_and(Way::is_dead)
    }

    /// What fires and was told before this process started. Nobody knows which of the channels was told: the second, if it forgets, is
    /// reminded of it while the first is dead.
    pub fn remember(&self, open: &[WebhookAlert]) {
        self.first.note(open, true);
        for second in self.second.iter().filter(|second| second.channel.forgets()) {
            let firing = open.iter().filter(|alert| alert.status == FIRING);
            let firing = firing.map(|alert| (alert.fingerprint.clone(), alert.clone()));
            second.inherited().extend(firing);
        }
    }
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
