//! What a step says, as data: one closed enum, so that the compiler lists who must act on a new sentence of the house.
//!
//! Owns the meaning of each sentence, never its wording (`vocabulary`) and never its effect (`runner`).

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::said::Said;
use crate::money::Money;
use crate::wire::Subject;

/// Where a sentence may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Sets the state; never feels the scenario's faults.
    Given,
    /// One business or hostile event.
    When,
    /// What a defender did, always bounded.
    Then,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Given => "Given",
            Kind::When => "When",
            Kind::Then => "Then",
        })
    }
}

/// Until when a Then step must have come true, counted from the first bad commit on cell time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// The loss point's own deadline, from the catalogue.
    InTime,
    /// Never longer than the catalogue's: `load_features` refuses that.
    WithinMs(i64),
}

impl Bound {
    pub fn within(duration: Duration) -> Bound {
        Bound::WithinMs(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
    }

    /// The bound in ms, where `in_time_ms` is the catalogue's deadline.
    pub fn resolve_ms(self, in_time_ms: i64) -> i64 {
        match self {
            Bound::InTime => in_time_ms,
            Bound::WithinMs(ms) => ms,
        }
    }
}

/// One step. Names are the scenario's aliases (`O-1`), as written between the quotes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "sentence", rename_all = "kebab-case")]
pub enum Sentence {
    // Given
    ItemMedian {
        item: String,
        median: Money,
    },
    ClearanceApproved {
        clearance: String,
        item: String,
    },
    OrderPaid {
        order: String,
        amount: Money,
        channel: String,
    },
    OrderAwaitsPayment {
        order: String,
        amount: Money,
    },
    /// Its message is held back: a When delivers it.
    RefundApproved {
        refund: String,
        amount: Money,
        order: String,
    },
    RefundWasPaidOut {
        refund: String,
        amount: Money,
        order: String,
    },
    /// Armed here, injected after the steady state. Parameters are the table under the step.
    FaultActive {
        fault: String,
    },

    /// By the plan under the step, which begins after the steady state.
    FaultsComeAndGo,

    /// `dcheck watchdog`, a process of its own.
    WatchdogWatches,
    /// A person with a token, who says yes to every plan that asks.
    ApproverOnDuty,

    // When
    SellerBids {
        item: String,
        meant: Money,
        price: Money,
        clearance: Option<String>,
    },
    /// The amounts are drawn by the forge's strategy of that name.
    BidFollowsPattern {
        item: String,
        pattern: String,
    },
    BuyerBuys {
        item: String,
        channel: String,
    },
    BuyerPays {
        order: String,
        amount: Money,
        channel: String,
    },
    ApprovalDelivered {
        refund: String,
        times: u32,
    },
    /// `due` is what is owed; it differs from `amount` only where the sentence says so.
    RefundPaidOut {
        refund: String,
        amount: Money,
        order: String,
        due: Money,
    },
    /// `dcheck reconcile`: the books of the day, by the same rules.
    BooksSwept,
    /// Injected at its place among the Whens.
    FaultStrikes {
        fault: String,
    },

    // Then
    AlertRaised {
        alert: String,
        subject: Subject,
        bound: Bound,
    },
    /// Of the alert named in the Then before it.
    AlertAtRisk {
        amount: Money,
    },
    PlanEffective {
        plan: String,
        scope: Subject,
        bound: Bound,
    },
    /// It asks a person, and does nothing without an answer.
    PlanWaits {
        plan: String,
        scope: Subject,
        bound: Bound,
    },
    OrderIsPaid {
        order: String,
        bound: Bound,
    },
    LossContained {
        bound: Bound,
    },
    LossAtMost {
        amount: Money,
    },
    NoOtherAlert,
    NoAlert,

    /// A sentence whose acts stand beside its wording, in its domain's file of the vocabulary.
    Business(Said),
}

impl Sentence {
    /// The fault that the sentence names, if it is about one.
    pub fn fault(&self) -> Option<&str> {
        match self {
            Sentence::FaultActive { fault } | Sentence::FaultStrikes { fault } => Some(fault),
            _ => None,
        }
    }
}
