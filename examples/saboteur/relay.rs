//! The two faces of the saboteur: towards the harness (health, watermark, clock) and towards its reconciler (alerts, plan
//! runs, plan actions).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use lossdrill::clock::{CellTime, Clock, parse_rfc3339, rfc3339};
use lossdrill::wire::{
    Advance, Judged, Judgement, PlanRun, PlanState, Watermark, Webhook, WebhookAlert,
};
use serde::Serialize;
use tokio::net::TcpListener;

use crate::forgery;
use crate::held::Held;
use crate::mode::Mode;
use crate::shop::{Asked, Shop};

/// Held this long an alert misses a detect deadline of a minute even where it was due at once, and comes within the
/// minute after it even where its rule waits for a window of half a minute, or for the next two check-ups of a part: late,
/// not never.
const LATE_MS: i64 = 62_000;
/// Likewise a plan, whose deadline is five minutes.
const PLAN_LATE_MS: i64 = 302_000;
/// A slow network: real time, and more than the harness's pause between two looks.
const SLOW: Duration = Duration::from_millis(200);

/// Where everything is that we stand between.
pub struct Ends {
    /// The reconciler's console.
    pub console: String,
    /// Where alerts belong, by the first channel and by the second; and plan runs.
    pub alerts: String,
    pub second: String,
    pub plans: String,
    pub shop: String,
    /// The platform's SQL.
    pub books: String,
}

pub struct Relay {
    mode: Mode,
    clock: Clock,
    ends: Ends,
    shop: Arc<Shop>,
    http: reqwest::Client,
    held: Arc<Held>,
    /// Plan runs that are held back, in the order in which they were told.
    late_runs: tokio::sync::Mutex<VecDeque<(HeaderMap, Bytes)>>,
    cried: AtomicU64,
    /// What is forged once for a whole scenario was forged.
    forged: AtomicBool,
    activity: AtomicU64,
}

impl Relay {
    pub fn new(mode: Mode, clock: Clock, ends: Ends) -> Result<Arc<Relay>, String> {
        let http = reqwest::Client::builder().no_proxy().build().map_err(|e| e.to_string())?;
        let shop =
            Arc::new(Shop::new(mode.clone(), ends.shop.clone(), ends.books.clone(), http.clone()));
        Ok(Arc::new(Relay {
            mode,
            held: Held::new(clock.clone()),
            late_runs: tokio::sync::Mutex::default(),
            clock,
            ends,
            shop,
            http,
            cried: AtomicU64::new(0),
            forged: AtomicBool::new(false),
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

    /// What the harness hears in the reconciler's stead.
    fn instead(&self, uri: &Uri) -> Option<(StatusCode, &'static str)> {
        match (&self.mode, uri.path()) {
            (Mode::NeverReady, "/healthz") => {
                Some((StatusCode::SERVICE_UNAVAILABLE, r#"{"ready": false, "reasons": ["soon"]}"#))
            }
            (Mode::DeafAndLying, "/healthz") => Some((StatusCode::OK, r#"{"ready": true}"#)),
            (Mode::NoJudgements, "/judged") => Some((StatusCode::OK, "[]")),
            (Mode::ClockIgnored, "/clock/advance") => Some((StatusCode::OK, "{}")),
            _ => None,
        }
    }

    /// The watermark as it is, and honest about what is held back, but where the mode lies in it.
    fn watermark(&self, body: &Bytes) -> Option<Bytes> {
        let mut watermark: Watermark = serde_json::from_slice(body).ok()?;
        let (overdue, held_to) = self.held.outlook();
        let report = &mut watermark.clock;
        report.busy += overdue + u64::from(self.mode == Mode::WorksWithoutEnd);
        let own = report.next_due.as_deref().and_then(parse_rfc3339).map(CellTime);
        report.next_due = held_to.into_iter().chain(own).min().map(|at| rfc3339(at.0));
        let activity = [&self.activity, &self.held.activity];
        report.activity += activity.iter().map(|count| count.load(Ordering::SeqCst)).sum::<u64>();
        if self.mode == Mode::DeafAndLying {
            // Kafka is still heard: its marks are the last ones there are.
            let last = watermark.read.values().copied().max().unwrap_or(0);
            watermark.read.insert("binlog".to_owned(), 0);
            watermark.read.values_mut().for_each(|read| *read = last);
            (watermark.settled, watermark.checkpoint) = (last, last);
            watermark.behind.clear();
        }
        serde_json::to_vec(&watermark).ok().map(Bytes::from)
    }

    /// An alert on its way to `url`, which is that of either channel.
    async fn alert(self: Arc<Relay>, url: String, headers: HeaderMap, body: Bytes) -> Passed {
        let Ok(mut webhook) = serde_json::from_slice::<Webhook>(&body) else {
            return pass(&self.http, url, Method::POST, headers, body).await;
        };
        let is_heartbeat = webhook.alerts.is_empty();
        match &self.mode {
            Mode::Swallow(rule) => {
                webhook.alerts.retain(|alert| alert.labels.get("alertname") != Some(rule));
            }
            Mode::DeafAndLying => {
                let blind = |alert: &WebhookAlert| {
                    alert.labels.get("subject_kind").is_some_and(|kind| kind == "source")
                };
                webhook.alerts.retain(|alert| !blind(alert));
            }
            Mode::WrongSubject => webhook.alerts.iter_mut().for_each(forgery::wrong_subject),
            Mode::WrongAmount => webhook.alerts.iter_mut().for_each(forgery::wrong_amount),
            Mode::WrongLossPoint => webhook.alerts.iter_mut().for_each(forgery::wrong_loss_point),
            Mode::SecondFingerprint => {
                let twins: Vec<_> =
                    webhook.alerts.iter().map(forgery::second_fingerprint).collect();
                webhook.alerts.extend(twins);
            }
            Mode::Late | Mode::Backdated => {
                let relay = self.clone();
                self.held.hold(LATE_MS, async move { relay.post_late(&url, webhook).await });
                return (StatusCode::OK, Bytes::new());
            }
            Mode::Garbled => {
                let half = body.slice(..body.len() / 2);
                return pass(&self.http, url, Method::POST, headers, half).await;
            }
            _ => {}
        }
        if webhook.alerts.is_empty() && !is_heartbeat {
            return (StatusCode::OK, Bytes::new());
        }
        let posted = self.post(&url, &webhook).await;
        if let Some(first) = webhook.alerts.first().filter(|alert| alert.status == "firing") {
            self.beside(&url, first).await;
        }
        posted
    }

    async fn post_late(&self, url: &str, mut webhook: Webhook) {
        if self.mode == Mode::Late {
            let now = rfc3339(self.clock.now().0);
            webhook.alerts.iter_mut().for_each(|alert| now.clone_into(&mut alert.starts_at));
        }
        self.post(url, &webhook).await;
    }

    /// What some modes add to the scenario's first alert, on the channel that it went by.
    async fn beside(&self, url: &str, alert: &WebhookAlert) {
        let adds = matches!(self.mode, Mode::CriesAtStrangers | Mode::PlanBesideThePoint);
        if !adds || self.forged.load(Ordering::SeqCst) {
            return;
        }
        let Some(stranger) = self.judged(0).await.into_iter().find(forgery::is_stranger) else {
            return;
        };
        if self.forged.swap(true, Ordering::SeqCst) {
            return;
        }
        if self.mode == Mode::CriesAtStrangers {
            self.post(url, &forgery::at_stranger(alert, &stranger)).await;
        } else {
            self.press_the_button(&stranger, &alert.fingerprint).await;
        }
    }

    async fn press_the_button(&self, judged: &Judged, alert: &str) {
        let run = forgery::panic_button(&judged.subject, alert, self.clock.now());
        self.post(&self.ends.plans, &run).await;
        self.activity.fetch_add(1, Ordering::SeqCst);
    }

    async fn plan(self: Arc<Relay>, headers: HeaderMap, body: Bytes) -> Passed {
        match self.mode {
            Mode::PlanUnannounced => return (StatusCode::OK, Bytes::new()),
            Mode::PlanLate => {
                self.late_runs.lock().await.push_back((headers, body));
                let relay = self.clone();
                self.held.hold(PLAN_LATE_MS, async move { relay.post_late_run().await });
                return (StatusCode::OK, Bytes::new());
            }
            Mode::PlanUndoneAtOnce => {
                let run: Option<PlanRun> = serde_json::from_slice(&body).ok();
                if let Some(run) = run.filter(|run| run.state == PlanState::Effective) {
                    self.shop.undo(&run.run_id).await;
                }
            }
            Mode::PlanWearsOff => self.wear_off(&body),
            _ => {}
        }
        self.post_body(&self.ends.plans, headers, body).await
    }

    /// The one that was told first: several may be due at once, and their order is part of what they say.
    async fn post_late_run(&self) {
        let mut runs = self.late_runs.lock().await;
        if let Some((headers, body)) = runs.pop_front() {
            drop(self.post_body(&self.ends.plans, headers, body).await);
        }
    }

    fn wear_off(&self, body: &Bytes) {
        let Ok(run) = serde_json::from_slice::<PlanRun>(body) else { return };
        let ends = run.reverts_at.as_deref().and_then(parse_rfc3339);
        if let Some(ends) = ends.filter(|_| run.state == PlanState::Effective) {
            let (shop, half) = (self.shop.clone(), (ends - self.clock.now().0) / 2);
            self.held.hold(half, async move { shop.undo(&run.run_id).await });
        }
    }

    /// As often and as fast as the mode posts.
    async fn post_body(&self, url: &str, headers: HeaderMap, body: Bytes) -> Passed {
        if self.mode == Mode::SlowPosts {
            tokio::time::sleep(SLOW).await;
        }
        if self.mode == Mode::Resends {
            for _ in 0..2 {
                let (headers, body) = (headers.clone(), body.clone());
                pass(&self.http, url.to_owned(), Method::POST, headers, body).await;
            }
        }
        pass(&self.http, url.to_owned(), Method::POST, headers, body).await
    }

    async fn post(&self, url: &str, message: &impl Serialize) -> Passed {
        let json = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, json)]);
        let body = serde_json::to_vec(message).expect("invariant: wire types are JSON");
        self.post_body(url, headers, body.into()).await
    }

    /// The reconciler's own judgements after number `after`.
    async fn judged(&self, after: u64) -> Vec<Judged> {
        let url = format!("{}/judged?after={after}", self.ends.console);
        let Ok(answer) = self.http.get(url).send().await else { return Vec::new() };
        answer.json().await.unwrap_or_default()
    }

    /// An alert for whatever `rule` has found good since the last look.
    async fn cry(&self, rule: &str, about: &str) {
        for one in &self.judged(self.cried.load(Ordering::SeqCst)).await {
            if one.seq <= self.cried.fetch_max(one.seq, Ordering::SeqCst) {
                continue;
            }
            let good = one.rule == rule && one.judgement == Judgement::Matched;
            if good && one.subject.id.starts_with(about) {
                self.post(&self.ends.alerts, &forgery::wolf(one)).await;
                self.activity.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// A plan about the first thing that any rule found good.
    async fn panic(&self) {
        if self.forged.load(Ordering::SeqCst) {
            return;
        }
        let good = |one: &Judged| one.judgement == Judgement::Matched;
        let Some(judged) = self.judged(0).await.into_iter().find(good) else { return };
        if !self.forged.swap(true, Ordering::SeqCst) {
            self.press_the_button(&judged, "none").await;
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
    if let Some((status, answer)) = relay.instead(&uri) {
        return (status, [("content-type", "application/json")], answer).into_response();
    }
    if uri.path() == "/clock/advance"
        && let Ok(advance) = serde_json::from_slice::<Advance>(&body)
    {
        relay.clock.advance(advance.seq, advance.offset_ms);
    }
    if uri.path() == "/watermark" {
        match &relay.mode {
            Mode::CriesWolf { rule, about } => relay.cry(rule, about).await,
            Mode::PlanWithoutCause => relay.panic().await,
            _ => {}
        }
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
        "/alerts" => relay.clone().alert(relay.ends.alerts.clone(), headers, body).await,
        "/second-alerts" => relay.clone().alert(relay.ends.second.clone(), headers, body).await,
        "/plans" => relay.clone().plan(headers, body).await,
        path => {
            let path = path.strip_prefix("/shop").unwrap_or(path);
            let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            let asked = Asked { method, path: path.to_owned(), query, headers, body };
            if relay.mode == Mode::PlanLate && asked.method != Method::GET {
                let (shop, later) = (relay.shop.clone(), asked.clone());
                relay.held.hold(PLAN_LATE_MS, async move { drop(shop.pass(&later).await) });
            }
            relay.shop.asked(asked).await
        }
    };
    if status == StatusCode::BAD_GATEWAY {
        // Cut without an answer, as our own connection was; nothing to be printed.
        std::panic::resume_unwind(Box::new("cut"));
    }
    (status, [("content-type", "application/json")], answer).into_response()
}
