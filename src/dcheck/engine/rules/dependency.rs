//! Dependency: a service on which another one depends is too slow, or fails too often.
//!
//! It judges no event: services are measured elsewhere, and what is decided about them comes in as a decision. YAML: `decides`, a list
//! of `degrade`, `limit` and `block`: those of which the rule tells.

use crate::dcheck::engine::decided::Step;
use crate::dcheck::engine::expr::nearest;
use crate::dcheck::engine::port::Ward;

use super::group::Group;
use super::strategy::{Finding, Passed, Strategy, Watch};
use super::way::Way;

#[derive(Debug)]
struct Deciding {
    watch: Watch,
    steps: Vec<Step>,
}

impl Strategy for Deciding {
    fn compare<'g>(&self, _: &'g Group, _: Passed<'_>) -> Vec<Finding<'g>> {
        Vec::new()
    }

    fn watch(&self) -> Option<&Watch> {
        Some(&self.watch)
    }

    fn tells(&self) -> &[Step] {
        &self.steps
    }
}

pub const WAY: Way = Way {
    watches: true,
    ..Way::of(|keys| {
        let words = keys.fields.texts("decides");
        if words.is_empty() {
            let message = "a rule of this strategy needs `decides`: degrade, limit, block";
            keys.fields.mistake(keys.fields.line(), message);
        }
        let mut steps = Vec::new();
        for (word, line) in words {
            match Step::TOLD.iter().find(|(name, _)| *name == word) {
                Some((_, step)) => steps.push(*step),
                None => {
                    let hint = nearest(word, Step::TOLD.iter().map(|(name, _)| *name));
                    let message =
                        format!("`{word}` is no decision{hint}: write degrade, limit, block");
                    keys.fields.mistake(line, message);
                }
            }
        }
        let watch = Watch { ward: Ward::Dependency, id: None, after_ms: 0 };
        Some(Box::new(Deciding { watch, steps }))
    })
};
