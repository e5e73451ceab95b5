//! The defects that the practice shop can be given, by domain: what faults of layer `app` there are.
//!
//! A defect is a row here and a switch of the same name beside the service that has it. A new domain is one file and
//! its line in [`DOMAINS`]. Must not know what a defect does to the books.

mod charge;
mod fulfilment;
mod goods;
mod points;
mod promotion;
mod settle;
mod trade;
mod wallet;

use super::{Blast, FaultSpec, Late, Layer, Need, Param};

const DOMAINS: &[&[Defect]] = &[
    trade::DEFECTS,
    wallet::DEFECTS,
    settle::DEFECTS,
    charge::DEFECTS,
    promotion::DEFECTS,
    goods::DEFECTS,
    fulfilment::DEFECTS,
    points::DEFECTS,
];

/// A defect: `app.` and the switch's own name.
struct Defect {
    name: &'static str,
    doc: &'static str,
    /// Handed to the switch as `NAME_ms`.
    params: &'static [Param],
}

/// Every defect as a fault. Each is proved by its first hit, which needs traffic.
pub(super) fn all() -> impl Iterator<Item = FaultSpec> {
    DOMAINS.iter().copied().flatten().map(|defect| FaultSpec {
        id: format!("app.{}", defect.name),
        doc: defect.doc.to_owned(),
        layer: Layer::App,
        params: defect.params.to_vec(),
        needs: Need::Switches,
        blast: Blast::Cell,
        withholds: Vec::new(),
        raises: Vec::new(),
        waits_for_traffic: true,
        late: Late::default(),
    })
}
