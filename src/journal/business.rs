//! A general business act: one request, and what should happen by it to whose money and goods.

use serde::{Deserialize, Serialize};

use super::{Amount, Party};
use crate::money::Money;
use crate::wire::Subject;

/// One `POST` to the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Business {
    /// What it is, as a stop plan names it: `transfer`, `redeem`.
    pub name: String,
    /// First the one whose books it moves, then what that one is about.
    pub subjects: Vec<Subject>,
    /// `/transfers`
    pub path: String,
    pub body: serde_json::Value,
    /// Empty for an act that a sound platform refuses. Of a refused act nothing is expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expects: Vec<Expected>,
    /// What ends the attack where this act leaves something open that was not meant: the price mended, the account
    /// filled up. Done in the proof of a stop plan, before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correction: Option<Box<Business>>,
}

impl Business {
    pub fn new(
        name: &str,
        subjects: Vec<Subject>,
        path: impl Into<String>,
        body: serde_json::Value,
    ) -> Business {
        let (name, path) = (name.to_owned(), path.into());
        Business { name, subjects, path, body, expects: Vec::new(), correction: None }
    }

    pub fn expecting(mut self, expects: impl IntoIterator<Item = Expected>) -> Business {
        self.expects.extend(expects);
        self
    }

    pub fn corrected_by(mut self, correction: Business) -> Business {
        self.correction = Some(Box::new(correction));
        self
    }
}

/// What should come to stand in a ledger about a subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The ledger as the oracle's own reader names it: `wallet.flow`.
    pub ledger: String,
    pub subject: Subject,
    #[serde(flatten)]
    pub demand: Demand,
    /// Who loses when less moves than that.
    pub short: Party,
    /// Who loses when more moves.
    pub over: Party,
    /// What one piece is worth, in ledgers that count pieces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worth: Option<Money>,
    /// The stopped act that explains a shortfall: what a plan holds back is not lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<String>,
}

/// What the channel pays back of a refund; see [`Expected::paid_out`].
const PAID_OUT: &str = "channel.paid-out";
/// What an order counts as paid with; see [`Expected::never_paid`].
const ORDER_PAID: &str = "order.paid";

/// The platform's own books, in which a business act may have a say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnBook {
    PaidOut(Money),
    NeverPaid,
}

/// The lines of one subject in one ledger are compared with all demands on them together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "demand", rename_all = "kebab-case")]
pub enum Demand {
    /// Exactly one more line of that amount; with a detail (an account to be paid into) only that one.
    Once {
        amount: Amount,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// No line but those that are expected by other acts.
    Never,
    /// From now on the lines never add up to more; with a detail (whom they are owed to) only lines of that one count as
    /// owed at all. The last act's word stands.
    AtMost {
        amount: Amount,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// From now on the lines never add up to less. The last act's word stands.
    AtLeast { amount: Amount },
    /// From now on the lines add up to that: an open promise, like a price asked or an amount payable. The last
    /// act's word stands.
    Stands { amount: Amount },
}

impl Expected {
    fn of(ledger: &str, subject: &Subject, demand: Demand) -> Expected {
        Expected {
            ledger: ledger.to_owned(),
            subject: subject.clone(),
            demand,
            short: Party::Buyer,
            over: Party::Platform,
            worth: None,
            held_by: None,
        }
    }

    pub fn once(ledger: &str, subject: &Subject, amount: impl Into<Amount>) -> Expected {
        let demand = Demand::Once { amount: amount.into(), detail: None };
        Expected::of(ledger, subject, demand)
    }

    pub fn never(ledger: &str, subject: &Subject) -> Expected {
        Expected::of(ledger, subject, Demand::Never)
    }

    pub fn at_most(ledger: &str, subject: &Subject, amount: impl Into<Amount>) -> Expected {
        let demand = Demand::AtMost { amount: amount.into(), detail: None };
        Expected::of(ledger, subject, demand)
    }

    pub fn at_least(ledger: &str, subject: &Subject, amount: impl Into<Amount>) -> Expected {
        Expected::of(ledger, subject, Demand::AtLeast { amount: amount.into() })
    }

    pub fn stands(ledger: &str, subject: &Subject, amount: impl Into<Amount>) -> Expected {
        Expected::of(ledger, subject, Demand::Stands { amount: amount.into() })
    }

    /// The channel pays this refund out once.
    pub fn paid_out(refund: &Subject, amount: Money) -> Expected {
        Expected::once(PAID_OUT, refund, amount)
    }

    /// From now on the order does not count as paid, whatever was charged for it.
    pub fn never_paid(order: &Subject) -> Expected {
        Expected::never(ORDER_PAID, order)
    }

    /// What it says of the platform's own books; none where it is about a domain's ledger.
    pub fn own_book(&self) -> Option<OwnBook> {
        match (self.ledger.as_str(), &self.demand) {
            (PAID_OUT, Demand::Once { amount: Amount::Money(amount), .. }) => {
                Some(OwnBook::PaidOut(*amount))
            }
            (ORDER_PAID, Demand::Never) => Some(OwnBook::NeverPaid),
            _ => None,
        }
    }

    /// The one detail that a line must have; only of `once` and `at_most`.
    pub fn detail(mut self, wanted: &str) -> Expected {
        if let Demand::Once { detail, .. } | Demand::AtMost { detail, .. } = &mut self.demand {
            *detail = Some(wanted.to_owned());
        }
        self
    }

    /// Who loses when too little moves, and when too much does. Without this: the buyer, the platform.
    pub fn between(self, short: Party, over: Party) -> Expected {
        Expected { short, over, ..self }
    }

    /// What one piece is worth.
    pub fn worth(self, worth: Money) -> Expected {
        Expected { worth: Some(worth), ..self }
    }

    /// A plan that stops `act` explains a shortfall.
    pub fn held_by(self, act: &str) -> Expected {
        Expected { held_by: Some(act.to_owned()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Act;

    #[test]
    fn an_act_reads_back_with_all_that_it_expects() {
        let account = Subject::new("account", "A");
        let yuan = Money::cny(100);
        let expects = [
            Expected::once("wallet.flow", &account, yuan).detail("B").held_by("payout"),
            Expected::never("wallet.flow", &account),
            Expected::at_most("stock.sold", &account, 5).worth(yuan).detail("B"),
            Expected::at_least("wallet.balance", &account, yuan),
            Expected::stands("order.payable", &account, yuan).between(Party::Seller, Party::Buyer),
            Expected::paid_out(&account, yuan),
            Expected::never_paid(&account),
        ];
        let own: Vec<_> = expects.iter().filter_map(Expected::own_book).collect();
        assert_eq!(own, [OwnBook::PaidOut(yuan), OwnBook::NeverPaid]);
        let body = serde_json::json!({"amount": yuan});
        let refill = Business::new("refill", vec![account.clone()], "/refills", body.clone());
        let act = Business::new("transfer", vec![account], "/transfers", body);
        let act = Act::Business(act.expecting(expects).corrected_by(refill));
        let line = serde_json::to_string(&act).unwrap();
        assert_eq!(serde_json::from_str::<Act>(&line).unwrap(), act, "{line}");
        assert!(line.contains(r#""demand":"at-most","amount":5"#), "{line}");
    }
}
