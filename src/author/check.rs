//! `lossdrill check`: configuration, catalogue, drills and features read without a server; all mistakes at once.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::catalog::{Catalog, Reproduce};
use crate::clock::monotonic_us;
use crate::config::{Mistake, Settings, Severity, in_order};
use crate::steps::{FaultCheck, Known, Scenario, of_drill, read_features};

/// What is checked.
#[derive(Clone, Debug)]
pub struct CheckArgs {
    pub config: Option<PathBuf>,
    pub features: PathBuf,
    pub scenarios: PathBuf,
    pub drills: PathBuf,
}

impl Default for CheckArgs {
    fn default() -> CheckArgs {
        CheckArgs {
            config: None,
            features: "features".into(),
            scenarios: "scenarios".into(),
            drills: "drills".into(),
        }
    }
}

/// What was found, and the exit code that says it.
#[derive(Clone, Debug, Serialize)]
pub struct CheckReport {
    pub scenarios: usize,
    pub loss_points: usize,
    pub rules: usize,
    pub plans: usize,
    pub drills: usize,
    pub mistakes: Vec<Mistake>,
    /// The configuration itself is wrong.
    pub config_is_wrong: bool,
    /// Where the features were looked for.
    pub features: String,
    pub took_ms: u64,
}

/// All that a run needs, once it is free of mistakes.
#[derive(Clone, Debug)]
pub struct Checked {
    pub settings: Settings,
    pub catalog: Catalog,
    pub scenarios: Vec<Scenario>,
}

/// Reads everything. The report is complete either way; what was read is given only where no error stands.
pub fn check(args: &CheckArgs, faults: &FaultCheck<'_>) -> (CheckReport, Option<Checked>) {
    let began_us = monotonic_us();
    let (settings, mut mistakes) = match Settings::load(args.config.as_deref()) {
        Ok(settings) => (Some(settings), Vec::new()),
        Err(mistakes) => (None, mistakes),
    };
    let (catalog, found) = Catalog::read(&args.scenarios, &args.drills);
    mistakes.extend(found);
    let known = Known::of(&catalog, faults);
    let (scenarios, found) = read_features(&args.features, &known);
    mistakes.extend(found);
    check_reproductions(&known, &mut mistakes);
    for drill in &catalog.drills {
        // A feature that does not load would make each of its scenarios unknown here, and so would a folder without
        // features: say one thing.
        if !scenarios.is_empty()
            && !mistakes.iter().any(|mistake| mistake.place.file.ends_with(".feature"))
        {
            mistakes.extend(of_drill(drill, &scenarios).err().unwrap_or_default());
        }
    }
    name_uncovered(&catalog, &scenarios, &mut mistakes);
    let report = CheckReport {
        scenarios: scenarios.len(),
        loss_points: catalog.loss_points.len(),
        rules: catalog.rules.len(),
        plans: catalog.plans.len(),
        drills: catalog.drills.len(),
        mistakes: in_order(mistakes),
        config_is_wrong: settings.is_none(),
        features: args.features.display().to_string(),
        took_ms: (monotonic_us() - began_us) / 1000,
    };
    let checked = settings.filter(|_| report.exit_code() == 0).map(|settings| Checked {
        settings,
        catalog,
        scenarios,
    });
    (report, checked)
}

/// The faults and patterns that `reproduce:` names.
fn check_reproductions(known: &Known<'_>, mistakes: &mut Vec<Mistake>) {
    for (_, how, place) in known.catalog.reproductions() {
        match how {
            Reproduce::Fault(fault) => {
                if let Err(reason) = (known.faults)(fault, &std::collections::BTreeMap::new()) {
                    mistakes.push(Mistake::error("bad-fault", place, reason));
                }
            }
            Reproduce::Data(pattern) if !known.patterns.contains(&pattern.as_str()) => {
                let message = format!("unknown pattern `{pattern}`");
                let mistake = Mistake::error("unknown-pattern", place, message);
                mistakes.push(mistake.with_nearest(pattern, known.patterns.iter().copied()));
            }
            Reproduce::Data(_) => {}
        }
    }
}

/// A loss point that no attack drills is a claim without proof.
fn name_uncovered(catalog: &Catalog, scenarios: &[Scenario], mistakes: &mut Vec<Mistake>) {
    if scenarios.is_empty() {
        return;
    }
    for point in &catalog.loss_points {
        if !scenarios.iter().any(|s| !s.control && s.loss_point == point.id) {
            let message = format!("loss point `{}` has no attack among the features", point.id);
            let mistake = Mistake::warning("undrilled", point.place.clone(), message);
            mistakes.push(mistake.with_help(format!("write one tagged @lp:{}", point.id)));
        }
    }
}

impl CheckReport {
    pub fn errors(&self) -> usize {
        self.mistakes.iter().filter(|mistake| mistake.severity == Severity::Error).count()
    }

    /// 2 configuration, 6 authoring, 4 nothing found, 0; the worst wins.
    pub fn exit_code(&self) -> u8 {
        match () {
            () if self.config_is_wrong => 2,
            () if self.errors() > 0 => 6,
            () if self.scenarios == 0 => 4,
            () => 0,
        }
    }

    pub fn render_text(&self) -> String {
        let mut text = String::new();
        for mistake in &self.mistakes {
            let _ = writeln!(text, "{mistake}\n");
        }
        let (errors, warnings) = (self.errors(), self.mistakes.len() - self.errors());
        if self.scenarios == 0 && errors == 0 {
            let _ = writeln!(text, "nothing found: no scenario in `{}`", self.features);
            text.push_str("name the folder of the features with --features DIR\n");
        }
        let _ = writeln!(
            text,
            "{}, {}, {}, {}, {} read in {} ms: {}, {}",
            count(self.scenarios, "scenario"),
            count(self.loss_points, "loss point"),
            count(self.rules, "rule"),
            count(self.plans, "plan"),
            count(self.drills, "drill"),
            self.took_ms,
            count(errors, "error"),
            count(warnings, "warning"),
        );
        text
    }

    pub fn render_json(&self) -> String {
        let mut value = serde_json::to_value(self).expect("invariant: a report is JSON");
        value["exit"] = self.exit_code().into();
        format!("{value:#}\n")
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The folders as `--features`, `--scenarios` and `--drills` give them.
impl CheckArgs {
    /// All folders below one project.
    pub fn in_project(root: &Path) -> CheckArgs {
        CheckArgs {
            config: None,
            features: root.join("features"),
            scenarios: root.join("scenarios"),
            drills: root.join("drills"),
        }
    }
}
