//! The data of a service, as its file says it.
//!
//! Owns the shape and the named limits: what is kept is bounded by them, whatever is read.

use std::collections::BTreeSet;

use crate::dcheck::engine::Step;
use crate::dcheck::engine::expr::{Datum, Expr, Number, Scope};
use crate::dcheck::engine::window::Stream;
use crate::dcheck::event::{Event, Op};

/// Services of one file: each keeps its calls in memory, and beside the checkpoint.
pub const SERVICES: usize = 64;
/// On whom one service depends.
pub const DEPENDENCIES: usize = 32;
/// Where the calls of one service are read.
pub const MEASURED: usize = 8;
/// Parts of a window: it slides by one of them, and a decision comes at most so much later.
pub const BUCKETS: i64 = 10;
/// A window, from a part of a second to what a person still calls now.
pub const WINDOW_MS: (i64, i64) = (10_000, 3_600_000);
/// A hold is no longer than so many windows.
pub const HOLD_WINDOWS: i64 = 10;
pub const HOLD_MIN_MS: i64 = 1_000;
/// Calls without which nothing is said: three calls are no evidence.
pub const MIN_CALLS: (u64, u64) = (5, 1_000_000);
/// A call that took longer counts as this long: it bounds the classes of latencies.
pub const LATENCY_MAX_MS: u64 = 86_400_000;

/// One service.
#[derive(Clone, Debug)]
pub struct Service {
    pub id: String,
    pub title: String,
    /// None: nobody measures it, it only depends on others.
    pub measures: Option<Measures>,
    pub dependencies: Vec<Dependency>,
}

/// Where the calls of a service are read, and what is too much.
#[derive(Clone, Debug)]
pub struct Measures {
    pub calls: Vec<Calls>,
    pub window_ms: i64,
    pub min_calls: u64,
    pub latency: Option<(Quantile, Limits)>,
    /// Per mille of the calls.
    pub errors: Option<Limits>,
    pub hold_ms: i64,
    /// Without enough calls it may recover; else it stays as it is until calls say that it is well.
    pub silence_recovers: bool,
}

/// Events that are calls of a service.
#[derive(Clone, Debug)]
pub struct Calls {
    pub stream: Stream,
    pub ops: Vec<Op>,
    pub filter: Option<Expr>,
    pub latency_ms: Option<Expr>,
    pub ok: Option<Expr>,
    /// Those of the row that these name.
    pub columns: BTreeSet<String>,
}

/// Which latency of a window is held against the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantile {
    PerMille(u64),
    Max,
}

impl Quantile {
    pub const NAMES: [(&'static str, Quantile); 6] = [
        ("p50", Quantile::PerMille(500)),
        ("p90", Quantile::PerMille(900)),
        ("p95", Quantile::PerMille(950)),
        ("p99", Quantile::PerMille(990)),
        ("p999", Quantile::PerMille(999)),
        ("max", Quantile::Max),
    ];

    pub fn name(self) -> &'static str {
        let named = Quantile::NAMES.iter().find(|(_, quantile)| *quantile == self);
        named.map_or("latency", |(name, _)| name)
    }
}

/// At `ill` or above it is ill, below `well` it is well, in between it stays what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub ill: u64,
    pub well: u64,
    pub worse: Option<u64>,
}

/// On whom a service depends, and what is done when that one ails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    pub on: String,
    pub strength: Strength,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strength {
    /// The service goes on without it.
    Weak { plan: Option<String> },
    /// The service cannot do without it: fewer are let through, and past the second limits none.
    Strong { per_cent: u8, limit: Option<String>, block: Option<Option<String>> },
}

impl Strength {
    pub fn name(&self) -> &'static str {
        match self {
            Strength::Weak { .. } => "weak",
            Strength::Strong { .. } => "strong",
        }
    }

    /// What may be decided, with the plan of each.
    pub fn steps(&self) -> Vec<(Step, Option<&str>)> {
        match self {
            Strength::Weak { plan } => vec![(Step::Degrade, plan.as_deref())],
            Strength::Strong { limit, block, .. } => {
                let block = block.as_ref().map(|plan| (Step::Block, plan.as_deref()));
                [(Step::Limit, limit.as_deref())].into_iter().chain(block).collect()
            }
        }
    }
}

impl Measures {
    pub fn bucket_ms(&self) -> i64 {
        self.window_ms / BUCKETS
    }
}

/// What one call says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    pub is_ok: bool,
    /// None where a call that failed has none.
    pub latency_ms: Option<u64>,
}

impl Calls {
    /// None: the event is no call of it; `Err`: it is, and nobody can say how it went.
    pub fn read(&self, event: &Event) -> Option<Result<Call, String>> {
        let is_here = self.stream.name() == event.stream && self.stream.is_in(&event.source);
        if !is_here || !self.ops.contains(&event.op) {
            return None;
        }
        let scope = Scope::of(event);
        match self.filter.as_ref().map(|filter| filter.truth(&scope)) {
            None | Some(Ok(Some(true))) => Some(self.measured(&scope)),
            Some(Ok(_)) => None,
            Some(Err(error)) => Some(Err(format!("`where`: {error}"))),
        }
    }

    fn measured(&self, scope: &Scope<'_>) -> Result<Call, String> {
        let is_ok = match self.ok.as_ref().map(|ok| ok.truth(scope)) {
            None | Some(Ok(Some(true))) => true,
            Some(Ok(Some(false))) => false,
            Some(Ok(None)) => return Err("`ok` has no value".to_owned()),
            Some(Err(error)) => return Err(format!("`ok`: {error}")),
        };
        let latency_ms = match self.latency_ms.as_ref().map(|latency| latency.eval(scope)) {
            None => None,
            Some(Ok(Datum::Num(number))) => match whole(&number) {
                Some(ms) => Some(ms.min(LATENCY_MAX_MS)),
                None => return Err(format!("`latency_ms` is {number}")),
            },
            // Who gave up waiting has none to tell.
            Some(Ok(Datum::Missing(_))) if !is_ok => None,
            Some(Ok(other)) => return Err(format!("`latency_ms` is {}", other.kind())),
            Some(Err(error)) => return Err(format!("`latency_ms`: {error}")),
        };
        Ok(Call { is_ok, latency_ms })
    }
}

/// Milliseconds without their fraction: limits are whole, so that nothing is lost.
fn whole(number: &Number) -> Option<u64> {
    u64::try_from(number.small()?.floor().normalize().mantissa()).ok()
}
