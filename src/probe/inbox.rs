//! The alert inbox: an HTTP server that takes Alertmanager webhooks and plan runs into the journal.
//!
//! Every post is stamped with cell time in the handler, as soon as its body is there and before it
//! is parsed. Posts of the same alert are all kept: the judge tells repeats apart. Knows no rule.

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

use super::{ProbeError, Recorder};
use crate::clock::{CellTime, parse_rfc3339};
use crate::journal::Event;
use crate::money::Money;
use crate::wire::{Alert, AlertState, PlanRun, Subject, Webhook, WebhookAlert};

/// A webhook carries a group of alerts of about 1 KB each; more than this is no webhook.
const BODY_BYTES_MAX: usize = 4 << 20;
/// How much of a bad body a note quotes.
const QUOTE_CHARS_MAX: usize = 300;

struct Shared {
    recorder: Recorder,
    posts: AtomicU64,
}

/// Listens until it is dropped.
pub struct Inbox {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
}

impl Inbox {
    /// On a free port of 127.0.0.1.
    pub async fn start(recorder: Recorder) -> Result<Inbox, ProbeError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(ProbeError::Listen)?;
        let address = listener.local_addr().map_err(ProbeError::Listen)?;
        let shared = Arc::new(Shared { recorder, posts: AtomicU64::new(0) });
        let router = Router::new()
            .route("/alerts", post(take_alerts))
            .route("/plans", post(take_plan))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(shared.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            // Dropping the sender ends it: idle connections close at once, a post in progress is
            // answered.
            let over = async move { drop(stopped.await) };
            let _ = axum::serve(listener, router).with_graceful_shutdown(over).await;
        });
        Ok(Inbox { address, shared, stop: Some(stop) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn alerts_url(&self) -> String {
        format!("http://{}/alerts", self.address)
    }

    pub fn plans_url(&self) -> String {
        format!("http://{}/plans", self.address)
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
    let at = shared.recorder.clock().now();
    let parsed = serde_json::from_slice::<Webhook>(&body)
        .map_err(|error| error.to_string())
        .and_then(|webhook| webhook.alerts.iter().map(alert_of).collect::<Result<Vec<_>, _>>());
    if parsed.as_ref().is_ok_and(Vec::is_empty) {
        // A heartbeat: it asks whether anybody listens, and tells nothing.
        return (StatusCode::OK, String::new());
    }
    let events = parsed.map(|alerts| alerts.into_iter().map(|alert| Event::Alerted { alert }));
    shared.take(at, "alert", &body, events.map(Iterator::collect))
}

async fn take_plan(State(shared): State<Arc<Shared>>, body: Bytes) -> Answer {
    let at = shared.recorder.clock().now();
    let parsed = serde_json::from_slice::<PlanRun>(&body).map_err(|error| error.to_string());
    shared.take(at, "plan run", &body, parsed.map(|run| vec![Event::PlanRan { run }]))
}

impl Shared {
    fn take(
        &self,
        at: CellTime,
        what: &str,
        body: &[u8],
        parsed: Result<Vec<Event>, String>,
    ) -> Answer {
        let answer = self.keep(at, what, body, parsed);
        // After the entries, so that whoever sees the count finds them.
        self.posts.fetch_add(1, Ordering::Release);
        answer
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
                let text = format!("inbox: a post that is no {what}: {reason}: {quote}");
                self.recorder.record(at, Event::Note { text });
                (StatusCode::BAD_REQUEST, format!("no {what}: {reason}"))
            }
        }
    }
}

/// The plain record of a webhook's alert. `loss_point`, `occurrence` and `severity` may be left out
/// by a foreign reconciler; rule, subject, fingerprint and times may not.
fn alert_of(posted: &WebhookAlert) -> Result<Alert, String> {
    let label = |name: &str| posted.labels.get(name).cloned();
    let need = |name: &str| match label(name) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(format!("label `{name}` is missing")),
    };
    let note = |name: &str| posted.annotations.get(name).cloned().unwrap_or_default();
    let state = match posted.status.as_str() {
        "firing" => AlertState::Firing,
        "resolved" => AlertState::Resolved,
        other => return Err(format!("status `{other}` is neither `firing` nor `resolved`")),
    };
    if parse_rfc3339(&posted.starts_at).is_none() {
        return Err(format!("startsAt `{}` is not RFC 3339", posted.starts_at));
    }
    if posted.fingerprint.is_empty() {
        return Err("fingerprint is empty".to_owned());
    }
    let at_risk = match note("at_risk").as_str() {
        "" => None,
        text => {
            Some(text.parse::<Money>().map_err(|error| format!("annotation at_risk: {error}"))?)
        }
    };
    Ok(Alert {
        rule: need("alertname")?,
        loss_point: label("loss_point").unwrap_or_default(),
        subject: Subject::new(need("subject_kind")?, need("subject")?),
        occurrence: label("occurrence").unwrap_or_default(),
        severity: label("severity").unwrap_or_default(),
        at_risk,
        expected: note("expected"),
        actual: note("actual"),
        position: note("position"),
        starts_at: posted.starts_at.clone(),
        state,
        fingerprint: posted.fingerprint.clone(),
    })
}

#[cfg(test)]
#[path = "inbox_tests.rs"]
mod tests;
