//! What a scenario may name beyond the catalogue: faults, channels, data patterns, sources.

use std::collections::BTreeMap;

use crate::catalog::Catalog;

/// The payment channels of the practice shop.
pub const CHANNELS: [&str; 3] = ["alipay", "wechat", "unionpay"];

/// The forge's strategies that a bid may follow.
pub const PATTERNS: [&str; 2] = ["lost-digit", "honest-price"];

/// What a reconciler reads.
pub const SOURCES: [&str; 4] = ["binlog", "orders.events", "refund.events", "channel.flow"];
/// Parts of the watcher itself, as its alerts name them.
pub const PARTS: [&str; 4] = ["reconciler", "alert-channel", "rules", "plan-executor"];

/// Says whether a fault id and its parameters are sound; the reason names the nearest valid choice.
pub type FaultCheck<'a> = dyn Fn(&str, &BTreeMap<String, String>) -> Result<(), String> + 'a;

/// What names are checked against.
pub struct Known<'a> {
    pub catalog: &'a Catalog,
    pub faults: &'a FaultCheck<'a>,
    pub channels: &'a [&'a str],
    pub patterns: &'a [&'a str],
}

impl<'a> Known<'a> {
    /// With the practice shop's channels and the forge's patterns.
    pub fn of(catalog: &'a Catalog, faults: &'a FaultCheck<'a>) -> Known<'a> {
        Known { catalog, faults, channels: &CHANNELS, patterns: &PATTERNS }
    }
}
