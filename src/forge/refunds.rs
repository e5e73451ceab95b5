//! Refunds of one order: those that fit into what was paid, and those that overlap.

use proptest::prelude::*;

/// Below this payment (minor units) two refunds cannot both fit.
pub(super) const PAID_MIN: i64 = 2;

/// Two or three refunds, each within the payment, together above it.
pub(super) fn overlapping_refunds(paid: i64) -> impl Strategy<Value = Vec<i64>> {
    // `first` fits; the last two overlap in what is left.
    let first = prop_oneof![Just(0), 0..paid];
    first.prop_flat_map(move |first| {
        let left = paid - first;
        (1..=left).prop_flat_map(move |second| {
            (left - second + 1..=paid).prop_map(move |third| {
                [first, second, third].into_iter().filter(|amount| *amount > 0).collect()
            })
        })
    })
}

/// Two or three refunds that together stay within the payment; a third of the draws use it up
/// exactly.
pub(super) fn fitting_refunds(paid: i64) -> impl Strategy<Value = Vec<i64>> {
    (1..paid).prop_flat_map(move |first| {
        let left = paid - first;
        let second = prop_oneof![1 => Just(left), 2 => 1..=left];
        (Just(first), second, 0..=left).prop_map(move |(first, second, third)| {
            let third = third.min(left - second);
            [first, second, third].into_iter().filter(|amount| *amount > 0).collect()
        })
    })
}

/// More refunded than was paid: the definition of this loss.
pub(super) fn exceed(amounts: impl IntoIterator<Item = i64>, paid: i64) -> bool {
    amounts.into_iter().fold(0_i64, i64::saturating_add) > paid
}
