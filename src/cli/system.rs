//! The system under test and the given servers, from the configuration: what is started, and how it is heard.
//!
//! Owns the mistakes that need both the configuration and the catalogue. Starts nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::Sources;
use crate::author::Checked;
use crate::catalog::{Catalog, SERVICES};
use crate::config::{Settings, SystemKind, SystemUnderTest, or_known};
use crate::faults::registry;
use crate::probe::RuleNames;
use crate::runner::{Hearing, Programs};
use crate::stage::cell::{ReconcilerSpec, Start};
use crate::stage::{ContainerSpec, ExternalSpec, Provider, StageError};
use crate::steps::Scenario;

/// Where the built-in reconciler keeps its results, on the same server.
const RESULTS_SCHEMA: &str = "dcheck";

/// The built-in reconciler's own command; a `command` in the configuration stands before it.
pub fn programs(texts: &Checked, sources: &Sources) -> Result<Programs, String> {
    let system = &texts.settings.system_under_test;
    let hearing = Hearing { system: system.clone(), rules: rules(system, &texts.catalog)? };
    hearing.inbox().map_err(|error| error.to_string())?;
    let start = start(system, sources)?;
    let builtin = system.kind == SystemKind::Builtin;
    let rules = builtin.then(|| sources.scenarios.join("rules"));
    let watchdog = match builtin {
        true => Some((dcheck()?, WATCHDOG_ARGS.map(str::to_owned).into())),
        false => None,
    };
    let sweep = match builtin {
        true => Some(behind(&system.command, dcheck()?, sweep_args())?),
        false => None,
    };
    let advances = hearing.advances();
    let reconciler = ReconcilerSpec { start, advances, rules, watchdog, sweep };
    Ok(Programs { shop: shop()?, reconciler, hearing })
}

fn start(system: &SystemUnderTest, sources: &Sources) -> Result<Start, String> {
    let words = system.command.clone();
    let (program, args) = match system.kind {
        SystemKind::Builtin => behind(&words, dcheck()?, builtin_args(&sources.scenarios))?,
        SystemKind::Process => program_of(words)?,
        SystemKind::Container => {
            let image = system.image.clone().unwrap_or_default();
            return Ok(Start::Container(ContainerSpec { image, args: words }));
        }
        SystemKind::External => return Ok(Start::Nobody),
    };
    Ok(Start::Process { program, args })
}

/// The built-in reconciler with `args`, behind the `command` of the configuration: its daemon and its sweep alike.
fn behind(
    command: &[String],
    own: PathBuf,
    args: Vec<String>,
) -> Result<(PathBuf, Vec<String>), String> {
    program_of([command, &[own.display().to_string()], &args].concat())
}

fn program_of(words: Vec<String>) -> Result<(PathBuf, Vec<String>), String> {
    let mut words = words.into_iter();
    let program = PathBuf::from(words.next().ok_or("system_under_test.command is empty")?);
    Ok((executable(program)?, words.collect()))
}

/// Their rule ids and ours, each of ours known to the catalogue.
fn rules(system: &SystemUnderTest, catalog: &Catalog) -> Result<RuleNames, String> {
    let mut names = RuleNames::default();
    for point in &catalog.loss_points {
        for rule in &point.rules {
            names.loss_points.insert(rule.clone(), point.id.clone());
        }
    }
    let known = || catalog.rules.iter().map(|rule| rule.id.as_str());
    let mut unknown = Vec::new();
    for (ours, theirs) in &system.rules {
        if !known().any(|rule| rule == ours) {
            unknown.push(format!("unknown rule `{ours}`{}", or_known(ours, known())));
        }
        names.ours.insert(theirs.clone(), ours.clone());
    }
    match unknown.is_empty() {
        true => Ok(names),
        false => Err(format!("system_under_test.rules: {}", unknown.join("; "))),
    }
}

/// The given servers, where the provider is `external`; refused where a selected scenario would hurt them.
pub fn external(
    provider: Provider,
    settings: &Settings,
    selected: &[Arc<Scenario>],
) -> Result<Option<ExternalSpec>, String> {
    let system = &settings.system_under_test;
    if provider != Provider::External {
        return match system.kind {
            SystemKind::External => Err(
                "system_under_test.kind external runs already, beside servers that it knows: it \
                                         needs `--provider external` too"
                    .to_owned(),
            ),
            _ => Ok(None),
        };
    }
    let (mysql, kafka) = (settings.stage.mysql.url.clone(), settings.stage.kafka.url.clone());
    let (Some(mysql), Some(kafka)) = (mysql, kafka) else {
        return Err(StageError::NothingGiven.to_string());
    };
    let hurting: Vec<String> = selected.iter().filter_map(|one| hurts_servers(one)).collect();
    if !hurting.is_empty() {
        return Err(format!(
            "given servers are never killed, paused or restarted, and that is what these scenarios do; deselect \
             them:\n  {}",
            hurting.join("\n  ")
        ));
    }
    let builtin = system.kind == SystemKind::Builtin;
    Ok(Some(ExternalSpec {
        mysql,
        kafka,
        guard: settings.stage.guard.clone(),
        beside: if builtin { vec![RESULTS_SCHEMA.to_owned()] } else { Vec::new() },
        fixed_topics: system.kind == SystemKind::External,
    }))
}

/// `LOCATION (FAULT)`, where a fault of the scenario strikes a server.
fn hurts_servers(scenario: &Scenario) -> Option<String> {
    let strikes = |fault: &str| {
        let spec = registry::find(fault).ok();
        spec.is_some_and(|spec| spec.barred(Provider::External).is_some())
    };
    let (fault, _) = scenario.faults().find(|(fault, _)| strikes(fault))?;
    Some(format!("{} ({fault})", scenario.location()))
}

/// The practice shop's program.
pub fn shop() -> Result<PathBuf, String> {
    existing(beside_us()?.join("shop"))
}

fn dcheck() -> Result<PathBuf, String> {
    existing(beside_us()?.join("dcheck"))
}

/// The words of the built-in watchdog.
pub const WATCHDOG_ARGS: [&str; 7] = [
    "watchdog",
    "--rules=${rules}",
    "--watch=${reconciler.url}",
    "--sql=${mysql.direct}",
    "--alerts=${pager.url}",
    "--listen=${listen}",
    "--drill-clock",
];

/// Whatever the shop keeps of money, as rules name it.
const BOOKS: [&str; 19] = [
    "account",
    "account_flow",
    "activity",
    "bid",
    "budget_flow",
    "coupon_use",
    "order_bill",
    "order_item",
    "orders",
    "pay_order",
    "payee_account",
    "points_flow",
    "price_change_log",
    "promotion_use",
    "settle_bill",
    "settle_detail",
    "shipment",
    "stock",
    "stock_release",
];

/// The words of the built-in sweep of a day's books.
pub fn sweep_args() -> Vec<String> {
    let words = [
        "reconcile",
        "--rules=${rules}",
        "--day=${day}",
        "--sql=${mysql.url}",
        "--lookups=${mysql.lookups}",
        "--alerts=${alerts.url}",
        "--drill-clock",
        "--again",
    ];
    let tables = BOOKS.map(|table| format!("--table={table}"));
    words.map(str::to_owned).into_iter().chain(tables).collect()
}

/// The words of the built-in reconciler.
pub fn builtin_args(scenarios: &Path) -> Vec<String> {
    let plans = scenarios.join("plans").display().to_string();
    let services = scenarios.join(SERVICES);
    let services = services.exists().then(|| format!("--services={}", services.display()));
    let args = [
        "run",
        "--rules=${rules}",
        &format!("--plans={plans}"),
        "--cdc=${mysql.cdc}",
        "--sql=${mysql.url}",
        "--lookups=${mysql.lookups}",
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
        "--start=new",
        "--results=all",
        "--people=${people}",
    ];
    args.map(str::to_owned).into_iter().chain(services).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_stands_before_the_daemon_and_the_sweep_alike() {
        let own = PathBuf::from("/bin/sh");
        for args in [builtin_args(Path::new("scenarios")), sweep_args()] {
            let alone = behind(&[], own.clone(), args.clone()).unwrap();
            assert_eq!(alone, (own.clone(), args.clone()));
            let command = ["/bin/sh", "-x"].map(str::to_owned);
            let (program, words) = behind(&command, "/x/dcheck".into(), args.clone()).unwrap();
            assert_eq!(program, own);
            let before = ["-x", "/x/dcheck"].map(str::to_owned);
            assert_eq!(words, [&before[..], &args].concat());
        }
        assert!(sweep_args().contains(&"--drill-clock".to_owned()), "by the cell's clock");
        let daemon = builtin_args(Path::new("scenarios"));
        assert!(daemon.contains(&"--start=new".to_owned()), "a cell has no past");
    }
}
