//! Commit times of a server whose clock somebody sets: windows must neither run out nor stand still for that.
//!
//! A clock that goes back is seen by commits that are older than those before them: from there on they are dated as if it
//! had gone on. A clock that is ahead is [`Dating::cell_time`]'s. Not covered: a restart of the reconciler while the
//! server's clock is behind and no mark is read; the lag is told then.

use crate::clock::CellTime;
use crate::dcheck::sources::Dating;

/// Commits side by side are logged in another order than they are stamped; clocks are slewed by less.
const TOLERANCE_US: i64 = 1_000_000;

#[derive(Debug)]
pub(super) struct Stamps {
    /// By the last mark, where there was one.
    pub dating: Option<Dating>,
    last_us: i64,
    /// How far the clock was set back since the last mark.
    set_back_us: i64,
}

impl Stamps {
    pub fn new(dating: Option<Dating>) -> Stamps {
        Stamps { dating, last_us: i64::MIN, set_back_us: 0 }
    }

    /// A mark of that cell time has this commit: what comes after it is measured from it.
    pub fn marked(&mut self, mark_at_ms: i64, commit_us: i64) {
        let dating = Some(Dating { mark_at_ms, mark_commit_us: commit_us });
        *self = Stamps { last_us: commit_us, ..Stamps::new(dating) };
    }

    /// Cell time of a commit that is read `now`.
    pub fn cell_time(&mut self, commit_us: i64, now: CellTime) -> CellTime {
        if commit_us < self.last_us.saturating_sub(TOLERANCE_US) {
            self.set_back_us += self.last_us - commit_us;
        }
        self.last_us = commit_us;
        let dated = |more_us: i64, now| {
            Dating::cell_time(self.dating, commit_us.saturating_add(more_us), now)
        };
        if self.set_back_us > 0 && dated(self.set_back_us - TOLERANCE_US, CellTime(i64::MAX)) > now
        {
            // It was set right again.
            self.set_back_us = 0;
        }
        dated(self.set_back_us, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_US: i64 = 3_600_000_000;

    /// Each commit (stamp, read at, dated), in microseconds, milliseconds, milliseconds after the mark at 1,000 s.
    fn check(commits: &[(i64, i64, i64)]) {
        let mark_us = 100 * HOUR_US;
        let mut stamps = Stamps::new(None);
        stamps.marked(1_000_000, mark_us);
        for (stamp_us, read_ms, dated_ms) in commits {
            let now = CellTime(1_000_000 + read_ms);
            let dated = stamps.cell_time(mark_us + stamp_us, now);
            assert_eq!(dated, CellTime(1_000_000 + dated_ms), "{stamp_us} in {commits:?}");
        }
    }

    #[test]
    fn a_clock_that_goes_on_dates_as_it_says() {
        check(&[(5_000, 9, 5), (3_000, 10, 3), (2 * HOUR_US, 7_200_001, 7_200_000)]);
    }

    #[test]
    fn a_clock_that_is_set_back_and_right_again_moves_nothing() {
        let back = -HOUR_US;
        check(&[
            (2_000_000, 2_001, 2_000),
            // Dated like the last before it, then on from there.
            (back + 2_500_000, 2_501, 2_000),
            (back + 4_500_000, 4_501, 4_000),
            (5_000_000, 5_001, 5_000),
        ]);
    }

    #[test]
    fn a_clock_that_is_set_back_twice_adds_up() {
        check(&[(-HOUR_US, 1, 0), (-3 * HOUR_US, 2, 0), (-3 * HOUR_US + 7_000, 9, 7)]);
    }

    #[test]
    fn a_clock_that_is_ahead_dates_nothing_into_the_future() {
        check(&[(HOUR_US, 3, 3), (HOUR_US + 4_000, 7, 7), (9_000, 9, 9)]);
    }
}
