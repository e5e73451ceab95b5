//! Acts: what buyers, sellers and attackers do, as data.

use serde::{Deserialize, Serialize};

use super::Business;
use crate::money::Money;

/// One business or hostile action. Ids are the unique ones of this cell, not the scenario's aliases.
///
/// An act says what was meant and what was done; the oracle takes its expectation from what was meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Act {
    /// An item with `stock` pieces and a price history whose 7-day median is `median`.
    ListItem { sku: String, category: String, median: Money, stock: u32 },
    /// The operator approves that `sku` may be sold far below its median.
    ApproveClearance { ticket: String, sku: String },
    /// A seller who means `meant` offers `qty` pieces at `price` each.
    PlaceBid {
        bid: String,
        seller: String,
        sku: String,
        qty: u32,
        meant: Money,
        price: Money,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clearance: Option<String>,
    },
    /// The seller mends the price of an open bid, or a program sets it to `price` where its seller means `meant`.
    CorrectBid {
        bid: String,
        price: Money,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        meant: Option<Money>,
    },
    /// A buyer takes one piece of the cheapest open bid for `sku` and pays at once. `due` is what the cheapest
    /// seller meant to receive.
    Buy { order: String, buyer: String, sku: String, channel: String, due: Money },
    /// An order that waits for its payment.
    PlaceOrder { order: String, buyer: String, channel: String, payable: Money },
    /// The buyer pays; the channel charges.
    PayOrder { order: String, channel: String, amount: Money },
    /// A refund is approved, and its message is delivered as ever: `due` is owed, `amount` is what was approved.
    /// With `hold` the approval's message is not delivered by the shop itself.
    Refund {
        refund: String,
        order: String,
        channel: String,
        due: Money,
        amount: Money,
        #[serde(default)]
        hold: bool,
    },
    /// The refund-approved message of `refund` is delivered `times` times.
    DeliverApproval { refund: String, times: u32 },
    /// Any other: one request, with what should happen by it.
    Business(Business),
}

/// What became of an act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    Ok,
    /// The platform said no, with its reason.
    Refused {
        reason: String,
    },
    /// No answer: it may or may not have happened.
    Unknown {
        reason: String,
    },
}

/// Why an act was done: the judge counts each role differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// A Given: sets the books.
    Setup,
    /// A When of the scenario: the attack, or the same sentence in a control.
    Scripted,
    /// Healthy traffic around it.
    Background,
    /// The attack repeated after a control, with fresh ids, to prove that silence was not deafness.
    Canary,
    /// After a stop plan is effective: again by a fresh party, in scope; must be refused.
    ProbeInside,
    /// Likewise outside the scope; must be accepted.
    ProbeOutside,
    /// What ends the attack: the seller mends the price.
    Correction,
    /// Shortly before the plan's TTL: in scope once more; must still be refused.
    ProbeStill,
    /// After the plan's TTL: in scope again; must be accepted.
    ProbeAfter,
}
