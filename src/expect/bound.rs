//! Deadlines with their origin, and the instants at which to look.

use crate::clock::CellTime;

/// The harness looks a tenth of a bound before its deadline, and at least this long before: a jump
/// onto the deadline would make everything late.
const LOOK_BEFORE_MS_MIN: i64 = 2_000;
/// How far past a deadline it looks: the first instant that is late.
const LOOK_PAST_MS: i64 = 1;

/// Where a deadline counts from, and what named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub at: CellTime,
    pub what: String,
    /// False while nothing bad was seen: then it only bounds the waiting.
    pub proved: bool,
}

/// A deadline and one more of the same length, granted so that a miss can be told by its word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub origin: Origin,
    pub within_ms: i64,
}

impl Bound {
    pub fn new(origin: Origin, within_ms: i64) -> Bound {
        Bound { origin, within_ms: within_ms.max(0) }
    }

    pub fn deadline(&self) -> CellTime {
        self.origin.at.plus_ms(self.within_ms)
    }

    pub fn extra(&self) -> CellTime {
        self.deadline().plus_ms(self.within_ms)
    }

    /// The next instant to look after `now`: before, at and past the deadline, then before, at and
    /// past the extra one.
    pub fn next_look(&self, now: CellTime) -> Option<CellTime> {
        let before_ms = (self.within_ms / 10).max(LOOK_BEFORE_MS_MIN);
        let looks = [self.deadline(), self.extra()]
            .into_iter()
            .flat_map(|line| [line.plus_ms(-before_ms), line, line.plus_ms(LOOK_PAST_MS)]);
        looks.filter(|look| *look > now).min()
    }

    /// `4.2 s after the bad row (bound 60 s)`
    pub fn told(&self, at: CellTime) -> String {
        let after_ms = at.since_ms(self.origin.at);
        let (side, ms) = if after_ms < 0 { ("before", -after_ms) } else { ("after", after_ms) };
        let (ms, within) = (span_text(ms), span_text(self.within_ms));
        format!("{ms} {side} {} (bound {within})", self.origin.what)
    }

    /// `14 s late: …`
    pub fn late(&self, at: CellTime) -> String {
        format!("late by {}: {}", span_text(at.since_ms(self.deadline())), self.told(at))
    }
}

/// A length of time as people say it: `350 ms`, `4.2 s`, `60 s`, `2 min 14 s`.
pub fn span_text(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    let (seconds, tenth) = (ms / 1000, ms % 1000 / 100);
    match ms {
        0..1_000 => format!("{sign}{ms} ms"),
        1_000..120_000 if tenth == 0 => format!("{sign}{seconds} s"),
        1_000..120_000 => format!("{sign}{seconds}.{tenth} s"),
        _ if seconds % 60 == 0 => format!("{sign}{} min", seconds / 60),
        _ => format!("{sign}{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_well() {
        for (ms, text) in [
            (0, "0 ms"),
            (350, "350 ms"),
            (4_210, "4.2 s"),
            (60_000, "60 s"),
            (134_000, "2 min 14 s"),
            (600_000, "10 min"),
            (-1_500, "-1.5 s"),
        ] {
            assert_eq!(span_text(ms), text);
        }
    }

    #[test]
    fn looks_are_before_at_and_past_both_deadlines() {
        let origin = Origin { at: CellTime(0), what: "the bad row".into(), proved: true };
        let check = |within_ms, looks: &[i64]| {
            let bound = Bound::new(origin.clone(), within_ms);
            let (mut now, mut seen) = (CellTime(0), Vec::new());
            while let Some(next) = bound.next_look(now) {
                seen.push(next.0);
                now = next;
            }
            assert_eq!(seen, looks);
        };
        check(60_000, &[54_000, 60_000, 60_001, 114_000, 120_000, 120_001]);
        check(5_000, &[3_000, 5_000, 5_001, 8_000, 10_000, 10_001]);
        check(1_000, &[1_000, 1_001, 2_000, 2_001]);
    }
}
