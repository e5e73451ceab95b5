//! What a process that starts again says first: whether what ailed at its end still does.
//!
//! Owns the order: the hand-over of rules that the files changed meanwhile comes before anything is read. What this process has no
//! memory of (a dead channel, a late source, undecodable messages) is held to ail until it is seen to be well: an alert about it
//! neither stays for ever nor is told twice. Not covered: an engine whose snapshot could not be
//! restored, and a blind alert that went out from memory in the moment before its commit, with a kill between the two.

use super::ailments::Poison;
use super::core::Core;
use super::parts::{PLAN_EXECUTOR, RULES};
use super::plan_orders::part;
use crate::clock::rfc3339;
use crate::dcheck::alerts::fingerprint;
use crate::dcheck::engine::{Input, Ward};

impl Core {
    /// `unfit`: rules that do not fit their tables, and judge what they still can.
    pub(super) fn resume(&mut self, unfit: Vec<(String, String)>) {
        self.show_blindness();
        self.step(Input::Tick);
        for (rule, why) in unfit {
            self.pending.dirty = true;
            self.step(Input::Unfit { rule, why });
        }
        let ailing: Vec<(Ward, String)> =
            self.engine.ailing().map(|(ward, id)| (ward, id.to_owned())).collect();
        let now = self.clock.now();
        let halts = self.planner.halts().list();
        let thrown: Vec<String> = halts.iter().map(|halt| part(&halt.plan)).collect();
        for (ward, id) in ailing {
            match ward {
                // They were loaded, or this process would not run.
                Ward::Rules if id == RULES => {
                    self.pending.dirty = true;
                    self.step(Input::Recovered { ward, id });
                }
                Ward::AlertChannel => self.parts.doubt(id),
                Ward::PlanExecutor if id == PLAN_EXECUTOR => self.parts.doubt(id),
                Ward::PlanExecutor if !thrown.contains(&id) => {
                    self.pending.dirty = true;
                    self.step(Input::Recovered { ward, id });
                }
                Ward::Undecodable => {
                    let source = self.sources.entry(id).or_default();
                    source.poison = Poison::told_before(now);
                }
                _ => {}
            }
        }
    }

    fn show_blindness(&self) {
        let mut view = self.console.view();
        for verdict in self.engine.blind_alerts() {
            let print = fingerprint(&verdict.rule, &verdict.subject, &verdict.occurrence);
            let what = format!("blind: {} since {}", verdict.subject, rfc3339(verdict.at.0));
            view.blind.insert(print, what);
        }
    }

    /// `source` was read to a known end for the first time: whatever was late before this process is not.
    pub(super) fn first_caught_up(&mut self, source: &str) {
        let is_late = self.engine.ailing().any(|ailing| ailing == (Ward::Lag, source));
        self.step(Input::CaughtUp { source: source.to_owned() });
        if is_late {
            self.pending.dirty = true;
            self.step(Input::Recovered { ward: Ward::Lag, id: source.to_owned() });
        }
    }
}
