//! Latency: every chunk is delivered `delay ± jitter` after its own arrival, in order.

use std::time::Duration;

use serde::Serialize;

use super::{DELAY_MAX_MS, Distribution};

/// Delay of each chunk, counted from its arrival, so that a stream is shifted and not slowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Latency {
    pub delay_ms: u64,
    /// From the link's seed; never above `delay_ms`.
    pub jitter_ms: u64,
    pub distribution: Distribution,
}

impl Latency {
    pub(super) fn mistake(&self) -> Option<String> {
        if self.delay_ms == 0 || self.delay_ms > DELAY_MAX_MS {
            return Some(format!("delay {} ms is not in 1..={DELAY_MAX_MS} ms", self.delay_ms));
        }
        (self.jitter_ms > self.delay_ms).then(|| {
            format!("jitter {} ms is above the delay of {} ms", self.jitter_ms, self.delay_ms)
        })
    }

    pub(super) fn delay(&self, draw: u64) -> Duration {
        let Latency { delay_ms, jitter_ms, distribution } = *self;
        Duration::from_millis(distribution.delay_ms(delay_ms, jitter_ms, draw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_stay_within_their_bounds() {
        let with = |delay_ms, jitter_ms| {
            let distribution = Distribution::Uniform;
            Latency { delay_ms, jitter_ms, distribution }
        };
        let latency = with(100, 30);
        let delays: Vec<_> = (0..1000).map(|draw| latency.delay(draw * 7919).as_millis()).collect();
        assert_eq!((delays.iter().min(), delays.iter().max()), (Some(&70), Some(&130)));
        assert_eq!(with(5, 0).delay(u64::MAX).as_millis(), 5);
        assert!(with(5, 6).mistake().is_some());
        assert!(with(0, 0).mistake().is_some());
        assert!(with(5, 5).mistake().is_none());
    }
}
