//! The alert inbox: an HTTP server that takes alerts and plan runs into the journal, and the feeds of
//! a reconciler that posts nothing.
//!
//! Every message is stamped with cell time as soon as its body is there and before it is parsed. Posts
//! of the same alert are all kept: the judge tells repeats apart. Knows no rule; `reading` knows formats.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::feeds::FeedAt;
use super::reading::{Reading, Topic};
use super::{ProbeError, Recorder};
use crate::clock::CellTime;
use crate::journal::Event;

/// A webhook carries a group of alerts of about 1 KB each; more than this is no webhook.
const BODY_BYTES_MAX: usize = 4 << 20;
/// How much of a bad body a note quotes.
const QUOTE_CHARS_MAX: usize = 300;

/// Where the inbox listens, and how what is posted there is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboxSpec {
    /// Port 0 is any free one.
    pub listen: SocketAddr,
    pub alerts_path: String,
    pub plans_path: String,
    pub alerts: Reading,
    pub plans: Reading,
}

impl Default for InboxSpec {
    /// For the built-in reconciler, on 127.0.0.1.
    fn default() -> InboxSpec {
        InboxSpec {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            alerts_path: "/alerts".to_owned(),
            plans_path: "/plans".to_owned(),
            alerts: Reading::builtin(Topic::Alerts),
            plans: Reading::builtin(Topic::Plans),
        }
    }
}

/// What handlers and feeds share.
pub(super) struct Shared {
    recorder: Recorder,
    posts: AtomicU64,
    spec: InboxSpec,
}

/// Listens until it is dropped.
pub struct Inbox {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    /// Aborted when the set is dropped.
    feeds: JoinSet<()>,
}

impl Inbox {
    /// For the built-in reconciler, on a free port of 127.0.0.1.
    pub async fn start(recorder: Recorder) -> Result<Inbox, ProbeError> {
        Inbox::open(InboxSpec::default(), recorder).await
    }

    pub async fn open(spec: InboxSpec, recorder: Recorder) -> Result<Inbox, ProbeError> {
        let failed = |source| ProbeError::Listen { at: spec.listen, source };
        let listener = TcpListener::bind(spec.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (alerts, plans) = (spec.alerts_path.clone(), spec.plans_path.clone());
        let shared = Arc::new(Shared { recorder, posts: AtomicU64::new(0), spec });
        let router = Router::new()
            .route(&alerts, post(take_alerts))
            .route(&plans, post(take_plan))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(shared.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            // Dropping the sender ends it: idle connections close at once, a post in progress is
            // answered.
            let over = async move { drop(stopped.await) };
            let _ = axum::serve(listener, router).with_graceful_shutdown(over).await;
        });
        Ok(Inbox { address, shared, stop: Some(stop), feeds: JoinSet::new() })
    }

    /// Follows one more source until this is dropped. What was there when this returns is not new.
    pub async fn follow(&mut self, feed: FeedAt) {
        let follower = feed.start(self.shared.clone()).await;
        self.feeds.spawn(follower);
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn alerts_url(&self) -> String {
        format!("http://{}{}", self.address, self.shared.spec.alerts_path)
    }

    pub fn plans_url(&self) -> String {
        format!("http://{}{}", self.address, self.shared.spec.plans_path)
    }

    /// Number of posts so far, bad ones too, heartbeats not: equal in two rounds at rest.
    pub fn activity(&self) -> u64 {
        self.shared.posts.load(Ordering::Acquire)
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.stop.take();
    }
}

type Answer = (StatusCode, String);

async fn take_alerts(State(shared): State<Arc<Shared>>, body: Bytes) -> Answer {
    let at = shared.now();
    if shared.spec.alerts.is_heartbeat(&body) {
        // It asks whether anybody listens, and tells nothing.
        return (StatusCode::OK, String::new());
    }
    shared.take(at, Topic::Alerts, &body, shared.spec.alerts.events(&body))
}

async fn take_plan(State(shared): State<Arc<Shared>>, body: Bytes) -> Answer {
    let at = shared.now();
    shared.take(at, Topic::Plans, &body, shared.spec.plans.events(&body))
}

impl Shared {
    pub fn now(&self) -> CellTime {
        self.recorder.clock().now()
    }

    pub fn take(
        &self,
        at: CellTime,
        topic: Topic,
        body: &[u8],
        parsed: Result<Vec<Event>, String>,
    ) -> Answer {
        let answer = self.keep(at, topic.one(), body, parsed);
        // After the entries, so that whoever sees the count finds them.
        self.posts.fetch_add(1, Ordering::Release);
        answer
    }

    pub fn note(&self, text: String) {
        self.recorder.record(self.now(), Event::Note { text });
    }

    fn keep(
        &self,
        at: CellTime,
        what: &str,
        body: &[u8],
        parsed: Result<Vec<Event>, String>,
    ) -> Answer {
        match parsed {
            Ok(events) => {
                for event in events {
                    if !self.recorder.record(at, event) {
                        // Not taken: the sender tries again, and the next scenario finds it already
                        // alerting.
                        let reason = "no scenario listens".to_owned();
                        return (StatusCode::SERVICE_UNAVAILABLE, reason);
                    }
                }
                (StatusCode::OK, String::new())
            }
            Err(reason) => {
                let text = String::from_utf8_lossy(body);
                let quote: String = text.chars().take(QUOTE_CHARS_MAX).collect();
                let text = format!("inbox: a message that is no {what}: {reason}: {quote}");
                self.recorder.record(at, Event::Note { text });
                (StatusCode::BAD_REQUEST, format!("no {what}: {reason}"))
            }
        }
    }
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
