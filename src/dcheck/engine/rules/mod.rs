//! Rules: one strategy per file behind one trait, and the factory that builds them from YAML.
//!
//! Owns [`RuleSet`] and its reading: strict, all mistakes of all files at once, with file and line.
//! Rules know neither each other nor alerts nor plans. Try it: `cargo test --lib engine::rules`.
//!
//! Which strategy judges what: `ADDING.md`. To add one: a file beside `threshold.rs` that implements [`strategy::Strategy`], its
//! line in `way.rs`, a table of cases in `scenarios/rules/tests/`.

mod aggregate;
pub mod ask;
mod at_most_one;
mod build;
mod columns;
mod conservation;
mod dependency;
mod fields;
mod fit;
pub mod group;
mod index;
mod load;
mod missing_counterpart;
mod one_to_many;
mod ordering;
mod placeholders;
pub mod rule;
mod self_watch;
mod state_machine;
pub mod strategy;
mod sum_bound;
mod threshold;
mod two_sided_match;
mod unexplained_change;
mod versions;
mod way;
mod yaml;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use crate::dcheck::event::Event;

use super::port::Ward;

pub use columns::named_in;
pub use index::Place;
pub use load::load_dir;
pub use rule::Rule;

use fields::Mistakes;
use index::Index;
use versions::Versions;

/// All rules that are in force together.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    by_name: HashMap<String, usize>,
    index: Index,
    advice: Vec<RuleError>,
    versions: Versions,
}

/// What others may know of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleHead {
    pub id: String,
    pub version: String,
    pub loss_point: String,
    pub severity: String,
    /// Tables and logical topics that it reads.
    pub tables: Vec<String>,
    pub topics: Vec<String>,
}

/// One mistake in one rule file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {message}", file.display())]
pub struct RuleError {
    pub file: PathBuf,
    pub line: usize,
    pub message: String,
}

impl RuleHead {
    /// `id@version`.
    pub fn name(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }
}

impl RuleSet {
    /// The rules of these names, alone and in full, so that tests speak of the rule, not of its rollout: an id is the elder of its
    /// versions, `id@version` its candidate.
    pub fn only(&self, names: &[String]) -> RuleSet {
        let named = |rule: &&Arc<Rule>| names.contains(self.short_name(rule));
        let rules: Vec<Arc<Rule>> = self.rules.iter().filter(named).cloned().collect();
        RuleSet::in_full(rules)
    }

    /// The id of the elder version, `id@version` of its candidate.
    pub fn short_name<'r>(&self, rule: &'r Rule) -> &'r String {
        let elder = self.rules.iter().find(|other| other.head.id == rule.head.id);
        let is_elder = elder.is_none_or(|elder| elder.name == rule.name);
        if is_elder { &rule.head.id } else { &rule.name }
    }

    /// ` (did you mean …?)`, or nothing.
    pub fn nearest<'n>(&self, name: &str, names: impl Iterator<Item = &'n str>) -> String {
        crate::dcheck::engine::expr::nearest(name, names)
    }

    /// What can be read, and cannot be meant: comparisons with itself, rules that can never fire.
    pub fn advice(&self) -> &[RuleError] {
        &self.advice
    }

    /// By `id@version`.
    pub fn named(&self, name: &str) -> Option<&Rule> {
        self.by_name.get(name).map(|number| &*self.rules[*number])
    }

    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    pub fn heads(&self) -> impl Iterator<Item = &RuleHead> {
        self.rules.iter().map(|rule| &rule.head)
    }

    /// The first rule in force that watches over `ward`.
    pub fn watching(&self, ward: Ward) -> Option<&Rule> {
        let watches = |rule: &&Arc<Rule>| rule.strategy.watch().is_some_and(|w| w.ward == ward);
        self.rules.iter().find(watches).map(|rule| &**rule)
    }

    /// The least time that any rule waits for a counterpart; none where no rule waits.
    pub fn smallest_window_ms(&self) -> Option<i64> {
        self.rules.iter().filter_map(|rule| rule.strategy.window_ms()).min()
    }

    /// The most time that any rule waits for a counterpart; none where no rule waits.
    pub fn largest_window_ms(&self) -> Option<i64> {
        self.rules.iter().filter_map(|rule| rule.strategy.window_ms()).max()
    }

    /// The rules' sides that listen to `event`, by rule and side number.
    pub fn listening(&self, event: &Event) -> BTreeSet<Place> {
        let listens = |(rule, side): &Place| self.rules[*rule].sides[*side].listens(event);
        self.index.find(event).into_iter().filter(listens).collect()
    }
}

/// Every strategy by the name that rules write.
pub fn strategies() -> impl Iterator<Item = &'static str> {
    way::WAYS.iter().map(|(name, _)| *name)
}

/// Reads the texts of rule files together.
pub fn load(texts: &[(PathBuf, String)]) -> Result<RuleSet, Vec<RuleError>> {
    let (mut rules, mut errors, mut advice) = (Vec::new(), Vec::new(), Vec::new());
    let mut seen: BTreeMap<String, (PathBuf, usize)> = BTreeMap::new();
    for (file, text) in texts {
        let mistakes = Mistakes::of(file);
        let (document, form) = yaml::parse(text);
        for (line, message) in form {
            mistakes.add(line, message);
        }
        for node in document.as_ref().map_or(&[][..], |node| build::maps(node, &mistakes)) {
            let Some((mut rule, line)) = build::rule(node, &mistakes) else { continue };
            rule.place = (file.clone(), line);
            match seen.get(&rule.name) {
                Some((first, first_line)) => {
                    let (id, version) = (&rule.head.id, &rule.head.version);
                    let place = format!("{}:{first_line}", first.display());
                    let message =
                        format!("rule `{id}` version {version} already stands in {place}");
                    mistakes.add(line, message);
                }
                None => {
                    seen.insert(rule.name.clone(), (file.clone(), line));
                    rules.push(Arc::new(rule));
                }
            }
        }
        errors.extend(mistakes.list.into_inner());
        advice.extend(mistakes.advice.into_inner());
    }
    let set = RuleSet::of(rules, advice);
    for (rule, message) in set.quarrels() {
        let (file, line) = seen[&rule.name].clone();
        errors.push(RuleError { file, line, message });
    }
    if !errors.is_empty() {
        errors.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        return Err(errors);
    }
    Ok(set)
}
