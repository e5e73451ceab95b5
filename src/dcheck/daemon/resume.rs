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
use super::record::Checkpoint;
use super::start::Mistakes;
use crate::clock::rfc3339;
use crate::dcheck::alerts::fingerprint;
use crate::dcheck::engine::{Input, Ward};

/// What was stored at the last commit. One that cannot be read is no reason to begin at the end of the log without a word:
/// what stands between would never be judged.
pub(super) fn checkpoint(text: Option<&str>) -> Result<Option<Checkpoint>, Mistakes> {
    let read = text.map(serde_json::from_str).transpose();
    read.map_err(|error| {
        let way_out = "start the version that wrote it, or delete the row and say with --binlog-from and --kafka-from \
                       where to read on";
        Mistakes(vec![format!("the checkpoint in dcheck.checkpoint cannot be read ({error}): {way_out}")])
    })
}

impl Core {
    /// `unfit`: rules that do not fit their tables, and judge what they still can.
    pub(super) fn resume(&mut self, unfit: Vec<(String, String)>) {
        self.show_blindness();
        self.step(Input::Tick);
        self.begin_sources();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_that_cannot_be_read_is_no_new_beginning() {
        assert!(checkpoint(None).is_ok_and(|none| none.is_none()));
        let Err(Mistakes(told)) = checkpoint(Some("{\"places\": 7}")) else {
            panic!("a damaged checkpoint begins anew");
        };
        assert!(told[0].contains("--binlog-from"), "{told:?}");
    }
}
