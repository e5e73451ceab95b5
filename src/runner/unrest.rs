//! Why a cell does not come to rest, and whose unrest it is. Pure.

use std::time::Duration;

use super::rest::Round;
use crate::clock::CellTime;
use crate::wire::ClockReport;

/// Shop, channel and the harness's own reader rest within a second; a starving machine gets this much, real time.
pub const HOUSE_LIMIT: Duration = Duration::from_secs(30);
/// Name of the process that watches the reconciler.
pub const WATCHDOG: &str = "watchdog";

/// Why the cell does not come to rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unrest {
    /// The system under test: it is deaf, or works without end.
    Reconciler(String),
    /// Shop, channel or the harness itself.
    House(String),
    /// The run was aborted, or its deadline passed.
    Stopped,
}

/// Whose unrest it is: the reconciler's only where everything else of the round is idle.
pub fn blame(
    round: &Round,
    reason: String,
    mark: u64,
    excused: &[String],
    now: CellTime,
) -> Unrest {
    let others = Round {
        soundings: round.soundings.iter().filter(|s| !is_defence(&s.name)).cloned().collect(),
    };
    match others.unrest(mark, excused, now) {
        Some(house) => Unrest::House(house),
        None => Unrest::Reconciler(reason),
    }
}

/// The reconciler, and the process that watches it.
fn is_defence(name: &str) -> bool {
    matches!(name, "reconciler" | WATCHDOG)
}

/// Idle in each round, and yet somebody worked between any two of them.
pub fn endless(before: &Round, after: &Round) -> Unrest {
    let worked = |name: &str| {
        let activity = |round: &Round| {
            round.soundings.iter().find(|s| s.name == name).map(|sounding| sounding.activity)
        };
        activity(before) != activity(after)
    };
    let why = format!("works without end, {HOUSE_LIMIT:?} and more");
    match ["shop", "channel"].into_iter().find(|name| worked(name)) {
        Some(name) => Unrest::House(format!("{name} {why}")),
        None => Unrest::Reconciler(format!("the reconciler {why}")),
    }
}

/// An advance is in force once it is acknowledged: whoever lives in another time would be waited for, or judged, wrongly.
/// A foreign reconciler may tell no time at all.
pub fn strays(report: &ClockReport, ordered_ms: i64) -> Option<Unrest> {
    let told_ms = report.offset_ms;
    (!report.now.is_empty() && told_ms != ordered_ms).then(|| {
        let why =
            format!("the reconciler's clock is ahead by {told_ms} ms, not by {ordered_ms} ms");
        Unrest::Reconciler(why)
    })
}

#[cfg(test)]
mod tests {
    use super::super::rest::Sounding;
    use super::*;

    #[test]
    fn a_clock_that_does_not_follow_is_told() {
        let report = |now: &str, offset_ms| ClockReport {
            now: now.to_owned(),
            offset_ms,
            ..ClockReport::default()
        };
        for (now, offset_ms, is_told) in
            [("x", 30_000, false), ("x", 0, true), ("x", 60_000, true), ("", 0, false)]
        {
            let told = strays(&report(now, offset_ms), 30_000);
            assert_eq!(told.is_some(), is_told, "{now:?} {offset_ms}");
        }
    }

    #[test]
    fn who_is_to_blame_for_unrest() {
        let sounding = |name: &str, busy, activity| Sounding {
            name: name.to_owned(),
            busy,
            activity,
            ..Sounding::default()
        };
        let round = |shop, reconciler| Round {
            soundings: vec![
                sounding("shop", shop, shop),
                sounding("reconciler", reconciler, reconciler),
            ],
        };
        let is_house = |unrest: Unrest| matches!(unrest, Unrest::House(_));
        for (shop, reconciler, house) in [(0, 1, false), (1, 0, true), (1, 1, true)] {
            let blamed = blame(&round(shop, reconciler), "why".into(), 0, &[], CellTime(0));
            assert_eq!(is_house(blamed), house, "busy: {shop} {reconciler}");
            let worked = endless(&round(0, 0), &round(shop, reconciler));
            assert_eq!(is_house(worked), house, "worked: {shop} {reconciler}");
        }
    }
}
