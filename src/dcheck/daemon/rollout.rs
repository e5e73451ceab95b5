//! What becomes of an order about rollouts: other rules in force, a line of the audit log, and both in the next commit.
//!
//! Owns how the orders that stand meet rules that are loaded again. Who may order was decided in the console.

use std::sync::Arc;

use serde_json::json;

use super::core::Core;
use super::record::Checkpoint;
use crate::dcheck::console::{Rollouts, Wish};
use crate::dcheck::engine::gate::Rollout;
use crate::dcheck::engine::rules::Rule;
use crate::dcheck::engine::{Input, RuleSet};

/// Who ends an order that the rule files contradict, in the audit log.
const FILES: &str = "rule files";

/// The orders of before a restart, on the rules of the files.
pub fn restored(
    checkpoint: Option<&Checkpoint>,
    files: &RuleSet,
) -> (Rollouts, Arc<RuleSet>, Vec<String>) {
    let mut rollouts = checkpoint.map(|checkpoint| checkpoint.rollouts.clone()).unwrap_or_default();
    let (rules, ended) = rollouts.apply(files);
    (rollouts, Arc::new(rules), ended)
}

/// What `dcheck check` says of rules that do not raise all that they find.
pub fn not_full(rules: &RuleSet) -> Vec<String> {
    let partial = rules.rules().iter().filter(|rule| rules.rollout(rule) != Rollout::Full);
    let line = |rule: &Arc<Rule>| {
        let what = match rules.rollout(rule) {
            Rollout::Off => "off: it sees no event".to_owned(),
            Rollout::Percent(share @ 1..) => format!(
                "{share}%: alerts on that share of its subjects, by hash; the others are stored only"
            ),
            _ => "shadow: verdicts are stored, nothing is raised".to_owned(),
        };
        match rules.other_version(rule) {
            Some(other) => format!("{} is {what}; beside {}", rule.name, other.name),
            None => format!("{} is {what}", rule.name),
        }
    };
    partial.map(line).collect()
}

impl Core {
    pub(super) fn roll_out(&mut self, wish: &Wish, who: &str) {
        let now = self.clock.now();
        let rules = Arc::clone(self.engine.rules());
        match self.rollouts.take(&rules, wish, who, now) {
            Ok((rules, change)) => {
                self.note(who, wish.word(), change);
                self.step(Input::RollOut(Arc::new(rules)));
            }
            // The console asked before; only two orders at a time come here.
            Err(why) => self.note(who, "rollout-refused", json!({"why": why})),
        }
        self.pending.dirty = true;
    }

    /// Rules of files that were loaded, with the orders that stand.
    pub(super) fn with_orders(&mut self, files: &RuleSet) -> Arc<RuleSet> {
        let (rules, ended) = self.rollouts.apply(files);
        self.note_ended_orders(ended);
        Arc::new(rules)
    }

    pub(super) fn note_ended_orders(&mut self, ended: Vec<String>) {
        for rule in ended {
            self.note(FILES, "rollout-order-ended", json!({"rule": rule}));
        }
    }

    /// What versions differ in, what is shed and what lookups cost, for the console; looked at now and then: people ask for it.
    pub(super) fn show_rollouts(&mut self) {
        {
            let mut view = self.console.view();
            view.lookups.clone_from(self.engine.lookup_counts());
            view.shed.clone_from(self.engine.shedding());
            view.load = self.lookups.load();
        }
        let changes = self.engine.diff_changes();
        if changes != self.diffs_shown {
            self.diffs_shown = changes;
            self.console.view().diffs = self.engine.diffs().clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dcheck::engine::rules::load;

    #[test]
    fn what_is_not_full_is_told() {
        let rule = |version: &str, rollout: &str| {
            format!(
                "- {{id: a, version: {version}, loss_point: l, severity: P1, rollout: {rollout}, \
                 strategy: self-watch, watches: rules, when_absent: finding}}\n"
            )
        };
        for (rollouts, lines) in [
            (&["full"][..], vec![]),
            (&["off"], vec!["a@1 is off: it sees no event"]),
            (&["0%"], vec!["a@1 is shadow: verdicts are stored, nothing is raised"]),
            (
                &["full", "10%"],
                vec![
                    "a@2 is 10%: alerts on that share of its subjects, by hash; \
                     the others are stored only; beside a@1",
                ],
            ),
        ] {
            let texts = rollouts.iter().enumerate();
            let text: String =
                texts.map(|(n, rollout)| rule(&(n + 1).to_string(), rollout)).collect();
            let rules = load(&[("r.yaml".into(), text)]).expect("rules");
            assert_eq!(not_full(&rules), lines);
        }
    }
}
