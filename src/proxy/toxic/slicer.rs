//! Slicer: bytes pass in small pieces, each in a write of its own.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use tokio::time::Instant;

/// Above one read of the link nothing would be sliced.
const SIZE_MAX: u64 = 64 * 1024;
/// One second between two pieces: what is slower is a stall.
const DELAY_MAX_US: u64 = 1_000_000;

/// Pieces of `average_size ± size_variation` bytes, `delay_us` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Slicer {
    pub average_size: u64,
    pub size_variation: u64,
    pub delay_us: u64,
}

impl Slicer {
    pub(super) fn mistake(self) -> Option<String> {
        let Slicer { average_size, size_variation, delay_us } = self;
        if average_size == 0 || average_size > SIZE_MAX {
            return Some(format!("average_size {average_size} is not in 1..={SIZE_MAX} bytes"));
        }
        if size_variation >= average_size {
            let reason = format!("size_variation {size_variation} is not below average_size");
            return Some(format!("{reason} {average_size}"));
        }
        (delay_us > DELAY_MAX_US).then(|| format!("delay {delay_us} µs is above {DELAY_MAX_US}"))
    }
}

/// Where one direction stands in its pieces.
#[derive(Debug)]
pub(in crate::proxy) struct Cutter {
    left: usize,
    ready: Instant,
    draws: ChaCha8Rng,
}

impl Cutter {
    pub fn new(seed: u64, now: Instant) -> Cutter {
        Cutter { left: 0, ready: now, draws: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// How much of `bytes` passes next, as one piece.
    pub fn piece(&mut self, slicer: Slicer, bytes: usize) -> usize {
        if self.left == 0 {
            let Slicer { average_size: average, size_variation: variation, .. } = slicer;
            self.left = self.draws.random_range(average - variation..=average + variation) as usize;
        }
        bytes.min(self.left)
    }

    pub fn due(&self) -> Instant {
        self.ready
    }

    /// A piece ends with its last byte, or with the bytes that arrived together.
    pub fn passed(&mut self, slicer: Slicer, bytes: usize, is_last: bool, arrived: Instant) {
        self.left = self.left.saturating_sub(bytes);
        if self.left == 0 || is_last {
            self.left = 0;
            self.ready = self.ready.max(arrived) + Duration::from_micros(slicer.delay_us);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_keep_their_bounds_and_their_seed() {
        let slicer = Slicer { average_size: 100, size_variation: 30, delay_us: 0 };
        let pieces = |seed| {
            let now = Instant::now();
            let mut cutter = Cutter::new(seed, now);
            let mut sizes = Vec::new();
            for _ in 0..500 {
                let size = cutter.piece(slicer, 10_000);
                cutter.passed(slicer, size, false, now);
                sizes.push(size);
            }
            sizes
        };
        let sizes = pieces(1);
        assert!(sizes.iter().all(|size| (70..=130).contains(size)));
        assert!(sizes.iter().any(|size| *size < 80) && sizes.iter().any(|size| *size > 120));
        assert_eq!(sizes, pieces(1));
        assert_ne!(sizes, pieces(2));
    }

    #[test]
    fn what_would_never_end_is_refused() {
        let with =
            |average_size, size_variation| Slicer { average_size, size_variation, delay_us: 0 };
        assert!(with(0, 0).mistake().is_some(), "the attributes' zero values");
        assert!(with(10, 10).mistake().is_some());
        assert!(with(10, 9).mistake().is_none());
        assert!(with(1, 0).mistake().is_none());
    }
}
