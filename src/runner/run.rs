//! A whole run: run directory, guardian, stage, all scenarios, teardown, exit code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::bench::{Demand, Ground};
use super::conduct::Trouble;
use super::desk::{Desk, Outcome, RUN_ENDED, Register};
use super::hearing::Hearing;
use super::more::More;
use super::world;
use crate::catalog::Catalog;
use crate::clock::{monotonic_us, wall_ms};
use crate::coverage;
use crate::journal::{Basis, Event, Exit, Journal, JournalError, Phase, SourceText, Verdict, Word};
use crate::stage::cell::ReconcilerSpec;
use crate::stage::guardian::Guardian;
use crate::stage::{ExternalSpec, Provider, Stage, StageOptions, sweep};
use crate::steps::{Scenario, proofs};

/// The practice shop prints its DDL in milliseconds.
const SCHEMA_LIMIT: Duration = Duration::from_secs(10);

/// What the reports say of a run whose time nobody advances.
pub(super) const REAL_TIME: &str =
    "real time: the system under test has no clock, so nothing was advanced";

/// The programs of a run.
#[derive(Clone, Debug)]
pub struct Programs {
    pub shop: PathBuf,
    pub reconciler: ReconcilerSpec,
    /// How the reconciler is heard and asked.
    pub hearing: Hearing,
}

/// What to run, on what, with which limits.
pub struct RunOptions {
    pub catalog: Arc<Catalog>,
    /// Every scenario that was loaded: canaries are found among them.
    pub scenarios: Vec<Arc<Scenario>>,
    pub selected: Vec<Arc<Scenario>>,
    pub programs: Programs,
    pub provider: Provider,
    pub mysql_image: String,
    pub kafka_image: String,
    /// For provider `external`: what is given.
    pub external: Option<ExternalSpec>,
    /// Run directories are made in here.
    pub out: PathBuf,
    pub seed: u64,
    pub epoch_ms: i64,
    pub jobs: usize,
    /// Never two cells at once, not even one that is only being made ready.
    pub one_by_one: bool,
    pub deaf_limit: Duration,
    pub deadline: Option<Duration>,
    /// The first failed defence ends the run: what waits is cancelled, what is unjudged is inconclusive.
    pub fail_fast: bool,
    pub args: Vec<String>,
    /// What the run sets out to prove, and from which texts.
    pub basis: Basis,
    pub sources: Vec<SourceText>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct RunResult {
    pub exit: Exit,
    pub dir: PathBuf,
    /// What went wrong with the run itself: no stage, a journal that could not be written.
    pub troubles: Vec<String>,
}

/// Why a run could not even begin its journal.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("make the run directory {path}: {source}; name another with --out")]
    Dir { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error("listen for signals: {0}")]
    Signals(std::io::Error),
}

/// Runs `options.selected`; `attend` gets the journal before its first entry (a terminal subscribes there).
pub async fn run(
    options: RunOptions,
    attend: impl FnOnce(&Journal),
) -> Result<RunResult, RunError> {
    let id = run_id();
    let dir = options.out.join(&id);
    std::fs::create_dir_all(&dir).map_err(|source| RunError::Dir { path: dir.clone(), source })?;
    let journal = Journal::create(&dir.join("journal.ndjson"))?;
    // Before the first word: who reads it may send a signal.
    let stop = Arc::new(watch::Sender::new(false));
    let watchman = watch_for_the_end(stop.clone(), options.deadline, journal.clone());
    let watchman = watchman.map_err(RunError::Signals)?;
    attend(&journal);
    let scribe = journal.run_scribe();
    scribe.write(
        Phase::Start,
        Event::RunStarted {
            run: id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: options.seed,
            args: options.args.clone(),
            total: options.selected.len(),
        },
    );
    let basis = options.basis.clone();
    scribe.write(Phase::Start, Event::Basis { basis: Box::new(basis.clone()) });
    for source in &options.sources {
        scribe.write(Phase::Start, Event::Source { source: source.clone() });
    }
    let (total, started) = (options.selected.len(), Instant::now());
    let proofs = proofs(&options.scenarios);
    let mut played = play(&id, options, &journal, stop).await;
    let ended_by = *watchman.borrow();
    let mut exits: Vec<Exit> = played.outcomes.iter().map(exit_of).collect();
    exits.extend(played.exit);
    exits.extend(ended_by);
    let passed = count(&played.outcomes, Verdict::Pass);
    let inconclusive = count(&played.outcomes, Verdict::Inconclusive);
    let skipped = total.saturating_sub(played.outcomes.len());
    if skipped > 0 {
        exits.push(Exit::Inconclusive);
    }
    let took_ms = i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX);
    let verdicts = played.outcomes.iter().map(|one| (one.scenario.as_str(), one.verdict)).collect();
    for text in coverage::unmet(&basis, &proofs, &verdicts, took_ms) {
        scribe.write(Phase::Teardown, Event::Note { text });
        exits.push(Exit::Policy);
    }
    if let Some(why) = journal.broken() {
        played.troubles.push(format!("{why}: verdicts after that are not kept; make room"));
        exits.push(Exit::Inconclusive);
    }
    let exit = Exit::worst(exits);
    let failed = played.outcomes.len() - passed;
    let ended = Event::RunEnded { passed, failed, skipped, inconclusive, exit: exit.code() };
    scribe.write(Phase::Teardown, ended);
    Ok(RunResult { exit, dir, troubles: played.troubles })
}

fn count(outcomes: &[Outcome], verdict: Verdict) -> usize {
    outcomes.iter().filter(|outcome| outcome.verdict == verdict).count()
}

fn exit_of(outcome: &Outcome) -> Exit {
    match outcome.verdict {
        _ if !outcome.clean => Exit::Dirty,
        Verdict::Pass => Exit::Proved,
        Verdict::Inconclusive => Exit::Inconclusive,
        Verdict::Fail => Exit::Failed,
    }
}

/// Unique on this machine, and sorted by time.
pub fn run_id() -> String {
    let stamp = crate::clock::rfc3339(wall_ms());
    let digits: String = stamp.chars().filter(char::is_ascii_digit).take(14).collect();
    format!("{}-{}-{:04x}", &digits[..8], &digits[8..], monotonic_us() & 0xffff)
}

/// SIGINT, SIGTERM, the run's deadline or a full disk: everything is stopped, healed and reported; the reason's exit is
/// kept.
fn watch_for_the_end(
    stop: Arc<watch::Sender<bool>>,
    deadline: Option<Duration>,
    journal: Journal,
) -> std::io::Result<watch::Receiver<Option<Exit>>> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (tell, why) = watch::channel(None);
    tokio::spawn(async move {
        let over = async {
            match deadline {
                Some(deadline) => tokio::time::sleep(deadline).await,
                None => std::future::pending().await,
            }
        };
        let exit = tokio::select! {
            _ = interrupt.recv() => Exit::Aborted,
            _ = terminate.recv() => Exit::Aborted,
            () = over => Exit::Inconclusive,
            () = journal.breaks() => Exit::Inconclusive,
        };
        tell.send_replace(Some(exit));
        stop.send_replace(true);
        // Kept so that the receivers stay open until the run is over.
        std::future::pending::<()>().await;
    });
    Ok(why)
}

#[derive(Default)]
struct Played {
    outcomes: Vec<Outcome>,
    exit: Option<Exit>,
    troubles: Vec<String>,
}

/// Stage up, all scenarios, stage down.
async fn play(
    id: &str,
    options: RunOptions,
    journal: &Journal,
    stop: Arc<watch::Sender<bool>>,
) -> Played {
    let scribe = journal.run_scribe();
    let started = Instant::now();
    let swept = sweep::sweep().await;
    if swept.found_any() {
        scribe.write(Phase::Start, Event::Note { text: swept.to_string() });
    }
    let register = Register {
        journal: journal.clone(),
        catalog: options.catalog.clone(),
        run_seed: options.seed,
        epoch_ms: options.epoch_ms,
        judged: options.programs.hearing.is_builtin(),
        watermark: options.programs.hearing.has_watermark(),
    };
    let (guardian, stage) = match raise(id, &options, &stop).await {
        Ok(raised) => raised,
        Err(down) => return unplayed(&register, &options.selected, down),
    };
    stage.prewarm(options.jobs.min(options.selected.len()));
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    scribe.write(Phase::Start, Event::StageUp { services: stage.facts(), took_ms });
    let all = options.scenarios.iter().chain(&options.selected);
    let scenarios: BTreeMap<_, _> = all.map(|s| (s.id.clone(), s.clone())).collect();
    if !options.programs.hearing.advances() {
        scribe.write(Phase::Start, Event::Note { text: REAL_TIME.to_owned() });
    }
    let plain = |one: &&Arc<Scenario>| More::of_scenario(one, &scenarios).is_nothing();
    let scenarios_alike = options.selected.iter().filter(plain).count();
    let demand = Demand { scenarios: scenarios_alike, one_by_one: options.one_by_one };
    let ground = Ground::new(
        stage.clone(),
        guardian.clone(),
        options.programs,
        options.epoch_ms,
        options.deaf_limit,
        demand,
    );
    let ground = Arc::new(ground);
    let desk = Rc::new(Desk {
        register,
        scenarios,
        ground: ground.clone(),
        fail_fast: options.fail_fast,
        stop,
        outcomes: Default::default(),
    });
    world::walk(desk.clone(), &options.selected, options.jobs).await;
    let outcomes = desk.outcomes.take();
    drop(desk);
    ground.clear().await;
    let left =
        stage.leave().await.err().map(|error| format!("what was made is still there: {error}"));
    let dirty = farewell(&guardian).await.or(left);
    if let Some(text) = &dirty {
        scribe.write(Phase::Teardown, Event::Note { text: text.clone() });
    }
    let exit = dirty.is_some().then_some(Exit::Dirty);
    Played { outcomes, exit, troubles: dirty.into_iter().collect() }
}

/// Ends the run's processes; what to tell where that could not be proved.
async fn farewell(guardian: &Guardian) -> Option<String> {
    let told =
        "the guardian did not confirm that everything is gone; run `lossdrill faults heal --all`";
    (!guardian.bye().await).then(|| told.to_owned())
}

/// Why there is no stage.
struct Down {
    why: String,
    word: Word,
    exit: Exit,
}

/// Without a stage every scenario is inconclusive, each by name, in all reports.
fn unplayed(register: &Register, selected: &[Arc<Scenario>], down: Down) -> Played {
    let scribe = register.journal.run_scribe();
    let (evidence, troubles) = match down.word {
        Word::StageDown => {
            let text = format!("the stage is not up: {}", down.why);
            scribe.write(Phase::Start, Event::Note { text: text.clone() });
            ("the stage is not up".to_owned(), vec![text])
        }
        _ => (down.why, Vec::new()),
    };
    let trouble = || Trouble::inconclusive(down.word, evidence.clone());
    let outcomes = selected.iter().map(|scenario| register.unopened(scenario, trouble())).collect();
    Played { outcomes, exit: Some(down.exit), troubles }
}

/// The guardian and the stage, unless the run is ended before they are there.
async fn raise(
    id: &str,
    options: &RunOptions,
    stop: &watch::Sender<bool>,
) -> Result<(Guardian, Stage), Down> {
    let down = |why: String| Down { why, word: Word::StageDown, exit: Exit::Inconclusive };
    let schema_sql = schema(&options.programs.shop).await.map_err(down)?;
    let guardian = Guardian::start(id).await.map_err(|error| down(error.to_string()))?;
    let wanted = StageOptions {
        provider: options.provider,
        mysql_image: options.mysql_image.clone(),
        kafka_image: options.kafka_image.clone(),
        run_id: id.to_owned(),
        schema_sql,
        external: options.external.clone(),
    };
    let mut stopped = stop.subscribe();
    let raised = tokio::select! {
        stage = Stage::up(wanted, &guardian) => stage.map_err(|error| down(error.to_string())),
        _ = stopped.wait_for(|stopped| *stopped) => {
            let why = RUN_ENDED.to_owned();
            Err(Down { why, word: Word::NotJudged, exit: Exit::Inconclusive })
        }
    };
    match raised {
        Ok(stage) => Ok((guardian, stage)),
        Err(down) => match farewell(&guardian).await {
            None => Err(down),
            Some(dirty) => {
                let why = format!("{}; {dirty}", down.why);
                Err(Down { why, word: Word::StageDown, exit: Exit::Dirty })
            }
        },
    }
}

/// The DDL that `shop schema` prints.
pub async fn schema(shop: &Path) -> Result<String, String> {
    let mut command = tokio::process::Command::new(shop);
    command.arg("schema").kill_on_drop(true);
    let output = tokio::time::timeout(SCHEMA_LIMIT, command.output()).await;
    let output = output.map_err(|_| format!("`{} schema` hangs", shop.display()))?;
    let output = output.map_err(|error| format!("run `{} schema`: {error}", shop.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("`{} schema` failed: {said}", shop.display()));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("`shop schema`: {error}"))
}
