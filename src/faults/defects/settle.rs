//! Settlement.

use super::Defect;

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "settlement.not-idempotent",
        doc: "each run of the settlement settles an order anew",
        params: &[],
    },
    Defect {
        name: "settlement.rounded-each",
        doc: "each part of an order is rounded by itself, so that they need not add up",
        params: &[],
    },
];
