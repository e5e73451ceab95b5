//! Which scenarios run: by tier, tags, name, place in a file, loss point, shard, or a drill's ordered list.

use std::fmt;
use std::str::FromStr;

use super::{Scenario, Step, TagExpression, Tier};
use crate::catalog::Drill;
use crate::config::{Mistake, nearest};
use crate::journal::Shard;

/// Every given condition must hold; an empty list of one kind asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub tiers: Vec<Tier>,
    pub tags: Option<TagExpression>,
    /// Stable ids, whole names, or parts of names; where a name is given whole, no other that contains it is meant.
    pub names: Vec<String>,
    pub loss_points: Vec<String>,
    pub places: Vec<FeaturePlace>,
}

/// `features/bid.feature`, or one scenario of it by any of its lines: `features/bid.feature:14`. A line of an outline's
/// steps means all its rows, a row's line that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeaturePlace {
    pub path: String,
    pub line: Option<usize>,
}

/// Why nothing runs. Exit code 4: nothing selected is not success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NothingSelected {
    #[error("there are no scenarios at all: is `{0}` the folder of the features?")]
    NoScenarios(String),
    #[error("none of {of} scenarios has {what}{hint}")]
    NoMatch { of: usize, what: String, hint: String },
    #[error("no scenario stands at {place}{hint}")]
    NoPlace { place: FeaturePlace, hint: String },
    #[error(
        "shard {shard} is empty: {selected} selected, so there can be at most {selected} shards"
    )]
    NoShard { shard: Shard, selected: usize },
}

impl Selection {
    pub fn accepts(&self, scenario: &Scenario) -> bool {
        let tier = self.tiers.is_empty() || self.tiers.contains(&scenario.tier);
        let point = self.loss_points.is_empty() || self.loss_points.contains(&scenario.loss_point);
        let tags = self.tags.as_ref().is_none_or(|tags| tags.accepts(&scenario.tags));
        let placed =
            self.places.is_empty() || self.places.iter().any(|place| place.holds(scenario));
        tier && point && tags && placed
    }

    /// The accepted ones, in order; none at all is an error that says what was asked for.
    pub fn of<'s>(
        &self,
        scenarios: &'s [Scenario],
        features: &str,
    ) -> Result<Vec<&'s Scenario>, NothingSelected> {
        if scenarios.is_empty() {
            return Err(NothingSelected::NoScenarios(features.to_owned()));
        }
        if let Some(place) =
            self.places.iter().find(|place| !scenarios.iter().any(|s| place.holds(s)))
        {
            return Err(place.missed(scenarios));
        }
        let named: Vec<&Scenario> = match self.names.is_empty() {
            true => scenarios.iter().collect(),
            false => scenarios.iter().filter(|s| self.names_one(s, scenarios)).collect(),
        };
        let found: Vec<&Scenario> = named.into_iter().filter(|s| self.accepts(s)).collect();
        if found.is_empty() { Err(self.no_match(scenarios)) } else { Ok(found) }
    }

    fn names_one(&self, scenario: &Scenario, all: &[Scenario]) -> bool {
        self.names.iter().any(|name| {
            let whole = |one: &Scenario| one.name == *name || one.id == *name;
            whole(scenario) || scenario.name.contains(name) && !all.iter().any(whole)
        })
    }

    fn no_match(&self, scenarios: &[Scenario]) -> NothingSelected {
        let mut asked = Vec::new();
        let mut hint = String::new();
        let mut hint_at = |near: Option<&str>| {
            if let Some(near) = near {
                hint = format!(": did you mean `{near}`?");
            }
        };
        asked.extend(self.tiers.iter().map(|tier| format!("@tier:{}", tier.name())));
        if let Some(tags) = &self.tags {
            asked.push(format!("tags {tags}"));
            let known = || scenarios.iter().flat_map(|s| s.tags.iter().map(String::as_str));
            let strange = tags.tags().into_iter().find(|tag| !known().any(|known| known == *tag));
            hint_at(strange.and_then(|tag| nearest(tag, known())));
        }
        for point in &self.loss_points {
            asked.push(format!("loss point `{point}`"));
            hint_at(nearest(point, scenarios.iter().map(|s| s.loss_point.as_str())));
        }
        asked.extend(self.places.iter().map(|place| format!("its place at {place}")));
        for name in &self.names {
            asked.push(format!("`{name}` in its name"));
            hint_at(nearest(name, scenarios.iter().map(|s| s.name.as_str())));
        }
        NothingSelected::NoMatch { of: scenarios.len(), what: asked.join(" and "), hint }
    }
}

/// The part of `selected` that belongs to `shard`.
pub fn of_shard<T: Clone>(selected: &[T], shard: Shard) -> Result<Vec<T>, NothingSelected> {
    let own = selected.iter().enumerate().filter(|(index, _)| shard.takes(*index));
    let own: Vec<T> = own.map(|(_, one)| one.clone()).collect();
    match own.is_empty() {
        true => Err(NothingSelected::NoShard { shard, selected: selected.len() }),
        false => Ok(own),
    }
}

impl FeaturePlace {
    /// A path is known by its end, so that it may be given from wherever one stands.
    fn in_file(&self, scenario: &Scenario) -> bool {
        let given = self.path.trim_start_matches("./");
        let ends = |long: &str, short: &str| {
            long == short || long.strip_suffix(short).is_some_and(|rest| rest.ends_with('/'))
        };
        ends(&scenario.path, given) || ends(given, &scenario.path)
    }

    fn holds(&self, scenario: &Scenario) -> bool {
        let is_row = |line| scenario.example.as_ref().is_some_and(|example| example.line == line);
        let within = |line| (scenario.line..=last_line(scenario)).contains(&line) || is_row(line);
        self.in_file(scenario) && self.line.is_none_or(within)
    }

    fn missed(&self, scenarios: &[Scenario]) -> NothingSelected {
        let own: Vec<&Scenario> = scenarios.iter().filter(|s| self.in_file(s)).collect();
        let line = self.line.unwrap_or_default();
        let hint = match own.iter().min_by_key(|scenario| scenario.line.abs_diff(line)) {
            Some(near) => format!(": the nearest begins at {}", near.location()),
            None => match nearest(&self.path, scenarios.iter().map(|s| s.path.as_str())) {
                Some(near) => format!(": did you mean `{near}`?"),
                None => String::new(),
            },
        };
        NothingSelected::NoPlace { place: self.clone(), hint }
    }
}

/// The last step's, or the last row's of a table under it.
fn last_line(scenario: &Scenario) -> usize {
    let own = scenario.steps.iter().filter(|step| !step.from_background);
    // A plan stands below a row of headings.
    let rows =
        |step: &Step| step.params.len() + step.plan.len() + usize::from(!step.plan.is_empty());
    own.map(|step| step.line + rows(step)).max().unwrap_or(scenario.line)
}

impl FromStr for FeaturePlace {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<FeaturePlace, Self::Err> {
        let parted =
            text.rsplit_once(':').and_then(|(path, line)| Some((path, line.parse().ok()?)));
        Ok(match parted {
            Some((path, line)) => FeaturePlace { path: path.to_owned(), line: Some(line) },
            None => FeaturePlace { path: text.to_owned(), line: None },
        })
    }
}

impl fmt::Display for FeaturePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

/// The scenarios of a drill, in its order; each one that is not there is a mistake at its line.
pub fn of_drill<'s>(
    drill: &Drill,
    scenarios: &'s [Scenario],
) -> Result<Vec<&'s Scenario>, Vec<Mistake>> {
    let mut found = Vec::new();
    let mut mistakes = Vec::new();
    for item in &drill.scenarios {
        let same_feature = |scenario: &&Scenario| {
            item.feature.as_ref().is_none_or(|feature| {
                scenario.path == *feature || scenario.path.ends_with(&format!("/{feature}"))
            })
        };
        let named: Vec<&Scenario> =
            scenarios.iter().filter(|s| s.name == item.scenario).filter(same_feature).collect();
        match named.as_slice() {
            [one] => found.push(*one),
            [] => {
                let message = format!("the drill names unknown scenario `{}`", item.scenario);
                let mistake = Mistake::error("unknown-scenario", item.place.clone(), message);
                let names = scenarios.iter().map(|s| s.name.as_str());
                mistakes.push(match nearest(&item.scenario, names) {
                    Some(near) => mistake.with_help(format!("did you mean `{near}`?")),
                    None => mistake,
                });
            }
            many => {
                let paths: Vec<&str> = many.iter().map(|s| s.path.as_str()).collect();
                let message = format!("{} scenarios are called `{}`", many.len(), item.scenario);
                let mistake = Mistake::error("ambiguous-scenario", item.place.clone(), message);
                let help = format!("add `feature:` with one of {}", crate::config::list(&paths));
                mistakes.push(mistake.with_help(help));
            }
        }
    }
    if mistakes.is_empty() { Ok(found) } else { Err(mistakes) }
}
