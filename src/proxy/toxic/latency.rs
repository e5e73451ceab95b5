//! Latency: every chunk is delivered `delay ± jitter` after its own arrival, in order.

use std::time::Duration;

use serde::Serialize;

/// A day: past any window or deadline that a scenario can name.
const DELAY_MAX_MS: u64 = 24 * 60 * 60 * 1000;

/// Delay of each chunk, counted from its arrival, so that a stream is shifted and not slowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Latency {
    pub delay_ms: u64,
    /// Uniform, ± this much, from the link's seed; never above `delay_ms`.
    pub jitter_ms: u64,
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
        let span = 2 * self.jitter_ms + 1;
        Duration::from_millis(self.delay_ms - self.jitter_ms + draw % span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_stay_within_their_bounds() {
        let latency = Latency { delay_ms: 100, jitter_ms: 30 };
        let delays: Vec<_> = (0..1000).map(|draw| latency.delay(draw * 7919).as_millis()).collect();
        assert_eq!((delays.iter().min(), delays.iter().max()), (Some(&70), Some(&130)));
        assert_eq!(Latency { delay_ms: 5, jitter_ms: 0 }.delay(u64::MAX).as_millis(), 5);
        assert!(Latency { delay_ms: 5, jitter_ms: 6 }.mistake().is_some());
        assert!(Latency { delay_ms: 0, jitter_ms: 0 }.mistake().is_some());
        assert!(Latency { delay_ms: 5, jitter_ms: 5 }.mistake().is_none());
    }
}
