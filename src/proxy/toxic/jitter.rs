//! How jitter is spread around, or above, a delay.

use serde::Serialize;

/// Normal draws further out than this many deviations are taken as this many: one in 15,000.
const DEVIATIONS_MAX: f64 = 4.0;
/// Shape of the heavy tail: half a scale later on average, above 20 scales once in 9,000 draws.
const PARETO_SHAPE: f64 = 3.0;

/// The distribution of a delay with jitter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Evenly within ± the jitter.
    #[default]
    Uniform,
    /// Around the delay, the jitter is its standard deviation; never before the arrival.
    Normal,
    /// Never earlier than the delay, the jitter is the scale of the heavy tail above it.
    Pareto,
}

impl Distribution {
    pub const ALL: [(&'static str, Distribution); 3] = [
        ("uniform", Distribution::Uniform),
        ("normal", Distribution::Normal),
        ("pareto", Distribution::Pareto),
    ];

    /// The delay of one chunk, ms; `draw` is its random number.
    pub(super) fn delay_ms(self, delay_ms: u64, jitter_ms: u64, draw: u64) -> u64 {
        if jitter_ms == 0 {
            return delay_ms;
        }
        // Two even numbers in (0, 1) from the halves of the draw.
        let even = |bits: u64| ((bits & 0xffff_ffff) as f64 + 0.5) / 4_294_967_296.0;
        let (first, second) = (even(draw), even(draw >> 32));
        let jitter = jitter_ms as f64;
        match self {
            Distribution::Uniform => {
                (delay_ms + draw % (2 * jitter_ms + 1)).saturating_sub(jitter_ms)
            }
            Distribution::Normal => {
                let deviations =
                    (-2.0 * first.ln()).sqrt() * (std::f64::consts::TAU * second).cos();
                let deviations = deviations.clamp(-DEVIATIONS_MAX, DEVIATIONS_MAX);
                (delay_ms as f64 + jitter * deviations).max(0.0).round() as u64
            }
            Distribution::Pareto => {
                let above = first.powf(-1.0 / PARETO_SHAPE) - 1.0;
                delay_ms + (jitter * above).round() as u64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::toxicity::mix;
    use super::*;

    fn sorted(distribution: Distribution) -> Vec<u64> {
        let delay = |number| distribution.delay_ms(1000, 100, mix(number));
        let mut delays: Vec<u64> = (0..10_000).map(delay).collect();
        delays.sort_unstable();
        delays
    }

    #[test]
    fn each_distribution_has_its_shape() {
        let even = sorted(Distribution::Uniform);
        assert_eq!((even[0], even[9_999]), (900, 1100));
        assert!((945..955).contains(&even[2_500]), "a quarter by {}", even[2_500]);
        let normal = sorted(Distribution::Normal);
        assert!((990..1010).contains(&normal[5_000]));
        let within = normal.iter().filter(|delay| (900..=1100).contains(*delay)).count();
        assert!((6_600..7_100).contains(&within), "68.3 % within one deviation: {within}");
        let pareto = sorted(Distribution::Pareto);
        assert!(pareto[0] >= 1000 && (1024..1028).contains(&pareto[5_000]), "{}", pareto[5_000]);
        assert!(pareto[9_995] > 1800, "a heavy tail: {}", pareto[9_995]);
    }

    #[test]
    fn a_deviation_above_the_delay_is_never_before_the_arrival() {
        assert!((0..1000).all(|n| Distribution::Normal.delay_ms(10, 10, mix(n)) <= 50));
    }
}
