//! `lossdrill lint [--fix]`: all that `check` tells, and the house style; what is safe to mend is mended.

mod fix;
mod rules;
mod sarif;
mod style;

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::{CheckArgs, check};
use crate::config::{Mistake, Place, Severity, in_order};
use crate::steps::{FaultCheck, LineKind, Scan, feature_files, scan};

pub use rules::{LintRule, RULES};

/// Passes of `--fix`: a mend may uncover the next; more would be mends that undo each other.
const PASSES_MAX: usize = 5;

/// What is left to mend, and what has been.
#[derive(Debug, Default, Serialize)]
pub struct Linting {
    pub features: usize,
    pub mistakes: Vec<Mistake>,
    pub fixed: Vec<Mistake>,
    /// How many of the mistakes `--fix` would mend at once.
    pub fixable: usize,
    /// The configuration itself is wrong.
    pub config_is_wrong: bool,
}

/// Judges all texts; with `fix` mends the features first.
pub fn lint(args: &CheckArgs, faults: &FaultCheck<'_>, fix: bool) -> Linting {
    let mut linting = one_pass(args, faults);
    for _ in 0..if fix { PASSES_MAX } else { 0 } {
        let written = |mend: &Mended| std::fs::write(&mend.path, &mend.text).is_ok();
        let mended: Vec<Mended> =
            mends(args, &linting.mistakes).into_iter().filter(written).collect();
        if mended.is_empty() {
            break;
        }
        let mut fixed = std::mem::take(&mut linting.fixed);
        fixed.extend(mended.into_iter().flat_map(|mend| mend.gone));
        linting = Linting { fixed, ..one_pass(args, faults) };
    }
    linting.fixable = mends(args, &linting.mistakes).iter().map(|mend| mend.gone.len()).sum();
    linting
}

fn one_pass(args: &CheckArgs, faults: &FaultCheck<'_>) -> Linting {
    let (report, _) = check(args, faults);
    let (catalog, _) = crate::catalog::Catalog::read(&args.scenarios, &args.drills);
    let watches = |id: &str| catalog.loss_point(id).is_some_and(|point| point.is_watcher());
    let mut mistakes = report.mistakes;
    let scans = scans(args);
    for (_, scan) in &scans {
        mistakes.extend(style::style(scan, loss_points(scan).any(watches)));
    }
    Linting {
        features: scans.len(),
        mistakes: in_order(mistakes),
        config_is_wrong: report.config_is_wrong,
        ..Linting::default()
    }
}

fn scans(args: &CheckArgs) -> Vec<(PathBuf, Scan)> {
    let read = |path: PathBuf| {
        let source = std::fs::read_to_string(&path).ok()?;
        let scan = scan(&path.display().to_string(), &source);
        Some((path, scan))
    };
    feature_files(&args.features).into_iter().filter_map(read).collect()
}

fn loss_points(scan: &Scan) -> impl Iterator<Item = &str> {
    let tags = scan.lines.iter().filter_map(|line| match &line.kind {
        LineKind::Tags(tags) => Some(tags),
        _ => None,
    });
    tags.flatten().filter_map(|tag| tag.strip_prefix("lp:"))
}

/// A file with everything mended that one pass can mend.
struct Mended {
    path: PathBuf,
    text: String,
    /// The mistakes that are gone by it.
    gone: Vec<Mistake>,
}

fn mends(args: &CheckArgs, mistakes: &[Mistake]) -> Vec<Mended> {
    let mend = |(path, scan): (PathBuf, Scan)| {
        let own = mistakes.iter().filter(|mistake| mistake.place.file == scan.file);
        let own: Vec<Mistake> = own.cloned().collect();
        let (text, gone) = fix::fixed(&scan, &own)?;
        Some(Mended { path, text, gone })
    };
    scans(args).into_iter().filter_map(mend).collect()
}

impl Linting {
    /// 2 configuration, 6 where anything is left, 4 where there is no feature.
    pub fn exit_code(&self) -> u8 {
        match () {
            () if self.config_is_wrong => 2,
            () if !self.mistakes.is_empty() => 6,
            () if self.features == 0 => 4,
            () => 0,
        }
    }

    pub fn render_text(&self) -> String {
        let mut text = String::new();
        for mistake in &self.fixed {
            let Place { file, line, .. } = &mistake.place;
            let _ = writeln!(text, "fixed[{}]: {file}:{line}: {}", mistake.code, mistake.message);
        }
        for mistake in &self.mistakes {
            let _ = writeln!(text, "{mistake}\n");
        }
        if self.features == 0 {
            text.push_str("nothing found: name the folder of the features with --features DIR\n");
        }
        let errors = self.mistakes.iter().filter(|m| m.severity == Severity::Error).count();
        let warnings = self.mistakes.len() - errors;
        if self.fixable > 0 {
            let _ = writeln!(text, "`lossdrill lint --fix` mends {} of them", self.fixable);
        }
        let _ = writeln!(
            text,
            "{} features read: {errors} errors, {warnings} warnings, {} fixed",
            self.features,
            self.fixed.len()
        );
        text
    }

    pub fn render_json(&self) -> String {
        let mut value = serde_json::to_value(self).expect("invariant: a list of mistakes is JSON");
        value["exit"] = self.exit_code().into();
        format!("{value:#}\n")
    }

    /// SARIF 2.1.0.
    pub fn render_sarif(&self) -> String {
        format!("{:#}\n", sarif::document(&self.mistakes))
    }
}
