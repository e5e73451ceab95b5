//! Bids: the honest one, and the one with a digit lost.

use proptest::prelude::*;

/// What a seller meant and what was typed, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Typed {
    pub meant: i64,
    pub price: i64,
}

/// Below this median (minor units) a lost digit leaves nothing to offer.
pub(super) const MEDIAN_MIN: i64 = 1_000;

/// A whole number of minor units within ±10 % of the median; whole hundreds where that stays
/// inside.
fn honest_amount(median: i64) -> impl Strategy<Value = i64> {
    let (low, high) = ((median * 9).div_euclid(10) + i64::from(median % 10 != 0), median * 11 / 10);
    (low..=high).prop_map(move |amount| {
        let rounded = amount / 100 * 100;
        if rounded >= low { rounded } else { amount }
    })
}

/// The seller types what is meant.
pub(super) fn honest_price(median: i64) -> impl Strategy<Value = Typed> {
    honest_amount(median).prop_map(|amount| Typed { meant: amount, price: amount })
}

#[derive(Clone, Copy, Debug)]
enum Slip {
    /// The point one place to the left: 1,999.00 becomes 199.90.
    Tenth,
    /// Two places: 19.99.
    Hundredth,
    /// One digit inside the number is not typed: 1,259.00 becomes 159.00.
    Dropped(usize),
}

/// A digit lost in an honest amount. `scale` is the currency's: digits after the point are never
/// dropped.
pub(super) fn lost_digit(median: i64, scale: u32) -> impl Strategy<Value = Typed> {
    let slip = prop_oneof![
        Just(Slip::Tenth),
        Just(Slip::Hundredth),
        (0..MIDDLE_PLACES).prop_map(Slip::Dropped)
    ];
    (honest_amount(median), slip).prop_filter_map(
        "the slip leaves an offer",
        move |(meant, slip)| {
            let price = slip_in(meant, slip, scale)?;
            (price > 0 && is_far_below(price, median)).then_some(Typed { meant, price })
        },
    )
}

/// More places than any amount has digits; taken modulo the digits there are.
const MIDDLE_PLACES: usize = 60;

/// Less than half of the market price: the definition of this loss.
pub(super) fn is_far_below(price: i64, median: i64) -> bool {
    price.saturating_mul(2) < median
}

fn slip_in(meant: i64, slip: Slip, scale: u32) -> Option<i64> {
    match slip {
        Slip::Tenth => Some(meant / 10),
        Slip::Hundredth => Some(meant / 100),
        Slip::Dropped(place) => {
            let unit = 10_i64.pow(scale);
            let mut digits = (meant / unit).to_string();
            // The first digit stays: without it 1,999 would turn into 999, which is no slip of a
            // digit in the middle.
            let inner = digits.len().checked_sub(1).filter(|inner| *inner > 0)?;
            digits.remove(1 + place % inner);
            let whole: i64 = digits.parse().ok()?;
            Some(whole * unit + meant % unit)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips() {
        for (meant, slip, price) in [
            (199_900, Slip::Tenth, Some(19_990)),
            (199_900, Slip::Hundredth, Some(1_999)),
            (125_900, Slip::Dropped(0), Some(15_900)),
            (125_900, Slip::Dropped(2), Some(12_500)),
            (125_950, Slip::Dropped(1), Some(12_950)),
            (100_000, Slip::Dropped(4), Some(10_000)),
            (900, Slip::Dropped(0), None),
        ] {
            assert_eq!(slip_in(meant, slip, 2), price, "{meant} {slip:?}");
        }
        assert!(is_far_below(49, 100) && !is_far_below(50, 100));
    }
}
