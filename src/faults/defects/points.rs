//! Points.

use super::Defect;

pub(super) const DEFECTS: &[Defect] = &[Defect {
    name: "points.not-idempotent",
    doc: "each delivery of an order's payment message grants its points anew",
    params: &[],
}];
