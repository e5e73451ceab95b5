//! At most one per key: the first item of a key is right, each further one is a finding.
//!
//! `order_by` says which is the first, not arrival: should an earlier one be read later, the one
//! that had passed for the first becomes the finding. YAML: `order_by`.

use crate::dcheck::engine::expr::{Datum, Expr};

use super::group::Group;
use super::strategy::{Finding, Passed, Ruling, Strategy};
use super::way::Way;

pub const WAY: Way = Way {
    found: &["first", "number"],
    ..Way::of(|keys| Some(Box::new(AtMostOne { order_by: keys.order_by()? })))
};

#[derive(Debug)]
pub struct AtMostOne {
    pub order_by: Expr,
}

impl Strategy for AtMostOne {
    fn compare<'g>(&self, group: &'g Group, _: Passed<'_>) -> Vec<Finding<'g>> {
        let first = group.items.first().map_or("", |item| &item.occurrence);
        let judge = |number: usize| Finding {
            ruling: if number == 1 { Ruling::Matched } else { Ruling::Mismatched },
            other: None,
            found: vec![
                ("first", Datum::Text(first.to_owned())),
                ("number", Datum::Num(number.into())),
            ],
        };
        (1..=group.items.len()).map(judge).collect()
    }

    fn order_by(&self) -> Option<&Expr> {
        Some(&self.order_by)
    }
}
