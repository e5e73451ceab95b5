//! Self-watch: a part of the watcher itself must be well. Silence about it is "I am blind", never a
//! finding.
//!
//! It judges no event: the engine asks [`Strategy::watch`]. YAML: `watches` and, where the part may
//! ail for a while, `after`. `freshness` is the same for one source, with `source` and
//! `stale_after`.

use crate::dcheck::engine::expr::{Allowed, Expr, Kind, Template};
use crate::dcheck::engine::gate::Rollout;
use crate::dcheck::engine::port::Ward;

use super::RuleHead;
use super::group::Group;
use super::rule::Rule;
use super::strategy::{Finding, Passed, Strategy, Watch};
use super::way::Way;

const WARDS: [(&str, Ward); 10] = [
    ("columns", Ward::Columns),
    ("undecodable", Ward::Undecodable),
    ("lag", Ward::Lag),
    ("unread", Ward::Unread),
    ("alert-channel", Ward::AlertChannel),
    ("rules", Ward::Rules),
    ("plan-executor", Ward::PlanExecutor),
    ("lookup", Ward::Lookup),
    ("shedding", Ward::Shedding),
    ("reconciler", Ward::Reconciler),
];

#[derive(Debug)]
struct Watching(Watch);

impl Strategy for Watching {
    fn compare<'g>(&self, _: &'g Group, _: Passed<'_>) -> Vec<Finding<'g>> {
        Vec::new()
    }

    fn watch(&self) -> Option<&Watch> {
        Some(&self.0)
    }
}

/// Strategy `freshness`.
pub const FRESHNESS: Way = Way {
    watches: true,
    ..Way::of(|keys| {
        let source = keys.fields.text("source").map(|(source, _)| source.to_owned());
        let after_ms = keys.fields.duration_ms("stale_after");
        let watch = Watch { ward: Ward::Source, id: Some(source?), after_ms: after_ms? };
        Some(Box::new(Watching(watch)))
    })
};

/// Strategy `self-watch`.
pub const SELF_WATCH: Way = Way {
    watches: true,
    ..Way::of(|keys| {
        let ward = keys.fields.choice("watches", &WARDS);
        let after = keys.fields.optional_duration_ms("after");
        if ward == Some(Ward::Lag) && after.is_some() {
            let message = "lag is held against the smallest window of all rules: leave `after` out";
            keys.fields.mistake(keys.fields.line(), message);
        }
        let watch = Watch { ward: ward?, id: None, after_ms: after.unwrap_or(0) };
        Some(Box::new(Watching(watch)))
    })
};

/// A rule that judges no event.
pub fn rule(
    head: Option<RuleHead>,
    rollout: Option<Rollout>,
    strategy: Option<Box<dyn Strategy>>,
) -> Option<Rule> {
    let (head, strategy) = (head?, strategy?);
    let ward = strategy.watch()?.ward;
    let plain = Allowed { roots: &[], found: &[] };
    let nothing = || Template::compile("", plain).expect("invariant: a plain text compiles");
    let unasked =
        || Expr::compile("\"\"", Kind::Text, plain).expect("invariant: a quoted text compiles");
    Some(Rule {
        name: head.name(),
        head,
        subject_kind: ward.subject_kind().to_owned(),
        subject_id: unasked(),
        occurrence: unasked(),
        revision: None,
        sides: Vec::new(),
        applies: None,
        lookup: None,
        rate: None,
        carries: None,
        at_risk: None,
        expected: nothing(),
        actual: nothing(),
        fields: Vec::new(),
        remember_ms: 0,
        rollout: rollout?,
        strategy,
        ignores: Vec::new(),
        place: Default::default(),
        uses: Vec::new(),
        columns: Default::default(),
        of_messages: Default::default(),
    })
}
