//! Rollouts that people ordered: promoted, rolled back, and until when they hold.
//!
//! Owns which order stands. An order holds for as long as the rule files say of that rule what they said when it was given: whoever
//! changes a rollout or a version in the files ends it. Pure: who may order is the route's to ask, storing is the daemon's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::clock::{CellTime, rfc3339};
use crate::dcheck::engine::RuleSet;
use crate::dcheck::engine::gate::Rollout;
use crate::dcheck::engine::rules::Rule;

/// Orders of a rule that can be taken back, one after another.
const KEPT: usize = 20;

/// By `id@version`.
type ByVersion = BTreeMap<String, Rollout>;

/// What a person wants of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// `id`, or `id@version`: to raise alerts on this share.
    Promote { rule: String, to: Rollout },
    /// As it was before the last order.
    RollBack { rule: String },
}

impl Wish {
    /// For the audit log.
    pub fn word(&self) -> &'static str {
        match self {
            Wish::Promote { .. } => "rule-promoted",
            Wish::RollBack { .. } => "rule-rolled-back",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    who: String,
    at: CellTime,
    /// What the files said then.
    files: ByVersion,
    ordered: ByVersion,
}

/// All orders that stand, by rule id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollouts(BTreeMap<String, Vec<Standing>>);

fn written(rules: &RuleSet, id: &str) -> ByVersion {
    rules.versions(id).map(|rule| (rule.name.clone(), rule.rollout)).collect()
}

/// The rule's id, and the version that is meant: the candidate where none is named.
fn meant<'s>(rules: &'s RuleSet, name: &'s str) -> Result<(&'s str, &'s Rule), String> {
    let id = name.split('@').next().unwrap_or_default();
    let found = match name.contains('@') {
        true => rules.versions(id).find(|rule| rule.name == name),
        false => rules.versions(id).last(),
    };
    found.map(|rule| (id, &**rule)).ok_or_else(|| {
        let names = rules.rules().iter().flat_map(|rule| [&*rule.head.id, &*rule.name]);
        let near = rules.nearest(name, names);
        format!("no rule `{name}`{near}: GET /rules lists them")
    })
}

impl Rollouts {
    fn ordered(&self) -> ByVersion {
        let last = self.0.values().filter_map(|orders| orders.last());
        last.flat_map(|order| order.ordered.clone()).collect()
    }

    /// `rules` as the files say, with the orders that stand; and the rules whose orders the files have ended.
    pub fn apply(&mut self, rules: &RuleSet) -> (RuleSet, Vec<String>) {
        let (mut stay, mut ended) = (BTreeMap::new(), Vec::new());
        for (id, mut orders) in std::mem::take(&mut self.0) {
            let says = written(rules, &id);
            orders.retain(|order| order.files == says);
            match orders.is_empty() {
                true => ended.push(id),
                false => drop(stay.insert(id, orders)),
            }
        }
        self.0 = stay;
        (rules.rolled_out(&self.ordered()), ended)
    }

    /// Does as `who` wishes: the rules as they are then, and what changed, for the audit log. Or why not.
    pub fn take(
        &mut self,
        rules: &RuleSet,
        wish: &Wish,
        who: &str,
        at: CellTime,
    ) -> Result<(RuleSet, Value), String> {
        let name = match wish {
            Wish::Promote { rule, .. } | Wish::RollBack { rule } => rule,
        };
        let (id, rule) = meant(rules, name)?;
        let before = in_force(rules, id);
        let mut wanted = self.clone();
        match wish {
            Wish::Promote { to, .. } => {
                let order = promoted(rules, rule, *to)?;
                let (who, files) = (who.to_owned(), written(rules, id));
                let orders = wanted.0.entry(id.to_owned()).or_default();
                orders.push(Standing { who, at, files, ordered: order });
                let over = orders.len().saturating_sub(KEPT);
                orders.drain(..over);
            }
            Wish::RollBack { .. } => {
                let orders = wanted.0.get_mut(id).ok_or_else(|| {
                    format!("rule `{id}` stands as its file says: nobody promoted it")
                })?;
                orders.pop();
                wanted.0.retain(|_, orders| !orders.is_empty());
            }
        }
        let set = rules.rolled_out(&wanted.ordered());
        if let Some((_, why)) = set.quarrels().into_iter().next() {
            return Err(why);
        }
        *self = wanted;
        let change = json!({"rule": id, "was": before, "is": in_force(&set, id)});
        Ok((set, change))
    }

    /// Who ordered what is in force of a rule, and when; none: its file says it.
    pub fn by(&self, id: &str) -> Option<(&str, String)> {
        let order = self.0.get(id)?.last()?;
        Some((&order.who, rfc3339(order.at.0)))
    }
}

fn in_force(rules: &RuleSet, id: &str) -> ByVersion {
    rules.versions(id).map(|rule| (rule.name.clone(), rules.rollout(rule))).collect()
}

/// What is in force once `rule` raises on that share: in full, its other version falls back into shadow.
fn promoted(rules: &RuleSet, rule: &Rule, to: Rollout) -> Result<ByVersion, String> {
    let (name, now) = (&rule.name, rules.rollout(rule));
    if to.share() == 0 {
        return Err(format!("`{to}` is no promotion: write 10% or full, or roll `{name}` back"));
    }
    if to.share() <= now.share() {
        return Err(format!("`{name}` is at {now} already: roll it back first"));
    }
    let mut order = in_force(rules, &rule.head.id);
    for rollout in order.values_mut() {
        if to.share() == 100 && rollout.share() > 0 {
            *rollout = Rollout::Shadow;
        }
    }
    order.insert(name.clone(), to);
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dcheck::engine::rules::load;

    fn rules(rollouts: &[(&str, &str)]) -> RuleSet {
        let rule = |(name, rollout): &(&str, &str)| {
            let (id, version) = name.split_once('@').expect("id@version");
            format!(
                "- {{id: {id}, version: {version}, loss_point: l, severity: P1, rollout: {rollout}, \
                 strategy: self-watch, watches: rules, when_absent: finding}}\n"
            )
        };
        load(&[("r.yaml".into(), rollouts.iter().map(rule).collect())]).expect("rules")
    }

    fn promote(rule: &str, to: &str) -> Wish {
        Wish::Promote { rule: rule.to_owned(), to: to.parse().expect("a rollout") }
    }

    fn back(rule: &str) -> Wish {
        Wish::RollBack { rule: rule.to_owned() }
    }

    fn shown(rules: &RuleSet) -> String {
        let one = |rule: &std::sync::Arc<Rule>| format!("{} {}", rule.name, rules.rollout(rule));
        rules.rules().iter().map(one).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn promoted_step_by_step_and_rolled_back() {
        let mut set =
            rules(&[("a@1", "full"), ("a@2", "shadow"), ("b@1", "shadow"), ("c@1", "off")]);
        let mut rollouts = Rollouts::default();
        let rest = "b@1 shadow, c@1 off";
        for (wish, expect) in [
            (promote("a", "10%"), format!("a@1 full, a@2 10%, {rest}")),
            (promote("a@2", "full"), format!("a@1 shadow, a@2 full, {rest}")),
            (back("a"), format!("a@1 full, a@2 10%, {rest}")),
            (back("a"), format!("a@1 full, a@2 shadow, {rest}")),
            (promote("b", "50%"), "a@1 full, a@2 shadow, b@1 50%, c@1 off".to_owned()),
            (promote("c", "full"), "a@1 full, a@2 shadow, b@1 50%, c@1 full".to_owned()),
        ] {
            let (next, _) = rollouts.take(&set, &wish, "anna", CellTime(1)).expect("taken");
            set = next;
            assert_eq!(shown(&set), expect, "{wish:?}");
        }
        assert_eq!(rollouts.by("c").map(|(who, _)| who), Some("anna"));
        assert_eq!(rollouts.by("a"), None, "as its file says");
        // A restart: the files, and the orders that were stored.
        let stored = serde_json::to_string(&rollouts).expect("plain data");
        let mut again: Rollouts = serde_json::from_str(&stored).expect("read back");
        assert_eq!(again, rollouts);
        let files = rules(&[("a@1", "full"), ("a@2", "shadow"), ("b@1", "shadow"), ("c@1", "off")]);
        let (restored, ended) = again.apply(&files);
        assert_eq!((shown(&restored), ended), (shown(&set), Vec::new()));
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let set = rules(&[("a@1", "full"), ("a@2", "10%"), ("b@1", "full")]);
        let mut rollouts = Rollouts::default();
        for (wish, why) in [
            (promote("aa", "full"), "no rule `aa` (did you mean `a`?)"),
            (promote("a@3", "full"), "no rule `a@3`"),
            (promote("a", "10%"), "`a@2` is at 10% already"),
            (promote("a", "shadow"), "no promotion"),
            (promote("b", "full"), "`b@1` is at full already"),
            (back("a"), "nobody promoted it"),
        ] {
            let refused = rollouts.take(&set, &wish, "anna", CellTime(1)).unwrap_err();
            assert!(refused.contains(why), "{wish:?}: {refused}");
        }
        assert_eq!(rollouts, Rollouts::default());
    }

    #[test]
    fn files_that_change_end_the_orders_of_their_rules() {
        let files = [("a@1", "full"), ("a@2", "shadow"), ("b@1", "shadow")];
        for (changed, ended) in [
            (vec![("a@1", "off"), ("a@2", "shadow"), ("b@1", "shadow")], vec!["a"]),
            (vec![("a@2", "full"), ("b@1", "shadow")], vec!["a"]),
            (vec![("b@1", "off")], vec!["a", "b"]),
            (files.to_vec(), vec![]),
        ] {
            let (mut set, mut rollouts) = (rules(&files), Rollouts::default());
            for wish in [promote("a", "10%"), promote("b", "full")] {
                set = rollouts.take(&set, &wish, "anna", CellTime(1)).expect("taken").0;
            }
            assert_eq!(rollouts.apply(&rules(&changed)).1, ended, "{changed:?}");
        }
    }
}
