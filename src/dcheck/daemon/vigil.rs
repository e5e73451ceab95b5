//! What the watchdog makes of what it sees: pure.
//!
//! Owns when a reconciler counts as silent: it does not answer, or it answers, stays behind a known
//! end of the log, and does not say so itself. Reads no clock: instants are handed in.

use super::ends::KnownEnds;
use crate::clock::CellTime;
use crate::dcheck::sources::Position;

/// Questions in a row without an answer that make a silence: fewer are a blip, or a restart.
const UNANSWERED: u32 = 3;

/// What a reconciler that answers says of itself.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// How far it has read the log.
    pub place: Option<Position>,
    /// It says that it is starting, behind or blind: then it is not silent about it.
    pub complains: bool,
}

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Nothing,
    /// It has been silent since then.
    Silent {
        since: CellTime,
        why: String,
    },
    /// The silence that was told is over.
    Back,
}

pub struct Vigil {
    after_ms: i64,
    last_answer: CellTime,
    unanswered: u32,
    ends: KnownEnds,
    told: bool,
}

impl Vigil {
    /// A silence is told when it has lasted for `after_ms`.
    pub fn new(after_ms: i64, now: CellTime) -> Vigil {
        let ends = KnownEnds::default();
        Vigil { after_ms, last_answer: now, unanswered: 0, ends, told: false }
    }

    /// The log ended at `end` at cell time `at`.
    pub fn log_end(&mut self, end: Position, at: CellTime, spent_us: u64) {
        self.ends.learn_place(end, at, spent_us);
    }

    pub fn answered(&mut self, answer: &Answer, now: CellTime, spent_us: u64) -> News {
        (self.last_answer, self.unanswered) = (now, 0);
        self.ends.reached(0, answer.place.as_ref());
        if answer.complains {
            self.ends = KnownEnds::default();
        }
        match self.ends.overdue(spent_us) {
            None if std::mem::take(&mut self.told) => News::Back,
            Some(since) if !self.told && now.since_ms(since) >= self.after_ms => {
                self.told = true;
                News::Silent { since, why: "it answers, reads nothing, and does not say so".into() }
            }
            _ => News::Nothing,
        }
    }

    /// A question that was asked at `asked_at` got no answer.
    pub fn unanswered(&mut self, asked_at: CellTime, why: &str) -> News {
        self.unanswered = self.unanswered.saturating_add(1);
        let since = self.last_answer;
        if self.told || !self.is_silent() || asked_at.since_ms(since) < self.after_ms {
            return News::Nothing;
        }
        self.told = true;
        News::Silent { since, why: why.to_owned() }
    }

    /// When a silence of now is to be told.
    pub fn next_due(&self, spent_us: u64) -> Option<CellTime> {
        let silent = self.is_silent().then_some(self.last_answer);
        let since = silent.or(self.ends.overdue(spent_us)).filter(|_| !self.told)?;
        Some(since.plus_ms(self.after_ms))
    }

    /// Too few questions went unanswered to tell a silence from a blip.
    pub fn is_in_doubt(&self) -> bool {
        self.unanswered > 0 && !self.is_silent()
    }

    fn is_silent(&self) -> bool {
        self.unanswered >= UNANSWERED
    }
}

#[cfg(test)]
mod tests {
    use super::super::ends::OVERDUE_US;
    use super::*;

    const AFTER_MS: i64 = 30_000;

    fn place(pos: u64) -> Position {
        Position::log("binlog.000001", pos)
    }

    fn at(pos: u64) -> Answer {
        Answer { place: Some(place(pos)), complains: false }
    }

    fn is_silent(news: News) -> bool {
        matches!(news, News::Silent { .. })
    }

    #[test]
    fn a_silence_is_told_once_when_it_has_lasted() {
        let mut vigil = Vigil::new(AFTER_MS, CellTime(0));
        assert_eq!(vigil.answered(&at(1), CellTime(1_000), 0), News::Nothing);
        for asked in [1_100, 1_200, 1_300] {
            assert_eq!(vigil.next_due(0), None, "a blip is no silence");
            assert_eq!(vigil.unanswered(CellTime(asked), "no answer"), News::Nothing);
        }
        assert!(!vigil.is_in_doubt());
        assert_eq!(vigil.next_due(0), Some(CellTime(31_000)));
        assert_eq!(vigil.unanswered(CellTime(30_999), "no answer"), News::Nothing);
        let silent = News::Silent { since: CellTime(1_000), why: "no answer".into() };
        assert_eq!(vigil.unanswered(CellTime(31_000), "no answer"), silent);
        assert_eq!(vigil.unanswered(CellTime(99_000), "no answer"), News::Nothing);
        assert_eq!(vigil.next_due(0), None);
        assert_eq!(vigil.answered(&at(1), CellTime(99_001), 0), News::Back);
        assert_eq!(vigil.answered(&at(1), CellTime(99_002), 0), News::Nothing);
    }

    #[test]
    fn a_short_silence_is_not_told() {
        let mut vigil = Vigil::new(AFTER_MS, CellTime(0));
        for asked in [29_000, 29_500, 29_999] {
            assert_eq!(vigil.unanswered(CellTime(asked), "refused"), News::Nothing);
        }
        assert_eq!(vigil.answered(&at(1), CellTime(30_100), 0), News::Nothing);
        assert_eq!(vigil.unanswered(CellTime(60_200), "refused"), News::Nothing, "one is a blip");
        assert!(vigil.is_in_doubt());
    }

    #[test]
    fn an_answer_that_never_moves_is_a_silence_unless_it_says_so() {
        let told = |complains: bool, pos: u64, now: i64| {
            let mut vigil = Vigil::new(AFTER_MS, CellTime(0));
            vigil.log_end(place(100), CellTime(1_000), 0);
            let answer = Answer { complains, ..at(pos) };
            is_silent(vigil.answered(&answer, CellTime(now), OVERDUE_US))
        };
        for (complains, pos, now, silent) in [
            (false, 99, 31_000, true),
            (false, 99, 30_999, false),
            (false, 100, 31_000, false),
            (true, 99, 31_000, false),
        ] {
            assert_eq!(told(complains, pos, now), silent, "{complains} {pos} {now}");
        }
    }
}
