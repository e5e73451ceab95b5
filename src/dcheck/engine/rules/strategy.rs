//! The trait behind which all strategies stand, and what they share.
//!
//! The engine runs the template: filter (index and `where`) -> pair (by key) -> fetch (lookup) ->
//! **compare** -> verdict. A strategy is the *compare* step alone: a pure function of a group and
//! of how far the sources were read.

use std::fmt::Debug;

use crate::clock::CellTime;
use crate::dcheck::engine::decided::Step;
use crate::dcheck::engine::expr::{Datum, EvalError, Expr, Scope};
use crate::dcheck::engine::port::Ward;
use crate::dcheck::event::Row;

use super::group::Group;

/// What null and absent mean for a comparison; every rule must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenAbsent {
    Ok,
    Finding,
}

/// What a strategy says of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// Nothing yet: its window is open until this instant and until the sources were read past it.
    Wait(CellTime),
    /// Nothing yet: its lookup, or that of an earlier state of the same occurrence, is out.
    Asking,
    Matched,
    Mismatched,
    /// A finding that ended by itself: the counterpart came, too late.
    Late,
    /// Its window closed and the rule does not call that a finding.
    Expired,
    /// It cannot be judged: wrong types, mixed currencies, overflow.
    Refused(String),
    /// Its reference could not be had.
    Unknown(String),
    /// It no longer applies: an earlier finding ends.
    Void,
}

impl Ruling {
    /// What does not fit may be right or wrong: nobody knows. What cannot be computed at all is refused.
    pub fn of_error(error: &EvalError) -> Ruling {
        match error {
            EvalError::Overflow { .. } => Ruling::Unknown(error.to_string()),
            _ => Ruling::Refused(error.to_string()),
        }
    }
}

/// What a strategy takes to be missing because it was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliance {
    /// It finds by what it has seen.
    Nothing,
    /// Items: one unread makes the others look wrong.
    Items,
    Counterparts,
}

/// A ruling with what it stands on, for amounts and texts.
#[derive(Clone, Debug)]
pub struct Finding<'g> {
    pub ruling: Ruling,
    pub other: Option<&'g Row>,
    pub found: Vec<(&'static str, Datum)>,
}

impl Finding<'_> {
    pub fn of(ruling: Ruling) -> Finding<'static> {
        Finding { ruling, other: None, found: Vec::new() }
    }
}

/// True where nothing dated this instant or earlier can still come from any source of the rule's
/// counterparts, and the instant has passed.
pub type Passed<'p> = &'p dyn Fn(CellTime) -> bool;

/// One way to judge. One file each.
pub trait Strategy: Debug + Send + Sync {
    /// One finding per item of the group, in order.
    fn compare<'g>(&self, group: &'g Group, passed: Passed<'_>) -> Vec<Finding<'g>>;

    /// The condition that it holds pairs or states against, for people; None: it has none of its own.
    fn check(&self) -> Option<&Expr> {
        None
    }

    /// What orders the items of a group; None: their arrival.
    fn order_by(&self) -> Option<&Expr> {
        None
    }

    /// What it watches over without any event.
    fn watch(&self) -> Option<&Watch> {
        None
    }

    /// Of which decisions about dependencies it tells.
    fn tells(&self) -> &[Step] {
        &[]
    }

    /// What must not be missing for its findings to be true.
    fn relies_on(&self) -> Reliance {
        Reliance::Nothing
    }

    /// True where it judges each item by itself: those that are judged need not be kept for others.
    fn judges_alone(&self) -> bool {
        false
    }

    /// How many states of a counterpart before its latest it compares with.
    fn states_kept(&self) -> usize {
        0
    }

    /// How long it waits for a counterpart: what is read later than this comes too late for it.
    fn window_ms(&self) -> Option<i64> {
        None
    }

    /// How far from an item lies what it is judged by; None: as far as the rule remembers.
    fn reach_ms(&self) -> Option<i64> {
        self.window_ms()
    }
}

/// Something whose silence must not look like health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    pub ward: Ward,
    /// One of that ward only; none: all of it.
    pub id: Option<String>,
    /// How long it may ail before it is told.
    pub after_ms: i64,
}

impl Watch {
    pub fn is_over(&self, ward: Ward, id: &str) -> bool {
        self.ward == ward && self.id.as_deref().is_none_or(|own| own == id)
    }
}

/// A check's ruling.
pub fn rule_on(check: &Expr, scope: &Scope<'_>, when_absent: WhenAbsent) -> Ruling {
    match check.truth(scope) {
        Ok(Some(true)) => Ruling::Matched,
        Ok(Some(false)) => Ruling::Mismatched,
        Ok(None) if when_absent == WhenAbsent::Ok => Ruling::Matched,
        Ok(None) => Ruling::Mismatched,
        Err(error) => Ruling::of_error(&error),
    }
}

/// An amount: None where it is missing.
pub fn amount_of(expr: &Expr, scope: &Scope<'_>) -> Result<Option<Datum>, EvalError> {
    Ok(Some(expr.eval(scope)?).filter(|datum| !datum.is_missing()))
}
