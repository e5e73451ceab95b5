//! Bandwidth: bytes pass at a rate.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use super::Hold;

/// 1 GB/s: above what a link of one machine moves.
const RATE_MAX: u64 = 1_000_000;
/// Written at once: so much time's worth of bytes. A tick of the timer is 1 ms.
const GRAIN_MS: u64 = 10;
/// What a direction may catch up after its reader was slow; longer than a grain.
const BURST: Duration = Duration::from_millis(50);

/// `rate` KB/s (of 1000 bytes); 0 lets nothing pass and loses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bandwidth {
    pub rate: u64,
}

impl Bandwidth {
    pub(super) fn mistake(self) -> Option<String> {
        (self.rate > RATE_MAX).then(|| format!("rate {} KB/s is above {RATE_MAX}", self.rate))
    }

    pub(super) fn hold(self) -> Hold {
        if self.rate == 0 { Hold::Forever } else { Hold::Not }
    }

    /// 1 KB/s is a byte a millisecond.
    fn takes(self, bytes: usize) -> Duration {
        Duration::from_nanos((bytes as u64).saturating_mul(1_000_000) / self.rate.max(1))
    }

    /// How much of `bytes` passes next, as one piece.
    pub(in crate::proxy) fn piece(self, bytes: usize) -> usize {
        bytes.min((self.rate * GRAIN_MS).max(1) as usize)
    }
}

/// Until when the bytes of one direction have used the line.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Meter(Instant);

impl Meter {
    pub fn new(now: Instant) -> Meter {
        Meter(now)
    }

    /// When the last byte of a piece that arrived at `arrived` has come over the line.
    pub fn due(self, line: Bandwidth, bytes: usize, arrived: Instant, now: Instant) -> Instant {
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        self.0.max(arrived).max(earliest) + line.takes(bytes)
    }

    pub fn passed(&mut self, line: Bandwidth, bytes: usize, arrived: Instant, now: Instant) {
        self.0 = self.due(line, bytes, arrived, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_add_up_to_the_rate() {
        let line = Bandwidth { rate: 100 };
        let start = Instant::now();
        let (mut meter, mut left) = (Meter::new(start), 100_000);
        while left > 0 {
            let piece = line.piece(left);
            assert!(piece <= 1000, "10 ms of 100 KB/s");
            let now = meter.due(line, piece, start, start);
            meter.passed(line, piece, start, now);
            left -= piece;
        }
        assert_eq!((meter.0 - start).as_millis(), 1000);
    }

    #[test]
    fn a_slow_reader_earns_no_burst() {
        let (line, start) = (Bandwidth { rate: 1 }, Instant::now());
        let late = start + Duration::from_secs(60);
        let due = Meter::new(start).due(line, 10, start, late);
        assert!(due <= late && due >= late - BURST);
    }
}
