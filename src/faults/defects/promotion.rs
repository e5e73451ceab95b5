//! Coupons, promotions and the budgets of activities.

use super::Defect;

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "coupon.use-unchecked",
        doc: "a coupon that was used already is taken again",
        params: &[],
    },
    Defect {
        name: "promotion.exclusion-unchecked",
        doc: "an order takes every promotion of an exclusion group",
        params: &[],
    },
    Defect {
        name: "activity.budget-unchecked",
        doc: "what orders take is not held against the activity's budget",
        params: &[],
    },
];
