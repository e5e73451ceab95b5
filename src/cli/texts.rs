//! The texts of a project, loaded together through `author::check`; its mistakes printed where there are any.

use std::collections::BTreeMap;

use super::args::Sources;
use crate::author::{self, CheckArgs, CheckReport, Checked};
use crate::catalog::Catalog;
use crate::faults::registry;
use crate::journal::Exit;
use crate::steps::{Known, Scenario, read_features};

/// What `sources` names, for the room that reads it.
pub fn check_args(sources: &Sources) -> CheckArgs {
    CheckArgs {
        config: sources.config.clone(),
        features: sources.features.clone(),
        scenarios: sources.scenarios.clone(),
        drills: sources.drills.clone(),
    }
}

/// Checks all that `sources` names.
pub fn check(sources: &Sources) -> (CheckReport, Option<Checked>) {
    author::check(&check_args(sources), &fault)
}

/// The catalogue, which must be sound, and what scenarios can be read: for writing the first of them.
pub fn catalog(sources: &Sources) -> Result<(Catalog, Vec<Scenario>), Exit> {
    let catalog = Catalog::load(&sources.scenarios, &sources.drills).map_err(|mistakes| {
        mistakes.iter().for_each(|mistake| eprintln!("{mistake}\n"));
        Exit::Authoring
    })?;
    let (scenarios, _) = read_features(&sources.features, &Known::of(&catalog, &fault));
    Ok((catalog, scenarios))
}

/// A fault's id and parameters, as features name them.
pub fn fault(id: &str, params: &BTreeMap<String, String>) -> Result<(), String> {
    let spec = registry::find(id).map_err(|error| error.to_string())?;
    spec.check_params(params).map(drop).map_err(|error| error.to_string())
}

/// What a run needs; else the mistakes are on standard error and the exit code says whose they are.
pub fn load(sources: &Sources) -> Result<Checked, Exit> {
    let (report, checked) = check(sources);
    checked.ok_or_else(|| {
        eprint!("{}", report.render_text());
        exit(report.exit_code())
    })
}

/// The exit code that a room gave as a number.
pub fn exit(code: u8) -> Exit {
    match code {
        0 => Exit::Proved,
        4 => Exit::Nothing,
        6 => Exit::Authoring,
        _ => Exit::Usage,
    }
}
