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
use super::webhook::FIRING;
use crate::wire::{Webhook, WebhookAlert};

/// Posts without acknowledgement after which a channel counts as dead: one lost post is a blip.
const DEATH_ATTEMPTS: usize = 3;
/// Between the posts of one heartbeat.
const BEAT_PAUSE: Duration = Duration::from_millis(50);
/// Every so many heartbeats a channel that forgets is told again what fires: once a minute, of Alertmanager's five.
const REMIND_BEATS: u64 = 3;

/// Told when a channel dies (why) and when it is back (none).
pub type OnChannel = Arc<dyn Fn(Option<&str>) + Send + Sync>;

/// One channel, and whether it is believed dead.
pub struct Way {
    channel: Channel,
    /// Posts in a row that were not acknowledged.
    failures: Mutex<usize>,
    /// None: nobody wants to know, and it is not asked for a sign of life.
    on_channel: Option<OnChannel>,
    /// What fires and is to be told again, by fingerprint, where the channel forgets.
    open: Mutex<BTreeMap<String, WebhookAlert>>,
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
        let (failures, open) = (Mutex::new(0), Mutex::default());
        Way { channel, failures, on_channel, open, tries_again: AtomicBool::new(false) }
    }

    async fn post(&self, text: &str) -> Result<(), String> {
        let posted = self.channel.tell(text).await;
        self.count(&posted);
        posted
    }

    fn count(&self, posted: &Result<(), String>) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let was_dead = *failures >= DEATH_ATTEMPTS;
        *failures = if posted.is_ok() { 0 } else { *failures + 1 };
        let is_dead = *failures >= DEATH_ATTEMPTS;
        let Some(tell) = &self.on_channel else { return };
        // Told under the lock: death and return keep their order.
        match posted {
            Err(why) if is_dead && !was_dead => tell(Some(why)),
            Ok(()) if was_dead => tell(None),
            _ => {}
        }
    }

    fn is_dead(&self) -> bool {
        self.failures() >= DEATH_ATTEMPTS
    }

    fn failures(&self) -> usize {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut open = self.open();
        for alert in alerts {
            if alert.status != FIRING {
                open.remove(&alert.fingerprint);
            } else if own {
                open.insert(alert.fingerprint.clone(), alert.clone());
            }
        }
    }

    fn open(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, WebhookAlert>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a sign of life until there is one, or the channel counts as dead.
    async fn beat(&self, open: &[WebhookAlert]) {
        for _ in 0..DEATH_ATTEMPTS {
            let Some(beat) = self.channel.beat(open).await else {
                self.tries_again.store(self.is_dead(), Ordering::Release);
                return;
            };
            self.count(&beat);
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
            let open: Vec<WebhookAlert> = way.open().values().cloned().collect();
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

    /// What fires and was told before this process started.
    pub fn remember(&self, open: &[WebhookAlert]) {
        self.first.note(open, true);
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::extract::State;
    use axum::http::StatusCode;
    use axum::routing::post;

    use super::super::channels::ChannelSpec;
    use super::*;

    fn routes(first: &str, second: Option<&str>, on_first: OnChannel) -> Routes {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let to =
            |url: &str| Channel::new(ChannelSpec::WebhookV4 { url: url.to_owned() }, http.clone());
        let second = second.map(|url| Way::new(to(url), None));
        Routes::new(Way::new(to(first), Some(on_first)), second, Ladder::Steady)
    }

    #[derive(Default)]
    struct StandIn {
        dead: AtomicBool,
        heard: AtomicU64,
    }

    impl StandIn {
        fn heard(&self) -> u64 {
            self.heard.load(Ordering::SeqCst)
        }
    }

    /// A stand-in of a receiver that acknowledges unless it is dead.
    async fn channel() -> (Arc<StandIn>, String) {
        async fn take(State(channel): State<Arc<StandIn>>) -> StatusCode {
            if channel.dead.load(Ordering::SeqCst) {
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            channel.heard.fetch_add(1, Ordering::SeqCst);
            StatusCode::OK
        }
        let channel = Arc::new(StandIn::default());
        let router = Router::new().route("/", post(take)).with_state(channel.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (channel, url)
    }

    fn told() -> (Arc<Mutex<Vec<bool>>>, OnChannel) {
        let told: Arc<Mutex<Vec<bool>>> = Arc::default();
        let kept = told.clone();
        (told, Arc::new(move |why: Option<&str>| kept.lock().unwrap().push(why.is_some())))
    }

    #[tokio::test]
    async fn the_second_takes_over_from_a_dead_first_and_gives_back() {
        let ((first, first_url), (second, second_url)) = (channel().await, channel().await);
        let (told, on_first) = told();
        let routes = routes(&first_url, Some(&second_url), on_first);
        routes.post("{}").await.unwrap();
        assert_eq!((first.heard(), second.heard()), (1, 0));
        first.dead.store(true, Ordering::SeqCst);
        for _ in 1..DEATH_ATTEMPTS {
            assert!(routes.post("{}").await.is_err(), "a blip is tried again on the first");
        }
        routes.post("{}").await.unwrap();
        routes.post("{}").await.unwrap();
        assert_eq!((first.heard(), second.heard()), (1, 2));
        assert_eq!(*told.lock().unwrap(), [true], "told once");
        routes.beat().await;
        assert_eq!(second.heard(), 2, "a heartbeat asks the first alone");
        first.dead.store(false, Ordering::SeqCst);
        routes.beat().await;
        routes.post("{}").await.unwrap();
        assert_eq!((first.heard(), second.heard()), (3, 2));
        assert_eq!(*told.lock().unwrap(), [true, false]);
    }

    #[tokio::test]
    async fn a_heartbeat_finds_a_dead_channel_that_nobody_needed() {
        let (first, url) = channel().await;
        let (told, on_first) = told();
        let routes = routes(&url, None, on_first);
        routes.beat().await;
        assert!(told.lock().unwrap().is_empty());
        first.dead.store(true, Ordering::SeqCst);
        routes.beat().await;
        assert_eq!(*told.lock().unwrap(), [true]);
        assert!(routes.post("{}").await.is_err(), "without a second there is no one else");
    }

    #[tokio::test]
    async fn a_second_that_dies_unneeded_is_told_where_it_is_watched() {
        let ((_first, first_url), (second, second_url)) = (channel().await, channel().await);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let way = |url: &str, on_channel: Option<OnChannel>| {
            let spec = ChannelSpec::WebhookV4 { url: url.to_owned() };
            Way::new(Channel::new(spec, http.clone()), on_channel)
        };
        second.dead.store(true, Ordering::SeqCst);
        for watched in [true, false] {
            let (told, on_second) = told();
            let second = way(&second_url, watched.then_some(on_second));
            let routes = Routes::new(way(&first_url, None), Some(second), Ladder::Steady);
            routes.beat().await;
            assert_eq!(told.lock().unwrap().len(), usize::from(watched));
        }
    }

    #[tokio::test]
    async fn a_dead_one_that_cannot_be_asked_is_tried_once_a_heartbeat() {
        let ((first, first_url), (second, second_url)) = (channel().await, channel().await);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = first_url.clone();
        let spec = ChannelSpec::Webhook { url, headers: Vec::new(), body: None };
        let (told, on_first) = told();
        let to_first = Way::new(Channel::new(spec, http.clone()), Some(on_first));
        let spec = ChannelSpec::WebhookV4 { url: second_url };
        let to_second = Way::new(Channel::new(spec, http), None);
        let routes = Routes::new(to_first, Some(to_second), Ladder::Steady);
        let body = super::super::webhook::heartbeat();
        first.dead.store(true, Ordering::SeqCst);
        for _ in 1..DEATH_ATTEMPTS {
            assert!(routes.post(&body).await.is_err());
        }
        routes.post(&body).await.unwrap();
        first.dead.store(false, Ordering::SeqCst);
        routes.post(&body).await.unwrap();
        assert_eq!((first.heard(), second.heard()), (0, 2), "it is still believed dead");
        routes.beat().await;
        assert_eq!(first.heard(), 0, "a heartbeat tells its readers nothing");
        routes.post(&body).await.unwrap();
        routes.post(&body).await.unwrap();
        assert_eq!((first.heard(), second.heard()), (2, 2));
        assert_eq!(*told.lock().unwrap(), [true, false]);
    }

    #[tokio::test]
    async fn a_channel_that_forgets_is_reminded_of_what_fires_and_of_nothing_that_ended() {
        let dead = Arc::new(AtomicBool::new(false));
        let posts: Arc<Mutex<Vec<usize>>> = Arc::default();
        let (kept, is_dead) = (posts.clone(), dead.clone());
        let take = move |axum::Json(body): axum::Json<serde_json::Value>| {
            let (kept, is_dead) = (kept.clone(), is_dead.clone());
            async move {
                if is_dead.load(Ordering::SeqCst) {
                    return StatusCode::SERVICE_UNAVAILABLE;
                }
                kept.lock().unwrap().push(body.as_array().unwrap().len());
                StatusCode::OK
            }
        };
        let router = Router::new().route("/api/v2/alerts", post(take));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let channel = Channel::new(ChannelSpec::Alertmanager { url }, http);
        let routes = Routes::new(Way::new(channel, None), None, Ladder::Steady);
        let told = |print: &str, status: &str| WebhookAlert {
            status: status.to_owned(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            starts_at: String::new(),
            ends_at: String::new(),
            generator_url: String::new(),
            fingerprint: print.to_owned(),
        };
        routes.remember(&[told("a", FIRING)]);
        let body = super::super::webhook::single;
        routes.post(&body(told("b", FIRING))).await.unwrap();
        routes.post(&body(told("c", FIRING))).await.unwrap();
        routes.post(&body(told("a", "resolved"))).await.unwrap();
        for _ in 0..=REMIND_BEATS {
            routes.beat().await;
        }
        assert_eq!(*posts.lock().unwrap(), [1, 1, 1, 2, 0, 0, 2], "three posts, then heartbeats");
        dead.store(true, Ordering::SeqCst);
        routes.beat().await;
        dead.store(false, Ordering::SeqCst);
        routes.beat().await;
        assert_eq!(posts.lock().unwrap().last(), Some(&2), "one that is back has forgotten all");
    }
}
