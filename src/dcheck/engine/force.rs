//! Which versions of which rules are in force, as plain data: it outlives the rules themselves, across a reload and a restart.
//!
//! Owns who spoke for a subject. Knows no rule's text: what a version was is its name, its rollout and what its verdicts carry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::CellTime;
use crate::wire::{Judgement, Subject};

use super::gate::Rollout;
use super::judge::empty;
use super::rules::RuleSet;
use super::rules::group::Item;
use super::{Engine, Step, Verdict};

/// One version, as it stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stood {
    pub rollout: Rollout,
    loss_point: String,
    severity: String,
    /// Of a rule of dependencies; empty too where a program stored it that did not know it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tells: Vec<Step>,
}

/// By `id@version`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce(BTreeMap<String, Stood>);

/// The id in `id@version`.
pub fn id_of(name: &str) -> &str {
    name.split('@').next().unwrap_or_default()
}

impl InForce {
    pub fn of(rules: &RuleSet) -> InForce {
        let stood = rules.rules().iter().map(|rule| {
            let (loss_point, severity) = (rule.head.loss_point.clone(), rule.head.severity.clone());
            let tells = rule.strategy.tells().to_vec();
            (rule.name.clone(), Stood { rollout: rules.rollout(rule), loss_point, severity, tells })
        });
        InForce(stood.collect())
    }

    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn is_on(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|stood| stood.rollout != Rollout::Off)
    }

    /// The version that raises alerts on `key`.
    pub fn speaker(&self, id: &str, key: &str) -> Option<&str> {
        let of_id = self.0.iter().filter(|(name, _)| id_of(name) == id);
        let speaking = of_id.filter(|(_, stood)| !stood.rollout.is_shadow(id, key));
        speaking.min_by_key(|(_, stood)| stood.rollout.share()).map(|(name, _)| &**name)
    }

    /// True where the verdicts of `name` on `key` are stored only.
    pub fn is_shadow(&self, name: &str, key: &str) -> bool {
        self.speaker(id_of(name), key) != Some(name)
    }

    /// True where `name` was on and told of such decisions; none where that is not kept.
    pub fn tells(&self, name: &str, step: Step) -> Option<bool> {
        match self.0.get(name).filter(|stood| stood.rollout != Rollout::Off) {
            None => Some(false),
            Some(stood) if stood.tells.is_empty() => None,
            Some(stood) => Some(stood.tells.contains(&step)),
        }
    }

    /// What the version `name` says of `item`, though it may be gone.
    pub fn verdict(
        &self,
        engine: &Engine,
        name: &str,
        item: &Item,
        judgement: Judgement,
    ) -> Verdict {
        Verdict {
            subject: Subject::clone(&item.subject),
            occurrence: item.occurrence.clone(),
            revision: item.revision.clone(),
            position: item.event.position.clone(),
            event_at: item.event.at,
            shadow: self.is_shadow(name, &item.subject.id),
            ..self.blank(name, judgement, engine.now)
        }
    }

    /// A verdict of the version `name`, of nothing yet.
    pub fn blank(&self, name: &str, judgement: Judgement, at: CellTime) -> Verdict {
        let (id, version) = name.split_once('@').unwrap_or((name, ""));
        let text = |of: fn(&Stood) -> &String| self.0.get(name).map(of).cloned();
        Verdict {
            rule: id.to_owned(),
            version: version.to_owned(),
            loss_point: text(|stood| &stood.loss_point).unwrap_or_default(),
            severity: text(|stood| &stood.severity).unwrap_or_default(),
            ..empty(judgement, at)
        }
    }
}
