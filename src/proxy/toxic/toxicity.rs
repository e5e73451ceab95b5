//! Toxicity: the share of a link's connections that a toxic touches.

use serde::{Serialize, Serializer};

const WHOLE: u32 = 1_000_000;

/// A share in millionths. Which connections it means follows from the link's seed, the
/// connection's number and the toxic's id: what else is armed or disarmed changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toxicity(u32);

impl Toxicity {
    /// Every connection.
    pub const ALL: Toxicity = Toxicity(WHOLE);

    /// None where `share` is not in 0..=1.
    pub fn of(share: f64) -> Option<Toxicity> {
        let fits = (0.0..=1.0).contains(&share);
        fits.then(|| Toxicity((share * f64::from(WHOLE)).round() as u32))
    }

    pub(in crate::proxy) fn touches(self, seed: u64, connection: u64, toxic: u64) -> bool {
        mix(mix(seed ^ mix(connection)) ^ toxic) % u64::from(WHOLE) < u64::from(self.0)
    }
}

impl Serialize for Toxicity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(self.0) / f64::from(WHOLE))
    }
}

/// Spreads neighbouring numbers evenly (the finaliser of SplitMix64).
pub(in crate::proxy) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_met_and_only_shares_are_taken() {
        let hits = |share: f64| {
            let toxicity = Toxicity::of(share).unwrap();
            (0..10_000).filter(|number| toxicity.touches(7, *number, 3)).count()
        };
        assert_eq!((hits(0.0), hits(1.0)), (0, 10_000));
        assert!((2_800..3_200).contains(&hits(0.3)), "{}", hits(0.3));
        for wrong in [-0.1, 1.1, 2.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Toxicity::of(wrong), None);
        }
    }

    #[test]
    fn a_larger_share_keeps_the_connections_of_a_smaller_one() {
        let of = |share| Toxicity::of(share).unwrap();
        for number in 0..1000 {
            assert!(!of(0.2).touches(1, number, 5) || of(0.6).touches(1, number, 5));
        }
    }
}
