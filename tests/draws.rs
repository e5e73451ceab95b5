//! The oracle's word on what the forge draws: a thousand draws of each malicious pattern are all bad
//! money, a thousand of its twin are all good, and healthy traffic balances.
//!
//! An obedient platform does what it is told, guards or not, and posts what it did; nothing else is
//! asked than whether the books agree with what was meant. Needs no servers.
#![cfg(feature = "harness")]

use lossdrill::forge::{Context, Seed, draw, healthy, pattern, patterns};
use lossdrill::journal::story::{Story, loss_point};
use lossdrill::journal::{Act, Books, PostingKind, Role};
use lossdrill::money::Money;
use lossdrill::oracle::Oracle;

const DRAWS: u64 = 1_000;
const MARKETS: u64 = 200;
/// Past the grace of 30 s, so that nothing is merely in flight.
const LONG_AFTER_MS: i64 = 200_000;

/// A bid that still has pieces.
struct Offer {
    bid: String,
    sku: String,
    price: Money,
    qty: u32,
}

/// A platform that does each act as it is told, at once, and posts it.
struct Obedient {
    story: Story,
    offers: Vec<Offer>,
}

impl Obedient {
    fn new() -> Obedient {
        let story = Story::new("s", false, loss_point("refund-paid-twice", None)).at(1_000);
        Obedient { story, offers: Vec::new() }
    }

    fn does(mut self, role: Role, act: &Act) -> Obedient {
        let told = self.story.ok(role, act.clone());
        self.story = match act {
            Act::PlaceBid { bid, sku, qty, price, .. } => {
                let (bid, sku) = (bid.clone(), sku.clone());
                let story = told.promised(&bid, &sku, *price, *qty, true);
                self.offers.push(Offer { bid, sku, price: *price, qty: *qty });
                story
            }
            Act::Buy { order, sku, .. } => {
                let (price, told) = sell(&mut self.offers, sku, told);
                paid(told, order, price)
            }
            Act::PayOrder { order, amount, .. } => paid(told, order, *amount),
            Act::Refund { refund, amount, hold: false, .. } => {
                told.posted(PostingKind::PaidOut, refund, *amount, &format!("out-{refund}"))
            }
            Act::ListItem { .. } | Act::PlaceOrder { .. } | Act::ApproveClearance { .. } => told,
            other => panic!("the forge does not draw {other:?}"),
        };
        self
    }

    fn books(self) -> Books {
        Oracle::of(&self.story.at(LONG_AFTER_MS).tick().history())
    }
}

/// One piece of the cheapest open bid: its price.
fn sell(offers: &mut [Offer], sku: &str, told: Story) -> (Money, Story) {
    let open = offers.iter_mut().filter(|offer| offer.sku == sku && offer.qty > 0);
    let offer = open.min_by_key(|offer| offer.price.minor).expect("an open bid");
    offer.qty -= 1;
    (offer.price, told.promised(&offer.bid, sku, offer.price, offer.qty, offer.qty > 0))
}

fn paid(story: Story, order: &str, amount: Money) -> Story {
    story.posted(PostingKind::Collected, order, amount, &format!("in-{order}")).posted(
        PostingKind::OrderPaid,
        order,
        amount,
        &format!("paid-{order}"),
    )
}

fn books_of(setup: &[Act], acts: &[Act]) -> Books {
    let platform = setup.iter().fold(Obedient::new(), |p, act| p.does(Role::Setup, act));
    acts.iter().fold(platform, |p, act| p.does(Role::Scripted, act)).books()
}

/// All bad rows together, in minor units.
fn lost(books: &Books) -> i64 {
    books.bad_rows().map(|row| row.amount.minor).sum()
}

/// By how much what is done differs from what is meant, in minor units.
fn meant_otherwise(act: &Act) -> i64 {
    match act {
        Act::PlaceBid { meant, price, qty, .. } => (meant.minor - price.minor) * i64::from(*qty),
        Act::Refund { due, amount, .. } => amount.minor - due.minor,
        other => panic!("no pattern draws {other:?}"),
    }
}

#[test]
fn a_thousand_draws_of_each_pattern_are_bad_or_good_by_the_oracle() {
    for spec in patterns() {
        for run in 0..DRAWS {
            let seed = Seed::of_scenario(run, "draws");
            let drawn = draw(spec, seed, &Context::Fresh).unwrap();
            let books = books_of(&drawn.setup, &drawn.acts);
            let bad = books.bad_rows().count();
            assert_eq!(bad > 0, spec.malicious, "{} {run}: {drawn:?}", spec.id);
            let loss: i64 = drawn.acts.iter().map(meant_otherwise).sum();
            assert_eq!(lost(&books), loss, "{} {run}: {drawn:?}", spec.id);
        }
    }
}

#[test]
fn each_malicious_pattern_has_an_honest_twin() {
    let malicious: Vec<_> = patterns().iter().filter(|spec| spec.malicious).collect();
    assert!(!malicious.is_empty());
    for spec in malicious {
        assert!(!pattern(spec.twin).unwrap().malicious, "{}", spec.id);
    }
}

#[test]
fn healthy_traffic_balances() {
    for run in 0..MARKETS {
        let count = 20 + usize::try_from(run % 30).unwrap();
        let acts = healthy(Seed::of_scenario(run, "draws"), count);
        let books = books_of(&[], &acts);
        assert_eq!(books.bad_rows().next(), None, "market {run}");
    }
}

/// A platform that does otherwise is seen by the same oracle: silence above says something.
#[test]
fn a_platform_that_charges_a_cent_too_little_is_seen() {
    let owed = Money::cny(19_900);
    let pay = Act::PayOrder { order: "O-1".into(), channel: "alipay".into(), amount: owed };
    let platform = Obedient::new();
    let story = paid(platform.story.ok(Role::Scripted, pay), "O-1", Money::cny(19_899));
    assert_eq!(lost(&Obedient { story, ..Obedient::new() }.books()), 1);
}
