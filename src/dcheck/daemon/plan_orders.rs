//! What people order of plans: approvals, refusals, reverts, kill switches; each noted in the audit log.
//!
//! Owns that a kill switch is stored, told as an alert of the plan executor, and told again after a restart. Who may order was
//! decided in the console; what comes of it is the run's.

use serde_json::{Value, json};

use super::core::Core;
use crate::dcheck::console::PlanOrder;
use crate::dcheck::engine::{Input, Ward};
use crate::dcheck::log;
use crate::dcheck::plans::{ALL, Halt, Nudge, Word};
use crate::dcheck::results::Stored;

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
            PlanOrder::Halted(halt) => {
                let body = json!(halt).to_string();
                self.pending.batch.halts.push((halt.plan.clone(), Some(body)));
                self.note(&halt.who, "plans-halted", json!({"plan": halt.plan, "why": halt.why}));
                self.tell_halt(&halt);
            }
            PlanOrder::Resumed { halt, word } => {
                self.pending.batch.halts.push((halt.plan.clone(), None));
                let body = json!({"plan": halt.plan, "why": word.why, "halted_by": halt.who});
                self.note(&word.who, "plans-resumed", body);
                self.step(Input::Recovered { ward: Ward::PlanExecutor, id: part(&halt.plan) });
            }
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

fn part(plan: &str) -> String {
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
