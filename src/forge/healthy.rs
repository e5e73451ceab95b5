//! Healthy traffic: what an ordinary minute on the platform looks like, with names from the `fake`
//! crate.
//!
//! Every act is honest (what was meant is what was done) and fits those before it: a purchase takes
//! the cheapest open bid, refunds stay within what was paid. Applied in order, the books balance.

use fake::Fake;
use fake::faker::name::zh_cn::Name;
use proptest::test_runner::TestRng;

use super::{CATEGORIES, CHANNELS, Seed};
use crate::journal::Act;
use crate::money::Money;

/// Fewer acts than these are no traffic: a rule that cries on ordinary business must get its
/// chance.
pub const HEALTHY_ACTS_MIN: usize = 20;
/// Honest bids stay within this many tenths of a percent of the median.
const HONEST_PERMILLE: i64 = 100;
/// Pieces in stock of each item: more than all bids together can sell.
const STOCK: u32 = 1_000;

/// At least `n` (and at least [`HEALTHY_ACTS_MIN`]) honest acts on items and orders of their own.
///
/// All ids are unique by a suffix from `seed`: derive a stream per use.
pub fn healthy(seed: Seed, n: usize) -> Vec<Act> {
    let mut market = Market::new(seed);
    for item in 0..2 {
        market.list_item();
        market.place_bid(item);
        market.place_bid(item);
    }
    for item in [0, 1, 0] {
        market.buy(item);
    }
    for _ in 0..3 {
        market.place_order();
    }
    for _ in 0..3 {
        market.pay_order();
    }
    // Purchases were paid first (0 to 2), then orders (3 to 5): refunds in parts, of the rest, and
    // in full.
    for (paid, share) in
        [(3, Share::Part), (3, Share::Rest), (4, Share::Rest), (0, Share::Rest), (1, Share::Part)]
    {
        market.refund(paid, share);
    }
    while market.acts.len() < n {
        market.anything();
    }
    market.acts
}

struct Item {
    sku: String,
    median: Money,
    /// Price and pieces left of each open bid.
    bids: Vec<(Money, u32)>,
}

struct Waiting {
    order: String,
    channel: &'static str,
    payable: Money,
}

struct Paid {
    order: String,
    channel: &'static str,
    /// What was paid and not refunded.
    left: Money,
}

#[derive(Clone, Copy)]
enum Share {
    Part,
    Rest,
}

/// What the acts so far have made of the market.
struct Market {
    rng: TestRng,
    suffix: String,
    serial: u32,
    acts: Vec<Act>,
    items: Vec<Item>,
    waiting: Vec<Waiting>,
    paid: Vec<Paid>,
}

impl Market {
    fn new(seed: Seed) -> Market {
        Market {
            rng: seed.rng(),
            suffix: seed.suffix(),
            serial: 0,
            acts: Vec::new(),
            items: Vec::new(),
            waiting: Vec::new(),
            paid: Vec::new(),
        }
    }

    fn id(&mut self, kind: &str) -> String {
        self.serial += 1;
        format!("{kind}-{}-{}", self.serial, self.suffix)
    }

    fn person(&mut self) -> String {
        let name: String = Name().fake_with_rng(&mut self.rng);
        self.id(&name)
    }

    fn among(&mut self, first: i64, last: i64) -> i64 {
        (first..=last).fake_with_rng(&mut self.rng)
    }

    fn index(&mut self, len: usize) -> usize {
        (0..len).fake_with_rng(&mut self.rng)
    }

    fn channel(&mut self) -> &'static str {
        CHANNELS[self.index(CHANNELS.len())]
    }

    fn list_item(&mut self) {
        let sku = self.id("item");
        let category = CATEGORIES[self.index(CATEGORIES.len())].to_owned();
        // Whole yuan, so that ±10 % are whole fen.
        let median = Money::cny(self.among(200, 6_000) * 100);
        self.acts.push(Act::ListItem { sku: sku.clone(), category, median, stock: STOCK });
        self.items.push(Item { sku, median, bids: Vec::new() });
    }

    fn place_bid(&mut self, item: usize) {
        let permille = self.among(1_000 - HONEST_PERMILLE, 1_000 + HONEST_PERMILLE);
        let median = self.items[item].median;
        let price = Money::new(median.minor * permille / 1_000, median.currency);
        let qty = 2 + self.index(3) as u32;
        let (bid, seller) = (self.id("bid"), self.person());
        self.items[item].bids.push((price, qty));
        let sku = self.items[item].sku.clone();
        self.acts.push(Act::PlaceBid {
            bid,
            seller,
            sku,
            qty,
            meant: price,
            price,
            clearance: None,
        });
    }

    /// Buys one piece of the cheapest bid; without an open bid, a seller offers one first.
    fn buy(&mut self, item: usize) {
        if self.items[item].bids.is_empty() {
            self.place_bid(item);
        }
        let (order, buyer, channel) = (self.id("order"), self.person(), self.channel());
        let Item { sku, bids, .. } = &mut self.items[item];
        let cheapest = (0..bids.len()).min_by_key(|&bid| bids[bid].0.minor);
        let cheapest = cheapest.expect("invariant: a bid was placed above");
        let due = bids[cheapest].0;
        bids[cheapest].1 -= 1;
        if bids[cheapest].1 == 0 {
            bids.swap_remove(cheapest);
        }
        let sku = sku.clone();
        self.acts.push(Act::Buy { order: order.clone(), buyer, sku, channel: channel.into(), due });
        self.paid.push(Paid { order, channel, left: due });
    }

    fn place_order(&mut self) {
        let (order, buyer, channel) = (self.id("order"), self.person(), self.channel());
        let payable = Money::cny(self.among(1_000, 500_000));
        self.waiting.push(Waiting { order: order.clone(), channel, payable });
        self.acts.push(Act::PlaceOrder { order, buyer, channel: channel.to_owned(), payable });
    }

    /// Pays the order that waits longest.
    fn pay_order(&mut self) {
        if self.waiting.is_empty() {
            self.place_order();
        }
        let Waiting { order, channel, payable } = self.waiting.remove(0);
        self.paid.push(Paid { order: order.clone(), channel, left: payable });
        self.acts.push(Act::PayOrder { order, channel: channel.to_owned(), amount: payable });
    }

    fn refund(&mut self, paid: usize, share: Share) {
        let left = self.paid[paid].left;
        let minor = match share {
            Share::Part => self.among(1, left.minor - 1),
            Share::Rest => left.minor,
        };
        let amount = Money::new(minor, left.currency);
        let refund = self.id("refund");
        let Paid { order, channel, left } = &mut self.paid[paid];
        left.minor -= minor;
        let (order, channel) = (order.clone(), (*channel).to_owned());
        self.acts.push(Act::Refund { refund, order, channel, due: amount, amount, hold: false });
    }

    /// One more act of any kind that fits.
    fn anything(&mut self) {
        let item = self.index(self.items.len());
        match self.index(5) {
            0 => self.place_bid(item),
            1 => self.buy(item),
            2 => self.place_order(),
            3 => self.pay_order(),
            _ => {
                let refundable: Vec<usize> =
                    (0..self.paid.len()).filter(|&at| self.paid[at].left.minor > 1).collect();
                match refundable.len() {
                    0 => self.buy(item),
                    len => {
                        let paid = refundable[self.index(len)];
                        let share = [Share::Part, Share::Rest][self.index(2)];
                        self.refund(paid, share);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn seed(run: u64) -> Seed {
        Seed::of_scenario(run, "healthy")
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let json = |run| serde_json::to_string(&healthy(seed(run), 40)).unwrap();
        assert_eq!(json(1), json(1));
        assert_ne!(json(1), json(2));
    }

    /// The first thing that is not honest in `acts`, if anything is.
    fn dishonesty(acts: &[Act]) -> Option<String> {
        let mut ids = BTreeSet::new();
        let (mut medians, mut bids) = (BTreeMap::new(), Vec::<(String, Money, u32)>::new());
        let (mut payable, mut paid) = (BTreeMap::new(), BTreeMap::<String, Money>::new());
        for act in acts {
            let id = match act {
                Act::ListItem { sku, median, .. } => {
                    medians.insert(sku.clone(), *median);
                    sku
                }
                Act::PlaceBid { bid, sku, qty, meant, price, .. } => {
                    let median = medians[sku].minor;
                    if meant != price || (price.minor - median).abs() * 10 > median {
                        return Some(format!("bid {act:?} on {median}"));
                    }
                    bids.push((sku.clone(), *price, *qty));
                    bid
                }
                Act::Buy { order, sku, due, .. } => {
                    let open = bids.iter_mut().filter(|bid| bid.0 == *sku && bid.2 > 0);
                    let cheapest = open.min_by_key(|bid| bid.1.minor)?;
                    cheapest.2 -= 1;
                    if cheapest.1 != *due {
                        return Some(format!("purchase {act:?}"));
                    }
                    paid.insert(order.clone(), *due);
                    order
                }
                Act::PlaceOrder { order, payable: amount, .. } => {
                    payable.insert(order.clone(), *amount);
                    order
                }
                Act::PayOrder { order, amount, .. } => {
                    if payable.remove(order) != Some(*amount) {
                        return Some(format!("payment {act:?}"));
                    }
                    paid.insert(order.clone(), *amount);
                    continue;
                }
                Act::Refund { refund, order, due, amount, .. } => {
                    let left = paid.get_mut(order)?;
                    left.minor -= amount.minor;
                    if due != amount || amount.minor <= 0 || left.minor < 0 {
                        return Some(format!("refund {act:?}"));
                    }
                    refund
                }
                other => return Some(format!("no healthy act: {other:?}")),
            };
            if !ids.insert(id.clone()) {
                return Some(format!("id {id} twice"));
            }
        }
        None
    }

    #[test]
    fn a_thousand_markets_are_honest() {
        for run in 0..1_000 {
            let acts = healthy(seed(run), 20 + (run as usize % 30));
            assert!(acts.len() >= 20 + (run as usize % 30));
            assert_eq!(dishonesty(&acts), None, "run {run}");
            let refunds = acts.iter().filter(|act| matches!(act, Act::Refund { .. })).count();
            assert!(refunds >= 5, "run {run}");
        }
        assert_eq!(healthy(seed(1), 0).len(), HEALTHY_ACTS_MIN, "never fewer");
    }

    #[test]
    fn the_check_above_can_fail() {
        let mut acts = healthy(seed(3), 20);
        for act in &mut acts {
            if let Act::Refund { amount, .. } = act {
                amount.minor *= 10_000;
            }
        }
        assert!(dishonesty(&acts).is_some());
    }

    #[test]
    fn names_are_chinese_and_ids_end_in_the_seeds_suffix() {
        for act in healthy(seed(5), 20) {
            if let Act::PlaceBid { bid, seller, .. } = act {
                assert!(seller.chars().next().is_some_and(|c| !c.is_ascii()), "{seller}");
                assert!(bid.ends_with(&seed(5).suffix()), "{bid}");
            }
        }
    }
}
