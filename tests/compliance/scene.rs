//! A cell on real servers, and what one fault does in it.

use std::path::Path;
use std::time::{Duration, Instant};

use lossdrill::author::{CheckArgs, Checked, check};
use lossdrill::cli::system::{WATCHDOG_ARGS, builtin_args};
use lossdrill::clock::{parse_rfc3339, wall_ms};
use lossdrill::faults::{FaultError, FaultSpec, Healed, Layer, Need, Nemesis, registry};
use lossdrill::forge::Seed;
use lossdrill::journal::{Journal, Phase, Scribe};
use lossdrill::runner::{Bench, Demand, Ground, Hearing, More, Programs, nemesis, schema};
use lossdrill::stage::cell::{ReconcilerSpec, Start};
use lossdrill::stage::{Guardian, Provider, Stage};
use lossdrill::steps::{Kind, Known, Move, Names, Scenario, Script, Tier, read_feature};
use lossdrill::wire::{Advance, MarkKind};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, TopicPartitionList};

use crate::declared::Seen;
use crate::half;
use crate::servers;

/// What no shipped scenario provokes, and what a plan of an earlier fault might stop: a scenario is named for its fault.
const TRAFFIC: &str = include_str!("traffic.feature");
/// A MySQL server that has to start again is the longest.
pub const HEAL_LIMIT: Duration = Duration::from_secs(60);
/// The shop's work for a few acts: milliseconds. This bounds a starved machine.
const WORK_LIMIT: Duration = Duration::from_secs(20);
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// A fault that needs time meets its traffic within so many of the shop's own timers.
const ADVANCES: usize = 6;
/// The reconciler reads, and asks, within so long after the shop's rest.
const ECHO_LIMIT: Duration = Duration::from_secs(3);
/// And between two acts within so long: milliseconds, where no fault holds it up.
const READ_LIMIT: Duration = Duration::from_secs(2);

/// What faults draw from.
const SEED: u64 = 1;

/// The servers, the texts, and the cell of the moment.
pub struct Scene {
    guardian: Guardian,
    ground: Ground,
    texts: Checked,
    provoking: Vec<Scenario>,
    journal: Journal,
    _dir: tempfile::TempDir,
    bench: Option<Bench>,
    /// What the cell of the moment has beside the usual.
    pub more: More,
    advances: u64,
    plays: usize,
}

impl Scene {
    /// Brings the servers up; there is no cell yet.
    pub async fn set(provider: Provider) -> Scene {
        let shop = env!("CARGO_BIN_EXE_shop");
        let dcheck = env!("CARGO_BIN_EXE_dcheck");
        let guardian = servers::guardian(&format!("compliance-{provider:?}").to_lowercase()).await;
        let ddl = schema(Path::new(shop)).await.expect("the shop prints its schema");
        let stage = Stage::up_fresh(servers::options(provider, &guardian, &ddl), &guardian).await;
        let args = CheckArgs::default();
        let known = |id: &str, params: &_| {
            let spec = registry::find(id).map_err(|error| error.to_string())?;
            spec.check_params(params).map(drop).map_err(|error| error.to_string())
        };
        let (report, texts) = check(&args, &known);
        let texts = texts.unwrap_or_else(|| panic!("{}", report.render_text()));
        let place = Known::of(&texts.catalog, &known);
        let (provoking, _) = read_feature("traffic.feature", "traffic.feature", TRAFFIC, &place);
        let reconciler = ReconcilerSpec {
            start: Start::Process { program: dcheck.into(), args: builtin_args(&args.scenarios) },
            advances: true,
            rules: Some(args.scenarios.join("rules")),
            sweep: None,
            watchdog: Some((dcheck.into(), WATCHDOG_ARGS.map(str::to_owned).into())),
        };
        let programs = Programs { shop: shop.into(), reconciler, hearing: Hearing::default() };
        let demand = Demand { scenarios: 0, one_by_one: true };
        let stage = stage.expect("the stage comes up");
        let ground = Ground::new(stage, guardian.clone(), programs, wall_ms(), WORK_LIMIT, demand);
        let dir = tempfile::tempdir().expect("a folder");
        let journal = Journal::create(&dir.path().join("journal.ndjson")).expect("a journal");
        let (bench, more, advances, plays) = (None, More::default(), 0, 0);
        Scene {
            guardian,
            ground,
            texts,
            provoking,
            journal,
            _dir: dir,
            bench,
            more,
            advances,
            plays,
        }
    }

    /// A fresh cell instead of the one before; its reconciler sleeps where it is not to be `awake`.
    pub async fn open(&mut self, awake: bool, more: More) {
        self.close().await;
        self.more = more;
        let bench = self.ground.bench(more).await.unwrap_or_else(|why| panic!("no cell: {why:?}"));
        bench.readiness.clone().unwrap_or_else(|why| panic!("the cell is not ready: {why:?}"));
        if !awake {
            let reconciler = bench.cell.reconciler.clone().expect("started by the cell");
            reconciler.kill().await.expect("the reconciler ends");
        }
        self.advances = 0;
        self.bench = Some(bench);
    }

    async fn close(&mut self) {
        let Some(Bench { cell, mysql, beside, .. }) = self.bench.take() else { return };
        cell.stop().await;
        for server in beside {
            let _ = server.remove().await;
        }
        // The guardian has it still, should this fail.
        let _ = mysql.remove().await;
    }

    /// Ends everything, and holds that nothing is left.
    pub async fn strike_set(mut self) {
        self.close().await;
        assert!(self.guardian.bye().await, "the guardian leaves nothing behind");
    }

    fn bench(&self) -> &Bench {
        self.bench.as_ref().expect("a cell is open")
    }

    /// What becomes of a fault in this cell: injected whole, then cut short.
    pub async fn holds(&mut self, spec: &'static FaultSpec) -> Seen {
        let kept = match self.holds_whole(spec).await {
            Seen::Kept(evidence) => evidence,
            other => return other,
        };
        let bench = self.bench();
        let scribe = self.journal.scribe(&spec.id, bench.cell.clock.clone());
        for cut in half::cuts(spec) {
            // A topic has something to lose.
            let _ = bench.marks.write(MarkKind::Beat, bench.cell.clock.offset_ms()).await;
            let nemesis = nemesis(&bench.cell, &bench.mysql, &bench.beside, SEED);
            if let Err(why) = half::holds(spec, cut, nemesis, &scribe).await {
                return Seen::Broken(format!("cut short after {cut:?}: {why}"));
            }
        }
        Seen::Kept(kept)
    }

    async fn holds_whole(&mut self, spec: &'static FaultSpec) -> Seen {
        self.plays += 1;
        let bench = self.bench();
        let scribe = self.journal.scribe(&spec.id, bench.cell.clock.clone());
        let mut nemesis = nemesis(&bench.cell, &bench.mysql, &bench.beside, SEED);
        // What was never written, or never read, can neither be edited nor be read again.
        let needs_past = spec.layer == Layer::Data || matches!(spec.needs, Need::Offsets(_));
        let provoked = spec.waits_for_traffic || needs_past;
        let struck = match provoked {
            true => self.provoke(spec, &mut nemesis, &scribe).await,
            false => {
                // A topic has something to lose.
                let _ = bench.marks.write(MarkKind::Beat, bench.cell.clock.offset_ms()).await;
                let struck = strike(spec, &mut nemesis, &scribe).await;
                match spec.id.as_str() {
                    "mysql.server.read-only" => struck.and(self.mark_gets_through().await),
                    _ => struck,
                }
            }
        };
        let mut healed = heal(nemesis.heal_all(&scribe, Phase::Heal, HEAL_LIMIT).await);
        if healed.is_ok() {
            nemesis.heal_again(&scribe, Phase::Heal, HEAL_LIMIT).await;
            healed = heal(nemesis.results()).map_err(|why| format!("healed twice: {why}"));
        }
        match (struck, healed) {
            (Ok(bite), Ok(healed)) => Seen::Kept(format!("{bite}; healed: {healed}")),
            (Err(Failed::Refused(why)), Ok(_)) => Seen::Refused(why),
            (Err(Failed::Broken(why)), Ok(_)) => Seen::Broken(why),
            (Ok(_), Err(why)) => Seen::Broken(why),
            (Err(why), Err(heal)) => Seen::Broken(format!("{why:?}; {heal}")),
        }
    }

    /// A server that refuses what others write takes the harness's marks: without them nobody knows what was read.
    async fn mark_gets_through(&self) -> Result<String, Failed> {
        let Bench { marks, cell, .. } = self.bench();
        let written = marks.write(MarkKind::Beat, cell.clock.offset_ms()).await;
        let written = written.map_err(|error| Failed::Broken(error.to_string()))?;
        Ok(format!("others are refused, and mark {} is taken", written.seq))
    }

    /// Plays the scenario that names the fault, until the fault has met its traffic.
    async fn provoke(
        &mut self,
        spec: &FaultSpec,
        nemesis: &mut Nemesis,
        scribe: &Scribe,
    ) -> Result<String, Failed> {
        let names = |scenario: &&Scenario| {
            // What comes and goes by a plan is nothing that a step arms.
            let mut named = scenario.steps.iter().filter_map(|step| step.sentence.fault());
            scenario.name == spec.id || named.any(|id| id == spec.id)
        };
        // The gate's faults are those that every provider can do.
        let (gate, night): (Vec<_>, Vec<_>) =
            self.texts.scenarios.iter().partition(|scenario| scenario.tier == Tier::Gate);
        let no_traffic = || Failed::Broken("nothing provokes it: see traffic.feature".to_owned());
        // Of each, the one with the fewest faults beside it.
        let alone = |of: Vec<&Scenario>| {
            let faults = |s: &&Scenario| {
                s.steps.iter().filter(|step| step.sentence.fault().is_some()).count()
            };
            of.into_iter().filter(names).min_by_key(faults).cloned()
        };
        let scenario = alone(self.provoking.iter().collect()).or_else(|| alone(gate));
        let scenario = scenario.or_else(|| alone(night)).ok_or_else(no_traffic)?;
        let suffix = format!("p{}", self.plays);
        // A scenario of `traffic.feature` stands for no loss point.
        let point = self.texts.catalog.facts(&scenario.loss_point);
        let point = point.or_else(|| self.texts.catalog.facts("refund-paid-twice"));
        let point = point.expect("the catalogue has it");
        let seed = Seed::of_scenario(SEED, &suffix);
        let mut script = Script::new(Names::new(suffix), seed, point);
        if scenario.name == spec.id {
            arm(spec, nemesis, scribe)?;
        }
        let mut begun = false;
        for step in scenario.steps.iter().filter(|step| step.kind != Kind::Then) {
            match step.kind {
                Kind::When if begun => self.let_reconciler_read().await,
                Kind::When => {
                    begun = true;
                    self.settle().await?;
                    nemesis.inject_all(scribe, Phase::Inject).await.map_err(broken)?;
                }
                _ => {}
            }
            for one in script.moves(step).map_err(|error| Failed::Broken(error.to_string()))? {
                self.make(one, nemesis, scribe).await?;
            }
        }
        if spec.what_happened() == "moved" {
            self.ask_for_a_group(spec).await;
        }
        for _ in 0..=ADVANCES {
            // A shop that reads stale rows finds no rest: first the bite, then the rest.
            if let Some(seen) = self.met(spec, nemesis, scribe).await {
                return Ok(seen);
            }
            self.settle().await?;
            if let Some(seen) = self.met(spec, nemesis, scribe).await {
                return Ok(seen);
            }
            if !self.advance().await? {
                break;
            }
        }
        Err(Failed::Broken(format!("no traffic of `{}` has met it", scenario.name)))
    }

    /// What it reads at once it asks at once, and then nothing that it asks was asked before. Some faults keep it from reading.
    async fn let_reconciler_read(&self) {
        let Bench { marks, cell, reconciler, .. } = self.bench();
        let until = Instant::now() + READ_LIMIT;
        let Ok(mark) = marks.write(MarkKind::Beat, cell.clock.offset_ms()).await else { return };
        while Instant::now() < until {
            let Ok(Some(told)) = reconciler.watermark().await else { return };
            if told.clock.busy == 0 && told.read.values().all(|read| *read >= mark.seq) {
                return;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// Neither the shop nor the built-in reconciler keeps a group: somebody else asks for its offsets through the link.
    async fn ask_for_a_group(&self, spec: &FaultSpec) {
        let Need::Records(link) = spec.needs else { return };
        let broker = self.bench().cell.links[link].addr().to_string();
        let asked = tokio::task::spawn_blocking(move || {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", broker).set("group.id", "compliance");
            let consumer: BaseConsumer = config.create().expect("a client");
            let mut list = TopicPartitionList::new();
            list.add_partition("orders.events", 0);
            consumer.committed_offsets(list, WORK_LIMIT).map(drop)
        });
        // That it was refused once, and served then, is the fault's doing.
        let _ = asked.await.expect("asking does not panic");
    }

    /// Waits a moment for what the reconciler, or a timer of real time, makes of the acts.
    async fn met(
        &self,
        spec: &FaultSpec,
        nemesis: &mut Nemesis,
        scribe: &Scribe,
    ) -> Option<String> {
        let until = Instant::now() + if spec.layer == Layer::App { LOOK_PAUSE } else { ECHO_LIMIT };
        loop {
            let unmet = nemesis.confirm_bites(scribe, Phase::Judge).await;
            if !unmet.iter().any(|(id, _)| *id == spec.id) {
                return Some("it met its traffic".to_owned());
            }
            if Instant::now() > until {
                return None;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    async fn make(&self, one: Move, nemesis: &mut Nemesis, scribe: &Scribe) -> Result<(), Failed> {
        let (platform, now) = (&self.bench().platform, self.bench().cell.clock.now());
        match one {
            // What becomes of an act is the fault's doing, and judged elsewhere.
            Move::Act(act) => drop(platform.apply(&act, now).await),
            Move::AtOnce(acts) => {
                let all = acts.iter().map(|act| platform.apply(act, now));
                drop(futures::future::join_all(all).await);
            }
            Move::Arm(id, params) => {
                nemesis.arm(&id, params, scribe, Phase::Given).map_err(broken)?;
            }
            Move::Strike(id, params) => {
                nemesis.strike(&id, params, scribe, Phase::When).await.map_err(broken)?;
            }
            Move::Expect(_) | Move::Watchdog | Move::Approver | Move::Sweep => {}
        }
        Ok(())
    }

    /// Shop and channel have nothing to do now, twice in a row.
    async fn settle(&self) -> Result<(), Failed> {
        let until = Instant::now() + WORK_LIMIT;
        let mut idle_before = false;
        loop {
            let idle = match self.bench().platform.clock().await {
                Ok(reports) => reports.iter().all(|report| report.busy == 0),
                Err(_) => false,
            };
            if idle && idle_before {
                return Ok(());
            }
            idle_before = idle;
            if Instant::now() > until {
                return Err(Failed::Broken("shop and channel do not come to rest".to_owned()));
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// To the shop's or the channel's next timer; false where there is none.
    async fn advance(&mut self) -> Result<bool, Failed> {
        let said = |error: lossdrill::platform::PlatformError| Failed::Broken(error.to_string());
        let bench = self.bench.as_ref().expect("a cell is open");
        let clock = &bench.cell.clock;
        let reports = bench.platform.clock().await.map_err(said)?;
        let dues = reports.iter().filter_map(|report| report.next_due.as_deref());
        let Some(due) = dues.filter_map(parse_rfc3339).min() else { return Ok(false) };
        let offset_ms = clock.offset_ms() + (due - clock.now().0).max(0) + 1;
        self.advances += 1;
        let advance = Advance { seq: self.advances, offset_ms };
        clock.advance(advance.seq, advance.offset_ms);
        bench.platform.advance(advance).await.map_err(said)?;
        Ok(true)
    }
}

/// Why a fault was not seen to bite.
#[derive(Debug)]
pub enum Failed {
    /// Nothing was touched.
    Refused(String),
    Broken(String),
}

fn broken(error: FaultError) -> Failed {
    Failed::Broken(error.to_string())
}

pub fn arm(spec: &FaultSpec, nemesis: &mut Nemesis, scribe: &Scribe) -> Result<(), Failed> {
    let armed = nemesis.arm(&spec.id, Default::default(), scribe, Phase::Given);
    armed.map_err(|error| Failed::Refused(error.to_string()))
}

async fn strike(
    spec: &FaultSpec,
    nemesis: &mut Nemesis,
    scribe: &Scribe,
) -> Result<String, Failed> {
    arm(spec, nemesis, scribe)?;
    let struck = nemesis.inject_all(scribe, Phase::Inject).await.map_err(broken)?;
    Ok(format!("{:?}", struck.first()))
}

pub fn heal(healed: Vec<Healed>) -> Result<String, String> {
    let each = healed.into_iter().map(|one| one.result);
    each.collect::<Result<Vec<_>, _>>().map(|all| all.join("; "))
}
