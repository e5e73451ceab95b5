//! `gate` and `run`: from arguments to a run, its live lines and its reports.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::args::{Format, RunArgs, Sources};
use super::live::Attending;
use super::texts;
use crate::author::Checked;
use crate::config::{Cells, Provider as Wanted, SystemKind, or_known};
use crate::journal::Exit;
use crate::report;
use crate::runner::{Programs, RunOptions, run as play};
use crate::stage::cell::ReconcilerSpec;
use crate::stage::{Provider, StageError};
use crate::steps::{Scenario, Selection, TagExpressionError, Tier};

/// A reconciler may be silent this long, real time, before it is deaf; `LOSSDRILL_DEAF_AFTER_MS` shortens it for
/// tests that wait for it.
const DEAF_LIMIT: Duration = Duration::from_secs(30);
/// Scenarios at once per processor: more make a run no shorter, and each scenario slower.
const CELLS_PER_PROCESSOR: usize = 1;

/// `lossdrill gate`: the policy's tiers.
pub async fn gate(args: RunArgs) -> Exit {
    match texts::load(&args.sources) {
        Ok(checked) => {
            let tiers = checked.settings.policy.tiers.clone();
            selected(args, checked, tiers).await
        }
        Err(exit) => exit,
    }
}

/// `lossdrill run`: whatever is selected.
pub async fn run(args: RunArgs) -> Exit {
    match texts::load(&args.sources) {
        Ok(checked) => selected(args, checked, Vec::new()).await,
        Err(exit) => exit,
    }
}

async fn selected(args: RunArgs, texts: Checked, tiers: Vec<Tier>) -> Exit {
    let tags = match args.tags.as_deref().map(str::parse).transpose() {
        Ok(tags) => tags,
        Err(error) => {
            let error: TagExpressionError = error;
            return usage(&error);
        }
    };
    if let Some(unknown) = args.loss_point.iter().find(|id| texts.catalog.loss_point(id).is_none())
    {
        let known = texts.catalog.loss_points.iter().map(|point| point.id.as_str());
        return usage(&format!("unknown loss point `{unknown}`{}", or_known(unknown, known)));
    }
    let (names, loss_points) = (args.name.clone(), args.loss_point.clone());
    let selection = Selection { tiers, tags, names, loss_points };
    let features = args.sources.features.display().to_string();
    let chosen = match selection.of(&texts.scenarios, &features) {
        Ok(chosen) => chosen.into_iter().cloned().map(Arc::new).collect(),
        Err(nothing) => {
            eprintln!("error: {nothing}");
            return Exit::Nothing;
        }
    };
    perform(args, texts, chosen, None).await
}

/// Runs `chosen` in this order; `jobs` overrides the arguments' (a drill goes one by one).
pub async fn perform(
    args: RunArgs,
    texts: Checked,
    chosen: Vec<Arc<Scenario>>,
    jobs: Option<usize>,
) -> Exit {
    let options = match options(&args, texts, chosen, jobs) {
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
    if let Err(error) = report::write_all(&result.dir) {
        eprintln!("error: {error}");
        exit = Exit::worst([exit, Exit::Inconclusive]);
    }
    if let Some(attending) = attending {
        attending.finish().await;
    }
    if quiet {
        print_json(&result.dir);
    }
    exit
}

fn print_json(dir: &Path) {
    match std::fs::read_to_string(dir.join("result.json")) {
        Ok(text) => println!("{text}"),
        Err(error) => eprintln!("error: read {}/result.json: {error}", dir.display()),
    }
}

fn usage(error: &dyn std::fmt::Display) -> Exit {
    eprintln!("error: {error}");
    Exit::Usage
}

fn options(
    args: &RunArgs,
    texts: Checked,
    selected: Vec<Arc<Scenario>>,
    jobs: Option<usize>,
) -> Result<RunOptions, String> {
    let settings = &texts.settings;
    let provider = match &args.provider {
        Some(word) => word.parse().map_err(|error| format!("{error}"))?,
        None => provider(settings.stage.mysql.provider),
    };
    if provider == Provider::External {
        return Err(StageError::External.to_string());
    }
    let jobs = jobs.or(args.jobs).unwrap_or(match settings.cells {
        Cells::Exactly(count) => usize::from(count),
        Cells::Auto => {
            std::thread::available_parallelism().map_or(1, |n| n.get()) * CELLS_PER_PROCESSOR
        }
    });
    if jobs == 0 {
        return Err("--jobs 0 runs nothing: name 1 or more".to_owned());
    }
    let deadline = args.deadline.as_deref().map(deadline).transpose()?;
    Ok(RunOptions {
        programs: programs(&texts, &args.sources)?,
        catalog: Arc::new(texts.catalog.clone()),
        scenarios: texts.scenarios.into_iter().map(Arc::new).collect(),
        selected,
        provider,
        mysql_image: settings.stage.mysql.image.clone(),
        kafka_image: settings.stage.kafka.image.clone(),
        out: args.out.clone(),
        seed: args.seed.unwrap_or(settings.policy.seed),
        epoch_ms: settings.policy.epoch_ms,
        jobs,
        deaf_limit: deaf_limit(),
        deadline,
        fail_fast: args.fail_fast,
        judged: settings.system_under_test.kind == SystemKind::Builtin,
        args: std::env::args().skip(1).collect(),
    })
}

/// The practice shop's DDL, for a warm stage.
pub async fn schema() -> Result<String, String> {
    crate::runner::schema(&existing(beside_us()?.join("shop"))?).await
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

/// The built-in reconciler's own command; a `command` in the configuration stands before it.
fn programs(texts: &Checked, sources: &Sources) -> Result<Programs, String> {
    let system = &texts.settings.system_under_test;
    let beside = beside_us()?;
    let shop = existing(beside.join("shop"))?;
    let (mut words, mut watchdog) = (system.command.clone(), None);
    match system.kind {
        SystemKind::Builtin => {
            let dcheck = existing(beside.join("dcheck"))?;
            words.push(dcheck.display().to_string());
            words.extend(builtin_args(&sources.scenarios));
            watchdog = Some((dcheck, WATCHDOG_ARGS.map(str::to_owned).into()));
        }
        SystemKind::Process => {}
        kind => {
            return Err(format!(
                "system_under_test.kind {kind:?} is not supported yet: use builtin or process"
            ));
        }
    }
    let mut words = words.into_iter();
    let program = PathBuf::from(words.next().ok_or("system_under_test.command is empty")?);
    let advances = system.kind == SystemKind::Builtin || system.clock.is_some();
    let rules = (system.kind == SystemKind::Builtin).then(|| sources.scenarios.join("rules"));
    let (program, args) = (executable(program)?, words.collect());
    let reconciler = ReconcilerSpec { program, args, advances, rules, watchdog };
    Ok(Programs { shop, reconciler })
}

const WATCHDOG_ARGS: [&str; 7] = [
    "watchdog",
    "--rules=${rules}",
    "--watch=${reconciler.url}",
    "--sql=${mysql.direct}",
    "--alerts=${pager.url}",
    "--listen=${listen}",
    "--drill-clock",
];

fn builtin_args(scenarios: &Path) -> Vec<String> {
    let plans = scenarios.join("plans").display().to_string();
    [
        "run",
        "--rules=${rules}",
        &format!("--plans={plans}"),
        "--cdc=${mysql.cdc}",
        "--sql=${mysql.url}",
        "--kafka=${kafka.bootstrap}",
        "--topic-prefix=${topic.prefix}",
        "--topics=${topics}",
        "--group=${group}",
        "--alerts=${alerts.url}",
        "--second-alerts=${pager.url}",
        "--plan-events=${plans.url}",
        "--target=shop=${shop.url}",
        "--listen=${listen}",
        "--drill-clock",
        "--results=all",
    ]
    .map(str::to_owned)
    .into()
}

fn beside_us() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("find our own program: {error}"))?;
    own.parent().map(Path::to_owned).ok_or_else(|| format!("{} has no folder", own.display()))
}

fn existing(program: PathBuf) -> Result<PathBuf, String> {
    if program.is_file() {
        return Ok(program);
    }
    Err(format!("there is no {}: build it with `cargo build --bins`", program.display()))
}

/// Exit 2 for a command that cannot be executed; one that starts and dies is deaf.
fn executable(program: PathBuf) -> Result<PathBuf, String> {
    use std::os::unix::fs::PermissionsExt;
    if program.components().count() == 1 && !program.is_file() {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found =
            std::env::split_paths(&path).map(|dir| dir.join(&program)).find(|p| p.is_file());
        return found.ok_or_else(|| {
            format!("system_under_test.command: no `{}` in PATH", program.display())
        });
    }
    let meta = std::fs::metadata(&program)
        .map_err(|error| format!("system_under_test.command: {}: {error}", program.display()))?;
    if meta.permissions().mode() & 0o111 == 0 {
        return Err(format!("system_under_test.command: {} is not executable", program.display()));
    }
    Ok(program)
}
