//! The daemon: the reconciler as a process, `dcheck run`, `dcheck check` and `dcheck plan dry-run` (`dry_run`).
//!
//! Owns the command line (`options`), the start (`start`), the one task that owns the engine (`core`, `record`, `telling`,
//! `orders`, `plan_orders`, `ailments`, `rollout`, `services`), rules against tables (`fitting`), lookups, the known ends of sources
//! (`ends`), the health of its own parts (`parts`) and what is judged as a recording (`recording`), which `dcheck replay`
//! judges again (`replay`); `dcheck explain` says why (`explain`). `dcheck reconcile` sweeps what is at rest (`offline`).
//! `dcheck watchdog` is a process of its own (`watchdog`, `vigil`). Imports every other room of `dcheck`; nothing imports it.
//! Try it: `cargo run --bin dcheck -- check --rules scenarios/rules --plans scenarios/plans`, and `tests/dcheck.rs`.
//! `dcheck bench` says what rules cost (`bench`). Not covered: hot reload of plans.

mod ailments;
mod beginnings;
mod bench;
mod channels;
mod core;
mod dry_run;
mod ends;
mod explain;
mod fitting;
mod lookups;
mod offline;
mod options;
mod orders;
mod parts;
mod plan_orders;
mod record;
mod recording;
mod replay;
mod resume;
mod rollout;
mod rules_command;
mod services;
mod services_command;
mod start;
mod tape;
mod telling;
mod vigil;
mod watchdog;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use dry_run::PlanCommand;
use options::{CheckOptions, Cli, Command};
use start::Mistakes;

use crate::clock::Clock;
use crate::dcheck::alerts::{self, Alerting};
use crate::dcheck::engine::RuleSet;
use crate::dcheck::engine::{rules, trial};
use crate::dcheck::log;
use crate::dcheck::plans::spec::PlanSpec;
use crate::dcheck::plans::{self, Known};

/// Tasks wait for sockets most of the time, and a machine carries many cells.
const WORKERS: usize = 2;
/// Usage or configuration.
const EXIT_USAGE: u8 = 2;

/// The program `dcheck`.
pub fn main() -> ExitCode {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&format!("cannot start a runtime: {error}")),
    };
    let Cli { log: format, command } = Cli::parse();
    log::set(format);
    let done = match command {
        Command::Check(options) => check(&options).map(|()| ExitCode::SUCCESS),
        Command::Plan(PlanCommand::DryRun(options)) => {
            dry_run::dry_run(&options).map(|()| ExitCode::SUCCESS)
        }
        Command::Rules(options) => {
            runtime.block_on(rules_command::run(options)).map(|()| ExitCode::SUCCESS)
        }
        Command::Services(options) => {
            runtime.block_on(services_command::run(options)).map(|()| ExitCode::SUCCESS)
        }
        Command::Run(options) => runtime.block_on(start::run(*options)).map(|()| ExitCode::SUCCESS),
        Command::Watchdog(options) => {
            runtime.block_on(watchdog::run(options)).map(|()| ExitCode::SUCCESS)
        }
        Command::Replay(options) => replay::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Bench(options) => bench::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Explain(options) => {
            runtime.block_on(explain::run(&options)).map(|()| ExitCode::SUCCESS)
        }
        Command::Reconcile(options) => match clock(options.drill_clock) {
            Ok(clock) => runtime.block_on(offline::run(*options, clock)),
            Err(mistakes) => Err(mistakes),
        },
    };
    // A post or a poll under way must not hold the exit up: what matters is stored.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(mistakes) => refuse(&mistakes.0.join("\n")),
    }
}

/// The one clock of a command: the machine's, or the cell's where a drill orders it (`--drill-clock`).
fn clock(drill: bool) -> Result<Clock, Mistakes> {
    if drill { Clock::from_env().map_err(|why| Mistakes(vec![why])) } else { Ok(Clock::system()) }
}

fn refuse(why: &str) -> ExitCode {
    log::say(log::Level::Error, "daemon", why);
    ExitCode::from(EXIT_USAGE)
}

fn check(options: &CheckOptions) -> Result<(), Mistakes> {
    let loaded = (load(options, &Known::default()), alerting(options));
    let (rules, plans) = match loaded {
        (Ok(loaded), Ok(_)) => loaded,
        (loaded, alerting) => {
            let of_files = loaded.err().map_or_else(Vec::new, |mistakes| mistakes.0);
            let of_alerting = alerting.err().map_or_else(Vec::new, |mistakes| mistakes.0);
            return Err(Mistakes([of_files, of_alerting].concat()));
        }
    };
    let report = tried(&rules, options)?;
    println!("{} rules and {} plans are in order", rules.heads().count(), plans.len());
    if options.services.is_some() {
        let services = services::load(options, None).map_err(Mistakes)?;
        println!("{} services are in order", services.len());
    }
    println!("{report}");
    rollout::not_full(&rules).iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// What the rules' own tests make of them; what they are blind to is a mistake too.
fn tried(rules: &Arc<RuleSet>, options: &CheckOptions) -> Result<trial::Report, Mistakes> {
    let report = match trial::load_dir(&options.rules) {
        Ok(files) => trial::try_all(rules, &files),
        Err(unreadable) => trial::Report { failures: unreadable, ..trial::Report::default() },
    };
    let advice = rules.advice().iter().map(ToString::to_string);
    let told = report.failures.iter().chain(&report.findings).cloned();
    let mistakes: Vec<String> = advice.chain(told).collect();
    if mistakes.is_empty() { Ok(report) } else { Err(Mistakes(mistakes)) }
}

/// The alerting file, where there is one.
fn alerting(options: &CheckOptions) -> Result<Alerting, Mistakes> {
    match &options.alerting {
        Some(file) => alerts::load_file(file).map_err(Mistakes),
        None => Ok(Alerting::default()),
    }
}

/// Rules and plans, or every mistake of both.
fn load(
    options: &CheckOptions,
    known: &Known,
) -> Result<(Arc<RuleSet>, Vec<Arc<PlanSpec>>), Mistakes> {
    let mut mistakes = Vec::new();
    let rules = rules::load_dir(&options.rules).unwrap_or_else(|errors| {
        mistakes.extend(errors.iter().map(ToString::to_string));
        RuleSet::default()
    });
    // With broken rules their ids are not known, and every plan would seem to name a wrong one.
    let ids = rules.heads().map(|rule| rule.id.clone()).collect();
    let known = Known { rules: ids, ..known.clone() };
    let plans = plans::load_dir(&options.plans, &known).unwrap_or_else(|errors| {
        mistakes.extend(errors.0);
        Vec::new()
    });
    mistakes.extend(rules.unknown_targets(&known.targets));
    // Held against rules and plans only where those can be known.
    let whole = mistakes.is_empty().then_some((&rules, &plans[..]));
    mistakes.extend(services::load(options, whole).err().unwrap_or_default());
    if mistakes.is_empty() {
        Ok((Arc::new(rules), plans.into_iter().map(Arc::new).collect()))
    } else {
        Err(Mistakes(mistakes))
    }
}
