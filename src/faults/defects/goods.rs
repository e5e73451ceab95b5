//! Goods: stock, what a bid sells, what an order costs and what it gives back.

use super::Defect;

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "order-price.unit-mistaken",
        doc: "the next purchase takes the bid's yuan for fen",
        params: &[],
    },
    Defect {
        name: "order-price.unit-converted",
        doc: "the next purchase carries the bid's price in fen and turns it back, as it should",
        params: &[],
    },
    Defect {
        name: "sold-bid.offered",
        doc: "where an item has no open bid, the one that was sold out last is sold again",
        params: &[],
    },
    Defect {
        name: "stock.unchecked",
        doc: "purchases are not held against the stock",
        params: &[],
    },
    Defect {
        name: "payment-amount.unchecked",
        doc: "an order is paid by whatever amount the buyer pays",
        params: &[],
    },
    Defect {
        name: "repricer-brake.released",
        doc: "bids are cut down to their floor without a stop",
        params: &[],
    },
    Defect {
        name: "order-total.freight-dropped",
        doc: "the next bill with freight is added up without it",
        params: &[],
    },
    Defect {
        name: "order-close.unguarded",
        doc: "an order that is closed already is closed again and gives its goods back again",
        params: &[],
    },
];
