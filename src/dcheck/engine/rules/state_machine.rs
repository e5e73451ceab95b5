//! State machine: what goes from state to state goes by the transitions that are allowed, and starts where it may start.
//!
//! With `from` (`before.status`) each move is judged by itself, at once. Without, as on a topic, a move starts where the one
//! before it by `order_by` ended, and is judged when the `window` has closed, so that an earlier move that is read later still
//! counts. Staying in a state is no move. YAML: `moves`, `state`, `from` or `window`, `starts` (left out: anywhere), `order_by`.

use std::collections::{BTreeMap, BTreeSet};

use crate::dcheck::engine::expr::{Datum, Expr, Kind, Scope, nearest};
use crate::wire::Judgement;

use super::group::{Group, Item};
use super::strategy::{Finding, Passed, Reliance, Ruling, Strategy, WhenAbsent};
use super::way::{Keys, OWN, Way};

pub const WAY: Way = Way { found: &["from", "to"], ..Way::of(build) };

#[derive(Debug)]
pub struct StateMachine {
    moves: BTreeMap<String, Vec<String>>,
    /// Empty: anywhere.
    starts: Vec<String>,
    state: Expr,
    before: Before,
    order_by: Expr,
    when_absent: WhenAbsent,
}

/// Where a move starts.
#[derive(Debug)]
enum Before {
    /// Where the event says.
    Told(Expr),
    /// Where the move before it ended; for so long an earlier one may still be read.
    Followed { window_ms: i64 },
}

fn build(keys: &Keys<'_>) -> Option<Box<dyn Strategy>> {
    let fields = keys.fields;
    let moves = fields.text_lists("moves");
    let starts = fields.texts("starts");
    let known: BTreeSet<&str> = moves.iter().flatten().map(|(from, _)| from.as_str()).collect();
    let targets = moves.iter().flatten().flat_map(|(_, targets)| targets);
    for (name, line) in targets.chain(&starts).filter(|(name, _)| !known.contains(name)) {
        let hint = nearest(name, known.iter().copied());
        let message =
            format!("state `{name}` is not among `moves`{hint}: a last one is `{name}: []`");
        fields.mistake(*line, message);
    }
    let state = fields.expr("state", Kind::Any, OWN);
    let before = fields.optional_expr("from", Kind::Any, OWN);
    let window_ms = fields.optional_duration_ms("window");
    let before = match (before, window_ms) {
        (Some(told), None) => Some(Before::Told(told)),
        (None, Some(window_ms)) => Some(Before::Followed { window_ms }),
        _ => {
            let message = "write either `from`, where a move starts, or the `window` in which the \
                           move before it may still be read";
            fields.mistake(fields.line(), message);
            None
        }
    };
    let order_by = keys.order_by();
    let owned = |names: Vec<(&str, usize)>| names.iter().map(|(name, _)| (*name).into()).collect();
    Some(Box::new(StateMachine {
        moves: moves?.into_iter().map(|(from, targets)| (from, owned(targets))).collect(),
        starts: owned(starts),
        state: state?,
        before: before?,
        order_by: order_by?,
        when_absent: keys.when_absent?,
    }))
}

impl StateMachine {
    fn allows(&self, from: &Datum, to: &Datum) -> bool {
        let to = to.to_string();
        if from.is_missing() {
            return self.moves.contains_key(&to)
                && (self.starts.is_empty() || self.starts.contains(&to));
        }
        let from = from.to_string();
        let allowed = self.moves.get(&from).is_some_and(|targets| targets.contains(&to));
        allowed || (from == to && self.moves.contains_key(&to))
    }

    fn judge(&self, before: Option<&Item>, item: &Item, passed: Passed<'_>) -> Finding<'static> {
        // As in `threshold`: a key may be changed all day.
        if self.judges_alone() && item.judged == Some(Judgement::Matched) {
            return Finding::of(Ruling::Matched);
        }
        let scope = Scope::of(&item.event);
        let to = self.state.eval(&scope);
        let from = match (&self.before, before) {
            (Before::Told(from), _) => from.eval(&scope),
            (Before::Followed { .. }, Some(before)) => self.state.eval(&Scope::of(&before.event)),
            (Before::Followed { .. }, None) => Ok(Datum::of(None)),
        };
        let (from, to) = match (from, to) {
            (Ok(from), Ok(to)) => (from, to),
            (Err(error), _) | (_, Err(error)) => return Finding::of(Ruling::of_error(&error)),
        };
        let is_right = match to.is_missing() {
            true => self.when_absent == WhenAbsent::Ok,
            false => self.allows(&from, &to),
        };
        let ruling = match self.before {
            Before::Followed { window_ms } if !passed(item.event.at.plus_ms(window_ms)) => {
                Ruling::Wait(item.event.at.plus_ms(window_ms))
            }
            _ if is_right => Ruling::Matched,
            _ => Ruling::Mismatched,
        };
        Finding { ruling, other: None, found: vec![("from", from), ("to", to)] }
    }
}

impl Strategy for StateMachine {
    fn compare<'g>(&self, group: &'g Group, passed: Passed<'_>) -> Vec<Finding<'g>> {
        let before = |number: usize| number.checked_sub(1).map(|before| &group.items[before]);
        let items = group.items.iter().enumerate();
        items.map(|(number, item)| self.judge(before(number), item, passed)).collect()
    }

    fn order_by(&self) -> Option<&Expr> {
        Some(&self.order_by)
    }

    fn judges_alone(&self) -> bool {
        matches!(self.before, Before::Told(_))
    }

    fn window_ms(&self) -> Option<i64> {
        match self.before {
            Before::Told(_) => None,
            Before::Followed { window_ms } => Some(window_ms),
        }
    }

    /// The state before may be as old as the entity.
    fn reach_ms(&self) -> Option<i64> {
        None
    }

    fn relies_on(&self) -> Reliance {
        match self.before {
            Before::Told(_) => Reliance::Nothing,
            Before::Followed { .. } => Reliance::Items,
        }
    }
}
