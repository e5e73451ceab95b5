//! How fast a sweep reads and asks: so much in a second on the average, whatever could be had.

use std::time::Duration;

use tokio::time::Instant;

use crate::dcheck::engine::rules::ask::Rate;

/// The most that is done in a time.
pub struct Pace {
    one: Duration,
    next: Instant,
}

impl Pace {
    pub fn per_second(count: u32) -> Pace {
        Pace::of(Rate { count, per_ms: 1_000 })
    }

    pub fn of(rate: Rate) -> Pace {
        let per = Duration::from_millis(rate.per_ms.unsigned_abs());
        Pace { one: per / rate.count.max(1), next: Instant::now() }
    }

    /// `count` were done: waits until the next may be.
    pub async fn took(&mut self, count: u64) {
        let pause = self.one.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX));
        // Time that was not used is not saved up for a burst.
        self.next = (self.next + pause).max(Instant::now());
        tokio::time::sleep_until(self.next).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_much_in_a_time() {
        let rate = |count, per_ms| Rate { count, per_ms };
        for (rate, count, at_least_ms) in [
            (rate(10, 100), 5, 50),
            (rate(1, 20), 2, 40),
            (rate(1_000, 1_000), 30, 30),
            (rate(1, 1), 0, 0),
        ] {
            let mut pace = Pace::of(rate);
            let from = pace.next;
            pace.took(count).await;
            assert!(from.elapsed() >= Duration::from_millis(at_least_ms), "{count}");
        }
    }
}
