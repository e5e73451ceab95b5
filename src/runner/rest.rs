//! Rest and the next stop, as pure functions: when may the clock be advanced, and how far.
//!
//! Reads no clock and asks nobody; `clockwork` feeds it. Try it: `cargo test --lib runner::rest`.

use std::collections::BTreeMap;

use crate::clock::CellTime;

/// What one process of the cell answered in one round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sounding {
    /// `shop`, `channel`, `reconciler`, `inbox`, `links`
    pub name: String,
    pub busy: u64,
    pub activity: u64,
    pub next_due: Option<CellTime>,
    /// Last mark read, per source; empty for processes without sources.
    pub read: BTreeMap<String, u64>,
    /// The sources that it knows it is blind to.
    pub blind: Vec<String>,
}

/// All soundings of one round.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    pub soundings: Vec<Sounding>,
}

impl Round {
    /// Why this round is not idle; none when it is. `mark` is the last mark written; a source in `excused` is not
    /// waited for. Something that says it is due by `now` is work, not a timer.
    pub fn unrest(&self, mark: u64, excused: &[String], now: CellTime) -> Option<String> {
        for sounding in &self.soundings {
            let name = &sounding.name;
            if excused.contains(name) {
                continue;
            }
            if sounding.busy > 0 {
                return Some(format!("{name} has {} things to do", sounding.busy));
            }
            if sounding.next_due.is_some_and(|due| due <= now) {
                return Some(format!("{name} has something due now"));
            }
            let late = |(source, seq): &(&String, &u64)| **seq < mark && !excused.contains(source);
            if let Some((source, seq)) = sounding.read.iter().find(late) {
                return Some(format!("{name} has read {source} to mark {seq} of {mark}"));
            }
        }
        None
    }

    /// A source that is held back to a later instant keeps its reader waiting, which is no work of now; one that it knows
    /// it is blind to is waited for no more.
    pub fn forgive(&mut self, mark: u64, excused: &[String]) {
        for sounding in &mut self.soundings {
            let blind = std::mem::take(&mut sounding.blind);
            let is_held = |source: &String| excused.contains(source) && !blind.contains(source);
            let waits = |(source, seq): &(&String, &u64)| **seq < mark && is_held(source);
            let behind = sounding.read.iter().filter(waits).count() as u64;
            sounding.busy = sounding.busy.saturating_sub(behind);
            sounding.blind = blind;
        }
    }

    /// Rest: this round and the one before were idle, and nobody did anything between them.
    pub fn rests_after(&self, before: &Round) -> bool {
        let activity = |round: &Round| -> Vec<(String, u64)> {
            round.soundings.iter().map(|s| (s.name.clone(), s.activity)).collect()
        };
        activity(self) == activity(before)
    }

    /// What `names` have done so far: the same before a mark is written and at rest, or the mark does not stand behind all
    /// that they sent.
    pub fn done_by(&self, names: &[&str]) -> Vec<(String, u64)> {
        let of = |s: &&Sounding| names.contains(&s.name.as_str());
        self.soundings.iter().filter(of).map(|s| (s.name.clone(), s.activity)).collect()
    }

    /// Nobody among `names` has something to do now.
    pub fn idle(&self, names: &[&str], now: CellTime) -> bool {
        let works = |s: &Sounding| s.busy > 0 || s.next_due.is_some_and(|due| due <= now);
        !self.soundings.iter().any(|s| names.contains(&s.name.as_str()) && works(s))
    }

    /// Some process knows that it is blind to a source.
    pub fn knows_it_is_blind(&self) -> bool {
        self.soundings.iter().any(|sounding| !sounding.blind.is_empty())
    }

    /// The earliest instant at which some process has something to do.
    pub fn next_due(&self) -> Option<CellTime> {
        self.soundings.iter().filter_map(|sounding| sounding.next_due).min()
    }
}

/// Where to advance to from `now`: the earliest of what is due and of the judge's next looks. None when nothing
/// lies ahead: time alone will change nothing.
pub fn next_stop(
    now: CellTime,
    next_due: Option<CellTime>,
    looks: &[CellTime],
) -> Option<CellTime> {
    next_due.into_iter().chain(looks.iter().copied()).filter(|stop| *stop > now).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sounding(name: &str, busy: u64, activity: u64) -> Sounding {
        Sounding { name: name.into(), busy, activity, ..Sounding::default() }
    }

    fn reader(seq: u64) -> Sounding {
        let read = BTreeMap::from([("binlog".to_owned(), seq), ("channel.flow/0".to_owned(), 9)]);
        Sounding { read, ..sounding("reconciler", 0, 1) }
    }

    #[test]
    fn rounds_that_are_idle_and_rounds_that_are_not() {
        let due = |at| Sounding { next_due: Some(CellTime(at)), ..sounding("channel", 0, 1) };
        for (soundings, excused, idle) in [
            (vec![sounding("shop", 0, 1)], vec![], true),
            (vec![sounding("shop", 1, 1)], vec![], false),
            (vec![sounding("shop", 1, 1)], vec!["shop"], true),
            (vec![due(1001)], vec![], true),
            (vec![due(1000)], vec![], false),
            (vec![reader(9)], vec![], true),
            (vec![reader(8)], vec![], false),
            (vec![reader(8)], vec!["binlog"], true),
            (vec![reader(8)], vec!["orders.events/0"], false),
        ] {
            let excused: Vec<String> = excused.into_iter().map(str::to_owned).collect();
            let round = Round { soundings };
            let unrest = round.unrest(9, &excused, CellTime(1000));
            assert_eq!(unrest.is_none(), idle, "{round:?} {unrest:?}");
        }
    }

    #[test]
    fn waiting_for_what_is_held_back_is_forgiven_and_nothing_else() {
        let excused = ["binlog".to_owned()];
        for (seq, busy, left) in [(8, 1, 0), (8, 2, 1), (9, 1, 1), (8, 0, 0)] {
            let mut round = Round { soundings: vec![Sounding { busy, ..reader(seq) }] };
            round.forgive(9, &excused);
            assert_eq!(round.soundings[0].busy, left, "{seq} {busy}");
        }
        let blind = vec!["binlog".to_owned()];
        let mut round = Round { soundings: vec![Sounding { busy: 1, blind, ..reader(8) }] };
        round.forgive(9, &excused);
        assert_eq!(round.soundings[0].busy, 1, "something else");
    }

    #[test]
    fn rest_needs_two_rounds_without_work_between() {
        let before = Round { soundings: vec![sounding("shop", 0, 4), sounding("channel", 0, 2)] };
        let worked = Round { soundings: vec![sounding("shop", 0, 5), sounding("channel", 0, 2)] };
        assert!(before.rests_after(&before.clone()));
        assert!(!worked.rests_after(&before));
    }

    #[test]
    fn what_is_done_after_a_mark_shows_and_only_of_those_who_are_asked_about() {
        let round = |shop, reconciler| Round {
            soundings: vec![sounding("shop", 0, shop), sounding("reconciler", 1, reconciler)],
        };
        let marked = round(4, 2).done_by(&["shop"]);
        assert_eq!(round(4, 3).done_by(&["shop"]), marked);
        assert_ne!(round(5, 2).done_by(&["shop"]), marked);
        assert!(round(4, 2).idle(&["shop"], CellTime(0)));
        assert!(!round(4, 2).idle(&["shop", "reconciler"], CellTime(0)));
    }

    #[test]
    fn the_next_stop_is_the_earliest_ahead() {
        let at = |ms| Some(CellTime(ms));
        for (due, looks, stop) in [
            (None, vec![], None),
            (at(50), vec![], at(50)),
            (at(50), vec![CellTime(40), CellTime(60)], at(40)),
            (at(5), vec![CellTime(9)], None),
            (None, vec![CellTime(10), CellTime(11)], at(11)),
        ] {
            assert_eq!(next_stop(CellTime(10), due, &looks), stop);
        }
    }
}
