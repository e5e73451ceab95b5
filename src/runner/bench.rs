//! A prepared cell with its instruments: what one scenario works on.
//!
//! Owns bringing up a cell (MySQL, topics, processes, probes) until everything is ready, and giving it back. Knows
//! nothing of sentences or verdicts.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::conduct::Trouble;
use crate::clock::Clock;
use crate::journal::Word;
use crate::platform::{Builtin, Platform};
use crate::probe::{
    Inbox, Marks, Reconciler, ReconcilerAt, Recorder, Servers, Topics, Truth, TruthAt,
};
use crate::stage::cell::{Cell, CellSpec, ReconcilerSpec};
use crate::stage::guardian::Guardian;
use crate::stage::{Service, Stage, clean, topics};

/// A process of the house that takes longer to be ready than this is broken.
const HOUSE_READY_LIMIT: Duration = Duration::from_secs(30);
/// Cells made ready while others are in use: their processes start where scenarios wait.
const CELLS_AHEAD: usize = 2;
/// Between two questions whether a process is ready.
const READY_PAUSE: Duration = Duration::from_millis(5);

/// What all cells of a run share.
pub struct Ground {
    pub stage: Stage,
    pub guardian: Guardian,
    /// Where cells keep their logs and ledgers: inside the guardian's state directory.
    pub dir: PathBuf,
    pub shop_program: PathBuf,
    pub reconciler: ReconcilerSpec,
    pub epoch_ms: i64,
    /// A reconciler may be silent this long, real time, before it is deaf.
    pub deaf_limit: Duration,
    idle: Mutex<Vec<Service>>,
    made: AtomicUsize,
    /// Cells that scenarios still need and nobody prepares yet.
    needed: AtomicUsize,
    ahead: Mutex<VecDeque<JoinHandle<Result<Bench, Trouble>>>>,
}

/// A cell, ready for a scenario.
pub struct Bench {
    pub cell: Cell,
    pub mysql: Service,
    pub platform: Platform,
    pub recorder: Recorder,
    pub inbox: Inbox,
    pub truth: Truth,
    pub marks: Marks,
    pub reconciler: Reconciler,
    /// Everything answered that it is ready; else who did not, which is the scenario's verdict.
    pub readiness: Result<(), Trouble>,
}

impl Ground {
    pub fn new(
        stage: Stage,
        guardian: Guardian,
        shop_program: PathBuf,
        reconciler: ReconcilerSpec,
        epoch_ms: i64,
        deaf_limit: Duration,
        scenarios: usize,
    ) -> Ground {
        let dir = guardian.state_dir().join("cells");
        Ground {
            stage,
            guardian,
            dir,
            shop_program,
            reconciler,
            epoch_ms,
            deaf_limit,
            idle: Mutex::default(),
            made: AtomicUsize::new(0),
            needed: AtomicUsize::new(scenarios),
            ahead: Mutex::default(),
        }
    }

    /// A cell with everything ready; the error says whose fault it is that there is none.
    pub async fn bench(&self) -> Result<Bench, Trouble> {
        let down = |what: &str, error: &dyn std::fmt::Display| {
            Trouble::inconclusive(Word::StageDown, format!("{what}: {error}"))
        };
        // With the run in its name: runs on a warm stage share the broker.
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let run = self.guardian.run_id();
        let name = format!("{}-c{number}", run.rsplit('-').next().unwrap_or(run));
        let kafka = self.stage.kafka().endpoint;
        let cells = [name.clone()];
        let (mysql, made) = tokio::join!(self.mysql(&name), topics::create(kafka, &cells));
        let mysql = mysql.map_err(|e| down("bring up mysql", &e))?;
        made.map_err(|e| down("bring up kafka", &e))?;
        let clock = Clock::starting_at(self.epoch_ms);
        let recorder = Recorder::new(clock.clone());
        let inbox = Inbox::start(recorder.clone()).await.map_err(|e| down("open the inbox", &e))?;
        let spec = self.spec(&name, mysql.endpoint, inbox.address());
        let cell = Cell::start(&self.guardian, spec, clock).await;
        let cell = cell.map_err(|e| down("start the cell", &e))?;
        let bench = instruments(cell, mysql, inbox, recorder).await;
        let mut bench = bench.map_err(|(what, error)| down(what, &error))?;
        bench.readiness = ready(&bench, self.deaf_limit).await;
        Ok(bench)
    }

    /// The next cell: one that was made ready ahead of need, or a new one; then makes sure of the ones after it.
    pub async fn take(self: &Arc<Ground>) -> Result<Bench, Trouble> {
        self.prepare();
        let first = self.ahead.lock().expect("no holder panics").pop_front();
        let bench = match first {
            Some(coming) => coming.await.unwrap_or_else(|error| {
                Err(Trouble::inconclusive(Word::StageDown, format!("prepare a cell: {error}")))
            }),
            None => self.bench().await,
        };
        self.prepare();
        bench
    }

    /// Keeps [`CELLS_AHEAD`] cells coming, as long as scenarios are left that need one.
    fn prepare(self: &Arc<Ground>) {
        let mut ahead = self.ahead.lock().expect("no holder panics");
        while ahead.len() < CELLS_AHEAD {
            let less = |left: usize| left.checked_sub(1);
            if self.needed.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_err() {
                return;
            }
            let ground = self.clone();
            ahead.push_back(tokio::spawn(async move { ground.bench().await }));
        }
    }

    /// Ends the cells that were made ready, or are just being made, and never used.
    pub async fn clear(&self) {
        let left = std::mem::take(&mut *self.ahead.lock().expect("no holder panics"));
        for coming in left {
            coming.abort();
            if let Ok(Ok(bench)) = coming.await {
                let Bench { cell, mysql, .. } = bench;
                self.give_back(cell, mysql).await;
            }
        }
    }

    fn spec(&self, name: &str, mysql: SocketAddr, inbox: SocketAddr) -> CellSpec {
        CellSpec {
            name: name.to_owned(),
            dir: self.dir.join(name),
            mysql,
            kafka: self.stage.kafka().endpoint,
            inbox,
            shop_program: self.shop_program.clone(),
            reconciler: self.reconciler.clone(),
        }
    }

    async fn mysql(&self, name: &str) -> Result<Service, crate::stage::StageError> {
        let idle = self.idle.lock().expect("no holder panics").pop();
        match idle {
            Some(service) => Ok(service.renamed(name)),
            None => self.stage.mysql(name).await,
        }
    }

    /// Ends the cell; its MySQL is used again when it can be proved clean.
    pub async fn give_back(&self, cell: Cell, mysql: Service) {
        cell.stop().await;
        if mysql.is_running().await && clean::clean(&mysql).await.is_ok() {
            self.idle.lock().expect("no holder panics").push(mysql);
        } else {
            // The guardian has it still, should this fail.
            let _ = mysql.remove().await;
        }
    }
}

/// The probes of a started cell; the error says what could not be done.
async fn instruments(
    cell: Cell,
    mysql: Service,
    inbox: Inbox,
    recorder: Recorder,
) -> Result<Bench, (&'static str, String)> {
    let prefix = format!("{}.", cell.spec.name);
    let platform = Platform::builtin(&Builtin {
        shop_url: cell.shop.base_url(),
        channel_url: cell.channel.base_url(),
        bootstrap: cell.spec.kafka.to_string(),
        topic_prefix: prefix.clone(),
    });
    let platform = platform.map_err(|e| ("make the platform's client", e.to_string()))?;
    let servers = Servers {
        mysql: (mysql.endpoint.ip().to_string(), mysql.endpoint.port()),
        schema: "shop".to_owned(),
        bootstrap: cell.spec.kafka.to_string(),
        topics: Topics::builtin(prefix),
    };
    let marks = Marks::new(&servers, recorder.clone(), 0);
    let marks = marks.map_err(|e| ("make the marks' writer", e.to_string()))?;
    let at = TruthAt { servers, ledger: cell.ledger.clone() };
    let truth = Truth::start(at, recorder.clone()).await;
    let truth = truth.map_err(|e| ("start the oracle's own reader", e.to_string()))?;
    let at = ReconcilerAt::builtin(&cell.reconciler.base_url());
    let reconciler = Reconciler::new(at, recorder.clone());
    let reconciler = reconciler.map_err(|e| ("make the reconciler's probe", e.to_string()))?;
    let readiness = Ok(());
    Ok(Bench { cell, mysql, platform, recorder, inbox, truth, marks, reconciler, readiness })
}

/// Waits until shop and channel are ready (else inconclusive), then the reconciler (else deaf).
async fn ready(bench: &Bench, deaf_limit: Duration) -> Result<(), Trouble> {
    let started = Instant::now();
    loop {
        let why = match bench.platform.ready().await {
            Ok(health) if health.ready => break,
            Ok(health) => health.reasons.join("; "),
            Err(error) => error.to_string(),
        };
        alive(&bench.cell).await?;
        if started.elapsed() > HOUSE_READY_LIMIT {
            let what = format!("shop or channel not ready after {HOUSE_READY_LIMIT:?}: {why}");
            return Err(Trouble::inconclusive(Word::StageDown, what));
        }
        tokio::time::sleep(READY_PAUSE).await;
    }
    let started = Instant::now();
    loop {
        let why = match bench.reconciler.health().await {
            Ok(health) if health.ready => return Ok(()),
            Ok(health) => health.reasons.join("; "),
            Err(error) => error.to_string(),
        };
        alive(&bench.cell).await?;
        if started.elapsed() > deaf_limit {
            let what = format!("the reconciler is not ready after {deaf_limit:?}: {why}");
            return Err(Trouble::fail(Word::Deaf, what));
        }
        tokio::time::sleep(READY_PAUSE).await;
    }
}

async fn alive(cell: &Cell) -> Result<(), Trouble> {
    match cell.casualty().await {
        None => Ok(()),
        Some(("reconciler", why)) => Err(Trouble::fail(Word::Deaf, why.to_string())),
        Some((_, why)) => Err(Trouble::inconclusive(Word::StageDown, why.to_string())),
    }
}
