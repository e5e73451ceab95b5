//! Every fault strikes, is seen, heals, heals twice. Links are real, on real sockets; what stands
//! behind them, the shop's switches and the processes are *stand-ins of these tests*.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{get, put};
use axum::{Json, Router};
use futures::future::{BoxFuture, FutureExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::clock::Clock;
use crate::journal::{Event, Journal, Phase, Scribe, read_journal};
use crate::proxy::{Direction, Kind, Link, LinkSpec, Nodes, Toxic};

mod links;

const LIMIT: Duration = Duration::from_secs(20);

struct Run {
    _dir: tempfile::TempDir,
    scribe: Scribe,
}

impl Run {
    fn new() -> Run {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::create(&dir.path().join("journal.ndjson")).unwrap();
        Run { _dir: dir, scribe: journal.scribe("s", Clock::starting_at(0)) }
    }

    /// The journal's fault entries as `what:fault`.
    fn told(&self) -> Vec<String> {
        let entries = read_journal(self.scribe.journal().path()).unwrap();
        let told = |event: &Event| match event {
            Event::FaultArmed { fault } => format!("armed:{}", fault.fault),
            Event::FaultIntent { fault } => format!("intent:{}", fault.fault),
            Event::FaultInPlace { fault, .. } => format!("in-place:{fault}"),
            Event::FaultBites { fault, .. } => format!("bites:{fault}"),
            Event::FaultHealed { fault, .. } => format!("healed:{fault}"),
            Event::FaultHealFailed { fault, .. } => format!("heal-failed:{fault}"),
            other => panic!("{other:?}"),
        };
        entries.iter().map(|entry| told(&entry.event)).collect()
    }
}

/// Answers to all questions that `asked` holds whole, which are taken from it.
fn answers(asked: &mut Vec<u8>) -> Vec<u8> {
    let mut answers = Vec::new();
    loop {
        let length = match asked.first() {
            // Kafka's first byte is that of a length; it answers under the question's correlation id.
            Some(0) if asked.len() >= 14 => 14,
            Some(0) | None => return answers,
            Some(_) => match asked.windows(4).position(|end| end == b"\r\n\r\n") {
                Some(end) => end + 4,
                None => return answers,
            },
        };
        let question: Vec<u8> = asked.drain(..length).collect();
        if question[0] == 0 {
            let versions = [0, 18, 0, 0, 0, 3].repeat(12);
            let body = [&question[8..12], &[0, 0], &[0, 0, 0, 12], &versions].concat();
            answers.extend((body.len() as u32).to_be_bytes());
            answers.extend(body);
        } else {
            answers.extend([b'a'; 100]);
        }
    }
}

/// Stand-in: greets like MySQL when `greets`, at length, answers what it gets otherwise.
fn serve(listener: TcpListener, greets: bool, answering: Arc<AtomicBool>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let answering = answering.clone();
            open.spawn(async move {
                let (mut bytes, mut asked) = ([0; 1024], Vec::new());
                let mut answer = Vec::new();
                if greets {
                    answer = [&[0, 0, 1, 0], &[b'g'; 65_536][..]].concat();
                }
                loop {
                    while !answering.load(Ordering::Acquire) {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                    match stream.read(&mut bytes).await {
                        Ok(read) if read > 0 => asked.extend(&bytes[..read]),
                        _ => return,
                    }
                    answer = if greets { Vec::new() } else { answers(&mut asked) };
                }
            });
        }
    })
}

async fn link(name: &str, clock: &Clock) -> Link {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap().to_string();
    serve(listener, matches!(name, "cdc" | "sql"), Arc::new(AtomicBool::new(true)));
    let kind = if name.ends_with("kafka") { Kind::Kafka(Nodes::One) } else { Kind::Tcp };
    Link::open(LinkSpec::new(name, upstream, kind, clock.clone())).await.unwrap()
}

async fn links() -> Ground {
    let clock = Clock::starting_at(0);
    let mut ground = Ground::default();
    for name in [
        "cdc",
        "sql",
        "kafka",
        "shop-kafka",
        "alerts",
        "pager",
        "plans",
        "shop-channel",
        "channel-shop",
    ] {
        ground.links.insert(name.to_owned(), link(name, &clock).await);
    }
    ground
}

fn none() -> BTreeMap<String, String> {
    BTreeMap::new()
}

fn params(name: &str, value: &str) -> BTreeMap<String, String> {
    [(name.to_owned(), value.to_owned())].into()
}

fn all_healed(healed: &[Healed]) -> bool {
    healed.iter().all(|healed| healed.result.is_ok())
}

#[tokio::test]
async fn healing_goes_backwards_and_a_deadline_loses_no_result() {
    let run = Run::new();
    let ground = links().await;
    let mut nemesis = Nemesis::new(ground.clone());
    for id in ["link.sql.slow", "link.alerts.stalled", "link.plans.reset"] {
        nemesis.arm(id, none(), &run.scribe, Phase::Given).unwrap();
    }
    assert!(nemesis.withheld().is_empty(), "what is only armed withholds nothing");
    let struck = nemesis.inject_all(&run.scribe, Phase::Inject).await.unwrap();
    assert_eq!(struck.len(), 3);
    assert_eq!(nemesis.held_links(), ["alerts", "plans"].into());
    let again = nemesis.arm("link.sql.slow", none(), &run.scribe, Phase::Given);
    assert!(matches!(again, Err(FaultError::Twice { .. })));
    // A second stall, not the nemesis's own, keeps bytes on `alerts`.
    ground.links["alerts"].arm(Toxic::stall(Direction::Both)).unwrap();
    let healed = nemesis.heal_all(&run.scribe, Phase::Heal, Duration::ZERO).await;
    let results: Vec<_> =
        healed.iter().map(|healed| (healed.fault.as_str(), healed.result.is_ok())).collect();
    assert_eq!(
        results,
        [("link.plans.reset", true), ("link.alerts.stalled", false), ("link.sql.slow", true)]
    );
    assert_eq!(nemesis.live().len(), 1);
    nemesis.arm("link.sql.slow", none(), &run.scribe, Phase::Canary).unwrap();
}

/// On or off, parameters, hits.
type Switch = (bool, Value, u64);

#[derive(Clone, Default)]
struct Switches {
    state: Arc<Mutex<BTreeMap<String, Switch>>>,
    /// Takes the order and does nothing.
    deaf: Arc<AtomicBool>,
}

impl Switches {
    fn hit(&self, name: &str) {
        self.state.lock().unwrap().get_mut(name).unwrap().2 += 1;
    }
}

/// Stand-in for the practice shop's `/switches`.
async fn shop() -> (Switches, String) {
    let switches = Switches::default();
    for spec in registry::all().iter().filter(|spec| spec.layer == Layer::App) {
        let name = spec.id.trim_start_matches("app.").to_owned();
        switches.state.lock().unwrap().insert(name, (false, json!({}), 7));
    }
    let list = |State(switches): State<Switches>| async move {
        let state = switches.state.lock().unwrap();
        let row = |(name, (on, params, hits)): (&String, &Switch)| {
            let (on, hits) = (json!(on), json!(hits));
            json!({"name": name, "on": on, "params": params, "hits": hits})
        };
        Json(state.iter().map(row).collect::<Vec<_>>())
    };
    let change = |State(switches): State<Switches>,
                  Path(name): Path<String>,
                  Json(body): Json<Value>| async move {
        if !switches.deaf.load(Ordering::Acquire) {
            let mut state = switches.state.lock().unwrap();
            let switch = state.get_mut(&name).unwrap();
            (switch.0, switch.1) = (body["on"].as_bool().unwrap(), body["params"].clone());
        }
    };
    let app = Router::new()
        .route("/switches", get(list))
        .route("/switches/{name}", put(change))
        .with_state(switches.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (switches, url)
}

#[tokio::test]
async fn every_app_fault_waits_for_its_first_hit() {
    let run = Run::new();
    let (switches, url) = shop().await;
    let ground = Ground { shop_url: Some(url), ..Ground::default() };
    for spec in registry::all().iter().filter(|spec| spec.layer == Layer::App) {
        let mut nemesis = Nemesis::new(ground.clone());
        let struck = nemesis.strike(&spec.id, none(), &run.scribe, Phase::Inject).await.unwrap();
        assert!(matches!(struck, Struck::InPlace(_)), "{}", spec.id);
        let unproved = nemesis.confirm_bites(&run.scribe, Phase::Judge).await;
        assert_eq!(unproved, [(spec.id.clone(), "no traffic has met it".to_owned())]);
        switches.hit(spec.id.trim_start_matches("app."));
        assert_eq!(nemesis.confirm_bites(&run.scribe, Phase::Judge).await, []);
        assert_eq!(run.told().last().unwrap(), &format!("bites:{}", spec.id));
        for _ in 0..2 {
            assert!(all_healed(&nemesis.heal_all(&run.scribe, Phase::Heal, LIMIT).await));
        }
    }
    assert!(switches.state.lock().unwrap().values().all(|(on, ..)| !on));
}

#[tokio::test]
async fn a_switch_is_read_back_and_a_shop_that_ignores_it_is_found_out() {
    let run = Run::new();
    let (switches, url) = shop().await;
    let ground = Ground { shop_url: Some(url), ..Ground::default() };
    let mut nemesis = Nemesis::new(ground.clone());
    let id = "app.payment-callback.delayed";
    nemesis.strike(id, params("delay", "5 s"), &run.scribe, Phase::Inject).await.unwrap();
    let held = switches.state.lock().unwrap()["payment-callback.delayed"].clone();
    assert_eq!(held, (true, json!({"delay_ms": 5000}), 7));
    switches.deaf.store(true, Ordering::Release);
    let healed = nemesis.heal_all(&run.scribe, Phase::Heal, LIMIT).await;
    assert!(healed[0].result.as_ref().unwrap_err().contains("reads back as on"), "{healed:?}");
    let id = "app.price-guard.bypassed";
    let error = nemesis.strike(id, none(), &run.scribe, Phase::Inject).await.unwrap_err();
    assert!(error.to_string().contains("reads back as off"), "{error}");
    // Half an inject is healed like a whole one.
    switches.deaf.store(false, Ordering::Release);
    let healed = nemesis.heal_all(&run.scribe, Phase::Heal, LIMIT).await;
    assert!(healed.len() == 2 && all_healed(&healed), "{healed:?}");
}

#[tokio::test]
async fn what_a_cell_lacks_is_said_when_it_is_armed() {
    let run = Run::new();
    let mut nemesis = Nemesis::new(Ground::default());
    for (id, word) in [
        ("app.refund-guard.bypassed", "the practice shop's switches"),
        ("link.kafka.stalled", "a link `kafka`"),
        ("process.mysql.killed", "a process `mysql`"),
        ("kafka.offsets.rewound", "the practice shop's schema"),
        ("kafka.leader.moved", "more than one broker of its own"),
        ("mysql.replica.lagging", "a replica of its MySQL server"),
        ("mysql.server.failed-over", "a replica of its MySQL server"),
        ("process.shop.clock-ahead", "a time of day of its own"),
        ("disk.kafka.full", "`kafka` as a process of this machine"),
        ("process.mysql.kiled", "the nearest are process.mysql.killed"),
    ] {
        let error = nemesis.arm(id, none(), &run.scribe, Phase::Given).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    assert!(run.told().is_empty() && nemesis.live().is_empty());
}

/// Stand-in for a service: a task that listens, and dies or falls silent as told.
struct StandIn {
    addr: SocketAddr,
    task: Mutex<Option<JoinHandle<()>>>,
    answering: Arc<AtomicBool>,
    life: AtomicU64,
    /// Kills and starts have no effect.
    stubborn: bool,
}

impl StandIn {
    async fn start(stubborn: bool) -> Arc<StandIn> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let answering = Arc::new(AtomicBool::new(true));
        let task = Mutex::new(Some(serve(listener, false, answering.clone())));
        Arc::new(StandIn { addr, task, answering, life: AtomicU64::new(1), stubborn })
    }

    async fn stop(&self) {
        let task = self.task.lock().unwrap().take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Process for StandIn {
    fn kill(&self) -> BoxFuture<'_, Result<(), String>> {
        async {
            if !self.stubborn {
                self.stop().await;
            }
            Ok(())
        }
        .boxed()
    }

    fn pause(&self) -> BoxFuture<'_, Result<(), String>> {
        self.answering.store(self.stubborn, Ordering::Release);
        async { Ok(()) }.boxed()
    }

    fn resume(&self) -> BoxFuture<'_, Result<(), String>> {
        self.answering.store(true, Ordering::Release);
        async { Ok(()) }.boxed()
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), String>> {
        async {
            if !self.stubborn {
                self.stop().await;
                let listener = TcpListener::bind(self.addr).await.map_err(|e| e.to_string())?;
                self.answering.store(true, Ordering::Release);
                let task = serve(listener, false, self.answering.clone());
                *self.task.lock().unwrap() = Some(task);
                self.life.fetch_add(1, Ordering::AcqRel);
            }
            Ok(())
        }
        .boxed()
    }

    fn is_running(&self) -> BoxFuture<'_, bool> {
        let running = self.task.lock().unwrap().is_some();
        async move { running }.boxed()
    }

    fn address(&self) -> SocketAddr {
        self.addr
    }

    fn speech(&self) -> Speech {
        Speech::Http
    }

    fn life(&self) -> u64 {
        self.life.load(Ordering::Acquire)
    }

    fn pid(&self) -> BoxFuture<'_, Result<u32, String>> {
        async { Err("a task has no process of its own".to_owned()) }.boxed()
    }
}

#[tokio::test]
async fn every_process_fault_strikes_is_seen_and_heals_twice() {
    let run = Run::new();
    for what in ["killed", "paused", "restarted", "crash-looping"] {
        for stubborn in [false, true] {
            // A loop that kills nobody is given up after the longest start there is: too long for a test.
            if stubborn && what == "crash-looping" {
                continue;
            }
            let process = StandIn::start(stubborn).await;
            let mut ground = Ground::default();
            ground.processes.insert("dcheck".to_owned(), process.clone());
            let mut nemesis = Nemesis::new(ground);
            let id = format!("process.dcheck.{what}");
            let struck = nemesis.strike(&id, none(), &run.scribe, Phase::When).await;
            assert_eq!(struck.is_ok(), !stubborn, "{id}: {struck:?}");
            for _ in 0..2 {
                let healed = nemesis.heal_all(&run.scribe, Phase::Heal, LIMIT).await;
                assert!(all_healed(&healed), "{id}: {healed:?}");
            }
            TcpStream::connect(process.addr).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_link_is_proved_after_the_server_behind_it_is_back() {
    let run = Run::new();
    let process = StandIn::start(false).await;
    let mut ground = Ground::default();
    let upstream = process.addr.to_string();
    let spec = LinkSpec::new("shop-channel", upstream, Kind::Tcp, Clock::starting_at(0));
    ground.links.insert("shop-channel".to_owned(), Link::open(spec).await.unwrap());
    ground.processes.insert("channel".to_owned(), process);
    let mut nemesis = Nemesis::new(ground);
    // Healed backwards: the link before the process that answers behind it.
    for id in ["process.channel.killed", "link.shop-channel.reset"] {
        nemesis.strike(id, none(), &run.scribe, Phase::Inject).await.unwrap();
    }
    let healed = nemesis.heal_all(&run.scribe, Phase::Heal, LIMIT).await;
    assert!(healed.len() == 2 && all_healed(&healed), "{healed:?}");
    assert!(healed[0].result.as_ref().unwrap().contains("an answer after"), "{healed:?}");
}

/// Stand-in of a reconciler's console: refuses while a file says `treshold`.
async fn console(dir: std::path::PathBuf) -> String {
    use axum::http::StatusCode;
    let reload = move || async move {
        let texts =
            std::fs::read_dir(&dir).unwrap().map(|e| std::fs::read_to_string(e.unwrap().path()));
        match texts.into_iter().any(|text| text.unwrap().contains("treshold")) {
            true => StatusCode::UNPROCESSABLE_ENTITY,
            false => StatusCode::OK,
        }
    };
    let router = Router::new().route("/rules/reload", axum::routing::post(reload));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn rule_files_are_spoilt_and_mended_twice() {
    let (run, dir) = (Run::new(), tempfile::tempdir().unwrap());
    let url = console(dir.path().to_owned()).await;
    let token = "on-duty".to_owned();
    let at = |console| Rules { dir: dir.path().to_owned(), console, token: token.clone() };
    for (id, answer) in
        [("watcher.rules.broken", "http 422"), ("watcher.rules.changed", "http 200")]
    {
        let rules = Some(at(url.clone()));
        let mut nemesis = Nemesis::new(Ground { rules, ..Ground::default() });
        match nemesis.strike(id, none(), &run.scribe, Phase::Inject).await {
            Ok(Struck::Bites(told)) => assert!(told.contains(answer), "{id}: {told}"),
            other => panic!("{id}: {other:?}"),
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        for _ in 0..2 {
            assert!(all_healed(&nemesis.heal_all(&run.scribe, Phase::Heal, LIMIT).await));
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }
    // A reconciler that reads no rules again: the file alone proves nothing.
    let rules = Some(at("http://127.0.0.1:1".to_owned()));
    let mut nemesis = Nemesis::new(Ground { rules, ..Ground::default() });
    let struck = nemesis.strike("watcher.rules.broken", none(), &run.scribe, Phase::Inject).await;
    assert!(matches!(struck, Err(FaultError::Inject { .. })), "{struck:?}");
}
