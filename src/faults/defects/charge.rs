//! Charges and the channel's word about them.

use super::Defect;

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "payment-retry.renumbered",
        doc: "the shop asks for the next charge again, under a new number",
        params: &[],
    },
    Defect {
        name: "payment-retry.repeated",
        doc: "the shop asks for the next charge again, under the same number",
        params: &[],
    },
    Defect {
        name: "callback-signature.unchecked",
        doc: "payment callbacks are believed without their signature",
        params: &[],
    },
];
