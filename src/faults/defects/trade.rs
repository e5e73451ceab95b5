//! Bids, payments and refunds.

use super::{Defect, Param};
use crate::faults::Scale;
use crate::faults::registry::DAY_MS;

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "payment-callback.dropped",
        doc: "the shop answers 200 to the next payment callback and does nothing",
        params: &[],
    },
    Defect {
        name: "payment-callback.delayed",
        doc: "the shop answers 200 to the next payment callback and books it later",
        params: &[Param {
            name: "delay",
            doc: "processed so much later, on cell time",
            scale: Scale::Span { default_ms: 20_000, min_ms: 1, max_ms: DAY_MS },
        }],
    },
    Defect {
        name: "refund-payout.not-idempotent",
        doc: "each delivery of a refund approval pays out",
        params: &[],
    },
    Defect {
        name: "refund-payout.retried-anew",
        doc: "the next refund whose books did not answer is paid out again, under a new number",
        params: &[],
    },
    Defect {
        name: "refund-payout.retried-alike",
        doc: "the next refund whose books did not answer is paid out again, under its own number",
        params: &[],
    },
    Defect {
        name: "refund-guard.bypassed",
        doc: "refunds are not held against what was paid",
        params: &[],
    },
    Defect {
        name: "price-guard.bypassed",
        doc: "bids far below the market price are accepted",
        params: &[],
    },
];
