//! Feature files to scenarios: scan, parse, bind, lint; every mistake of every file at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::bind::bind;
use super::known::Known;
use super::lint::lint;
use super::scan::{Scan, scan};
use super::tags::read_tags;
use super::tree::{Draft, drafts};
use super::{Kind, Scenario, twins};
use crate::config::{Mistake, Place, in_order};

/// Hex digits of a stable id: 48 bits, enough for a lifetime of scenarios.
const ID_DIGITS: usize = 12;

/// The scenarios of a folder, and warnings.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    pub scenarios: Vec<Scenario>,
    pub warnings: Vec<Mistake>,
}

/// A scenario being read: with what linting needs beside it.
pub struct Bound {
    pub scenario: Scenario,
    pub rule_index: Option<usize>,
    /// Steps as written, bound or not.
    pub written_steps: usize,
    pub has_then: bool,
}

impl Bound {
    /// Every written step is bound.
    pub fn is_whole(&self) -> bool {
        self.written_steps == self.scenario.steps.len()
    }
}

/// Loads `dir/**/*.feature`; refuses on any error. An empty folder gives no scenarios: telling that is the caller's.
pub fn load_features(dir: &Path, known: &Known<'_>) -> Result<Loaded, Vec<Mistake>> {
    let (scenarios, mistakes) = read_features(dir, known);
    if mistakes.iter().any(Mistake::is_error) {
        return Err(mistakes);
    }
    Ok(Loaded { scenarios, warnings: mistakes })
}

/// The same, with all that could be read beside the mistakes.
pub fn read_features(dir: &Path, known: &Known<'_>) -> (Vec<Scenario>, Vec<Mistake>) {
    let mut scenarios = Vec::new();
    let mut mistakes = Vec::new();
    for path in feature_files(dir) {
        let file = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(source) => {
                let (made, found) = read_feature(&file, &id_path(dir, &path), &source, known);
                scenarios.extend(made);
                mistakes.extend(found);
            }
            Err(error) => {
                let message = format!("cannot read: {error}");
                mistakes.push(Mistake::error("unreadable", Place::file(&file), message));
            }
        }
    }
    (scenarios, in_order(mistakes))
}

/// One file's text. `id_path` goes into ids and locations, `file` into messages.
pub fn read_feature(
    file: &str,
    id_path: &str,
    source: &str,
    known: &Known<'_>,
) -> (Vec<Scenario>, Vec<Mistake>) {
    let mut scan = scan(file, source);
    let drafts = drafts(&mut scan);
    let mut mistakes = std::mem::take(&mut scan.mistakes);
    let has_feature = !mistakes.iter().any(|m| m.code == "no-feature" || m.code == "not-gherkin");
    if drafts.is_empty() && has_feature && mistakes.is_empty() {
        let message = "the feature has no scenario";
        mistakes.push(Mistake::error("no-scenario", Place::file(file), message));
    }
    let mut found: Vec<Vec<Mistake>> = vec![Vec::new(); drafts.len()];
    let mut bound: Vec<Bound> = drafts
        .iter()
        .zip(&mut found)
        .map(|(draft, mistakes)| {
            let bound = bind_draft(&scan, draft, id_path, known, mistakes);
            lint(&scan, &bound, known, mistakes);
            bound
        })
        .collect();
    mistakes.extend(rows_named(&bound, found));
    twins::link(&scan, &mut bound, &mut mistakes);
    name_duplicates(&scan, &bound, &mut mistakes);
    (bound.into_iter().map(|bound| bound.scenario).collect(), in_order(mistakes))
}

fn bind_draft(
    scan: &Scan,
    draft: &Draft,
    id_path: &str,
    known: &Known<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Bound {
    let stance = read_tags(scan, draft, known, mistakes);
    let mut steps = Vec::new();
    for step in &draft.steps {
        match bind(scan, step) {
            Ok(step) => steps.push(step),
            Err(found) => mistakes.extend(found),
        }
    }
    let example = draft.example.as_ref().map(|example| example.key.as_str());
    let id = stable_id(&stance.loss_point, id_path, &draft.name, example);
    let scenario = Scenario {
        id,
        name: draft.name.clone(),
        feature: draft.feature.clone(),
        rule: draft.rule.clone(),
        path: id_path.to_owned(),
        line: draft.line,
        language: scan.language,
        tags: draft.tags.iter().map(|(tag, _)| tag.clone()).collect(),
        loss_point: stance.loss_point,
        tier: stance.tier,
        control: stance.control,
        twin: None,
        canary: None,
        example: draft.example.clone(),
        steps,
    };
    Bound {
        scenario,
        rule_index: draft.rule_index,
        written_steps: draft.steps.len(),
        has_then: draft.steps.iter().any(|step| step.kind == Kind::Then),
    }
}

fn stable_id(loss_point: &str, path: &str, name: &str, example: Option<&str>) -> String {
    let text = [loss_point, path, name, example.unwrap_or_default()].join("\0");
    let mut id = hex::encode(Sha256::digest(text));
    id.truncate(ID_DIGITS);
    id
}

/// The mistakes of each scenario in one list. One that only some rows of an outline make names its row; what all of
/// them make is the outline's own, and told once.
fn rows_named(bound: &[Bound], found: Vec<Vec<Mistake>>) -> Vec<Mistake> {
    let mut named = Vec::new();
    for (Bound { scenario, .. }, own) in bound.iter().zip(&found) {
        let rows =
            || bound.iter().zip(&found).filter(|(row, _)| row.scenario.line == scenario.line);
        for mistake in own {
            let of_all = rows().all(|(_, mistakes)| mistakes.contains(mistake));
            named.push(match &scenario.example {
                Some(example) if !of_all => {
                    let row =
                        format!("so says the example on line {}: {}", example.line, example.key);
                    mistake.clone().with_help(row)
                }
                _ => mistake.clone(),
            });
        }
    }
    named
}

/// Two scenarios of one name in one feature would share an id, and so a history.
fn name_duplicates(scan: &Scan, bound: &[Bound], mistakes: &mut Vec<Mistake>) {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for Bound { scenario, .. } in bound {
        match first.get(scenario.id.as_str()) {
            Some(line) => {
                let place = scan.lines[scenario.own_line() - 1].place(&scan.file);
                let message =
                    format!("scenario \"{}\" stands on line {line} already", scenario.name);
                let mistake = Mistake::error("duplicate-name", place, message);
                mistakes.push(mistake.with_help("give each scenario of a feature its own name"));
            }
            None => {
                first.insert(&scenario.id, scenario.own_line());
            }
        }
    }
}

/// The folder's own name and the path below it: the same wherever the project lies.
fn id_path(dir: &Path, path: &Path) -> String {
    let below = path.strip_prefix(dir).unwrap_or(path);
    let root = dir.file_name().map(Path::new).unwrap_or(Path::new("features"));
    let parts = root.join(below);
    parts.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Every feature below `dir`, in order of path, so that runs schedule alike.
pub fn feature_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "feature") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
