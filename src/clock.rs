//! The one clock: monotonic time, and cell time that a harness may advance.
//!
//! Cell time = the origin's epoch + the machine's `CLOCK_MONOTONIC` since the origin + the total offset ordered so
//! far. All processes of a cell on one machine share the origin (environment variable [`ORIGIN_ENV`]), so that they
//! agree to the microsecond. Without an origin, cell time is the wall clock read once at start, carried on by the
//! monotonic clock. Nothing else in the project reads `SystemTime::now`; `tests/tidy.rs` holds that.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::{BorrowedFormatItem, well_known::Rfc3339};
use time::macros::format_description;
use tokio::sync::watch;

/// The environment variable that hands a [`ClockOrigin`] to a process.
pub const ORIGIN_ENV: &str = "LOSSDRILL_CLOCK";

const RFC3339_MS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// An instant of cell time: milliseconds since the Unix epoch, UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct CellTime(pub i64);

impl CellTime {
    pub fn plus_ms(self, ms: i64) -> CellTime {
        CellTime(self.0.saturating_add(ms))
    }

    pub fn plus(self, duration: Duration) -> CellTime {
        self.plus_ms(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
    }

    /// Milliseconds from `earlier` to `self`; negative where `earlier` is later.
    pub fn since_ms(self, earlier: CellTime) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What every process of a cell needs to compute the same cell time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOrigin {
    /// Cell time at the origin, Unix ms.
    pub epoch_ms: i64,
    /// `CLOCK_MONOTONIC` at the origin, microseconds.
    pub base_us: u64,
    /// Total offset ordered so far, ms.
    pub offset_ms: i64,
    /// Number of the last advance.
    pub seq: u64,
}

impl fmt::Display for ClockOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{},{}", self.epoch_ms, self.base_us, self.offset_ms, self.seq)
    }
}

impl FromStr for ClockOrigin {
    type Err = String;

    /// Reads `epoch_ms,base_us,offset_ms,seq`.
    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("clock origin `{text}` is not `epoch_ms,base_us,offset_ms,seq`");
        let parts: Vec<&str> = text.split(',').collect();
        let [epoch, base, offset, seq] = parts[..] else { return Err(bad()) };
        Ok(ClockOrigin {
            epoch_ms: epoch.parse().map_err(|_| bad())?,
            base_us: base.parse().map_err(|_| bad())?,
            offset_ms: offset.parse().map_err(|_| bad())?,
            seq: seq.parse().map_err(|_| bad())?,
        })
    }
}

struct Shared {
    epoch_ms: i64,
    base_us: u64,
    offset_ms: AtomicI64,
    seq: AtomicU64,
    advanced: watch::Sender<u64>,
}

/// A handle to the clock; clones share the offset.
#[derive(Clone)]
pub struct Clock(Arc<Shared>);

impl Clock {
    /// The clock of a production process: cell time is wall time.
    pub fn system() -> Clock {
        Clock::from_origin(ClockOrigin {
            epoch_ms: wall_ms(),
            base_us: monotonic_us(),
            offset_ms: 0,
            seq: 0,
        })
    }

    /// A new cell's clock: cell time starts at `epoch_ms` now.
    pub fn starting_at(epoch_ms: i64) -> Clock {
        Clock::from_origin(ClockOrigin { epoch_ms, base_us: monotonic_us(), offset_ms: 0, seq: 0 })
    }

    /// The clock of a process in a cell.
    pub fn from_origin(origin: ClockOrigin) -> Clock {
        Clock(Arc::new(Shared {
            epoch_ms: origin.epoch_ms,
            base_us: origin.base_us,
            offset_ms: AtomicI64::new(origin.offset_ms),
            seq: AtomicU64::new(origin.seq),
            advanced: watch::Sender::new(origin.seq),
        }))
    }

    /// From [`ORIGIN_ENV`] when it is set, else the system clock. Errors where the variable does not parse.
    pub fn from_env() -> Result<Clock, String> {
        match std::env::var(ORIGIN_ENV) {
            Ok(text) => Ok(Clock::from_origin(text.parse()?)),
            Err(_) => Ok(Clock::system()),
        }
    }

    /// Cell time now.
    pub fn now(&self) -> CellTime {
        let elapsed_us = monotonic_us().saturating_sub(self.0.base_us);
        let elapsed_ms = i64::try_from(elapsed_us / 1000).unwrap_or(i64::MAX);
        CellTime(self.0.epoch_ms + elapsed_ms + self.0.offset_ms.load(Ordering::Acquire))
    }

    /// The total offset ordered so far, ms.
    pub fn offset_ms(&self) -> i64 {
        self.0.offset_ms.load(Ordering::Acquire)
    }

    /// Number of the last advance that took effect.
    pub fn seq(&self) -> u64 {
        self.0.seq.load(Ordering::Acquire)
    }

    /// What a new process of this cell must be given.
    pub fn origin(&self) -> ClockOrigin {
        ClockOrigin {
            epoch_ms: self.0.epoch_ms,
            base_us: self.0.base_us,
            offset_ms: self.offset_ms(),
            seq: self.seq(),
        }
    }

    /// The clock of another process, to which `instant` is over; this one is left as it is.
    pub fn past(&self, instant: CellTime) -> Clock {
        let mut origin = self.origin();
        origin.offset_ms += instant.since_ms(self.now()).max(0);
        Clock::from_origin(origin)
    }

    /// Orders the total offset `offset_ms` as advance number `seq`. A `seq` not above the last one changes nothing
    /// and returns false; so does an offset that would set the clock back.
    pub fn advance(&self, seq: u64, offset_ms: i64) -> bool {
        if seq <= self.seq() || offset_ms < self.offset_ms() {
            return false;
        }
        self.0.offset_ms.store(offset_ms, Ordering::Release);
        self.0.seq.store(seq, Ordering::Release);
        self.0.advanced.send_replace(seq);
        true
    }

    /// Waits until cell time reaches `instant`, by running or by an advance.
    pub async fn sleep_until(&self, instant: CellTime) {
        let mut advanced = self.0.advanced.subscribe();
        loop {
            let left_ms = instant.since_ms(self.now());
            if left_ms <= 0 {
                return;
            }
            let pause = Duration::from_millis(left_ms.unsigned_abs());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = advanced.changed() => {}
            }
        }
    }

    /// Tells of every advance, by its number.
    pub fn advances(&self) -> watch::Receiver<u64> {
        self.0.advanced.subscribe()
    }
}

/// `CLOCK_MONOTONIC` in microseconds: the same in every process of this machine.
pub fn monotonic_us() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid, exclusive pointer for the length of the call.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    assert_eq!(done, 0, "CLOCK_MONOTONIC is always readable on Linux");
    time.tv_sec.unsigned_abs() * 1_000_000 + time.tv_nsec.unsigned_abs() / 1000
}

/// The wall clock, Unix ms: for records that people read, never for a decision.
pub fn wall_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.map_or(0, |d| d.as_millis())).unwrap_or(i64::MAX)
}

/// Unix milliseconds as RFC 3339 in UTC, `2026-01-05T02:00:00.123Z`.
pub fn rfc3339(ms: i64) -> String {
    let nanos = i128::from(ms) * 1_000_000;
    let Ok(instant) = OffsetDateTime::from_unix_timestamp_nanos(nanos) else {
        return format!("{ms} ms");
    };
    instant.format(RFC3339_MS).unwrap_or_else(|_| format!("{ms} ms"))
}

/// Reads RFC 3339 with `Z` or a numeric offset into Unix milliseconds.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let instant = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(instant.unix_timestamp_nanos() / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advance_is_a_total_and_counts_once() {
        let clock = Clock::starting_at(1_000_000);
        assert!(clock.advance(1, 60_000));
        assert!(!clock.advance(1, 90_000), "the same number again changes nothing");
        assert!(!clock.advance(2, 30_000), "the clock never goes back");
        assert_eq!((clock.offset_ms(), clock.seq()), (60_000, 1));
        assert!(clock.now().0 >= 1_060_000);
        let twin = Clock::from_origin(clock.origin().to_string().parse().unwrap());
        assert!((twin.now().0 - clock.now().0).abs() < 50);
    }

    #[test]
    fn a_clock_to_which_an_instant_is_over_leaves_this_one_be() {
        let clock = Clock::starting_at(1_000_000);
        clock.advance(1, 5_000);
        let over = clock.past(CellTime(9_000_000)).now().0;
        assert!((9_000_000..9_010_000).contains(&over), "{over}");
        let same = clock.past(CellTime(7)).now().since_ms(clock.now());
        assert!(same.abs() < 1_000 && clock.now().0 < 2_000_000, "{same}");
    }

    #[tokio::test]
    async fn a_sleeper_wakes_at_an_advance() {
        let clock = Clock::starting_at(0);
        let sleeper = clock.clone();
        let task = tokio::spawn(async move { sleeper.sleep_until(CellTime(3_600_000)).await });
        tokio::task::yield_now().await;
        clock.advance(1, 3_600_000);
        tokio::time::timeout(Duration::from_secs(5), task).await.expect("woken").unwrap();
    }

    #[test]
    fn rfc3339_both_ways() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_767_578_400_123, "2026-01-05T02:00:00.123Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(ms), text);
            assert_eq!(parse_rfc3339(text), Some(ms));
        }
        assert_eq!(parse_rfc3339("2026-01-05T10:00:00+08:00"), Some(1_767_578_400_000));
        assert_eq!(parse_rfc3339("yesterday"), None);
    }
}
