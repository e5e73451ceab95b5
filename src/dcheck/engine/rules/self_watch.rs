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
use super::fields::Fields;
use super::group::Group;
use super::rule::Rule;
use super::strategy::{Finding, Passed, Strategy, Watch};

const WARDS: [(&str, Ward); 5] = [
    ("lag", Ward::Lag),
    ("alert-channel", Ward::AlertChannel),
    ("rules", Ward::Rules),
    ("plan-executor", Ward::PlanExecutor),
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

/// What a rule of strategy `freshness` watches over.
pub fn fresh(fields: &Fields<'_>) -> Option<Watch> {
    let source = fields.text("source").map(|(source, _)| source.to_owned());
    let after_ms = fields.duration_ms("stale_after");
    Some(Watch { ward: Ward::Source, id: Some(source?), after_ms: after_ms? })
}

/// What a rule of strategy `self-watch` watches over.
pub fn of_itself(fields: &Fields<'_>) -> Option<Watch> {
    let ward = fields.choice("watches", &WARDS);
    let after = fields.optional_duration_ms("after");
    if ward == Some(Ward::Lag) && after.is_some() {
        let message = "lag is held against the smallest window of all rules: leave `after` out";
        fields.mistake(fields.line(), message);
    }
    Some(Watch { ward: ward?, id: None, after_ms: after.unwrap_or(0) })
}

/// A rule that judges no event.
pub fn rule(
    head: Option<RuleHead>,
    rollout: Option<Rollout>,
    watch: Option<Watch>,
) -> Option<Rule> {
    let (head, watch) = (head?, watch?);
    let plain = Allowed { roots: &[], found: &[] };
    let nothing = || Template::compile("", plain).expect("invariant: a plain text compiles");
    let unasked =
        || Expr::compile("\"\"", Kind::Text, plain).expect("invariant: a quoted text compiles");
    Some(Rule {
        name: head.name(),
        head,
        subject_kind: watch.ward.subject_kind().to_owned(),
        subject_id: unasked(),
        occurrence: unasked(),
        revision: None,
        sides: Vec::new(),
        applies: None,
        lookup: None,
        at_risk: None,
        expected: nothing(),
        actual: nothing(),
        fields: Vec::new(),
        remember_ms: 0,
        rollout: rollout?,
        strategy: Box::new(Watching(watch)),
    })
}
