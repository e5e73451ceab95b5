//! Points.

use super::{Defect, Param};
use crate::faults::Scale;
use crate::faults::registry::DAY_MS;

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "points.not-idempotent",
        doc: "each delivery of an order's payment message grants its points anew",
        params: &[],
    },
    Defect {
        name: "points.slow",
        doc: "each call of the points service takes longer",
        params: &[Param {
            name: "by",
            doc: "so much longer, on cell time",
            scale: Scale::Span { default_ms: 900, min_ms: 1, max_ms: DAY_MS },
        }],
    },
];
