//! What a run set out to prove, and from which texts: parts of one run share it, and its policy stands here.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::money::Money;

/// Written once, after the run's start, so that reports and `merge` need no file but the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The project's commit, with `-dirty` where files differ from it; none outside of a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// A hash of the step vocabulary.
    pub vocabulary: String,
    /// A hash of features, catalogue and configuration.
    pub texts: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The scenarios of this run; of all shards together see `whole`.
    pub selected: Vec<Selected>,
    /// How many scenarios were selected before they were parted into shards.
    pub whole: usize,
    /// Every loss point of the catalogue, drilled or not.
    pub points: Vec<PointFacts>,
    /// What the policy demands of the whole; none where a person selected a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demands: Option<Demands>,
}

/// A selected scenario, begun or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selected {
    /// Its stable id.
    pub id: String,
    pub name: String,
    /// Of an attack: the stable id of its benign twin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub twin: Option<String>,
}

/// A loss point as coverage counts it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointFacts {
    pub id: String,
    pub title: String,
    /// `p0` … `p4`
    pub priority: String,
    /// An event's loss × events an hour × the longest duration.
    pub loss: Money,
    /// It has an emergency plan to prove.
    pub plan: bool,
}

/// The policy of a gate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demands {
    /// Priority -> percent of its loss points that must be proved.
    pub coverage: BTreeMap<String, Decimal>,
    /// How long the run may take, ms.
    pub budget_ms: i64,
}

/// A feature file as the run read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceText {
    /// `features/bid.feature`
    pub uri: String,
    pub text: String,
}

/// Shard 2 of 4: `2/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    /// From 1.
    number: usize,
    of: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no shard: write number/count, `1/4` for the first of four")]
pub struct ShardError(String);

impl Shard {
    pub fn number(self) -> usize {
        self.number
    }

    pub fn of(self) -> usize {
        self.of
    }

    /// Dealt like cards: neighbours, which are alike and as slow, go to different shards.
    pub fn takes(self, index: usize) -> bool {
        index % self.of == self.number - 1
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Shard, ShardError> {
        let parts = text.split_once('/').and_then(|(number, of)| {
            Some((number.trim().parse().ok()?, of.trim().parse::<usize>().ok()?))
        });
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Shard { number, of }),
            _ => Err(ShardError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Shard {
    type Error = ShardError;

    fn try_from(text: String) -> Result<Shard, ShardError> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> String {
        shard.to_string()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_in_exactly_one_shard() {
        for text in ["", "1", "0/4", "5/4", "1/0", "a/b", "-1/4", "1/4/2"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
        for of in 1..6 {
            let shards: Vec<Shard> =
                (1..=of).map(|number| format!("{number}/{of}").parse().unwrap()).collect();
            for index in 0..20 {
                assert_eq!(shards.iter().filter(|shard| shard.takes(index)).count(), 1);
            }
        }
    }
}
