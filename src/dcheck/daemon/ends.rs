//! Ends of a source that are known and not reached yet: pure.
//!
//! Owns when a source counts as overdue, and the patience it is measured in. An end is a mark's number (the drill clock
//! was advanced, mark `seq` must come) or a polled place in the log. Reads no clock: instants are handed in.

use std::collections::VecDeque;

use crate::clock::CellTime;
use crate::dcheck::sources::Position;

/// A known end that is not reached for so much [`Patience`] makes the source overdue: far above the latency of a
/// healthy link, far below every window.
pub const OVERDUE_US: u64 = 1_000_000;
/// Between two looks for ends that are overdue.
pub const LOOK_US: u64 = 100_000;
/// Ends kept: ten minutes of polls. The oldest decides, so the newest are dropped beyond it.
const KEPT: usize = 1_200;

#[derive(Clone, Debug, PartialEq)]
enum End {
    Mark(u64),
    Place(Position),
}

#[derive(Clone, Debug)]
struct Known {
    end: End,
    /// Cell time at which it became known.
    at: CellTime,
    /// The patience spent until then.
    learned_us: u64,
}

/// Real time in which this process had its turns: a look that came late counts as little more than one period. A
/// starved machine, where nothing arrives in time because nothing runs, so does not make a source overdue.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    spent_us: u64,
    last_us: Option<u64>,
}

impl Patience {
    /// One look at `now_us` of the monotonic clock.
    pub fn look(&mut self, now_us: u64) {
        let passed = self.last_us.map_or(0, |last| now_us.saturating_sub(last));
        self.spent_us += passed.min(LOOK_US * 3 / 2);
        self.last_us = Some(now_us);
    }

    pub fn spent_us(&self) -> u64 {
        self.spent_us
    }
}

/// The ends of one source, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct KnownEnds(VecDeque<Known>);

impl KnownEnds {
    pub fn learn_mark(&mut self, seq: u64, at: CellTime, now_us: u64) {
        self.learn(End::Mark(seq), at, now_us);
    }

    pub fn learn_place(&mut self, place: Position, at: CellTime, now_us: u64) {
        self.learn(End::Place(place), at, now_us);
    }

    fn learn(&mut self, end: End, at: CellTime, learned_us: u64) {
        // The same end again proves nothing new about what is missing, but its time is later once
        // it is reached.
        let several = self.0.len() > 1;
        if let Some(last) = self.0.back_mut()
            && last.end == end
            && several
        {
            last.at = at;
        } else if self.0.len() < KEPT {
            self.0.push_back(Known { end, at, learned_us });
        }
    }

    /// Drops what is reached, and returns the latest time at which a polled end was the end.
    pub fn reached(&mut self, read: u64, place: Option<&Position>) -> Option<CellTime> {
        let mut latest = None;
        self.0.retain(|known| match &known.end {
            End::Mark(seq) => *seq > read,
            End::Place(end) => {
                let there = place.is_some_and(|place| place >= end);
                if there {
                    latest = latest.max(Some(known.at));
                }
                !there
            }
        });
        latest
    }

    /// True while an end is known and not reached.
    pub fn is_open(&self) -> bool {
        !self.0.is_empty()
    }

    /// Since when the source is overdue, where it is.
    pub fn overdue(&self, now_us: u64) -> Option<CellTime> {
        let oldest = self.0.front()?;
        (now_us.saturating_sub(oldest.learned_us) >= OVERDUE_US).then_some(oldest.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(pos: u64) -> Position {
        Position::log("binlog.000001", pos)
    }

    #[test]
    fn a_polled_end_is_reached_at_its_own_time() {
        let mut ends = KnownEnds::default();
        ends.learn_place(place(100), CellTime(10), 0);
        ends.learn_place(place(200), CellTime(20), 500_000);
        assert_eq!(ends.reached(0, Some(&place(99))), None);
        assert_eq!(ends.reached(0, Some(&place(150))), Some(CellTime(10)));
        assert!(ends.is_open());
        assert_eq!(ends.reached(0, Some(&place(200))), Some(CellTime(20)));
        assert!(!ends.is_open());
    }

    #[test]
    fn a_starved_process_spends_its_patience_slowly() {
        let spent = |step_us: u64| {
            let mut patience = Patience::default();
            (0..=10).for_each(|look| patience.look(7 + look * step_us));
            patience.spent_us()
        };
        assert_eq!(spent(LOOK_US), 10 * LOOK_US);
        assert_eq!(spent(20 * LOOK_US), 15 * LOOK_US, "not 200 periods");
        assert_eq!(spent(0), 0);
    }

    #[test]
    fn a_source_is_overdue_only_after_real_time() {
        let mut ends = KnownEnds::default();
        ends.learn_mark(7, CellTime(1_000), 0);
        ends.learn_place(place(100), CellTime(2_000), 1_000_000);
        for (now_us, overdue) in
            [(0, None), (OVERDUE_US - 1, None), (OVERDUE_US, Some(CellTime(1_000)))]
        {
            assert_eq!(ends.overdue(now_us), overdue, "{now_us}");
        }
        assert_eq!(ends.reached(7, None), None, "a mark tells the engine by itself");
        assert_eq!(ends.overdue(OVERDUE_US), None, "the next end is younger");
        assert_eq!(ends.overdue(OVERDUE_US + 1_000_000), Some(CellTime(2_000)));
    }

    #[test]
    fn polls_of_a_stalled_source_are_bounded_and_keep_the_oldest() {
        let mut ends = KnownEnds::default();
        for poll in 0..10_000 {
            ends.learn_place(place(poll), CellTime(i64::try_from(poll).unwrap()), poll);
        }
        assert_eq!(ends.0.len(), KEPT);
        assert_eq!(ends.overdue(OVERDUE_US), Some(CellTime(0)));
    }
}
