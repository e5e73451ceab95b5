//! What a sentence makes happen: acts, armed faults, expectations. Pure: no IO, no clock.
//!
//! Knows the acts, and the cast so far (who is who behind the scenario's names); never applies an act. One `Script` per
//! run through a scenario's sentences: the scenario itself, or its canary with fresh ids.

use std::collections::BTreeMap;

use serde_json::Value;

use super::names::Names;
use super::{Deeds, Meaning, Said, Sentence, Step, vocabulary};
use crate::forge;
use crate::journal::{Act, Expectation, LossPointFacts};
use crate::money::Money;
use crate::wire::Subject;

/// Pieces that a Given puts on sale; more than one scenario ever buys.
const STOCK: u32 = 50;
/// The channel of an order whose payment is still to come.
const DEFAULT_CHANNEL: &str = "alipay";

/// One thing to do for a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    Act(Act),
    /// All on their way before the first is answered.
    AtOnce(Vec<Act>),
    /// A fault with its parameters: injected after the steady state.
    Arm(String, BTreeMap<String, String>),
    /// Injected at its place among the Whens.
    Strike(String, BTreeMap<String, String>),
    Expect(Expectation),
    /// The process that watches the reconciler is up.
    Watchdog,
    /// From now on somebody answers the plans that ask.
    Approver,
    /// The books of the day are swept, once everything else rests.
    Sweep,
}

/// Why a sentence cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    #[error("{kind} \"{name}\" is not known here: a Given must say what it is first")]
    Unsaid { kind: &'static str, name: String },
    #[error("`the alert puts … at risk` needs an `alert … is raised` before it")]
    NoAlertBefore,
    #[error("no business sentence has the id `{0}`")]
    NoSuchRow(String),
    #[error("cannot draw from the pattern `{pattern}`: {reason}")]
    Pattern { pattern: String, reason: String },
}

#[derive(Clone, Debug)]
struct Order {
    channel: String,
}

/// The scenario's own picture of who is who, built as its sentences go by.
pub struct Script {
    names: Names,
    seed: forge::Seed,
    loss_point: LossPointFacts,
    orders: BTreeMap<String, Order>,
    items: BTreeMap<String, Money>,
    /// Item -> (bid, what its seller meant, what it costs), the last one placed.
    bids: BTreeMap<String, (String, Money, Money)>,
    /// What business sentences noted of their subjects, by kind and id.
    notes: BTreeMap<(&'static str, String), Value>,
    /// An item of the healthy traffic and its median.
    pub healthy_item: Option<(String, Money)>,
    alert: Option<(String, Subject)>,
    acts: usize,
}

impl Script {
    pub fn new(names: Names, seed: forge::Seed, loss_point: LossPointFacts) -> Script {
        Script {
            names,
            seed,
            loss_point,
            orders: BTreeMap::new(),
            items: BTreeMap::new(),
            bids: BTreeMap::new(),
            notes: BTreeMap::new(),
            healthy_item: None,
            alert: None,
            acts: 0,
        }
    }

    /// The unique id behind a name of the scenario; see [`Names::id`].
    pub fn id(&mut self, name: &str) -> String {
        self.names.id(name).0
    }

    /// The subject behind a name of the scenario.
    pub fn named(&mut self, kind: &str, name: &str) -> Subject {
        Subject::new(kind, self.id(name))
    }

    /// Keeps what a later sentence needs to know of a subject: a coupon's worth, a bill's amount.
    pub fn note(&mut self, kind: &'static str, id: &str, note: Value) {
        self.notes.insert((kind, id.to_owned()), note);
    }

    /// What was noted of the subject that the scenario calls `name`.
    pub fn noted(&mut self, kind: &'static str, name: &str) -> Result<&Value, ScriptError> {
        let key = (kind, self.id(name));
        let unsaid = || ScriptError::Unsaid { kind, name: name.to_owned() };
        self.notes.get(&key).ok_or_else(unsaid)
    }

    /// What was noted of the subject with this unique id, if anything was.
    pub fn noted_id(&self, kind: &'static str, id: &str) -> Option<&Value> {
        self.notes.get(&(kind, id.to_owned()))
    }

    /// Bids of this script that differ from what their seller meant: (bid, meant).
    pub fn mistaken_bids(&self) -> impl Iterator<Item = (&str, Money)> {
        self.bids
            .values()
            .filter(|(_, meant, price)| meant != price)
            .map(|(bid, meant, _)| (bid.as_str(), *meant))
    }

    /// What the cheapest seller of `item` (a unique id) meant to receive.
    pub fn due_of(&self, item: &str) -> Option<Money> {
        self.bids.get(item).map(|(_, meant, _)| *meant).or_else(|| self.items.get(item).copied())
    }

    /// What to do for `step`.
    pub fn moves(&mut self, step: &Step) -> Result<Vec<Move>, ScriptError> {
        let expect = |expectation| Ok(vec![Move::Expect(expectation)]);
        match &step.sentence {
            Sentence::FaultActive { fault } => {
                Ok(vec![Move::Arm(fault.clone(), step.params.clone())])
            }
            Sentence::FaultStrikes { fault } => {
                Ok(vec![Move::Strike(fault.clone(), step.params.clone())])
            }
            // The plan is the scenario's as a whole: it begins after the steady state, wherever it stands.
            Sentence::FaultsComeAndGo => Ok(Vec::new()),
            Sentence::WatchdogWatches => Ok(vec![Move::Watchdog]),
            Sentence::BooksSwept => Ok(vec![Move::Sweep]),
            Sentence::ApproverOnDuty => Ok(vec![Move::Approver]),
            Sentence::AlertRaised { alert, subject, bound } => {
                let subject = self.subject(subject);
                self.alert = Some((alert.clone(), subject.clone()));
                let within_ms = bound.resolve_ms(self.loss_point.detect_ms);
                expect(Expectation::AlertRaised { rule: alert.clone(), subject, within_ms })
            }
            Sentence::AlertAtRisk { amount } => {
                let (rule, subject) = self.alert.clone().ok_or(ScriptError::NoAlertBefore)?;
                expect(Expectation::AlertAtRisk { rule, subject, amount: *amount })
            }
            Sentence::PlanEffective { plan, scope, bound } => {
                let within_ms = bound.resolve_ms(self.loss_point.respond_ms);
                let scope = self.subject(scope);
                expect(Expectation::PlanEffective { plan: plan.clone(), scope, within_ms })
            }
            Sentence::PlanWaits { plan, scope, bound } => {
                let within_ms = bound.resolve_ms(self.loss_point.respond_ms);
                let scope = self.subject(scope);
                expect(Expectation::PlanWaits { plan: plan.clone(), scope, within_ms })
            }
            Sentence::OrderIsPaid { order, bound } => {
                let within_ms = bound.resolve_ms(self.loss_point.contain_ms);
                expect(Expectation::OrderPaid { order: self.id(order), within_ms })
            }
            Sentence::LossContained { bound } => expect(Expectation::Contained {
                within_ms: bound.resolve_ms(self.loss_point.contain_ms),
            }),
            Sentence::LossAtMost { amount } => expect(Expectation::LossAtMost { amount: *amount }),
            Sentence::NoOtherAlert => expect(Expectation::NoOtherAlert),
            Sentence::NoAlert => expect(Expectation::NoAlert),
            Sentence::Business(said) => self.deeds(said),
            business => self.acts(business).map(|acts| acts.into_iter().map(Move::Act).collect()),
        }
    }

    /// What a business sentence makes happen, by the function beside its wording.
    fn deeds(&mut self, said: &Said) -> Result<Vec<Move>, ScriptError> {
        let row = vocabulary().row(&said.row);
        let Some(Meaning::Does(acts)) = row.map(|row| row.meaning) else {
            return Err(ScriptError::NoSuchRow(said.row.clone()));
        };
        Ok(match acts(self, said)? {
            Deeds::InOrder(acts) => acts.into_iter().map(Move::Act).collect(),
            Deeds::AtOnce(acts) => vec![Move::AtOnce(acts)],
        })
    }

    /// Channels, sources and services are the platform's own; everything else is this scenario's.
    fn subject(&mut self, subject: &Subject) -> Subject {
        match subject.kind.as_str() {
            "channel" | "source" | "part" | "rule" | "service" | "dependency" => subject.clone(),
            _ => Subject::new(subject.kind.clone(), self.id(&subject.id)),
        }
    }

    /// A fresh id for something that the sentence leaves unnamed.
    pub fn fresh(&mut self, what: &str) -> String {
        self.acts += 1;
        self.id(&format!("{what}-{}", self.acts))
    }

    fn acts(&mut self, sentence: &Sentence) -> Result<Vec<Act>, ScriptError> {
        Ok(match sentence {
            Sentence::ItemMedian { item, median } => vec![self.list_item(item, *median, STOCK)],
            Sentence::ClearanceApproved { clearance, item } => {
                vec![Act::ApproveClearance { ticket: self.id(clearance), sku: self.id(item) }]
            }
            Sentence::SellerBids { item, meant, price, clearance } => {
                let clearance = clearance.as_ref().map(|ticket| self.id(ticket));
                vec![self.bid(item, 1, *meant, *price, clearance)]
            }
            Sentence::BidFollowsPattern { item, pattern } => vec![self.drawn_bid(item, pattern)?],
            Sentence::BuyerBuys { item, channel } => {
                let sku = self.id(item);
                let unsaid = || ScriptError::Unsaid { kind: "item", name: item.clone() };
                let due = self.due_of(&sku).ok_or_else(unsaid)?;
                let (order, buyer) = (self.fresh("purchase"), self.fresh("buyer"));
                vec![Act::Buy { order, buyer, sku, channel: channel.clone(), due }]
            }
            Sentence::OrderPaid { order, amount, channel } => {
                vec![self.order(order, *amount, channel), self.pay(order, *amount, channel)]
            }
            Sentence::OrderAwaitsPayment { order, amount } => {
                vec![self.order(order, *amount, DEFAULT_CHANNEL)]
            }
            Sentence::BuyerPays { order, amount, channel } => {
                vec![self.pay(order, *amount, channel)]
            }
            Sentence::RefundApproved { refund, amount, order } => {
                vec![self.refund(refund, order, *amount, *amount, true)?]
            }
            Sentence::RefundWasPaidOut { refund, amount, order } => {
                vec![self.refund(refund, order, *amount, *amount, false)?]
            }
            Sentence::RefundPaidOut { refund, amount, order, due } => {
                vec![self.refund(refund, order, *due, *amount, false)?]
            }
            Sentence::ApprovalDelivered { refund, times } => {
                vec![Act::DeliverApproval { refund: self.id(refund), times: *times }]
            }
            other => unreachable!("`moves` has dealt with {other:?}"),
        })
    }

    /// Puts an item on sale, with a week of deals around `median`.
    pub fn list_item(&mut self, item: &str, median: Money, stock: u32) -> Act {
        let sku = self.id(item);
        self.items.insert(sku.clone(), median);
        Act::ListItem { sku, category: "shoes".into(), median, stock }
    }

    /// A seller who means `meant` offers `qty` pieces at `price` each.
    pub fn bid(
        &mut self,
        item: &str,
        qty: u32,
        meant: Money,
        price: Money,
        clearance: Option<String>,
    ) -> Act {
        let sku = self.id(item);
        let (bid, seller) = (self.fresh("bid"), self.fresh("seller"));
        self.bids.insert(sku.clone(), (bid.clone(), meant, price));
        Act::PlaceBid { bid, seller, sku, qty, meant, price, clearance }
    }

    /// The bid for `item` that was placed last, and its price.
    pub fn last_bid(&mut self, item: &str) -> Result<(String, Money), ScriptError> {
        let sku = self.id(item);
        let unsaid = || ScriptError::Unsaid { kind: "bid", name: item.to_owned() };
        self.bids.get(&sku).map(|(bid, _, price)| (bid.clone(), *price)).ok_or_else(unsaid)
    }

    /// The bid for `item` that was placed last now costs `price`, where its seller means `meant`.
    pub fn reprice(&mut self, item: &str, meant: Money, price: Money) {
        let sku = self.id(item);
        if let Some((_, old_meant, old_price)) = self.bids.get_mut(&sku) {
            (*old_meant, *old_price) = (meant, price);
        }
    }

    fn drawn_bid(&mut self, item: &str, pattern: &str) -> Result<Act, ScriptError> {
        let sku = self.id(item);
        let unsaid = || ScriptError::Unsaid { kind: "item", name: item.to_owned() };
        let median = self.items.get(&sku).copied().ok_or_else(unsaid)?;
        let failed = |error: forge::ForgeError| ScriptError::Pattern {
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        };
        let spec = forge::pattern(pattern).map_err(failed)?;
        let place = forge::Context::Item { sku, median };
        let draw = forge::draw(spec, self.seed.derive(pattern), &place).map_err(failed)?;
        let bid = draw.acts.iter().find_map(|act| match act {
            Act::PlaceBid { meant, price, .. } => Some((*meant, *price)),
            _ => None,
        });
        let no_bid = || ScriptError::Pattern {
            pattern: pattern.to_owned(),
            reason: "it draws no bid".to_owned(),
        };
        let (meant, price) = bid.ok_or_else(no_bid)?;
        Ok(self.bid(item, 1, meant, price, None))
    }

    fn order(&mut self, order: &str, payable: Money, channel: &str) -> Act {
        let (order, buyer) = (self.id(order), self.fresh("buyer"));
        self.orders.insert(order.clone(), Order { channel: channel.to_owned() });
        Act::PlaceOrder { order, buyer, channel: channel.to_owned(), payable }
    }

    fn pay(&mut self, order: &str, amount: Money, channel: &str) -> Act {
        Act::PayOrder { order: self.id(order), channel: channel.to_owned(), amount }
    }

    fn refund(
        &mut self,
        refund: &str,
        order: &str,
        due: Money,
        amount: Money,
        hold: bool,
    ) -> Result<Act, ScriptError> {
        let order_id = self.id(order);
        let unsaid = || ScriptError::Unsaid { kind: "order", name: order.to_owned() };
        let channel = self.orders.get(&order_id).ok_or_else(unsaid)?.channel.clone();
        Ok(Act::Refund { refund: self.id(refund), order: order_id, channel, due, amount, hold })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Match, VOCABULARY};
    use super::*;
    use crate::journal::story::loss_point;

    fn script() -> Script {
        Script::new(Names::new("x"), forge::Seed::of_scenario(1, "s"), loss_point("p", None))
    }

    /// What the business sentence `text` makes `script` do.
    fn moves(script: &mut Script, text: &str) -> Vec<Move> {
        match vocabulary().read(text) {
            Match::One { sentence: Ok(Sentence::Business(said)), .. } => {
                script.deeds(&said).unwrap_or_else(|error| panic!("{text}: {error}"))
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    /// Values are read by their index and type: each example runs once, in both languages.
    #[test]
    fn every_business_sentence_does_what_its_example_says_in_both_languages() {
        let business = || VOCABULARY.iter().filter(|row| matches!(row.meaning, Meaning::Does(_)));
        let mut scripts = [script(), script()];
        // An example that needs two of a kind: the other examples speak of one each.
        let second =
            r#"promotion "P-2" of 20.00 CNY in exclusion group "G-1" belongs to activity "A-2""#;
        scripts.iter_mut().for_each(|script| drop(moves(script, second)));
        for row in business() {
            let done = [row.example_en, row.example_zh]
                .iter()
                .zip(&mut scripts)
                .map(|(text, script)| moves(script, text))
                .collect::<Vec<_>>();
            assert_eq!(done[0], done[1], "{}", row.id);
            assert!(!done[0].is_empty(), "{}", row.id);
            let names = row.needs.iter().chain(row.makes).map(|(_, index)| *index);
            assert!(names.max() < Some(row.en.matches('{').count()), "{}: {row:?}", row.id);
        }
        assert!(business().count() > 0);
    }

    #[test]
    fn acts_at_once_have_ids_of_their_own() {
        let row = vocabulary().row("transfers-at-once").expect("a row");
        let Move::AtOnce(acts) = &moves(&mut script(), row.example_en)[0] else {
            panic!("at once")
        };
        assert_eq!(acts.len(), 2);
        assert_ne!(acts[0], acts[1]);
    }

    #[test]
    fn what_was_noted_is_found_by_the_scenarios_name() {
        let mut script = script();
        let bill = script.named("bill", "B-1");
        script.note("bill", &bill.id, Value::from("5.00 CNY"));
        assert_eq!(script.noted("bill", "B-1").unwrap(), "5.00 CNY");
        let unsaid = script.noted("bill", "B-2").unwrap_err().to_string();
        assert!(unsaid.contains("bill \"B-2\" is not known here"), "{unsaid}");
    }
}
