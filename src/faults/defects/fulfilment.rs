//! What becomes of an order after its payment.

use super::Defect;

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "late-payment.kept",
        doc: "what is paid for an order that was closed meanwhile stays with the shop",
        params: &[],
    },
    Defect {
        name: "late-payment.put-off",
        doc: "what is paid for an order that was closed meanwhile goes back five seconds later",
        params: &[],
    },
    Defect {
        name: "shipment-cancel.lost",
        doc: "a warehouse does not hear that an order was refunded, and sends it",
        params: &[],
    },
];
