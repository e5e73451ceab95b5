//! How a strategy is written in YAML: its name, what its texts may use, and the keys that are its own.
//!
//! Each strategy says so beside itself; [`WAYS`] is the index, and the one place that a new strategy adds a line to.

use crate::dcheck::engine::expr::{Allowed, Expr, Kind};

use super::fields::Fields;
use super::strategy::{Strategy, WhenAbsent};
use super::{
    aggregate, at_most_one, conservation, dependency, missing_counterpart, one_to_many, ordering,
    self_watch, state_machine, sum_bound, threshold, two_sided_match, unexplained_change,
};

/// Every strategy by the name that a rule's `strategy` gives.
pub const WAYS: &[(&str, &Way)] = &[
    ("threshold", &threshold::WAY),
    ("missing-counterpart", &missing_counterpart::WAY),
    ("at-most-one", &at_most_one::WAY),
    ("sum-bound", &sum_bound::WAY),
    ("two-sided-match", &two_sided_match::WAY),
    ("one-to-many", &one_to_many::WAY),
    ("ordering", &ordering::WAY),
    ("unexplained-change", &unexplained_change::WAY),
    ("state-machine", &state_machine::WAY),
    ("aggregate", &aggregate::WAY),
    ("conservation", &conservation::WAY),
    ("dependency", &dependency::WAY),
    ("freshness", &self_watch::FRESHNESS),
    ("self-watch", &self_watch::SELF_WATCH),
];

/// What an event alone offers.
pub const OWN: Allowed<'static> = Allowed { roots: &["before", "after", "event"], found: &[] };

type Build = fn(&Keys<'_>) -> Option<Box<dyn Strategy>>;

/// Whether a strategy's counterparts have an `amount`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    None,
    Optional,
    Required,
}

/// How a rule of one strategy is read.
#[derive(Debug)]
pub struct Way {
    /// Roots that its check, amount at risk and texts may use beside the event's own.
    pub roots: &'static [&'static str],
    /// Names under `found`: what it works out.
    pub found: &'static [&'static str],
    /// It pairs items with a `counterpart`.
    pub counterpart: bool,
    /// Its counterparts have an `amount`, which is [`Keys::bound`].
    pub bound: Bound,
    /// It judges each state of an occurrence (`applies`, `revision`, `reference`) and pairs nothing.
    pub states: bool,
    /// It watches over a part of the watcher, and judges no event.
    pub watches: bool,
    /// Reads its own keys; all of them, so that all mistakes are told at once.
    pub build: Build,
}

impl Way {
    /// What most strategies leave as it is.
    pub const fn of(build: Build) -> Way {
        Way {
            roots: &[],
            found: &[],
            counterpart: false,
            bound: Bound::None,
            states: false,
            watches: false,
            build,
        }
    }

    /// All roots of its texts. A reference has one of its own.
    pub fn all_roots(&self, has_reference: bool) -> Vec<&'static str> {
        let mut roots = OWN.roots.to_vec();
        roots.extend(self.roots);
        roots.extend(has_reference.then_some("ref"));
        roots.extend((!self.found.is_empty()).then_some("found"));
        roots
    }
}

/// The keys of a rule, for its strategy.
pub struct Keys<'f> {
    pub fields: &'f Fields<'f>,
    pub allowed: Allowed<'f>,
    /// None where the rule does not say, which is told already.
    pub when_absent: Option<WhenAbsent>,
    /// `counterpart.amount`
    pub bound: Option<Expr>,
}

impl Keys<'_> {
    pub fn window_ms(&self) -> Option<i64> {
        self.fields.duration_ms("window")
    }

    pub fn check(&self) -> Option<Expr> {
        self.fields.expr("check", Kind::Bool, self.allowed)
    }

    pub fn amount(&self) -> Option<Expr> {
        self.fields.expr("amount", Kind::Money, OWN)
    }

    pub fn order_by(&self) -> Option<Expr> {
        self.fields.expr("order_by", Kind::Any, OWN)
    }
}
