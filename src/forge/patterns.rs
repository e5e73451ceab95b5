//! The registry of patterns, and the draw: a pattern, a seed and a place in the books give acts.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};

use super::{CATEGORIES, CHANNELS, Seed, bids, refunds};
use crate::journal::Act;
use crate::money::Money;

/// A pattern of data by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatternSpec {
    pub id: &'static str,
    pub doc: &'static str,
    /// The same noise with correct data, or the other way round.
    pub twin: &'static str,
    /// True where every draw is bad.
    pub malicious: bool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    LostDigit,
    HonestPrice,
    OverlappingRefunds,
    FittingRefunds,
}

const PATTERNS: [PatternSpec; 4] = [
    PatternSpec {
        id: "lost-digit",
        doc: "a seller means a price near the market and types it with a digit lost: a tenth, a \
              hundredth, or one digit inside not typed",
        twin: "honest-price",
        malicious: true,
        kind: Kind::LostDigit,
    },
    PatternSpec {
        id: "honest-price",
        doc: "a seller types the price that is meant, within 10 % of the market",
        twin: "lost-digit",
        malicious: false,
        kind: Kind::HonestPrice,
    },
    PatternSpec {
        id: "overlapping-refunds",
        doc: "two or three refunds of one order, each within what was paid, together above it",
        twin: "fitting-refunds",
        malicious: true,
        kind: Kind::OverlappingRefunds,
    },
    PatternSpec {
        id: "fitting-refunds",
        doc: "two or three refunds of one order that together stay within what was paid",
        twin: "overlapping-refunds",
        malicious: false,
        kind: Kind::FittingRefunds,
    },
];

/// Every pattern there is.
pub fn patterns() -> &'static [PatternSpec] {
    &PATTERNS
}

/// The pattern called `id`.
pub fn pattern(id: &str) -> Result<&'static PatternSpec, ForgeError> {
    PATTERNS.iter().find(|spec| spec.id == id).ok_or_else(|| ForgeError::Unknown(id.to_owned()))
}

/// Why nothing can be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    #[error(
        "unknown data pattern `{0}`: known are lost-digit, honest-price, overlapping-refunds, \
         fitting-refunds"
    )]
    Unknown(String),
    #[error("pattern `{pattern}` needs {needs}: name one, or draw it afresh")]
    Place { pattern: &'static str, needs: &'static str },
    #[error("pattern `{pattern}` cannot be drawn around {amount}: take at least {least}")]
    TooSmall { pattern: &'static str, amount: Money, least: Money },
    #[error("pattern `{pattern}` cannot be drawn: {reason}")]
    Exhausted { pattern: &'static str, reason: String },
}

/// Where in the books the data lands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Context {
    /// An item or order of its own, made in [`Draw::setup`].
    Fresh,
    /// A bid on this item.
    Item { sku: String, median: Money },
    /// Refunds of this order.
    Order { order: String, channel: String, paid: Money },
}

/// What was drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Honest acts that make the place, where the context was fresh.
    pub setup: Vec<Act>,
    /// The data itself.
    pub acts: Vec<Act>,
    /// The median of the item, or what was paid for the order.
    pub reference: Money,
}

impl Draw {
    /// Bad by the pattern's own definition: a bid below half of the median, or refunds above what
    /// was paid.
    pub fn is_bad(&self) -> bool {
        let far_below = |act: &Act| match act {
            Act::PlaceBid { price, meant, .. } => {
                price != meant && bids::is_far_below(price.minor, self.reference.minor)
            }
            _ => false,
        };
        let refunded = self.acts.iter().filter_map(|act| match act {
            Act::Refund { amount, .. } => Some(amount.minor),
            _ => None,
        });
        self.acts.iter().any(far_below) || refunds::exceed(refunded, self.reference.minor)
    }
}

/// Draws `pattern` from `seed`: the same three give the same acts, byte for byte. Ids are unique by
/// the seed's suffix: derive a stream per draw.
pub fn draw(pattern: &PatternSpec, seed: Seed, context: &Context) -> Result<Draw, ForgeError> {
    let mut dice = Dice::new(pattern.id, seed);
    match pattern.kind {
        Kind::LostDigit | Kind::HonestPrice => draw_bid(pattern, &mut dice, context),
        Kind::OverlappingRefunds | Kind::FittingRefunds => {
            draw_refunds(pattern, &mut dice, context)
        }
    }
}

/// A proptest runner on the seed's own stream.
struct Dice {
    pattern: &'static str,
    runner: TestRunner,
    suffix: String,
}

impl Dice {
    fn new(pattern: &'static str, seed: Seed) -> Dice {
        // No persistence file: a draw is repeated by its seed.
        let config = Config { failure_persistence: None, ..Config::default() };
        let seed = seed.derive(pattern);
        let runner = TestRunner::new_with_rng(config, seed.rng());
        Dice { pattern, runner, suffix: seed.suffix() }
    }

    fn roll<S: Strategy>(&mut self, strategy: &S) -> Result<S::Value, ForgeError> {
        let tree = strategy.new_tree(&mut self.runner).map_err(|reason| ForgeError::Exhausted {
            pattern: self.pattern,
            reason: reason.to_string(),
        })?;
        Ok(tree.current())
    }

    fn choose(&mut self, among: &[&'static str]) -> Result<String, ForgeError> {
        Ok(among[self.roll(&(0..among.len()))?].to_owned())
    }

    fn id(&self, kind: &str) -> String {
        format!("{kind}-{}", self.suffix)
    }

    fn at_least(&self, amount: Money, least: i64) -> Result<(), ForgeError> {
        let least = Money::new(least, amount.currency);
        if amount.minor < least.minor {
            return Err(ForgeError::TooSmall { pattern: self.pattern, amount, least });
        }
        Ok(())
    }
}

/// Medians of fresh items, whole yuan.
const MEDIAN_YUAN: std::ops::RangeInclusive<i64> = 50..=20_000;
/// Payments of fresh orders, fen.
const PAID_FEN: std::ops::RangeInclusive<i64> = 1_000..=500_000;
/// Pieces in stock of a fresh item.
const STOCK: u32 = 100;

fn draw_bid(spec: &PatternSpec, dice: &mut Dice, context: &Context) -> Result<Draw, ForgeError> {
    let (setup, sku, median) = match context {
        Context::Item { sku, median } => (Vec::new(), sku.clone(), *median),
        Context::Fresh => {
            let median = Money::cny(dice.roll(&MEDIAN_YUAN)? * 100);
            let (sku, category) = (dice.id("item"), dice.choose(&CATEGORIES)?);
            let listed = Act::ListItem { sku: sku.clone(), category, median, stock: STOCK };
            (vec![listed], sku, median)
        }
        Context::Order { .. } => {
            return Err(ForgeError::Place { pattern: spec.id, needs: "an item" });
        }
    };
    dice.at_least(median, bids::MEDIAN_MIN)?;
    let typed = match spec.kind {
        Kind::LostDigit => dice.roll(&bids::lost_digit(median.minor, median.currency.scale()))?,
        _ => dice.roll(&bids::honest_price(median.minor))?,
    };
    let bid = Act::PlaceBid {
        bid: dice.id("bid"),
        seller: dice.id("seller"),
        sku,
        qty: dice.roll(&(1_u32..=5))?,
        meant: Money::new(typed.meant, median.currency),
        price: Money::new(typed.price, median.currency),
        clearance: None,
    };
    Ok(Draw { setup, acts: vec![bid], reference: median })
}

fn draw_refunds(
    spec: &PatternSpec,
    dice: &mut Dice,
    context: &Context,
) -> Result<Draw, ForgeError> {
    let (setup, order, channel, paid) = match context {
        Context::Order { order, channel, paid } => {
            (Vec::new(), order.clone(), channel.clone(), *paid)
        }
        Context::Fresh => {
            let paid = Money::cny(dice.roll(&PAID_FEN)?);
            let (order, channel) = (dice.id("order"), dice.choose(&CHANNELS)?);
            let placed = Act::PlaceOrder {
                order: order.clone(),
                buyer: dice.id("buyer"),
                channel: channel.clone(),
                payable: paid,
            };
            let payment =
                Act::PayOrder { order: order.clone(), channel: channel.clone(), amount: paid };
            (vec![placed, payment], order, channel, paid)
        }
        Context::Item { .. } => {
            return Err(ForgeError::Place { pattern: spec.id, needs: "a paid order" });
        }
    };
    dice.at_least(paid, refunds::PAID_MIN)?;
    let amounts = match spec.kind {
        Kind::OverlappingRefunds => dice.roll(&refunds::overlapping_refunds(paid.minor))?,
        _ => dice.roll(&refunds::fitting_refunds(paid.minor))?,
    };
    let mut owed = paid.minor;
    let mut acts = Vec::new();
    for (nth, minor) in amounts.into_iter().enumerate() {
        // What exceeds the payment is owed to nobody.
        let due = minor.min(owed);
        owed -= due;
        acts.push(Act::Refund {
            refund: dice.id(&format!("refund-{}", nth + 1)),
            order: order.clone(),
            channel: channel.clone(),
            due: Money::new(due, paid.currency),
            amount: Money::new(minor, paid.currency),
            hold: false,
        });
    }
    Ok(Draw { setup, acts, reference: paid })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const DRAWS: u64 = 1_000;

    fn drawn(id: &str, run: u64, context: &Context) -> Draw {
        draw(pattern(id).unwrap(), Seed::of_scenario(run, "forge"), context).unwrap()
    }

    #[test]
    fn a_thousand_draws_are_all_bad_and_their_twins_all_good() {
        let contexts = [
            Context::Fresh,
            Context::Item { sku: "SKU-1".into(), median: Money::cny(199_900) },
            Context::Order { order: "O-1".into(), channel: "alipay".into(), paid: Money::cny(2) },
        ];
        for spec in patterns() {
            assert_ne!(pattern(spec.twin).unwrap().malicious, spec.malicious, "{}", spec.id);
            let mut different = BTreeSet::new();
            for run in 0..DRAWS {
                for context in &contexts {
                    let seed = Seed::of_scenario(run, "forge");
                    let Ok(draw) = draw(spec, seed, context) else { continue };
                    assert_eq!(draw.is_bad(), spec.malicious, "{} {run} {draw:?}", spec.id);
                    different.insert(serde_json::to_string(&draw.acts).unwrap());
                }
            }
            assert!(different.len() as u64 >= DRAWS, "{} draws: {}", spec.id, different.len());
        }
    }

    #[test]
    fn every_draw_says_what_was_meant() {
        for run in 0..DRAWS {
            for id in ["lost-digit", "honest-price"] {
                let Draw { acts, reference, .. } = drawn(id, run, &Context::Fresh);
                let [Act::PlaceBid { meant, price, .. }] = &acts[..] else { panic!("{acts:?}") };
                let off = (meant.minor - reference.minor).abs();
                assert!(off * 10 <= reference.minor && price.minor > 0, "{acts:?}");
            }
            for id in ["overlapping-refunds", "fitting-refunds"] {
                let Draw { acts, reference, .. } = drawn(id, run, &Context::Fresh);
                let mut due_sum = 0;
                for act in &acts {
                    let Act::Refund { due, amount, .. } = act else { panic!("{act:?}") };
                    assert!(amount.minor > 0 && amount.minor <= reference.minor, "{acts:?}");
                    due_sum += due.minor;
                }
                assert!((2..=3).contains(&acts.len()) && due_sum <= reference.minor, "{acts:?}");
            }
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        for spec in patterns() {
            let json = |run| {
                let Draw { setup, acts, .. } = drawn(spec.id, run, &Context::Fresh);
                serde_json::to_string(&(setup, acts)).unwrap()
            };
            assert_eq!(json(1), json(1));
            assert_ne!(json(1), json(2));
        }
    }

    #[test]
    fn what_cannot_be_drawn_says_why() {
        let seed = Seed::of_scenario(1, "forge");
        let order =
            Context::Order { order: "O".into(), channel: "alipay".into(), paid: Money::cny(1) };
        let item = Context::Item { sku: "S".into(), median: Money::cny(999) };
        for (id, context, expect) in [
            ("lost-digit", &order, "pattern `lost-digit` needs an item"),
            ("lost-digit", &item, "pattern `lost-digit` cannot be drawn around 9.99 CNY"),
            ("fitting-refunds", &item, "pattern `fitting-refunds` needs a paid order"),
            (
                "fitting-refunds",
                &order,
                "pattern `fitting-refunds` cannot be drawn around 0.01 CNY",
            ),
        ] {
            let error = draw(pattern(id).unwrap(), seed, context).unwrap_err().to_string();
            assert!(error.starts_with(expect), "{error}");
        }
        assert!(pattern("lost-digits").unwrap_err().to_string().contains("known are lost-digit"));
    }
}
