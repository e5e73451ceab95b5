//! The texts of a project, loaded together through `author::check`; its mistakes printed where there are any.

use std::collections::BTreeMap;

use super::args::Sources;
use crate::author::{self, CheckArgs, CheckReport, Checked};
use crate::faults::registry;
use crate::journal::Exit;

/// Checks all that `sources` names.
pub fn check(sources: &Sources) -> (CheckReport, Option<Checked>) {
    let args = CheckArgs {
        config: sources.config.clone(),
        features: sources.features.clone(),
        scenarios: sources.scenarios.clone(),
        drills: sources.drills.clone(),
    };
    author::check(&args, &fault)
}

/// A fault's id and parameters, as features name them.
fn fault(id: &str, params: &BTreeMap<String, String>) -> Result<(), String> {
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
