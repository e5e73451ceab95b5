//! Findings that count towards a plan which waits for several of them: pure.
//!
//! Owns the instants of those that count, by plan and scope, in cell time, and the mark under which they are stored: the row of
//! what a finding triggered says `counted-…` where another one's says which run. So a restart goes on counting. One finding counts
//! once; what a run was started by counts for no other.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::spec::{PlanSpec, Several};
use crate::clock::{CellTime, parse_rfc3339};
use crate::wire::{PlanRun, Subject};

/// No run is called so: a run's id begins with its plan's.
const COUNTED: &str = "counted-";

/// Under which findings of one plan and scope are stored.
pub fn mark(plan: &str, scope: &Subject) -> String {
    let hash = Sha256::digest(format!("{plan}\n{scope}"));
    format!("{COUNTED}{}", hex::encode(&hash[..16]))
}

/// Marks that are looked through at most as often as so many findings have come: what is long over is dropped.
const DROP_EVERY: usize = 1_024;
/// A finding may be told so much later than others of its time, and still count with them.
const LATE_MS: i64 = 86_400_000;

/// The instants of a mark, the earliest first, and how long they count.
#[derive(Clone, Default)]
struct Instants {
    at: VecDeque<CellTime>,
    within_ms: i64,
}

#[derive(Clone, Default)]
pub struct Counting {
    marks: HashMap<String, Instants>,
    newest: CellTime,
    added: usize,
}

impl Counting {
    /// `triggers` are (plan, alert, run id or mark): an alert ends with its start in ms.
    pub fn restore(
        specs: &[Arc<PlanSpec>],
        runs: &[PlanRun],
        triggers: &[(String, String, String)],
    ) -> Counting {
        let mut used: HashMap<String, i64> = HashMap::new();
        for run in runs {
            let Some(scope) = run.scope.first() else { continue };
            let started = parse_rfc3339(&run.started_at).unwrap_or(0);
            let last = used.entry(mark(&run.plan, scope)).or_default();
            *last = (*last).max(started);
        }
        let mut instants: Vec<(CellTime, &str, Several)> = triggers
            .iter()
            .filter(|(_, _, mark)| mark.starts_with(COUNTED))
            .filter_map(|(plan, alert, mark)| {
                let several = specs.iter().find(|spec| spec.id == *plan)?.trigger.findings?;
                let at: i64 = alert.rsplit_once('@')?.1.parse().ok()?;
                let is_used = used.get(mark).is_some_and(|started| at <= *started);
                (!is_used).then_some((CellTime(at), mark.as_str(), several))
            })
            .collect();
        instants.sort_by_key(|(at, ..)| *at);
        let mut counting = Counting::default();
        for (at, mark, several) in instants {
            // More than are needed are there only where the plan was changed: the next finding starts it.
            counting.add(mark, at, several);
        }
        counting
    }

    /// Counts one finding; true where there are enough of them now, which then count no more.
    pub fn is_reached(&mut self, mark: &str, at: CellTime, several: Several) -> bool {
        let is_reached = self.add(mark, at, several) >= several.count;
        if is_reached {
            self.marks.remove(mark);
        }
        is_reached
    }

    /// How many are within the window that ends with the newest of them.
    fn add(&mut self, mark: &str, at: CellTime, several: Several) -> usize {
        self.newest = self.newest.max(at);
        self.added += 1;
        if self.added.is_multiple_of(DROP_EVERY) {
            self.drop_old();
        }
        let instants = self.marks.entry(mark.to_owned()).or_default();
        instants.within_ms = several.within_ms;
        let place = instants.at.partition_point(|earlier| *earlier <= at);
        instants.at.insert(place, at);
        let newest = *instants.at.back().expect("invariant: one was added");
        instants.at.retain(|earlier| newest.since_ms(*earlier) < several.within_ms);
        while instants.at.len() > several.count {
            instants.at.pop_front();
        }
        instants.at.len()
    }

    fn drop_old(&mut self) {
        let now = self.newest;
        self.marks.retain(|_, instants| {
            let last = instants.at.back();
            last.is_some_and(|last| now.since_ms(*last) < instants.within_ms + LATE_MS)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_over_is_dropped_and_what_may_count_stays() {
        let several = Several { count: 2, within_ms: 600_000 };
        let mut counting = Counting::default();
        assert!(!counting.is_reached("old", CellTime(0), several));
        let later = LATE_MS + several.within_ms;
        assert!(!counting.is_reached("young", CellTime(1), several));
        for nth in 0..DROP_EVERY {
            counting.is_reached(&format!("m{nth}"), CellTime(later), several);
        }
        assert!(!counting.marks.contains_key("old") && counting.marks.contains_key("young"));
        assert!(counting.is_reached("young", CellTime(2), several));
    }
}
