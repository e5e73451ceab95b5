//! Who is told: a webhook for alerts and a target of plans, with the instant of each arrival.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::Method;
use axum::routing::{any, post};
use lossdrill::wire::Webhook;

/// First arrivals, by what they are about.
#[derive(Default)]
pub struct Arrivals(Mutex<HashMap<String, Instant>>);

impl Arrivals {
    pub fn note(&self, what: String, at: Instant) {
        self.0.lock().unwrap().entry(what).or_insert(at);
    }

    pub fn of(&self, what: &str) -> Option<Instant> {
        self.0.lock().unwrap().get(what).copied()
    }

    /// Until `what` is here; None past `limit`.
    pub async fn until(&self, what: &str, limit: Duration) -> Option<Instant> {
        let from = Instant::now();
        while from.elapsed() < limit {
            match self.of(what) {
                Some(at) => return Some(at),
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
        None
    }
}

#[derive(Default)]
pub struct Inbox {
    /// By subject.
    pub alerts: Arrivals,
    /// First actions, by scope.
    pub actions: Arrivals,
    /// Bare posts, by number.
    pub posts: Arrivals,
}

impl Inbox {
    /// Listens; its address too.
    pub async fn start() -> (Arc<Inbox>, String) {
        let inbox = Arc::new(Inbox::default());
        let router = Router::new()
            .route("/alerts", post(alerts))
            .route("/plans", post(async || ()))
            .route("/posts/{nth}", post(posts))
            .route("/shop/breakers", any(breakers))
            .route("/shop/breakers/sale/{scope}", any(action))
            .with_state(Arc::clone(&inbox));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        (inbox, format!("http://{address}"))
    }
}

async fn alerts(State(inbox): State<Arc<Inbox>>, body: axum::Json<Webhook>) {
    let at = Instant::now();
    for alert in &body.0.alerts {
        inbox.alerts.note(alert.labels.get("subject").cloned().unwrap_or_default(), at);
    }
}

/// As large as an alert, and read as one.
async fn posts(
    State(inbox): State<Arc<Inbox>>,
    Path(nth): Path<String>,
    body: axum::Json<Webhook>,
) {
    drop(body);
    inbox.posts.note(nth, Instant::now());
}

async fn action(State(inbox): State<Arc<Inbox>>, Path(scope): Path<String>, method: Method) {
    if method == Method::PUT {
        inbox.actions.note(scope, Instant::now());
    }
}

/// The plans' proof.
async fn breakers(State(inbox): State<Arc<Inbox>>) -> axum::Json<serde_json::Value> {
    let actions = inbox.actions.0.lock().unwrap();
    let shown =
        |scope: &String| serde_json::json!({"kind": "sale", "scope": scope, "active": true});
    axum::Json(actions.keys().map(shown).collect())
}
