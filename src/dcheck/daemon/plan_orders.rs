//! What people order of plans: approvals, refusals, reverts, kill switches; each noted in the audit log.
//!
//! Owns that a kill switch is stored, told as an alert of the plan executor, and told again after a restart. Who may order was
//! decided in the console; what comes of it is the run's.

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::core::Core;
use crate::dcheck::console::PlanOrder;
use crate::dcheck::engine::{Input, Ward};
use crate::dcheck::log;
use crate::dcheck::plans::{ALL, Halt, Nudge, Word};
use crate::dcheck::results::{Batch, Stored};

/// Of the alert about a switch, as the part that ails.
const KILL_SWITCH: &str = "kill-switch";

impl Core {
    pub(super) fn obey_plan(&mut self, order: PlanOrder) {
        match order {
            PlanOrder::Approve { run_id, word } => {
                self.pass_on(&run_id, "plan-approved", &word.clone(), Nudge::Approve(word));
            }
            PlanOrder::Refuse { run_id, word } => {
                self.pass_on(&run_id, "plan-refused", &word.clone(), Nudge::Refuse(word));
            }
            PlanOrder::Revert { run_id, word } => {
                self.pass_on(&run_id, "plan-revert", &word.clone(), Nudge::Revert(word));
            }
            PlanOrder::Halted { halt, stored } => {
                self.note(&halt.who, "plans-halted", json!({"plan": halt.plan, "why": halt.why}));
                self.take_switch(&halt.plan, stored);
            }
            PlanOrder::Resumed { halt, word, stored } => {
                let body = json!({"plan": halt.plan, "why": word.why, "halted_by": halt.who});
                self.note(&word.who, "plans-resumed", body);
                self.take_switch(&halt.plan, stored);
            }
        }
    }

    /// The switch as it is now: orders may come in another order than that in which it was thrown and lifted.
    fn take_switch(&mut self, plan: &str, stored: oneshot::Sender<()>) {
        let halt = self.planner.halts().get(plan);
        keep(&mut self.pending.batch, plan, halt.as_ref());
        self.pending.switched.push(stored);
        match halt {
            Some(halt) => self.tell_halt(&halt),
            None => self.step(Input::Recovered { ward: Ward::PlanExecutor, id: part(plan) }),
        }
    }

    fn pass_on(&mut self, run_id: &str, what: &'static str, word: &Word, nudge: Nudge) {
        // The console asked before; only a race with the run's own end is missed here.
        let is_taken = self.executor.nudge(run_id, nudge).is_ok();
        let body: Value = json!({"run": run_id, "why": word.why, "taken": is_taken});
        self.note(&word.who, what, body);
    }

    fn tell_halt(&mut self, halt: &Halt) {
        let (ward, id, why) = (Ward::PlanExecutor, part(&halt.plan), halt.to_string());
        self.step(Input::Ails { ward, id, since: halt.since, why });
    }

    /// After a restart: a switch that was stored is still thrown; what was told of it is not told twice.
    pub(super) fn tell_halts(&mut self, halts: &[Halt]) {
        halts.iter().for_each(|halt| self.tell_halt(halt));
    }
}

fn keep(batch: &mut Batch, plan: &str, halt: Option<&Halt>) {
    batch.halts.insert(plan.to_owned(), halt.map(|halt| json!(halt).to_string()));
}

pub(super) fn part(plan: &str) -> String {
    match plan {
        ALL => KILL_SWITCH.to_owned(),
        plan => format!("{KILL_SWITCH}-{plan}"),
    }
}

/// The kill switches that are thrown; one that cannot be read stops nothing, and is told.
pub fn halts_of(stored: &Stored) -> Vec<Halt> {
    let read = stored.halts.iter().filter_map(|body| {
        let halt = serde_json::from_str(body);
        let bad = |error: &serde_json::Error| {
            log::warn("plans", &format!("a kill switch cannot be read: {error}"))
        };
        halt.inspect_err(bad).ok()
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::CellTime;
    use crate::dcheck::plans::Halts;

    #[test]
    fn a_switch_is_stored_as_it_is_whatever_order_the_orders_come_in() {
        let halt =
            || Halt { plan: "a".into(), who: "anna".into(), why: "x".into(), since: CellTime(1) };
        for is_thrown in [true, false] {
            let (halts, mut batch) = (Halts::default(), Batch::default());
            keep(&mut batch, "a", Some(&halt()));
            keep(&mut batch, "a", None);
            if is_thrown {
                halts.throw(halt());
            }
            keep(&mut batch, "a", halts.get("a").as_ref());
            assert_eq!(batch.halts.len(), 1, "one row for each plan");
            let stored = Stored {
                halts: batch.halts.into_values().flatten().collect(),
                ..Stored::default()
            };
            assert_eq!(halts_of(&stored), halts.list(), "thrown: {is_thrown}");
        }
    }
}
