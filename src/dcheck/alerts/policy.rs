//! What is told together, what is kept back, and to whom: the configuration as data.
//!
//! Owns the shapes and the defaults, which tell every alert by itself at once. `load` reads them from a file.

use super::channels::ChannelSpec;
use super::ladder::Ladder;
use super::matching::Matcher;

/// How alerts become messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    pub grouping: Grouping,
    pub inhibitions: Vec<Inhibition>,
    pub storm: Option<StormLimit>,
}

impl Policy {
    /// True where alerts that were told must be remembered: for a group, as a source, against a storm.
    pub fn remembers(&self) -> bool {
        *self != Policy::default()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouping {
    /// Labels whose values make a group; none: each alert is a group by itself.
    pub by: Option<Vec<String>>,
    /// From a group's first alert to its first message.
    pub wait_ms: i64,
    /// From one message of a group to the next one, where something has changed.
    pub interval_ms: i64,
    /// From one message to the next one, where nothing has changed and something still fires.
    pub repeat_ms: Option<i64>,
}

/// While an alert of `source` fires, those of `target` with the same `equal` labels are kept back.
#[derive(Clone, Debug, PartialEq)]
pub struct Inhibition {
    pub source: Vec<Matcher>,
    pub target: Vec<Matcher>,
    pub equal: Vec<String>,
}

/// More than `more_than` new alerts of one rule `within_ms` become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StormLimit {
    pub more_than: usize,
    pub within_ms: i64,
    /// Between two messages about a storm that goes on.
    pub update_ms: i64,
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alerting {
    pub policy: Policy,
    /// None: as the command line says.
    pub first: Option<ChannelSpec>,
    pub second: Option<ChannelSpec>,
    pub ladder: Ladder,
}
