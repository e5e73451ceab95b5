//! What can be known wrong about a scenario's faults: their ids and parameters, where they stand, who can do them.

use std::collections::BTreeSet;

use super::bind::table_line;
use super::lint::Lint;
use super::{Sentence, Step};
use crate::config::{Mistake, Place, Tier};
use crate::faults::{PLAN_ACTS_MAX, PlanRow, registry};
use crate::stage::Provider;

/// The gate runs on the servers of either.
const GATE_PROVIDERS: [(&str, Provider); 2] =
    [("local", Provider::Local), ("docker", Provider::Docker)];

impl Lint<'_> {
    /// Fault ids and parameters, and who can do them; a Given that stands after a fault which strikes its flow.
    pub fn faults(&mut self) {
        let steps = &self.bound.scenario.steps;
        for (index, step) in steps.iter().enumerate() {
            for (nth, (fault, params)) in step.faults().enumerate() {
                let place = self.fault_place(step, nth, fault);
                if let Err(reason) = (self.known.faults)(fault, params) {
                    self.mistakes.push(Mistake::error("bad-fault", place.clone(), reason));
                }
                self.reach(place, fault);
                let feeds = steps[index + 1..].iter().filter(|later| feeds(fault, &later.sentence));
                for later in feeds {
                    let message = format!(
                        "fault `{fault}` stands above a Given of its own flow, which never feels it"
                    );
                    let place = self.at(later, &later.text);
                    let mistake = Mistake::warning("fault-before-given", place, message);
                    let help = "to have it felt, make this a When; else move the fault below it";
                    self.mistakes.push(mistake.with_help(help));
                }
            }
        }
        self.plans();
    }

    /// Of a plan its row, else the step itself.
    fn fault_place(&self, step: &Step, nth: usize, fault: &str) -> Place {
        match step.plan.is_empty() {
            true => self.at(step, fault),
            false => table_line(self.scan, step.line, nth + 1, fault),
        }
    }

    /// One plan a scenario, over in time; a fault that is in place cannot strike.
    fn plans(&mut self) {
        let steps = &self.bound.scenario.steps;
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut planned = false;
        for step in steps {
            if planned && !step.plan.is_empty() {
                let message = "the scenario has a plan of faults already";
                let mistake = Mistake::error("bad-plan", self.at(step, &step.text), message);
                self.mistakes.push(mistake.with_help("move these rows into the plan above"));
            }
            for (nth, (fault, _)) in step.faults().enumerate() {
                let place = self.fault_place(step, nth, fault);
                if !seen.insert(fault) && (planned || !step.plan.is_empty()) {
                    let message = format!("fault `{fault}` is named twice, once in a plan");
                    let mistake = Mistake::error("bad-plan", place.clone(), message);
                    let help = "a fault that comes again is one row with more `times`";
                    self.mistakes.push(mistake.with_help(help));
                }
                let acts = step.plan.get(nth).map_or(0, PlanRow::acts_max);
                if acts > PLAN_ACTS_MAX {
                    let message =
                        format!("this may take {acts} acts; a plan takes {PLAN_ACTS_MAX} at most");
                    let mistake = Mistake::error("bad-plan", place, message);
                    self.mistakes.push(mistake.with_help("let it last or pause for fewer acts"));
                }
            }
            planned |= !step.plan.is_empty();
        }
    }

    /// A gate that proves less with the other provider is two gates.
    fn reach(&mut self, place: Place, fault: &str) {
        let Ok(spec) = registry::find(fault) else { return };
        if self.bound.scenario.tier != Tier::Gate {
            return;
        }
        for (name, provider) in GATE_PROVIDERS {
            let Some(why) = spec.barred(provider) else { continue };
            let message = format!("provider {name} cannot do `{fault}` of this gate: {why}");
            let mistake = Mistake::warning("fault-out-of-reach", place.clone(), message);
            let help = "tag the scenario @tier:nightly, or take a fault that both providers can do";
            self.mistakes.push(mistake.with_help(help));
        }
    }
}

/// Does the flow that `fault` strikes run while this Given is set up?
fn feeds(fault: &str, sentence: &Sentence) -> bool {
    let pays = matches!(sentence, Sentence::OrderPaid { .. });
    let refunds = matches!(sentence, Sentence::RefundWasPaidOut { .. });
    let part = |prefix: &str| fault.starts_with(prefix);
    match sentence {
        _ if part("app.payment-callback.") => pays,
        _ if part("app.refund-payout.") || part("app.refund-guard.") => refunds,
        _ if part("link.") || part("mysql.") || part("process.") => pays || refunds,
        _ => false,
    }
}
