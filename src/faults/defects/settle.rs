//! Settlement, and the payouts of merchants.

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
    Defect {
        name: "merchant-payout.retried-anew",
        doc: "the channel pays the next merchant and its answer is lost; the retry takes a new number",
        params: &[],
    },
    Defect {
        name: "merchant-payout.retried-alike",
        doc: "the channel pays the next merchant and its answer is lost; the retry keeps its number",
        params: &[],
    },
    Defect {
        name: "payee-guard.bypassed",
        doc: "a new account of a merchant is paid into at once, confirmed or not",
        params: &[],
    },
];
