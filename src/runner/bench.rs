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
use super::more::More;
use super::run::Programs;
use crate::clock::{Clock, monotonic_us, wall_ms};
use crate::journal::Word;
use crate::platform::{Builtin, Platform};
use crate::probe::{Inbox, Marks, Reconciler, Recorder, Servers, Topics, Truth, TruthAt};
use crate::stage::cell::{Cell, CellSpec, Start};
use crate::stage::guardian::Guardian;
use crate::stage::{Service, Stage, StageError, topics};

/// A process of the house that takes longer to be ready than this is broken.
const HOUSE_READY_LIMIT: Duration = Duration::from_secs(30);
/// Cells made ready while others are in use: their processes start where scenarios wait.
const CELLS_AHEAD: usize = 2;
/// Between two questions whether a process is ready.
const READY_PAUSE: Duration = Duration::from_millis(15);

/// What all cells of a run share.
pub struct Ground {
    pub stage: Stage,
    pub guardian: Guardian,
    /// Where cells keep their logs and ledgers: inside the guardian's state directory.
    pub dir: PathBuf,
    pub programs: Programs,
    /// Where a cell's calendar starts.
    epoch_ms: i64,
    /// Of a reconciler that outlives its cells: its time goes on from one to the next.
    lasting: Option<Clock>,
    /// Cells made ready while others are in use.
    ahead_max: usize,
    /// A reconciler may be silent this long, real time, before it is deaf.
    pub deaf_limit: Duration,
    idle: Mutex<Vec<Service>>,
    made: AtomicUsize,
    /// Cells that scenarios still need and nobody prepares yet.
    needed: AtomicUsize,
    ahead: Mutex<VecDeque<JoinHandle<Result<Bench, Trouble>>>>,
}

/// What is asked of the ground.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    pub scenarios: usize,
    /// Never two cells at once, not even one that is only being made ready.
    pub one_by_one: bool,
}

/// A cell, ready for a scenario.
pub struct Bench {
    pub cell: Cell,
    pub mysql: Service,
    /// What its faults need more: brokers of its own, a replica.
    pub beside: Vec<Service>,
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
        programs: Programs,
        epoch_ms: i64,
        deaf_limit: Duration,
        demand: Demand,
    ) -> Ground {
        let dir = guardian.state_dir().join("cells");
        // Real time has the real date.
        let epoch_ms = if programs.hearing.advances() { epoch_ms } else { wall_ms() };
        let lasts = matches!(programs.reconciler.start, Start::Nobody);
        Ground {
            stage,
            guardian,
            dir,
            programs,
            epoch_ms,
            lasting: lasts.then(|| Clock::starting_at(epoch_ms)),
            ahead_max: if demand.one_by_one { 0 } else { CELLS_AHEAD },
            deaf_limit,
            idle: Mutex::default(),
            made: AtomicUsize::new(0),
            needed: AtomicUsize::new(demand.scenarios),
            ahead: Mutex::default(),
        }
    }

    /// A cell with everything ready; the error says whose fault it is that there is none.
    pub async fn bench(&self, more: More) -> Result<Bench, Trouble> {
        let down = |what: &str, error: &dyn std::fmt::Display| {
            Trouble::inconclusive(Word::StageDown, format!("{what}: {error}"))
        };
        // With the run in its name: runs on a warm stage share the broker.
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let run = self.guardian.run_id();
        let name = format!("{}-c{number}", run.rsplit('-').next().unwrap_or(run));
        let prefix = self.stage.topic_prefix(&name).map_err(|e| down("name the topics", &e))?;
        let kafka = self.kafka(&name, &prefix, more);
        let (mysql, brokers) = tokio::join!(self.mysql(&name, more), kafka);
        let (mysql, replica) = mysql.map_err(|e| down("bring up mysql", &e))?;
        let brokers = brokers.map_err(|e| down("bring up kafka", &e))?;
        let fresh = || Clock::starting_at(self.epoch_ms);
        let clock = self.lasting.clone().unwrap_or_else(fresh);
        let recorder = Recorder::new(clock.clone());
        let spec = self.programs.hearing.inbox().map_err(|e| down("open the inbox", &e))?;
        let inbox = Inbox::open(spec, recorder.clone()).await;
        let inbox = inbox.map_err(|e| down("open the inbox", &e))?;
        let kafka = brokers.first().map_or(self.stage.kafka().endpoint, |first| first.endpoint);
        let spec = CellSpec {
            topic_prefix: prefix,
            kafka,
            brokers: brokers.len().max(1),
            replica: replica.as_ref().map(|replica| replica.endpoint),
            ..self.spec(&name, &mysql, inbox.address())
        };
        let cell = Cell::start(&self.guardian, spec, clock).await;
        let cell = cell.map_err(|e| down("start the cell", &e))?;
        let bench = self.instruments(cell, mysql, inbox, recorder).await;
        let mut bench = bench.map_err(|(what, error)| down(what, &error))?;
        bench.beside = brokers.into_iter().chain(replica).collect();
        bench.readiness = ready(&bench, self.deaf_limit).await;
        Ok(bench)
    }

    /// The next cell: one that was made ready ahead of need, or a new one; then makes sure of the ones after it.
    pub async fn take(self: &Arc<Ground>, more: More) -> Result<Bench, Trouble> {
        self.prepare();
        if !more.is_nothing() {
            return self.bench(more).await;
        }
        let first = self.ahead.lock().expect("no holder panics").pop_front();
        let bench = match first {
            Some(coming) => coming.await.unwrap_or_else(|error| {
                Err(Trouble::inconclusive(Word::StageDown, format!("prepare a cell: {error}")))
            }),
            None => self.bench(More::default()).await,
        };
        self.prepare();
        bench
    }

    /// Keeps cells coming, as long as scenarios are left that need one.
    fn prepare(self: &Arc<Ground>) {
        let mut ahead = self.ahead.lock().expect("no holder panics");
        while ahead.len() < self.ahead_max {
            let less = |left: usize| left.checked_sub(1);
            if self.needed.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_err() {
                return;
            }
            let ground = self.clone();
            ahead.push_back(tokio::spawn(async move { ground.bench(More::default()).await }));
        }
    }

    /// Ends the cells that were made ready, or are just being made, and never used.
    pub async fn clear(&self) {
        let left = std::mem::take(&mut *self.ahead.lock().expect("no holder panics"));
        for coming in left {
            coming.abort();
            if let Ok(Ok(bench)) = coming.await {
                let Bench { cell, mysql, beside, .. } = bench;
                self.give_back(cell, mysql, beside, true).await;
            }
        }
    }

    fn spec(&self, name: &str, mysql: &Service, inbox: SocketAddr) -> CellSpec {
        CellSpec {
            name: name.to_owned(),
            topic_prefix: String::new(),
            dir: self.dir.join(name),
            mysql: mysql.endpoint,
            replica: None,
            login: mysql.programs(),
            schema: mysql.schema.clone(),
            kafka: self.stage.kafka().endpoint,
            brokers: 1,
            inbox,
            shop_program: self.programs.shop.clone(),
            reconciler: self.programs.reconciler.clone(),
        }
    }

    /// The cell's topics, on brokers of its own where it needs them; none where it shares the one.
    async fn kafka(&self, name: &str, prefix: &str, more: More) -> Result<Vec<Service>, String> {
        let said = |error: StageError| error.to_string();
        let brokers = match more {
            More { cluster: true, .. } => self.stage.own_cluster(name).await.map_err(said)?,
            More { broker: true, .. } => vec![self.stage.own_kafka(name).await.map_err(said)?],
            _ => Vec::new(),
        };
        let at = brokers.first().unwrap_or(self.stage.kafka()).endpoint;
        let made = topics::create(at, &[prefix.to_owned()], brokers.len().max(1)).await;
        made.map(|()| brokers).map_err(|error| error.to_string())
    }

    /// The cell's server, and its replica where it needs one.
    async fn mysql(
        &self,
        name: &str,
        more: More,
    ) -> Result<(Service, Option<Service>), StageError> {
        if more.replica {
            // One whose log is whole: an idle one may have lost its beginning.
            let primary = self.stage.mysql(name).await?;
            let replica = self.stage.replica(&primary).await?;
            return Ok((primary, Some(replica)));
        }
        if more.server {
            return Ok((self.stage.own_mysql(name).await?, None));
        }
        let idle = self.idle.lock().expect("no holder panics").pop();
        match idle {
            Some(service) => Ok((service.renamed(name), None)),
            None => Ok((self.stage.mysql(name).await?, None)),
        }
    }

    /// Ends the cell; its MySQL is used again when all its faults were seen healed, and it can be proved clean.
    pub async fn give_back(
        &self,
        cell: Cell,
        mysql: Service,
        beside: Vec<Service>,
        is_healed: bool,
    ) {
        cell.stop().await;
        for server in beside {
            // The guardian has it still, should this fail.
            let _ = server.remove().await;
        }
        if is_healed && mysql.is_running().await && self.stage.clean(&mysql).await.is_ok() {
            self.idle.lock().expect("no holder panics").push(mysql);
        } else {
            // The guardian has it still, should this fail.
            let _ = mysql.remove().await;
        }
    }

    /// The probes of a started cell; the error says what could not be done.
    async fn instruments(
        &self,
        cell: Cell,
        mysql: Service,
        mut inbox: Inbox,
        recorder: Recorder,
    ) -> Result<Bench, (&'static str, String)> {
        let prefix = cell.spec.topic_prefix.clone();
        let platform = Platform::builtin(&Builtin {
            shop_url: cell.shop.base_url(),
            channel_url: cell.channel.base_url(),
            bootstrap: cell.spec.kafka.to_string(),
            topic_prefix: prefix.clone(),
        });
        let platform = platform.map_err(|e| ("make the platform's client", e.to_string()))?;
        let servers = Servers {
            mysql: (cell.mysql().ip().to_string(), cell.mysql().port()),
            login: mysql.login.clone(),
            schema: mysql.schema.clone(),
            bootstrap: cell.spec.kafka.to_string(),
            topics: Topics::builtin(prefix),
        };
        // Who outlives its cells must not take the next cell's marks for old ones.
        let after = if self.lasting.is_some() { monotonic_us() / 1000 } else { 0 };
        let marks = Marks::new(&servers, recorder.clone(), after);
        let marks = marks.map_err(|e| ("make the marks' writer", e.to_string()))?;
        for feed in self.programs.hearing.followed(&cell, &servers) {
            inbox.follow(feed).await;
        }
        let at = TruthAt { servers, ledger: cell.ledger.clone() };
        let truth = Truth::start(at, recorder.clone()).await;
        let truth = truth.map_err(|e| ("start the oracle's own reader", e.to_string()))?;
        let at = self.programs.hearing.reconciler_at(&cell);
        let reconciler = Reconciler::new(at, recorder.clone());
        let reconciler = reconciler.map_err(|e| ("make the reconciler's probe", e.to_string()))?;
        let (readiness, beside) = (Ok(()), Vec::new());
        Ok(Bench {
            cell,
            mysql,
            beside,
            platform,
            recorder,
            inbox,
            truth,
            marks,
            reconciler,
            readiness,
        })
    }
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
