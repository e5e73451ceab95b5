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

#[derive(Default)]
pub struct Counting(HashMap<String, VecDeque<CellTime>>);

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
            self.0.remove(mark);
        }
        is_reached
    }

    fn add(&mut self, mark: &str, at: CellTime, several: Several) -> usize {
        let instants = self.0.entry(mark.to_owned()).or_default();
        instants.push_back(at);
        instants.retain(|earlier| at.since_ms(*earlier) < several.within_ms);
        while instants.len() > several.count {
            instants.pop_front();
        }
        instants.len()
    }
}
