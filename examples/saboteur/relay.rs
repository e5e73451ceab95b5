//! The two faces of the saboteur: towards the harness (health, watermark, clock) and towards its reconciler (alerts, plan
//! runs, plan actions).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use lossdrill::clock::{CellTime, Clock, parse_rfc3339, rfc3339};
use lossdrill::wire::{Advance, Judged, Judgement, Watermark, Webhook};
use tokio::net::TcpListener;

use crate::forgery;
use crate::mode::Mode;
use crate::shop::Shop;

/// Held this long an alert misses a detect deadline of a minute even where it was due at once, and comes within the
/// minute after it even where its rule waits for a window of half a minute: late, not never.
const LATE_MS: i64 = 75_000;

/// Where everything is that we stand between.
pub struct Ends {
    /// The reconciler's console.
    pub console: String,
    /// Where alerts and plan runs belong.
    pub alerts: String,
    pub plans: String,
    pub shop: String,
}

pub struct Relay {
    mode: Mode,
    clock: Clock,
    ends: Ends,
    shop: Shop,
    http: reqwest::Client,
    /// Alerts on their way, by the instant at which each is let go.
    held: Mutex<Vec<CellTime>>,
    cried: AtomicU64,
    activity: AtomicU64,
}

impl Relay {
    pub fn new(mode: Mode, clock: Clock, ends: Ends) -> Result<Arc<Relay>, String> {
        let http = reqwest::Client::builder().no_proxy().build().map_err(|e| e.to_string())?;
        let shop = Shop::new(mode.clone(), ends.shop.clone(), http.clone());
        Ok(Arc::new(Relay {
            mode,
            clock,
            ends,
            shop,
            http,
            held: Mutex::default(),
            cried: AtomicU64::new(0),
            activity: AtomicU64::new(0),
        }))
    }

    /// The harness looks at `front`, the reconciler posts to and acts through `side`.
    pub async fn listen(
        self: &Arc<Relay>,
        front: SocketAddr,
        side: TcpListener,
    ) -> Result<(), String> {
        let front = TcpListener::bind(front).await.map_err(|e| format!("{front}: {e}"))?;
        let towards = Router::new().fallback(towards_reconciler).with_state(self.clone());
        let from = Router::new().fallback(from_reconciler).with_state(self.clone());
        tokio::spawn(async move { axum::serve(front, towards).await });
        tokio::spawn(async move { axum::serve(side, from).await });
        Ok(())
    }

    /// The watermark as it is, and honest about what is held back: due now is busy, later is `next_due`.
    fn watermark(&self, body: &Bytes) -> Option<Bytes> {
        let mut watermark: Watermark = serde_json::from_slice(body).ok()?;
        let report = &mut watermark.clock;
        let now = self.clock.now();
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        report.busy += held.iter().filter(|due| **due <= now).count() as u64;
        let own = report.next_due.as_deref().and_then(parse_rfc3339).map(CellTime);
        let next = held.iter().copied().filter(|due| *due > now).chain(own).min();
        report.next_due = next.map(|at| rfc3339(at.0));
        report.activity += self.activity.load(Ordering::SeqCst);
        serde_json::to_vec(&watermark).ok().map(Bytes::from)
    }

    async fn alert(self: Arc<Relay>, headers: HeaderMap, body: Bytes) -> Passed {
        let Ok(mut webhook) = serde_json::from_slice::<Webhook>(&body) else {
            return pass(&self.http, self.ends.alerts.clone(), Method::POST, headers, body).await;
        };
        match &self.mode {
            Mode::Swallow(rule) => {
                webhook.alerts.retain(|alert| alert.labels.get("alertname") != Some(rule));
                if webhook.alerts.is_empty() {
                    return (StatusCode::OK, Bytes::new());
                }
            }
            Mode::WrongSubject => webhook.alerts.iter_mut().for_each(forgery::wrong_subject),
            Mode::WrongAmount => webhook.alerts.iter_mut().for_each(forgery::wrong_amount),
            Mode::SecondFingerprint => {
                let twins: Vec<_> =
                    webhook.alerts.iter().map(forgery::second_fingerprint).collect();
                webhook.alerts.extend(twins);
            }
            Mode::Late => {
                self.hold(webhook);
                return (StatusCode::OK, Bytes::new());
            }
            _ => {}
        }
        self.post(&webhook).await
    }

    async fn post(&self, webhook: &Webhook) -> Passed {
        match self.http.post(&self.ends.alerts).json(webhook).send().await {
            Ok(answer) => (answer.status(), Bytes::new()),
            Err(error) => (StatusCode::BAD_GATEWAY, Bytes::from(error.to_string())),
        }
    }

    /// Counts as held before the reconciler hears that its alert was taken.
    fn hold(self: &Arc<Relay>, webhook: Webhook) {
        let due = self.clock.now().plus_ms(LATE_MS);
        self.held.lock().unwrap_or_else(PoisonError::into_inner).push(due);
        let relay = self.clone();
        tokio::spawn(async move {
            relay.clock.sleep_until(due).await;
            relay.post(&webhook).await;
            relay.activity.fetch_add(1, Ordering::SeqCst);
            let mut held = relay.held.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = held.iter().position(|at| *at == due) {
                held.swap_remove(at);
            }
        });
    }

    /// An alert for whatever `rule` has found good since the last look.
    async fn cry(&self, rule: &str, about: &str) {
        let after = self.cried.load(Ordering::SeqCst);
        let url = format!("{}/judged?after={after}", self.ends.console);
        let Ok(answer) = self.http.get(url).send().await else { return };
        let judged: Vec<Judged> = answer.json().await.unwrap_or_default();
        for one in &judged {
            if one.seq <= self.cried.fetch_max(one.seq, Ordering::SeqCst) {
                continue;
            }
            let good = one.rule == rule && one.judgement == Judgement::Matched;
            if good && one.subject.id.starts_with(about) {
                self.post(&forgery::wolf(one)).await;
                self.activity.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

/// Status and body of an answer.
pub type Passed = (StatusCode, Bytes);

/// Asks `url` as we were asked.
pub async fn pass(
    http: &reqwest::Client,
    url: String,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Passed {
    let mut request = http.request(method, url).body(body);
    for name in ["content-type", "idempotency-key"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value);
        }
    }
    match request.send().await {
        Ok(answer) => {
            let status = answer.status();
            (status, answer.bytes().await.unwrap_or_default())
        }
        Err(error) => (StatusCode::BAD_GATEWAY, Bytes::from(error.to_string())),
    }
}

/// What the harness asks of the reconciler.
async fn towards_reconciler(
    State(relay): State<Arc<Relay>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if uri.path() == "/clock/advance"
        && let Ok(advance) = serde_json::from_slice::<Advance>(&body)
    {
        relay.clock.advance(advance.seq, advance.offset_ms);
    }
    if uri.path() == "/watermark"
        && let Mode::CriesWolf { rule, about } = &relay.mode
    {
        relay.cry(rule, about).await;
    }
    let url = format!("{}{uri}", relay.ends.console);
    let (status, mut answer) = pass(&relay.http, url, method, headers, body).await;
    if uri.path() == "/watermark"
        && let Some(changed) = relay.watermark(&answer)
    {
        answer = changed;
    }
    (status, [("content-type", "application/json")], answer).into_response()
}

/// What the reconciler posts and does.
async fn from_reconciler(
    State(relay): State<Arc<Relay>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (status, answer) = match uri.path() {
        "/alerts" => relay.clone().alert(headers, body).await,
        "/plans" => pass(&relay.http, relay.ends.plans.clone(), method, headers, body).await,
        path => {
            let path = path.strip_prefix("/shop").unwrap_or(path);
            let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            relay.shop.asked(method, path, &query, headers, body).await
        }
    };
    (status, [("content-type", "application/json")], answer).into_response()
}
