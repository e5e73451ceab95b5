//! Lines of ledgers: what really stands in the books of a domain, as the oracle's own reader saw it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::money::Money;
use crate::wire::Subject;

/// An amount of money, or a number of pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Amount {
    Money(Money),
    Pieces(i64),
}

impl From<Money> for Amount {
    fn from(money: Money) -> Amount {
        Amount::Money(money)
    }
}

impl From<i64> for Amount {
    fn from(pieces: i64) -> Amount {
        Amount::Pieces(pieces)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Money(money) => write!(f, "{money}"),
            Amount::Pieces(pieces) => write!(f, "{pieces}"),
        }
    }
}

/// A line as it stands now. The same reference again replaces what it said before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerLine {
    /// `wallet.flow`
    pub ledger: String,
    pub subject: Subject,
    /// Signed: what leaves the subject is below zero.
    pub amount: Amount,
    /// What else an act may expect of it: the account that was paid into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The line's own identity in its ledger.
    pub reference: String,
    /// It stands no more: deleted, or in a state that does not count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// In this ledger a line that no act expects is a loss, whoever it is about.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
}
