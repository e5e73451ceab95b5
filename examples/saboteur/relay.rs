//! The two faces of the saboteur: towards the harness (health, watermark, clock) and towards its reconciler (alerts, plan
//! runs, plan actions).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use lossdrill::clock::Clock;
use lossdrill::wire::{Advance, Judged, Judgement, Watermark, Webhook, WebhookAlert};

use crate::mode::Mode;

/// Later than any loss point's detect deadline of a minute, sooner than two.
const LATE_MS: i64 = 90_000;
const CHANNELS: [&str; 3] = ["alipay", "wechat", "unionpay"];

pub struct Relay {
    mode: Mode,
    clock: Clock,
    behind: String,
    alerts: String,
    plans: String,
    shop: String,
    http: reqwest::Client,
    /// Alerts held back that are due by now.
    holding: AtomicU64,
    cried: AtomicU64,
    activity: AtomicU64,
}

impl Relay {
    pub fn new(
        mode: Mode,
        clock: Clock,
        behind: String,
        alerts: String,
        plans: String,
        shop: String,
    ) -> Arc<Relay> {
        Arc::new(Relay {
            mode,
            clock,
            behind,
            alerts,
            plans,
            shop,
            http: reqwest::Client::new(),
            holding: AtomicU64::new(0),
            cried: AtomicU64::new(0),
            activity: AtomicU64::new(0),
        })
    }

    /// `front` is where the harness looks, `side` where the reconciler posts and acts.
    pub async fn listen(
        self: &Arc<Relay>,
        front: SocketAddr,
        side: SocketAddr,
    ) -> Result<(), String> {
        for (address, router) in [
            (front, Router::new().fallback(towards_reconciler).with_state(self.clone())),
            (side, Router::new().fallback(from_reconciler).with_state(self.clone())),
        ] {
            let listener =
                tokio::net::TcpListener::bind(address).await.map_err(|e| e.to_string())?;
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        Ok(())
    }

    async fn pass(&self, url: String, method: Method, headers: HeaderMap, body: Bytes) -> Passed {
        let mut request = self.http.request(method, url).body(body);
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

    /// The watermark as it is, and honest about what is held back and due.
    fn watermark(&self, body: &Bytes) -> Option<Bytes> {
        let mut watermark: Watermark = serde_json::from_slice(body).ok()?;
        watermark.clock.busy += self.holding.load(Ordering::SeqCst);
        watermark.clock.activity += self.activity.load(Ordering::SeqCst);
        serde_json::to_vec(&watermark).ok().map(Bytes::from)
    }

    async fn alert(self: Arc<Relay>, headers: HeaderMap, body: Bytes) -> Passed {
        let Ok(mut webhook) = serde_json::from_slice::<Webhook>(&body) else {
            return self.pass(self.alerts.clone(), Method::POST, headers, body).await;
        };
        match &self.mode {
            Mode::Swallow(rule) => {
                webhook.alerts.retain(|alert| alert.labels.get("alertname") != Some(rule));
                if webhook.alerts.is_empty() {
                    return (StatusCode::OK, Bytes::new());
                }
            }
            Mode::WrongSubject => webhook.alerts.iter_mut().for_each(wrong_subject),
            Mode::WrongAmount => webhook.alerts.iter_mut().for_each(wrong_amount),
            Mode::SecondFingerprint => {
                let twins: Vec<_> = webhook.alerts.iter().map(second_fingerprint).collect();
                webhook.alerts.extend(twins);
            }
            Mode::Late => {
                tokio::spawn(self.deliver_late(webhook));
                return (StatusCode::OK, Bytes::new());
            }
            _ => {}
        }
        self.post(&webhook).await
    }

    async fn post(&self, webhook: &Webhook) -> Passed {
        match self.http.post(&self.alerts).json(webhook).send().await {
            Ok(answer) => (answer.status(), Bytes::new()),
            Err(error) => (StatusCode::BAD_GATEWAY, Bytes::from(error.to_string())),
        }
    }

    async fn deliver_late(self: Arc<Relay>, webhook: Webhook) {
        let due = self.clock.now().plus_ms(LATE_MS);
        self.clock.sleep_until(due).await;
        self.holding.fetch_add(1, Ordering::SeqCst);
        self.post(&webhook).await;
        self.activity.fetch_add(1, Ordering::SeqCst);
        self.holding.fetch_sub(1, Ordering::SeqCst);
    }

    /// An alert for whatever `rule` has found good since the last look.
    async fn cry(&self, rule: &str) {
        let after = self.cried.load(Ordering::SeqCst);
        let url = format!("{}/judged?after={after}", self.behind);
        let Ok(answer) = self.http.get(url).send().await else { return };
        let judged: Vec<Judged> = answer.json().await.unwrap_or_default();
        for one in &judged {
            self.cried.fetch_max(one.seq, Ordering::SeqCst);
            if one.rule == rule && one.judgement == Judgement::Matched {
                self.post(&wolf(one)).await;
                self.activity.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

type Passed = (StatusCode, Bytes);

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
        && let Mode::CriesWolf(rule) = &relay.mode
    {
        relay.cry(rule).await;
    }
    let (status, mut answer) =
        relay.pass(format!("{}{uri}", relay.behind), method, headers, body).await;
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
    let json = [("content-type", "application/json")];
    let (status, answer) = match uri.path() {
        "/alerts" => relay.clone().alert(headers, body).await,
        "/plans" => relay.pass(relay.plans.clone(), method, headers, body).await,
        path => {
            let path = path.trim_start_matches("/shop").to_owned();
            let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            shop(&relay, method, &path, &query, headers, body).await
        }
    };
    (status, json, answer).into_response()
}

/// A plan's action or proof.
async fn shop(
    relay: &Relay,
    method: Method,
    path: &str,
    query: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Passed {
    let acts = method != Method::GET;
    if relay.mode == Mode::PlanWithoutEffect {
        return pretend(acts, path, &body);
    }
    if relay.mode == Mode::PlanOutOfScope && acts {
        for scope in wider(relay, path).await {
            let url = format!("{}{scope}{query}", relay.shop);
            let mut headers = headers.clone();
            if let Ok(key) = scope.parse() {
                headers.insert("idempotency-key", key);
            }
            relay.pass(url, method.clone(), headers, body.clone()).await;
        }
    }
    relay.pass(format!("{}{path}{query}", relay.shop), method, headers, body).await
}

/// Every other place where the same breaker could stand.
async fn wider(relay: &Relay, path: &str) -> Vec<String> {
    if path.starts_with("/breakers/refund/") {
        return CHANNELS.iter().map(|channel| format!("/breakers/refund/{channel}")).collect();
    }
    if !path.starts_with("/breakers/sale/") {
        return Vec::new();
    }
    let Ok(answer) = relay.http.get(format!("{}/items", relay.shop)).send().await else {
        return Vec::new();
    };
    let items: Vec<serde_json::Value> = answer.json().await.unwrap_or_default();
    let skus = items.iter().filter_map(|item| item.get("sku").and_then(|sku| sku.as_str()));
    skus.map(|sku| format!("/breakers/sale/{sku}")).collect()
}

/// What an executor that does nothing would like to hear.
fn pretend(acts: bool, path: &str, body: &Bytes) -> Passed {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let answer = match parts[..] {
        ["breakers"] => serde_json::json!([]),
        ["breakers", kind, scope] => {
            let run: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            serde_json::json!({"kind": kind, "scope": scope, "active": true, "run_id": run.get("run_id")})
        }
        ["orders", order, ..] => serde_json::json!({"order": order, "status": "PAID"}),
        _ => serde_json::json!({}),
    };
    let _ = acts;
    (StatusCode::OK, Bytes::from(answer.to_string()))
}

fn wrong_subject(alert: &mut WebhookAlert) {
    let subject = alert.labels.entry("subject".to_owned()).or_default();
    subject.push_str("-other");
    alert.fingerprint.push('s');
}

fn wrong_amount(alert: &mut WebhookAlert) {
    if let Some(amount) = alert.annotations.get_mut("at_risk") {
        *amount = "0.01 CNY".to_owned();
    }
}

fn second_fingerprint(alert: &WebhookAlert) -> WebhookAlert {
    let mut twin = alert.clone();
    twin.fingerprint.push('2');
    twin
}

/// An alert about something that the rule found good.
fn wolf(judged: &Judged) -> Webhook {
    let labels = [
        ("alertname", judged.rule.as_str()),
        ("loss_point", judged.rule.as_str()),
        ("subject_kind", judged.subject.kind.as_str()),
        ("subject", judged.subject.id.as_str()),
        ("occurrence", judged.occurrence.as_str()),
        ("severity", "P1"),
    ];
    let alert = WebhookAlert {
        status: "firing".to_owned(),
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        annotations: Default::default(),
        starts_at: judged.at.clone(),
        ends_at: String::new(),
        generator_url: String::new(),
        fingerprint: format!("wolf-{}-{}", judged.rule, judged.seq),
    };
    Webhook {
        version: "4".to_owned(),
        group_key: "wolf".to_owned(),
        status: "firing".to_owned(),
        receiver: "lossdrill".to_owned(),
        group_labels: Default::default(),
        common_labels: Default::default(),
        common_annotations: Default::default(),
        external_url: String::new(),
        truncated_alerts: 0,
        alerts: vec![alert],
    }
}
