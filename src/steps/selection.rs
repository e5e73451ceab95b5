//! Which scenarios run: by tier, tags, name, loss point, or a drill's ordered list.

use std::fmt;
use std::str::FromStr;

use super::{Scenario, Tier};
use crate::catalog::Drill;
use crate::config::{Mistake, nearest};

/// Every given condition must hold; an empty list of one kind asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    pub tiers: Vec<Tier>,
    pub tags: Option<TagExpression>,
    /// Parts of a scenario's name, or a whole stable id.
    pub names: Vec<String>,
    pub loss_points: Vec<String>,
}

/// Why nothing runs. Exit code 4: nothing selected is not success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NothingSelected {
    #[error("there are no scenarios at all: is `{0}` the folder of the features?")]
    NoScenarios(String),
    #[error("none of {of} scenarios has {what}{hint}")]
    NoMatch { of: usize, what: String, hint: String },
}

impl Selection {
    pub fn accepts(&self, scenario: &Scenario) -> bool {
        let tier = self.tiers.is_empty() || self.tiers.contains(&scenario.tier);
        let point = self.loss_points.is_empty() || self.loss_points.contains(&scenario.loss_point);
        let tags = self.tags.as_ref().is_none_or(|tags| tags.accepts(&scenario.tags));
        let named = |name: &String| scenario.name.contains(name) || scenario.id == *name;
        tier && point && tags && (self.names.is_empty() || self.names.iter().any(named))
    }

    /// The accepted ones, in order; none at all is an error that says what was asked for.
    pub fn of<'s>(
        &self,
        scenarios: &'s [Scenario],
        features: &str,
    ) -> Result<Vec<&'s Scenario>, NothingSelected> {
        let found: Vec<&Scenario> = scenarios.iter().filter(|s| self.accepts(s)).collect();
        match found.is_empty() {
            false => Ok(found),
            true if scenarios.is_empty() => Err(NothingSelected::NoScenarios(features.to_owned())),
            true => Err(self.no_match(scenarios)),
        }
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
        asked.extend(self.tags.iter().map(|tags| format!("tags {tags}")));
        for point in &self.loss_points {
            asked.push(format!("loss point `{point}`"));
            hint_at(nearest(point, scenarios.iter().map(|s| s.loss_point.as_str())));
        }
        for name in &self.names {
            asked.push(format!("`{name}` in its name"));
            hint_at(nearest(name, scenarios.iter().map(|s| s.name.as_str())));
        }
        NothingSelected::NoMatch { of: scenarios.len(), what: asked.join(" and "), hint }
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

/// `@tier:gate and not @control`, with parentheses; `not` binds tighter than `and`, `and` tighter than `or`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagExpression {
    Tag(String),
    Not(Box<TagExpression>),
    And(Box<TagExpression>, Box<TagExpression>),
    Or(Box<TagExpression>, Box<TagExpression>),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "tag expression `{text}`: {reason}: write for example `@tier:gate and not (@control or @slow)`"
)]
pub struct TagExpressionError {
    pub text: String,
    pub reason: String,
}

impl TagExpression {
    /// `tags` without their `@`.
    pub fn accepts(&self, tags: &[String]) -> bool {
        match self {
            TagExpression::Tag(tag) => tags.contains(tag),
            TagExpression::Not(inner) => !inner.accepts(tags),
            TagExpression::And(a, b) => a.accepts(tags) && b.accepts(tags),
            TagExpression::Or(a, b) => a.accepts(tags) || b.accepts(tags),
        }
    }
}

impl fmt::Display for TagExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TagExpression::Tag(tag) => write!(f, "@{tag}"),
            TagExpression::Not(inner) => write!(f, "not {inner}"),
            TagExpression::And(a, b) => write!(f, "({a} and {b})"),
            TagExpression::Or(a, b) => write!(f, "({a} or {b})"),
        }
    }
}

impl FromStr for TagExpression {
    type Err = TagExpressionError;

    fn from_str(text: &str) -> Result<TagExpression, TagExpressionError> {
        /// Deeper nesting than a person writes; bounds the recursion.
        const WORDS_MAX: usize = 200;
        let spaced = text.replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let error = |reason: String| TagExpressionError { text: text.to_owned(), reason };
        if words.len() > WORDS_MAX {
            return Err(error(format!("{} words are too many", words.len())));
        }
        let mut parser = TagParser { words: &words, next: 0 };
        let made = parser.or().map_err(error)?;
        match words.get(parser.next) {
            None => Ok(made),
            Some(word) => Err(error(format!("`{word}` is not expected there"))),
        }
    }
}

struct TagParser<'w> {
    words: &'w [&'w str],
    next: usize,
}

impl TagParser<'_> {
    fn takes(&mut self, word: &str) -> bool {
        let found = self.words.get(self.next).is_some_and(|next| *next == word);
        self.next += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<TagExpression, String> {
        let mut left = self.and()?;
        while self.takes("or") {
            left = TagExpression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<TagExpression, String> {
        let mut left = self.not()?;
        while self.takes("and") {
            left = TagExpression::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<TagExpression, String> {
        if self.takes("not") {
            return Ok(TagExpression::Not(Box::new(self.not()?)));
        }
        if self.takes("(") {
            let inner = self.or()?;
            return if self.takes(")") { Ok(inner) } else { Err("`)` is missing".to_owned()) };
        }
        let word = self.words.get(self.next).ok_or("it ends too early")?;
        self.next += 1;
        match word.strip_prefix('@').filter(|tag| !tag.is_empty()) {
            Some(tag) => Ok(TagExpression::Tag(tag.to_owned())),
            None => Err(format!("`{word}` is no tag")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_expressions() {
        let tags = ["tier:gate".to_owned(), "control".to_owned()];
        for (text, expect) in [
            ("@control", Ok(true)),
            ("not @control", Ok(false)),
            ("@tier:gate and not @slow", Ok(true)),
            ("@slow or @control and @tier:gate", Ok(true)),
            ("(@slow or @control) and @other", Ok(false)),
            ("not not @control", Ok(true)),
            ("", Err("ends too early")),
            ("control", Err("`control` is no tag")),
            ("(@control", Err("`)` is missing")),
            ("@a @b", Err("`@b` is not expected there")),
        ] {
            match (text.parse::<TagExpression>(), expect) {
                (Ok(tag), Ok(expect)) => assert_eq!(tag.accepts(&tags), expect, "{text}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }
}
