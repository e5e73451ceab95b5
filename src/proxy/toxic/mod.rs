//! The ways to hurt a link: one small file each, and what they have in common.
//!
//! A toxic is data. The pipe asks it how long a chunk must be held and how much may pass at once,
//! the connection asks it when to be cut, the listener whether to listen. To add one: a file beside
//! `stall.rs` with its limits and its answer, a variant in [`ToxicKind`], and the compiler lists the
//! rest; for clients of the admin API a row in `admin/kinds.rs`.

mod bandwidth;
mod connect;
mod jitter;
mod latency;
mod limit_data;
mod reset;
mod slicer;
mod slow_close;
mod stall;
mod timeout;
mod toxicity;

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

pub use bandwidth::Bandwidth;
pub(super) use bandwidth::Meter;
pub use connect::{Refuse, SlowConnect};
pub use jitter::Distribution;
pub use latency::Latency;
pub use limit_data::LimitData;
pub use reset::Reset;
pub(super) use slicer::Cutter;
pub use slicer::Slicer;
pub use slow_close::SlowClose;
pub use stall::Stall;
pub use timeout::Timeout;
pub use toxicity::Toxicity;
pub(super) use toxicity::mix;

use crate::clock::{CellTime, Clock};

/// Delays up to this are real; a longer one is a `next_due` on cell time, so that an advance moves
/// it.
pub(super) const REAL_DELAY_MAX: Duration = Duration::from_secs(1);
/// A day: past any window or deadline that a scenario can name.
pub(super) const DELAY_MAX_MS: u64 = 24 * 60 * 60 * 1000;

/// Names one armed toxic of one link; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ToxicId(pub u64);

/// Which bytes a toxic touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the client to the upstream.
    ToUpstream,
    /// From the upstream to the client.
    ToClient,
    Both,
}

impl Direction {
    /// Does a toxic of this direction touch bytes that flow in direction `flow`?
    pub fn covers(self, flow: Direction) -> bool {
        self == Direction::Both || self == flow
    }
}

/// What is done to the bytes or to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ToxicKind {
    Latency(Latency),
    Stall(Stall),
    Reset(Reset),
    Timeout(Timeout),
    Bandwidth(Bandwidth),
    Slicer(Slicer),
    LimitData(LimitData),
    SlowClose(SlowClose),
    Refuse(Refuse),
    SlowConnect(SlowConnect),
}

/// A toxic, the direction it works in, and the share of the connections that it touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Toxic {
    #[serde(flatten)]
    pub kind: ToxicKind,
    pub direction: Direction,
    pub toxicity: Toxicity,
    /// Mixed into all that is drawn for it: who arms toxics by a seed of their own gives it here.
    #[serde(skip)]
    pub salt: u64,
}

/// How long a toxic holds a chunk back, counted from its arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Not,
    For(Duration),
    Forever,
}

/// How a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// RST to both sides.
    Reset,
    /// An orderly end, towards both sides.
    Close,
}

impl Toxic {
    /// On every connection.
    pub fn new(kind: ToxicKind, direction: Direction) -> Toxic {
        Toxic { kind, direction, toxicity: Toxicity::ALL, salt: 0 }
    }

    pub fn latency(delay_ms: u64, jitter_ms: u64, direction: Direction) -> Toxic {
        let distribution = Distribution::Uniform;
        Toxic::new(ToxicKind::Latency(Latency { delay_ms, jitter_ms, distribution }), direction)
    }

    pub fn stall(direction: Direction) -> Toxic {
        Toxic::new(ToxicKind::Stall(Stall {}), direction)
    }

    /// A reset always cuts both sides: a connection has no half that could be reset.
    pub fn reset(after_ms: u64) -> Toxic {
        Toxic::new(ToxicKind::Reset(Reset { after_ms }), Direction::Both)
    }

    pub fn name(&self) -> &'static str {
        match self.kind {
            ToxicKind::Latency(_) => "latency",
            ToxicKind::Stall(_) => "stall",
            ToxicKind::Reset(_) => "reset",
            ToxicKind::Timeout(_) => "timeout",
            ToxicKind::Bandwidth(_) => "bandwidth",
            ToxicKind::Slicer(_) => "slicer",
            ToxicKind::LimitData(_) => "limit-data",
            ToxicKind::SlowClose(_) => "slow-close",
            ToxicKind::Refuse(_) => "refuse",
            ToxicKind::SlowConnect(_) => "slow-connect",
        }
    }

    /// What is wrong with it, if something is.
    pub fn mistake(&self) -> Option<String> {
        match self.kind {
            ToxicKind::Latency(latency) => latency.mistake(),
            ToxicKind::Reset(reset) => reset.mistake(self.direction),
            ToxicKind::Timeout(timeout) => timeout.mistake(),
            ToxicKind::Bandwidth(bandwidth) => bandwidth.mistake(),
            ToxicKind::Slicer(slicer) => slicer.mistake(),
            ToxicKind::SlowClose(slow) => slow.mistake(),
            ToxicKind::SlowConnect(slow) => slow.mistake(),
            ToxicKind::Stall(_) | ToxicKind::LimitData(_) | ToxicKind::Refuse(_) => None,
        }
    }

    /// How long a chunk, or the end of a stream, is held; `draw` is the chunk's own random number.
    pub(super) fn hold(&self, is_end: bool, draw: u64) -> Hold {
        match self.kind {
            ToxicKind::Latency(latency) => Hold::For(latency.delay(draw)),
            ToxicKind::Stall(stall) => stall.hold(),
            ToxicKind::Bandwidth(bandwidth) if !is_end => bandwidth.hold(),
            ToxicKind::SlowClose(slow) => slow.hold(is_end),
            _ => Hold::Not,
        }
    }

    /// Are bytes that come thrown away?
    pub(super) fn discards(&self) -> bool {
        matches!(self.kind, ToxicKind::Timeout(_))
    }

    /// How long after `max(armed, opened)` a connection is cut, and how.
    pub(super) fn cut_after(&self) -> Option<(Duration, Cut)> {
        match self.kind {
            ToxicKind::Reset(reset) => Some((Duration::from_millis(reset.after_ms), Cut::Reset)),
            ToxicKind::Timeout(timeout) => timeout.after().map(|after| (after, Cut::Close)),
            _ => None,
        }
    }
}

/// An instant on both clocks: delays are counted from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub real: Instant,
    pub cell: CellTime,
}

impl Stamp {
    pub fn now(clock: &Clock) -> Stamp {
        Stamp { real: Instant::now(), cell: clock.now() }
    }

    /// When `delay` after this stamp is over, on the clock it belongs to.
    pub fn plus(self, delay: Duration) -> Due {
        if delay <= REAL_DELAY_MAX {
            Due::Real(self.real + delay)
        } else {
            Due::Cell(self.cell.plus(delay))
        }
    }

    pub fn later(self, other: Stamp) -> Stamp {
        if other.real > self.real { other } else { self }
    }
}

/// An instant to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Real(Instant),
    Cell(CellTime),
}

impl Due {
    pub fn is_over(self, clock: &Clock) -> bool {
        match self {
            Due::Real(instant) => instant <= Instant::now(),
            Due::Cell(instant) => instant <= clock.now(),
        }
    }

    pub async fn reached(self, clock: &Clock) {
        // A timer rounds up to the next millisecond, even for what is over.
        if self.is_over(clock) {
            return;
        }
        match self {
            Due::Real(instant) => tokio::time::sleep_until(instant).await,
            Due::Cell(instant) => clock.sleep_until(instant).await,
        }
    }
}
