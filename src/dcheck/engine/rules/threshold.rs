//! Threshold against a reference: each state of an occurrence must satisfy a check, with or without
//! a lookup.
//!
//! States of one occurrence are judged in the order in which they came, even where answers overtake
//! each other: a finding's end can never come before the finding. YAML: `applies`, `reference`,
//! `check`.

use crate::dcheck::engine::expr::{Expr, Scope};
use crate::wire::Judgement;

use super::group::{Group, Item, Reference};
use super::strategy::{Finding, Passed, Ruling, Strategy, WhenAbsent, rule_on};
use super::way::Way;

pub const WAY: Way = Way {
    states: true,
    ..Way::of(|keys| {
        let check = keys.check();
        Some(Box::new(Threshold { check: check?, when_absent: keys.when_absent? }))
    })
};

#[derive(Debug)]
pub struct Threshold {
    pub check: Expr,
    pub when_absent: WhenAbsent,
}

impl Threshold {
    fn ruling(&self, item: &Item) -> Ruling {
        if !item.applies {
            return Ruling::Void;
        }
        // What was judged by what stays as it is, is not judged again: a key may be changed all day.
        match item.judged {
            Some(Judgement::Matched) => return Ruling::Matched,
            Some(Judgement::Mismatched) => return Ruling::Mismatched,
            _ => {}
        }
        let scope = Scope::of(&item.event);
        match &item.reference {
            Reference::NotNeeded => rule_on(&self.check, &scope, self.when_absent),
            Reference::Known(row) => {
                let scope = Scope { reference: Some(row), ..scope };
                rule_on(&self.check, &scope, self.when_absent)
            }
            Reference::Failed(why) | Reference::Away(why) => Ruling::Unknown(why.clone()),
            Reference::Due { .. } | Reference::Asked { .. } => Ruling::Asking,
        }
    }
}

impl Strategy for Threshold {
    fn judges_alone(&self) -> bool {
        true
    }

    fn check(&self) -> Option<&Expr> {
        Some(&self.check)
    }

    fn compare<'g>(&self, group: &'g Group, _: Passed<'_>) -> Vec<Finding<'g>> {
        let mut held = false;
        let judge = |item| {
            let ruling = if held { Ruling::Asking } else { self.ruling(item) };
            held |= ruling == Ruling::Asking;
            Finding::of(ruling)
        };
        group.items.iter().map(judge).collect()
    }
}
