//! A prepared cell with its instruments: what one scenario works on.
//!
//! Owns bringing up a cell (MySQL, topics, processes, probes) until everything is ready, and giving it back. Knows
//! nothing of sentences or verdicts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::clockwork::Clockwork;
use super::conduct::{Home, Trouble};
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
}

impl Ground {
    pub fn new(
        stage: Stage,
        guardian: Guardian,
        shop_program: PathBuf,
        reconciler: ReconcilerSpec,
        epoch_ms: i64,
        deaf_limit: Duration,
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
        let ready = instruments(cell, mysql, inbox, recorder).await;
        ready.map_err(|(what, error)| down(what, &error))
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
    Ok(Bench { cell, mysql, platform, recorder, inbox, truth, marks, reconciler })
}

impl Home {
    /// Waits until shop and channel are ready (else inconclusive), then the reconciler (else deaf).
    pub async fn ready(&self, deaf_limit: Duration, works: &Clockwork) -> Result<(), Trouble> {
        let started = Instant::now();
        loop {
            let why = match works.house_ready().await {
                Ok(health) if health.ready => break,
                Ok(health) => health.reasons.join("; "),
                Err(error) => error.to_string(),
            };
            self.alive().await?;
            if started.elapsed() > HOUSE_READY_LIMIT {
                let what = format!("shop or channel not ready after {HOUSE_READY_LIMIT:?}: {why}");
                return Err(Trouble::inconclusive(Word::StageDown, what));
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
        loop {
            let why = match works.instruments.reconciler.health().await {
                Ok(health) if health.ready => return Ok(()),
                Ok(health) => health.reasons.join("; "),
                Err(error) => error.to_string(),
            };
            self.alive().await?;
            if started.elapsed() > deaf_limit {
                let what = format!("the reconciler is not ready after {deaf_limit:?}: {why}");
                return Err(Trouble::fail(Word::Deaf, what));
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
    }

    async fn alive(&self) -> Result<(), Trouble> {
        match self.cell.casualty().await {
            None => Ok(()),
            Some(("reconciler", why)) => Err(Trouble::fail(Word::Deaf, why.to_string())),
            Some((_, why)) => Err(Trouble::inconclusive(Word::StageDown, why.to_string())),
        }
    }
}
