//! The ways to hurt a link: one small file each, and what they have in common.
//!
//! A toxic is data. The pipe asks it how long a chunk must be held, the connection asks it when to
//! be cut. To add one: a file beside `stall.rs` with its limits and its answer, a variant in
//! [`ToxicKind`], and the compiler lists the rest.

mod latency;
mod reset;
mod stall;

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

pub use latency::Latency;
pub use reset::Reset;
pub use stall::Stall;

use crate::clock::{CellTime, Clock};

/// Delays up to this are real; a longer one is a `next_due` on cell time, so that an advance moves
/// it.
pub(super) const REAL_DELAY_MAX: Duration = Duration::from_secs(1);

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
}

/// A toxic and the direction it works in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Toxic {
    #[serde(flatten)]
    pub kind: ToxicKind,
    pub direction: Direction,
}

/// How long a toxic holds a chunk back, counted from its arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    Not,
    For(Duration),
    Forever,
}

impl Toxic {
    pub fn latency(delay_ms: u64, jitter_ms: u64, direction: Direction) -> Toxic {
        Toxic { kind: ToxicKind::Latency(Latency { delay_ms, jitter_ms }), direction }
    }

    pub fn stall(direction: Direction) -> Toxic {
        Toxic { kind: ToxicKind::Stall(Stall {}), direction }
    }

    /// A reset always cuts both sides: a connection has no half that could be reset.
    pub fn reset(after_ms: u64) -> Toxic {
        Toxic { kind: ToxicKind::Reset(Reset { after_ms }), direction: Direction::Both }
    }

    pub fn name(&self) -> &'static str {
        match self.kind {
            ToxicKind::Latency(_) => "latency",
            ToxicKind::Stall(_) => "stall",
            ToxicKind::Reset(_) => "reset",
        }
    }

    /// What is wrong with it, if something is.
    pub(super) fn mistake(&self) -> Option<String> {
        match self.kind {
            ToxicKind::Latency(latency) => latency.mistake(),
            ToxicKind::Stall(_) => None,
            ToxicKind::Reset(reset) => reset.mistake(self.direction),
        }
    }

    /// How long a chunk that flows in direction `flow` is held; `draw` is the chunk's own random
    /// number.
    pub(super) fn hold(&self, flow: Direction, draw: u64) -> Hold {
        if !self.direction.covers(flow) {
            return Hold::Not;
        }
        match self.kind {
            ToxicKind::Latency(latency) => Hold::For(latency.delay(draw)),
            ToxicKind::Stall(stall) => stall.hold(),
            ToxicKind::Reset(_) => Hold::Not,
        }
    }

    /// How long after `max(armed, opened)` a connection is cut.
    pub(super) fn cut_after(&self) -> Option<Duration> {
        match self.kind {
            ToxicKind::Reset(reset) => Some(Duration::from_millis(reset.after_ms)),
            ToxicKind::Latency(_) | ToxicKind::Stall(_) => None,
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
