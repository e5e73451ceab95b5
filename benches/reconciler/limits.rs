//! The limits that ratios are held against, each with whose figure it is.
//!
//! Measured by others, or by us for others, on a machine of two processors like ours: see `benches/README.md`.

use super::figures::Ratio;

const fn at_most(limit: f64, named: &'static str) -> Ratio {
    Ratio { of: "", to: "", limit, named }
}

/// zen-expression's 832 ns beside 51 ns by hand.
pub const ZEN: Ratio = at_most(832.0 / 51.0, "zen-expression beside native code");
/// Ours: the cost grows with the rules that match, and with no others.
pub const INDEX: Ratio = at_most(1.5, "cost of rules that do not match");
pub const SCAN: Ratio = at_most(0.1, "an index, and no scan");
/// Ours: what was judged is not judged again.
pub const STATES: Ratio = at_most(2.0, "cost of states that are judged already");
/// Debezium's 37.8 K events/s beside mysql_async's 250 K rows/s.
pub const DEBEZIUM: Ratio = at_most(250.0 / 37.8, "Debezium 3.6 beside mysql_async");
/// Alertmanager 0.25, post to webhook: p50 1.4 ms, p99 2.3 ms, beside a bare POST of the same run.
pub const ALERTMANAGER_P50_MS: f64 = 1.4;
pub const ALERTMANAGER_P99_MS: f64 = 2.3;
/// A source whose end is not known for so long is called blind: a window that closes later than that is late.
pub const STALE_MS: f64 = 2_000.0;
