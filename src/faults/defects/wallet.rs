//! The wallet.

use super::Defect;

pub(super) const DEFECTS: &[Defect] = &[
    Defect {
        name: "wallet.leg-lost",
        doc: "the next transfer is booked for its payee and not for its payer",
        params: &[],
    },
    Defect {
        name: "wallet.leg-split",
        doc: "the next transfer is booked in two transactions, one right after the other",
        params: &[],
    },
    Defect {
        name: "wallet.balance-unchecked",
        doc: "transfers are not held against what the payer has",
        params: &[],
    },
];
