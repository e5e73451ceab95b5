//! Freshness: a source that is known to go on must be read to its end. Silence is "I am blind",
//! never a finding.
//!
//! It judges no event: the engine asks [`Strategy::watch`]. YAML: `source`, `stale_after`.

use super::group::Group;
use super::strategy::{Finding, Passed, Strategy, Watch};
use super::way::Way;

pub const WAY: Way = Way {
    watches: true,
    ..Way::of(|keys| {
        let source = keys.fields.text("source").map(|(source, _)| source.to_owned());
        let stale_after_ms = keys.fields.duration_ms("stale_after");
        let watch = Watch { source: source?, stale_after_ms: stale_after_ms? };
        Some(Box::new(Freshness { watch }))
    })
};

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
