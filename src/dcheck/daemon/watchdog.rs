//! `dcheck watchdog`: a process of its own that watches a reconciler, because a paused one cannot
//! alert.
//!
//! Asks the reconciler for a sign of life and the server for the log's end, and alerts by a channel
//! of its own, without a store. Whether it is silent is decided in `vigil`. Not covered: the heads
//! of topics; a watchdog for the watchdog.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

use super::ends::Patience;
use super::options::WatchdogOptions;
use super::start::{Mistakes, stop_on_signal};
use super::vigil::{Answer, News, Vigil};
use crate::clock::{CellTime, Clock, monotonic_us, rfc3339};
use crate::dcheck::alerts::{self, fingerprint, webhook_body};
use crate::dcheck::console::SourceView;
use crate::dcheck::engine::{RuleHead, RuleSet, Ward, rules};
use crate::dcheck::log;
use crate::dcheck::sources::binlog::LogEndPoll;
use crate::dcheck::sources::{BINLOG, FromSource};
use crate::wire::{Advance, Alert, AlertState, ClockReport, Health, Subject};

/// Between two questions, real time.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// These questions are answered from memory: whoever takes longer stands still.
const ASK_LIMIT: Duration = Duration::from_millis(250);
/// Between two posts of an alert that nobody acknowledged.
const POST_PAUSE: Duration = Duration::from_millis(500);
/// Polled ends of the log on their way.
const ENDS: usize = 64;
/// The reconciler, as alerts name it.
const PART: &str = "reconciler";

/// What a harness may know of the watchdog.
struct Figures {
    clock: Clock,
    drill_clock: bool,
    /// A question or a post is out, or a silence is in doubt.
    busy: AtomicU64,
    /// 0: nothing is due.
    next_due: AtomicU64,
    activity: AtomicU64,
}

/// Watches until SIGTERM or SIGINT.
pub async fn run(options: WatchdogOptions) -> Result<(), Mistakes> {
    let set = rules::load_dir(&options.rules);
    let set = set.map_err(|errors| Mistakes(errors.iter().map(ToString::to_string).collect()))?;
    let (head, after_ms) = rule(&set).ok_or_else(|| {
        let dir = options.rules.display();
        Mistakes(vec![format!(
            "no rule in {dir} watches the reconciler: add one of `strategy: \
            self-watch` with `watches: reconciler`"
        )])
    })?;
    let clock = super::clock(options.drill_clock)?;
    let listener = TcpListener::bind(options.listen).await.map_err(|error| {
        let address = options.listen;
        Mistakes(vec![format!("cannot listen on {address}: {error}; choose another --listen")])
    })?;
    let figures = Arc::new(Figures {
        clock: clock.clone(),
        drill_clock: options.drill_clock,
        // Until the first answer nothing is known.
        busy: AtomicU64::new(1),
        next_due: AtomicU64::new(0),
        activity: AtomicU64::new(0),
    });
    tokio::spawn(serve(listener, Arc::clone(&figures)));
    let stop = Arc::new(Notify::new());
    stop_on_signal(Arc::clone(&stop))?;
    let (ends, inbox) = mpsc::channel(ENDS);
    if let Some(url) = options.sql.clone() {
        tokio::spawn(LogEndPoll { url, clock: clock.clone(), inbox: ends }.run());
    }
    let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let vigil = Vigil::new(after_ms, clock.now());
    let watch = options.watch.trim_end_matches('/').to_owned();
    let watchdog =
        Watchdog { vigil, head, watch, alerts: options.alerts, http, clock, figures, told: None };
    tokio::select! {
        () = watchdog.watch(inbox) => Ok(()),
        () = stop.notified() => Ok(()),
    }
}

fn rule(set: &RuleSet) -> Option<(RuleHead, i64)> {
    let rule = set.watching(Ward::Reconciler)?;
    Some((rule.head.clone(), rule.strategy.watch()?.after_ms))
}

struct Watchdog {
    vigil: Vigil,
    head: RuleHead,
    /// Base URL of the reconciler.
    watch: String,
    alerts: String,
    http: reqwest::Client,
    clock: Clock,
    figures: Arc<Figures>,
    /// The alert that stands.
    told: Option<Alert>,
}

impl Watchdog {
    async fn watch(mut self, mut ends: mpsc::Receiver<FromSource>) {
        let mut patience = Patience::default();
        loop {
            patience.look(monotonic_us());
            let spent_us = patience.spent_us();
            self.figures.busy.fetch_add(1, Ordering::AcqRel);
            while let Ok(FromSource::LogEnd { end, at, .. }) = ends.try_recv() {
                self.vigil.log_end(end, at, spent_us);
            }
            let asked_at = self.clock.now();
            let news = match self.ask().await {
                Ok(answer) => self.vigil.answered(&answer, self.clock.now(), spent_us),
                Err(why) => self.vigil.unanswered(asked_at, &why),
            };
            self.tell(news).await;
            let due = self.vigil.next_due(spent_us);
            self.figures.rest(due, self.vigil.is_in_doubt());
            let due = due.filter(|due| *due > self.clock.now());
            tokio::select! {
                () = tokio::time::sleep(ASK_EVERY) => {}
                () = sleep_until(&self.clock, due) => {}
            }
        }
    }

    /// How the reconciler is and how far it has read; errors where it does not say.
    async fn ask(&self) -> Result<Answer, String> {
        let asked = async {
            let health = self.http.get(format!("{}/healthz", self.watch)).send().await?;
            let health: Health = health.json().await?;
            let sources = self.http.get(format!("{}/sources", self.watch)).send().await?;
            let sources: std::collections::BTreeMap<String, SourceView> = sources.json().await?;
            let place = sources.get(BINLOG).and_then(|source| source.position.parse().ok());
            Ok(Answer { place, complains: !health.ready || !health.reasons.is_empty() })
        };
        match tokio::time::timeout(ASK_LIMIT, asked).await {
            Ok(answer) => answer.map_err(|error: reqwest::Error| match error.is_connect() {
                true => "it cannot be reached".to_owned(),
                false => "it gives no answer that can be read".to_owned(),
            }),
            Err(_) => Err("it gives no answer".to_owned()),
        }
    }

    async fn tell(&mut self, news: News) {
        let now = self.clock.now();
        let alert = match news {
            News::Nothing => return,
            News::Silent { since, why } => self.silent(since, &why, now),
            News::Back => match self.told.take() {
                Some(told) => Alert { state: AlertState::Resolved, ..told },
                None => return,
            },
        };
        let ends_at = (alert.state == AlertState::Resolved).then_some(now);
        let body = webhook_body(&alert, ends_at);
        self.told = (alert.state == AlertState::Firing).then_some(alert);
        while let Err(why) = alerts::post(&self.http, &self.alerts, &body).await {
            log::warn("watchdog", &format!("{why}; trying again until it is heard"));
            tokio::time::sleep(POST_PAUSE).await;
        }
        self.figures.activity.fetch_add(1, Ordering::AcqRel);
    }

    fn silent(&self, since: CellTime, why: &str, now: CellTime) -> Alert {
        let subject = Subject::new(Ward::Reconciler.subject_kind(), PART);
        let since = rfc3339(since.0);
        let occurrence = format!("{PART}@{since}");
        Alert {
            fingerprint: fingerprint(&self.head.id, &subject, &occurrence),
            rule: self.head.id.clone(),
            loss_point: self.head.loss_point.clone(),
            subject,
            occurrence,
            severity: self.head.severity.clone(),
            at_risk: None,
            expected: "a sign of life".to_owned(),
            actual: format!("silent since {since}: {why}"),
            position: String::new(),
            starts_at: rfc3339(now.0),
            state: AlertState::Firing,
        }
    }
}

async fn sleep_until(clock: &Clock, due: Option<CellTime>) {
    match due {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Figures {
    /// Nothing is out until the next question, unless a silence is in doubt.
    fn rest(&self, due: Option<CellTime>, is_in_doubt: bool) {
        let due = due.map_or(0, |due| due.0.max(0).unsigned_abs());
        self.next_due.store(due, Ordering::Release);
        self.busy.store(u64::from(is_in_doubt), Ordering::Release);
    }

    fn report(&self) -> ClockReport {
        let now = self.clock.now();
        let due = i64::try_from(self.next_due.load(Ordering::Acquire)).ok().filter(|due| *due > 0);
        let is_due = due.is_some_and(|due| due <= now.0);
        ClockReport {
            now: rfc3339(now.0),
            offset_ms: self.clock.offset_ms(),
            busy: self.busy.load(Ordering::Acquire) + u64::from(is_due),
            next_due: due.filter(|due| *due > now.0).map(rfc3339),
            activity: self.activity.load(Ordering::Acquire),
        }
    }
}

type Shared = State<Arc<Figures>>;

async fn serve(listener: TcpListener, figures: Arc<Figures>) -> std::io::Result<()> {
    let router = Router::new()
        .route("/healthz", get(health))
        .route("/clock", get(clock))
        .route("/clock/advance", post(advance))
        .with_state(figures);
    axum::serve(listener, router).await
}

async fn health() -> Json<Health> {
    Json(Health { ready: true, reasons: Vec::new() })
}

async fn clock(State(figures): Shared) -> Json<ClockReport> {
    Json(figures.report())
}

async fn advance(State(figures): Shared, Json(order): Json<Advance>) -> Response {
    if !figures.drill_clock {
        let why = "this process keeps real time: start it with --drill-clock";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    figures.clock.advance(order.seq, order.offset_ms);
    clock(State(figures)).await.into_response()
}
