//! Freshness: a source that is known to go on must be read to its end. Silence is "I am blind",
//! never a finding.
//!
//! It judges no event: the engine asks [`Strategy::watch`]. YAML: `source`, `stale_after`.

use super::group::Group;
use super::strategy::{Finding, Passed, Strategy, Watch};

#[derive(Debug)]
pub struct Freshness {
    pub watch: Watch,
}

impl Strategy for Freshness {
    fn compare<'g>(&self, _: &'g Group, _: Passed<'_>) -> Vec<Finding<'g>> {
        Vec::new()
    }

    fn watch(&self) -> Option<&Watch> {
        Some(&self.watch)
    }
}
