//! A crash at every instant of a run: the executor as it is, against a mock target and a mock results database.
//!
//! A point is where something happens elsewhere: a request before it has its effect and before it is answered, a commit before it is
//! durable and before it is acknowledged. The process dies at one point, another one takes the run on from what was stored. The mock
//! target keeps its promise about `Idempotency-Key`: a repeat is answered, and has no effect.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::routing::{any, post};
use tokio::runtime::{Builder, Runtime};

use super::super::load::{Known, load_texts};
use super::*;
use crate::dcheck::alerts::{Channel as Told, ChannelSpec, Ladder, Producer, Routes, Way};
use crate::dcheck::results::MockCommit;
use crate::dcheck::results::sql::SqlClient;
use crate::wire::Subject;

const PLAN: &str = "
id: take-off-sale
trigger: {rules: [bid-below-market]}
scope: {kind: item, field: sku}
effect: {stops: buy}
actions:
  - {step: stop, http: {target: mock, method: PUT, path: '/breaker'}}
  - {step: page, http: {target: mock, method: POST, path: '/page'}}
  - {step: log, http: {target: mock, method: POST, path: '/log'}}
proof:
  - http: {target: mock, path: /breaker, expect: {active: true}}
ttl: 10 min
revert:
  - {step: go, http: {target: mock, method: DELETE, path: '/breaker'}}
  - {step: unpage, http: {target: mock, method: POST, path: '/page'}}
";
const STEPS: [&str; 5] = ["stop", "page", "log", "go", "unpage"];
/// Far above what a run takes.
const LIMIT: Duration = Duration::from_secs(20);
/// More points than a run has.
const POINTS: usize = 200;

/// What outlives a process.
#[derive(Default)]
struct World {
    /// Points until the process that lives now dies.
    left: AtomicU64,
    dead: AtomicBool,
    active: AtomicBool,
    /// Every request by key, in order, with the receipts that were stored by then.
    asked: Mutex<Vec<(String, usize)>>,
    /// Keys that had their effect, in order.
    done: Mutex<Vec<String>>,
    stored: Mutex<Option<PlanRun>>,
    /// The mock database loses receipts: what the test must be able to see.
    loses_receipts: bool,
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

    fn receipts(&self) -> usize {
        lock(&self.stored).as_ref().map_or(0, |run| run.steps.len())
    }

    async fn store(self: Arc<World>, mut commits: mpsc::Receiver<MockCommit>) {
        while let Some((batch, done)) = commits.recv().await {
            self.point().await;
            for run in &batch.runs {
                let mut run = run.clone();
                if self.loses_receipts {
                    run.steps.clear();
                }
                *lock(&self.stored) = Some(run);
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

async fn serve(world: Arc<World>) -> SocketAddr {
    let router = Router::new()
        .route("/events", post(async || ()))
        .route("/{*any}", any(target))
        .with_state(world);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// One process: until the run has ended (true), or it died.
fn live(
    world: &Arc<World>,
    address: SocketAddr,
    clock: &Clock,
    by_hand: bool,
    first: &PlanRun,
) -> bool {
    let run = lock(&world.stored).clone().unwrap_or_else(|| first.clone());
    if matches!(run.state, PlanState::Reverted | PlanState::Failed) {
        return true;
    }
    let process = runtime();
    let ended = process.block_on(async {
        let (writer, commits) = Writer::mocked();
        tokio::spawn(Arc::clone(world).store(commits));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{address}/events");
        let events = Way::new(Told::new(ChannelSpec::WebhookV4 { url }, http.clone()), None);
        let events = Arc::new(Routes::new(events, None, Ladder::default()));
        let targets = Targets {
            http,
            urls: [("mock".to_owned(), format!("http://{address}"))].into(),
            sql: Arc::new(SqlClient::new("mysql://nobody@127.0.0.1:1/none").unwrap()),
            kafka: Producer::new("127.0.0.1:1", "none"),
            topic_prefix: String::new(),
        };
        let spec = load_texts(&[("p.yaml".into(), PLAN.into())], &Known::default());
        let spec = Arc::new(spec.unwrap().remove(0));
        let (ended, mut ends) = mpsc::channel(1);
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
            specs: [(spec.id.clone(), spec)].into(),
        });
        let (state, run_id) = (Arc::clone(&shared.state), run.run_id.clone());
        let mut executor = Executor::new(shared);
        executor.take_on(run);
        let from = Instant::now();
        loop {
            assert!(from.elapsed() < LIMIT, "{:?}", state.list());
            if ends.try_recv().is_ok() {
                return true;
            }
            if world.dead.load(Ordering::Acquire) {
                return false;
            }
            if state.find(&run_id).is_some_and(|run| run.state == PlanState::Effective) {
                let why = "the bid is mended".to_owned();
                let _ = match by_hand {
                    true => {
                        executor.nudge(&run_id, Nudge::Revert(Word { who: "anna".into(), why }))
                    }
                    false => {
                        clock.advance(clock.seq() + 1, 660_000);
                        Ok(())
                    }
                };
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    process.shutdown_background();
    ended
}

/// The world after a crash at each point of a run; what is wrong in it.
fn crash_everywhere(by_hand: bool, loses_receipts: bool) -> (usize, Vec<String>) {
    let outside = runtime();
    let mut wrong = Vec::new();
    for point in 0..POINTS {
        let left = AtomicU64::new(point as u64);
        let world = Arc::new(World { left, loses_receipts, ..World::default() });
        let address = outside.block_on(serve(Arc::clone(&world)));
        let clock = Clock::starting_at(1_767_578_400_000);
        let first = armed(clock.now());
        let survived = live(&world, address, &clock, by_hand, &first);
        let receipts = world.receipts();
        let before: Vec<String> = lock(&world.asked).iter().map(|(key, _)| key.clone()).collect();
        if !survived {
            world.left.store(u64::MAX, Ordering::Release);
            world.dead.store(false, Ordering::Release);
            // As after a crash: what was with the dead process is gone, the mock's answers to it too.
            assert!(live(&world, address, &clock, by_hand, &first), "point {point}");
        }
        wrong.extend(
            look(&world)
                .map(|what| format!("point {point}, {receipts} receipts, {before:?}: {what}")),
        );
        if survived {
            return (point, wrong);
        }
    }
    panic!("a run has more than {POINTS} points");
}

fn look(world: &World) -> Option<String> {
    let run = lock(&world.stored).clone().expect("stored");
    let (asked, done) = (lock(&world.asked).clone(), lock(&world.done).clone());
    let receipts: Vec<&str> = run.steps.iter().map(|step| step.step.as_str()).collect();
    let again = asked.iter().find(|(key, stored)| {
        // Receipts come in the order of the steps: this one was stored when it was asked again.
        STEPS.iter().position(|step| step == key).is_some_and(|nth| nth < *stored)
    });
    match () {
        () if run.state != PlanState::Reverted => {
            Some(format!("it ends {:?}: {}", run.state, run.note))
        }
        () if done != STEPS => Some(format!("effects {done:?}")),
        () if world.active.load(Ordering::Acquire) => Some("the breaker stays".to_owned()),
        () if receipts != STEPS => Some(format!("receipts {receipts:?}")),
        () => again.map(|(key, _)| format!("{key} was asked again with a receipt")),
    }
}

fn armed(now: CellTime) -> PlanRun {
    PlanRun {
        plan: "take-off-sale".into(),
        run_id: "take-off-sale-1".into(),
        alert: "f".into(),
        rule: "bid-below-market".into(),
        scope: vec![Subject::new("item", "S-1")],
        effect: Effect::Stops("buy".into()),
        steps: Vec::new(),
        state: PlanState::Armed,
        started_at: rfc3339(now.0),
        updated_at: rfc3339(now.0),
        reverts_at: None,
        note: String::new(),
    }
}

#[test]
fn each_step_is_done_once_wherever_the_crash_comes() {
    for by_hand in [false, true] {
        let (points, wrong) = crash_everywhere(by_hand, false);
        assert!(points > 25, "a run has more points than {points}");
        assert_eq!(wrong, Vec::<String>::new(), "by hand: {by_hand}");
    }
}

#[test]
fn a_database_that_loses_receipts_is_seen() {
    let (_, wrong) = crash_everywhere(false, true);
    assert!(!wrong.is_empty());
}
