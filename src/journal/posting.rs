//! Postings and promises: what really moved, as the oracle's own reader saw it.

use serde::{Deserialize, Serialize};

use crate::money::Money;
use crate::wire::Subject;

/// Where a posting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Book {
    /// The payment channel's own ledger.
    Channel,
    /// The shop's orders.
    Orders,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PostingKind {
    /// The channel took money from a buyer (subject: order).
    Collected,
    /// The channel paid money back to a buyer (subject: refund).
    PaidOut,
    /// The shop counts the order as paid (subject: order).
    OrderPaid,
}

/// One movement of money, dated by its entry's cell time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    pub book: Book,
    pub kind: PostingKind,
    pub subject: Subject,
    pub amount: Money,
    /// The row's or ledger entry's own identity; the same `reference` again is the same posting.
    pub reference: String,
    /// It stood, and was struck out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
}

/// An open offer: what a party stands to lose when somebody takes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// The bid.
    pub subject: Subject,
    pub sku: String,
    pub price: Money,
    pub qty: u32,
    /// False once it is sold, withdrawn, or off sale.
    pub open: bool,
}
