//! The kill switch: which plans start nothing, by whose word and why.
//!
//! Owns the switches in force. A switch works from the instant at which it is thrown, in this process; that it is stored, told and
//! noted is the daemon's. It stops new runs and those that have not begun to act; what has begun is brought to its end, because
//! half a plan is worse than either.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::clock::{CellTime, rfc3339};

/// Stands for all plans.
pub const ALL: &str = "*";

/// One switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Halt {
    /// The id of a plan, or [`ALL`].
    pub plan: String,
    pub who: String,
    pub why: String,
    pub since: CellTime,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Halt { who, why, since, .. } = self;
        match self.plan.as_str() {
            ALL => f.write_str("all plans are")?,
            plan => write!(f, "plan {plan} is")?,
        }
        write!(f, " halted by {who} since {}: {why}", rfc3339(since.0))
    }
}

#[derive(Default)]
pub struct Halts(Mutex<BTreeMap<String, Halt>>);

impl Halts {
    pub fn new(halts: impl IntoIterator<Item = Halt>) -> Halts {
        Halts(Mutex::new(halts.into_iter().map(|halt| (halt.plan.clone(), halt)).collect()))
    }

    /// The switch that stops this plan, that of all plans first.
    pub fn on(&self, plan: &str) -> Option<Halt> {
        let halts = self.lock();
        halts.get(ALL).or_else(|| halts.get(plan)).cloned()
    }

    /// False where it is thrown already: the first one stays.
    pub fn throw(&self, halt: Halt) -> bool {
        let mut halts = self.lock();
        let is_new = !halts.contains_key(&halt.plan);
        halts.entry(halt.plan.clone()).or_insert(halt);
        is_new
    }

    pub fn lift(&self, plan: &str) -> Option<Halt> {
        self.lock().remove(plan)
    }

    /// As it stands now: the plan's own one, not that of all plans.
    pub fn get(&self, plan: &str) -> Option<Halt> {
        self.lock().get(plan).cloned()
    }

    pub fn list(&self) -> Vec<Halt> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Halt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_stops_one_plan_or_all() {
        let halt = |plan: &str| Halt {
            plan: plan.into(),
            who: "anna".into(),
            why: "a wrong rule".into(),
            since: CellTime(0),
        };
        for (thrown, a, b) in [
            (&[][..], false, false),
            (&["a"][..], true, false),
            (&[ALL][..], true, true),
            (&["c"][..], false, false),
        ] {
            let halts = Halts::new(thrown.iter().map(|plan| halt(plan)));
            assert_eq!((halts.on("a").is_some(), halts.on("b").is_some()), (a, b), "{thrown:?}");
            thrown.iter().for_each(|plan| assert!(halts.lift(plan).is_some()));
            assert!(halts.on("a").is_none());
        }
        let halts = Halts::default();
        assert!(halts.throw(halt("a")));
        assert!(!halts.throw(Halt { who: "ben".into(), ..halt("a") }), "the first one stays");
        let told = halts.on("a").unwrap().to_string();
        assert_eq!(told, "plan a is halted by anna since 1970-01-01T00:00:00.000Z: a wrong rule");
    }
}
