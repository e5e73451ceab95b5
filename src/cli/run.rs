//! `gate`, `run` and `rerun`: from arguments to a run, its live lines and its reports.

use std::sync::Arc;
use std::time::Duration;

use super::args::{Format, PlayArgs, RerunArgs, RunArgs};
use super::live::Attending;
use super::{basis, rundir, system, texts};
use crate::author::Checked;
use crate::config::{Cells, Provider as Wanted, SystemKind, list, or_known};
use crate::journal::{Demands, Exit, Shard};
use crate::report;
use crate::runner::{RunOptions, run as play};
use crate::stage::Provider;
use crate::steps::{NothingSelected, Scenario, Selection, TagExpressionError, Tier, of_shard};

/// A reconciler may be silent this long, real time, before it is deaf; `LOSSDRILL_DEAF_AFTER_MS` shortens it for
/// tests that wait for it.
const DEAF_LIMIT: Duration = Duration::from_secs(30);
/// Scenarios at once per processor: more make a run no shorter, and each scenario slower.
const CELLS_PER_PROCESSOR: usize = 1;

/// What is to be run, in this order, and what it must prove.
pub struct Assignment {
    pub chosen: Vec<Arc<Scenario>>,
    /// The part of the selection that `chosen` is.
    pub shard: Option<Shard>,
    /// How many were selected for all shards together.
    pub whole: usize,
    /// The policy that the whole must meet.
    pub demands: Option<Demands>,
    /// How many at once, whatever the arguments say.
    pub jobs: Option<usize>,
}

impl Assignment {
    /// All of `chosen`, without a policy.
    pub fn of(chosen: Vec<Arc<Scenario>>) -> Assignment {
        Assignment { whole: chosen.len(), chosen, shard: None, demands: None, jobs: None }
    }
}

/// `lossdrill gate`: the policy's tiers, and its demands where nobody selected a part of them.
pub async fn gate(args: RunArgs) -> Exit {
    let texts = match texts::load(&args.play.sources) {
        Ok(texts) => texts,
        Err(exit) => return exit,
    };
    let policy = &texts.settings.policy;
    let coverage = policy.coverage.iter().map(|(priority, share)| (priority.clone(), share.0));
    let demands = Demands { coverage: coverage.collect(), budget_ms: policy.budget.as_ms() };
    let whole = args.select.is_everything();
    let tiers = policy.tiers.clone();
    match select(&args, &texts, tiers) {
        Ok(assignment) => {
            let demands = whole.then_some(demands);
            perform(args.play, texts, Assignment { demands, ..assignment }).await
        }
        Err(exit) => exit,
    }
}

/// `lossdrill run`: whatever is selected.
pub async fn run(args: RunArgs) -> Exit {
    let texts = match texts::load(&args.play.sources) {
        Ok(texts) => texts,
        Err(exit) => return exit,
    };
    match select(&args, &texts, Vec::new()) {
        Ok(assignment) => perform(args.play, texts, assignment).await,
        Err(exit) => exit,
    }
}

/// `lossdrill rerun`: what a run left red or did not begin, with its seed.
pub async fn rerun(args: RerunArgs) -> Exit {
    let run = match rundir::or_last(args.run, &args.play.out) {
        Ok(run) => run,
        Err(error) => return usage(&error),
    };
    let before = match report::read(&run) {
        Ok(before) => before,
        Err(error) => return usage(&error),
    };
    let red = before.unproved();
    if red.is_empty() {
        eprintln!("nothing to run again: every scenario of {} is proved", run.display());
        return Exit::Nothing;
    }
    let texts = match texts::load(&args.play.sources) {
        Ok(texts) => texts,
        Err(exit) => return exit,
    };
    let find = |id: &String| texts.scenarios.iter().find(|scenario| scenario.id == *id);
    let gone = red.iter().filter(|(id, _)| find(id).is_none());
    let gone: Vec<&str> = gone.map(|(_, name)| name.as_str()).collect();
    if !gone.is_empty() {
        let features = args.play.sources.features.display();
        return usage(&format!("not among the scenarios of {features} any more: {}", list(&gone)));
    }
    let chosen = red.iter().filter_map(|(id, _)| find(id)).cloned().map(Arc::new).collect();
    let seed = args.play.seed.or(Some(before.seed));
    perform(PlayArgs { seed, ..args.play }, texts, Assignment::of(chosen)).await
}

fn select(args: &RunArgs, texts: &Checked, tiers: Vec<Tier>) -> Result<Assignment, Exit> {
    let select = &args.select;
    let tags = select.tags.as_deref().map(str::parse).transpose();
    let tags = tags.map_err(|error: TagExpressionError| usage(&error))?;
    let known = || texts.catalog.loss_points.iter().map(|point| point.id.as_str());
    if let Some(unknown) = select.loss_point.iter().find(|id| !known().any(|known| known == *id)) {
        let hint = or_known(unknown, known());
        return Err(usage(&format!("unknown loss point `{unknown}`{hint}")));
    }
    let (names, loss_points) = (select.name.clone(), select.loss_point.clone());
    let selection = Selection { tiers, tags, names, loss_points, places: select.places.clone() };
    let features = args.play.sources.features.display().to_string();
    let nothing = |nothing: NothingSelected| {
        eprintln!("error: {nothing}");
        Exit::Nothing
    };
    let chosen = selection.of(&texts.scenarios, &features).map_err(nothing)?;
    let chosen: Vec<Arc<Scenario>> = chosen.into_iter().cloned().map(Arc::new).collect();
    let assignment = Assignment::of(chosen);
    match select.shard {
        None => Ok(assignment),
        Some(shard) => {
            let chosen = of_shard(&assignment.chosen, shard).map_err(nothing)?;
            Ok(Assignment { chosen, shard: Some(shard), ..assignment })
        }
    }
}

/// Runs what is assigned, and writes the reports.
pub async fn perform(args: PlayArgs, texts: Checked, assignment: Assignment) -> Exit {
    let options = match options(&args, texts, assignment).await {
        Ok(options) => options,
        Err(error) => return usage(&error),
    };
    let mut attending = None;
    let quiet = args.format == Format::Json;
    let attend = |journal: &_| attending = (!quiet).then(|| Attending::start(journal));
    let result = play(options, attend).await;
    let result = match result {
        Ok(result) => result,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Usage;
        }
    };
    let mut exit = result.exit;
    for trouble in &result.troubles {
        eprintln!("error: {trouble}");
    }
    exit = Exit::worst([exit, rundir::reports(&result.dir, args.github)]);
    if let Some(attending) = attending {
        attending.finish().await;
    }
    if quiet {
        rundir::print_json(&result.dir);
    }
    exit
}

fn usage(error: &dyn std::fmt::Display) -> Exit {
    eprintln!("error: {error}");
    Exit::Usage
}

async fn options(
    args: &PlayArgs,
    texts: Checked,
    assignment: Assignment,
) -> Result<RunOptions, String> {
    let settings = &texts.settings;
    let provider = match &args.provider {
        Some(word) => word.parse().map_err(|error| format!("{error}"))?,
        None => provider(settings.stage.mysql.provider),
    };
    let external = system::external(provider, settings, &assignment.chosen)?;
    // Given servers carry one cell, and a reconciler that runs already is one.
    let single = external.is_some() || settings.system_under_test.kind == SystemKind::External;
    let one_by_one = single || settings.cells == Cells::Exactly(1);
    let jobs =
        assignment.jobs.or(single.then_some(1)).or(args.jobs).unwrap_or(match settings.cells {
            Cells::Exactly(count) => usize::from(count),
            Cells::Auto => {
                std::thread::available_parallelism().map_or(1, |n| n.get()) * CELLS_PER_PROCESSOR
            }
        });
    if jobs == 0 {
        return Err("--jobs 0 runs nothing: name 1 or more".to_owned());
    }
    let deadline = args.deadline.as_deref().map(deadline).transpose()?;
    let (basis, sources) = basis::of(&texts, &args.sources, &assignment).await?;
    Ok(RunOptions {
        programs: system::programs(&texts, &args.sources)?,
        catalog: Arc::new(texts.catalog.clone()),
        scenarios: texts.scenarios.into_iter().map(Arc::new).collect(),
        selected: assignment.chosen,
        provider,
        mysql_image: settings.stage.mysql.image.clone(),
        kafka_image: settings.stage.kafka.image.clone(),
        external,
        out: args.out.clone(),
        seed: args.seed.unwrap_or(settings.policy.seed),
        epoch_ms: settings.policy.epoch_ms,
        jobs,
        one_by_one,
        deaf_limit: deaf_limit(),
        deadline,
        fail_fast: args.fail_fast,
        args: std::env::args().skip(1).collect(),
        basis,
        sources,
    })
}

/// The practice shop's DDL, for a warm stage.
pub async fn schema() -> Result<String, String> {
    crate::runner::schema(&system::shop()?).await
}

fn provider(wanted: Wanted) -> Provider {
    match wanted {
        Wanted::Auto => Provider::Auto,
        Wanted::Docker => Provider::Docker,
        Wanted::Local => Provider::Local,
        Wanted::External => Provider::External,
    }
}

fn deadline(text: &str) -> Result<Duration, String> {
    let span: crate::config::Span = text.parse().map_err(|error| format!("--deadline: {error}"))?;
    Ok(span.0)
}

fn deaf_limit() -> Duration {
    let told = std::env::var("LOSSDRILL_DEAF_AFTER_MS").ok();
    told.and_then(|text| text.parse().ok()).map_or(DEAF_LIMIT, Duration::from_millis)
}
