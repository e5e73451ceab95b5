//! A mock target and a mock results database, for tests of the executor as it is.
//!
//! The mock target keeps its promise about `Idempotency-Key`: a repeat is answered, and has no effect. Both stop at a point
//! that the test
//! chooses. SQL and Kafka are not mocked: a step of theirs fails here.

use std::collections::{BTreeMap, HashMap};
use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::{any, post};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;

use super::action::Targets;
use super::executor::{Ended, Shared, lock};
use super::load::{Known, load_texts};
use super::spec::PlanSpec;
use crate::clock::{CellTime, Clock, rfc3339};
use crate::dcheck::alerts::{Channel, ChannelSpec, Delivery, Ladder, Producer, Routes, Way};
use crate::dcheck::results::sql::SqlClient;
use crate::dcheck::results::{MockCommit, Writer};
use crate::wire::{Effect, PlanRun, PlanState, Subject};

/// What outlives a process.
#[derive(Default)]
pub struct World {
    /// Points until the process that lives now dies.
    pub left: AtomicU64,
    pub dead: AtomicBool,
    pub active: AtomicBool,
    /// Every request by key, in order, with the receipts that were stored by then.
    pub asked: Mutex<Vec<(String, usize)>>,
    /// Keys that had their effect, in order.
    pub done: Mutex<Vec<String>>,
    pub runs: Mutex<BTreeMap<String, PlanRun>>,
    /// The mock database loses receipts: what the test must be able to see.
    pub loses_receipts: bool,
}

impl World {
    async fn point(&self) {
        let left =
            self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
        if left.is_err() {
            self.dead.store(true, Ordering::Release);
            pending::<()>().await;
        }
    }

    /// Receipts that are durable.
    pub fn receipts(&self) -> usize {
        lock(&self.runs).values().map(|run| run.steps.len()).sum()
    }

    pub fn stored(&self, run_id: &str) -> Option<PlanRun> {
        lock(&self.runs).get(run_id).cloned()
    }

    async fn store(self: Arc<World>, mut commits: mpsc::Receiver<MockCommit>) {
        while let Some((batch, done)) = commits.recv().await {
            self.point().await;
            for run in &batch.runs {
                let mut run = run.clone();
                if self.loses_receipts {
                    run.steps.clear();
                }
                lock(&self.runs).insert(run.run_id.clone(), run);
            }
            self.point().await;
            let _ = done.send(());
        }
    }
}

async fn target(
    State(world): State<Arc<World>>,
    method: Method,
    headers: HeaderMap,
) -> axum::Json<serde_json::Value> {
    world.point().await;
    if let Some(key) = headers.get("idempotency-key") {
        let key = key.to_str().unwrap().rsplit(':').next().unwrap().to_owned();
        lock(&world.asked).push((key.clone(), world.receipts()));
        let mut done = lock(&world.done);
        if !done.contains(&key) {
            match (&method, key.as_str()) {
                (&Method::PUT, _) => world.active.store(true, Ordering::Release),
                (&Method::DELETE, _) => world.active.store(false, Ordering::Release),
                _ => {}
            }
            done.push(key);
        }
    }
    world.point().await;
    axum::Json(serde_json::json!({"active": world.active.load(Ordering::Acquire)}))
}

pub async fn serve(world: Arc<World>) -> SocketAddr {
    let router = Router::new()
        .route("/events", post(async || ()))
        .route("/{*any}", any(target))
        .with_state(world);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

pub fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// What the runs of one process share. Must be called on its runtime.
pub fn shared(
    world: &Arc<World>,
    address: SocketAddr,
    clock: &Clock,
    plans: &[&str],
) -> (Arc<Shared>, mpsc::Receiver<Ended>) {
    let (writer, commits) = Writer::mocked();
    tokio::spawn(Arc::clone(world).store(commits));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{address}/events");
    let events = Way::new(Channel::new(ChannelSpec::WebhookV4 { url }, http.clone()), None);
    let events = Arc::new(Routes::new(events, None, Ladder::default()));
    let targets = Targets {
        http,
        urls: [("mock".to_owned(), format!("http://{address}"))].into(),
        sql: Arc::new(SqlClient::new("mysql://nobody@127.0.0.1:1/none").unwrap()),
        kafka: Producer::new("127.0.0.1:1", "none"),
        topic_prefix: String::new(),
    };
    let (ended, ends) = mpsc::channel(16);
    let shared = Arc::new(Shared {
        targets: Arc::new(targets),
        events: Delivery::start(events, clock.clone(), writer.clone()),
        writer,
        clock: clock.clone(),
        numbers: Arc::default(),
        state: Arc::default(),
        ended,
        halts: Arc::default(),
        turns: Arc::default(),
        specs: specs(plans),
    });
    (shared, ends)
}

fn specs(plans: &[&str]) -> HashMap<String, Arc<PlanSpec>> {
    let texts: Vec<(String, String)> =
        plans.iter().map(|plan| ("p.yaml".to_owned(), (*plan).to_owned())).collect();
    let specs = load_texts(&texts, &Known::default()).unwrap();
    specs.into_iter().map(|spec| (spec.id.clone(), Arc::new(spec))).collect()
}

pub fn armed(plan: &str, effect: Effect, now: CellTime) -> PlanRun {
    PlanRun {
        plan: plan.into(),
        run_id: format!("{plan}-1"),
        alert: "f".into(),
        rule: "bid-below-market".into(),
        scope: vec![Subject::new("item", "S-1")],
        effect,
        steps: Vec::new(),
        state: PlanState::Armed,
        started_at: rfc3339(now.0),
        updated_at: rfc3339(now.0),
        reverts_at: None,
        note: String::new(),
    }
}
