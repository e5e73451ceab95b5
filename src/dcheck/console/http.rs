//! The routes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::metrics::{CONTENT_TYPE, Deeds, open_metrics};
use super::people::{People, person};
use super::plans::{self, PlanOrder, Plans};
use super::rollouts::Wish;
use super::view::{Figures, View};
use super::{rules, services, silences};
use crate::clock::Clock;
use crate::dcheck::alerts::{DeliveryState, Silence};
use crate::dcheck::engine::RuleSet;
use crate::dcheck::plans::RunsState;
use crate::dcheck::results::Writer;
use crate::wire::Advance;

/// What a request orders of the daemon.
#[derive(Debug)]
pub enum Order {
    /// The clock was advanced; mark `seq` is on its way on every source.
    Advanced {
        seq: u64,
    },
    Plan(PlanOrder),
    Silence {
        silence: Silence,
        /// Told once it is stored.
        stored: oneshot::Sender<()>,
    },
    Unsilence {
        id: String,
        who: String,
        stored: oneshot::Sender<()>,
    },
    /// To be raised by another share of its subjects.
    RollOut {
        wish: Wish,
        who: String,
    },
    /// The rule files were read again: a whole set, or every mistake of them.
    Rules(Loaded),
}

/// A set of rules that is in order.
#[derive(Clone, Debug)]
pub struct Files {
    pub rules: Arc<RuleSet>,
    /// It was held against the tables; else nobody could look at them.
    pub fitted: bool,
}

/// The rule files as they are, or the lines of what is not in order.
pub type Loaded = Result<Files, Vec<String>>;

/// What the other tasks know, once they run.
pub struct Tasks {
    pub writer: Writer,
    pub deliveries: Vec<Arc<DeliveryState>>,
    pub runs: Arc<RunsState>,
    pub plans: Plans,
    /// What the sources read and the daemon's task has not taken yet.
    pub unread: Box<dyn Fn() -> u64 + Send + Sync>,
    /// Who may silence alerts and order anything of plans.
    pub people: People,
    /// Numbers of rows, messages and silences.
    pub numbers: Arc<AtomicU64>,
    /// Reads the rule files again.
    pub reload: Box<dyn Fn() -> Loaded + Send + Sync>,
}

/// The console's state, shared with the daemon.
pub struct Console {
    pub clock: Clock,
    drill_clock: bool,
    view: Mutex<View>,
    tasks: OnceLock<Tasks>,
    orders: mpsc::Sender<Order>,
    /// Orders and inputs that are on their way to the daemon's task.
    pub inbound: AtomicU64,
}

impl Console {
    pub fn new(clock: Clock, drill_clock: bool, orders: mpsc::Sender<Order>) -> Arc<Console> {
        Arc::new(Console {
            clock,
            drill_clock,
            view: Mutex::new(View::default()),
            tasks: OnceLock::new(),
            orders,
            inbound: AtomicU64::new(0),
        })
    }

    /// Tells the console of the other tasks; the second call changes nothing.
    pub fn attach(&self, tasks: Tasks) {
        let _ = self.tasks.set(tasks);
    }

    pub(super) fn tasks(&self) -> Option<&Tasks> {
        self.tasks.get()
    }

    /// The view, to read or to bring up to date.
    pub fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the rule files again and hands them to the daemon; none while it is starting.
    pub async fn reload(&self) -> Option<Loaded> {
        let tasks = self.tasks.get()?;
        self.inbound.fetch_add(1, Ordering::AcqRel);
        let loaded = tokio::task::block_in_place(|| (tasks.reload)());
        send(self, Order::Rules(loaded.clone())).await;
        Some(loaded)
    }

    fn figures(&self) -> Figures {
        let now = self.clock.now();
        let mut figures = Figures {
            now,
            offset_ms: self.clock.offset_ms(),
            inbound: self.inbound.load(Ordering::Acquire),
            ..Figures::default()
        };
        let Some(tasks) = self.tasks.get() else { return figures };
        figures.inbound += (tasks.unread)();
        figures.plans_busy = tasks.runs.busy();
        figures.activity = tasks.runs.activity();
        figures.results_away = tasks.writer.is_away();
        figures.next_due.extend(tasks.runs.next_due());
        for delivery in &tasks.deliveries {
            figures.deliveries_due += delivery.due(now);
            figures.activity += delivery.delivered.load(Ordering::Acquire);
            figures.next_due.extend(delivery.next_due());
        }
        figures
    }
}

/// Serves until the process ends.
pub async fn serve(listener: TcpListener, console: Arc<Console>) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(health))
        .route("/watermark", get(watermark))
        .route("/clock", get(clock))
        .route("/clock/advance", post(advance))
        .route("/judged", get(judged))
        .route("/sources", get(sources))
        .route("/rules/reload", post(reload))
        .route("/rules", get(rules::list))
        .route("/rules/{rule}/promote", post(rules::promote))
        .route("/rules/{rule}/rollback", post(rules::roll_back))
        .route("/services", get(services::list))
        .route("/alerts", get(alerts))
        .route("/silences", get(silences::list).post(silences::add))
        .route("/silences/{id}", delete(silences::end))
        .route("/plans", get(plans::list))
        .route("/plans/dry-run", post(plans::dry_run))
        .route("/plans/halted", get(plans::halted))
        .route("/plans/halt", post(plans::halt))
        .route("/plans/resume", post(plans::resume))
        .route("/plans/{run_id}/approve", post(plans::approve))
        .route("/plans/{run_id}/refuse", post(plans::refuse))
        .route("/plans/{run_id}/revert", post(plans::revert))
        .route("/metrics", get(metrics))
        .with_state(console);
    axum::serve(listener, router).await
}

type Shared = State<Arc<Console>>;

async fn health(State(console): Shared) -> Response {
    let health = console.view().health(&console.figures());
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health)).into_response()
}

async fn watermark(State(console): Shared) -> Response {
    let (before, figures) = (console.view().busy, console.figures());
    let view = console.view();
    let mut watermark = view.watermark(&figures);
    // Work that moves between the tasks meanwhile is counted twice, never missed.
    watermark.clock.busy += before.saturating_sub(view.busy);
    Json(watermark).into_response()
}

async fn clock(State(console): Shared) -> Response {
    let (before, figures) = (console.view().busy, console.figures());
    let view = console.view();
    let mut report = view.clock_report(&figures);
    report.busy += before.saturating_sub(view.busy);
    Json(report).into_response()
}

async fn advance(State(console): Shared, Json(order): Json<Advance>) -> Response {
    if !console.drill_clock {
        let why = "this process keeps real time: start it with --drill-clock";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    console.inbound.fetch_add(1, Ordering::AcqRel);
    console.clock.advance(order.seq, order.offset_ms);
    send(&console, Order::Advanced { seq: order.seq }).await;
    clock(State(console)).await
}

pub(super) async fn send(console: &Console, order: Order) {
    if console.orders.send(order).await.is_err() {
        console.inbound.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn judged(State(console): Shared, Query(query): Query<After>) -> Response {
    let view = console.view();
    let from = view.judged.partition_point(|judged| judged.seq <= query.after);
    Json(&view.judged[from..]).into_response()
}

async fn sources(State(console): Shared) -> Response {
    Json(&console.view().sources).into_response()
}

/// 200 with the number of rules, or 422 with every mistake: then the set from before stays. With `--people` it takes a person's
/// token; without, whoever reaches the console may order what the files say already.
async fn reload(State(console): Shared, headers: HeaderMap) -> Response {
    if console.tasks().is_some_and(|tasks| !tasks.people.is_empty())
        && let Err(refusal) = person(&console, &headers, "reload rules")
    {
        return *refusal;
    }
    match console.reload().await {
        Some(Ok(Files { rules, .. })) => {
            Json(json!({"rules": rules.rules().len()})).into_response()
        }
        Some(Err(mistakes)) => {
            (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"refused": mistakes}))).into_response()
        }
        None => (StatusCode::SERVICE_UNAVAILABLE, "starting: try again").into_response(),
    }
}

async fn alerts(State(console): Shared) -> Response {
    Json(console.view().alerts.values().collect::<Vec<_>>()).into_response()
}

async fn metrics(State(console): Shared) -> Response {
    let figures = console.figures();
    let mut deeds = Deeds::default();
    if let Some(tasks) = console.tasks.get() {
        for delivery in &tasks.deliveries {
            deeds.delivered += delivery.delivered.load(Ordering::Acquire);
            deeds.failed_posts += delivery.failed_posts.load(Ordering::Acquire);
        }
        deeds.plan_runs.extend(tasks.runs.counts());
        deeds.halted.extend(tasks.plans.halts.list().into_iter().map(|halt| halt.plan));
    }
    let text = open_metrics(&console.view(), &figures, &deeds);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}
