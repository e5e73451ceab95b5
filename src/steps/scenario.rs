//! A scenario as data: what the runner runs. Holds no behaviour beyond look-ups.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Kind, Sentence};
use crate::config::Tier;

/// The language of a feature file (`# language: zh-CN`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    #[default]
    En,
    ZhCn,
}

/// One line of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// 1-based, in the feature file; a Background's own line for its steps.
    pub line: usize,
    pub kind: Kind,
    /// As written: `Given`, `并且`.
    pub keyword: String,
    /// As written, without the keyword.
    pub text: String,
    pub sentence: Sentence,
    /// The table under a fault step; empty elsewhere.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    pub from_background: bool,
}

/// A scenario, bound and linted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scenario {
    /// Stable: a hash of loss point, path, name and example key. Edits of the steps keep it.
    pub id: String,
    pub name: String,
    pub feature: String,
    pub rule: Option<String>,
    /// Relative to where the features were loaded from, with that folder's name: `features/bid.feature`.
    pub path: String,
    pub line: usize,
    pub language: Language,
    /// Without the `@`; inherited ones included.
    pub tags: Vec<String>,
    pub loss_point: String,
    pub tier: Tier,
    /// A benign twin or another control: must stay silent.
    pub control: bool,
    /// Of an attack: its twin, the control that differs in exactly one value.
    pub twin: Option<String>,
    /// Of a control: the attack that proves its silence, by stable id.
    pub canary: Option<String>,
    /// The row of the Examples table that made it.
    pub example: Option<String>,
    /// Background steps first, in written order.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// `features/bid.feature:14`
    pub fn location(&self) -> String {
        format!("{}:{}", self.path, self.line)
    }

    pub fn steps_of(&self, kind: Kind) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(move |step| step.kind == kind)
    }

    /// The faults that the steps name, in written order.
    pub fn faults(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, String>)> {
        self.steps.iter().filter_map(|step| Some((step.sentence.fault()?, &step.params)))
    }

    /// The lines as written, for reports.
    pub fn lines(&self) -> Vec<String> {
        self.steps.iter().map(|step| format!("{} {}", step.keyword, step.text)).collect()
    }
}
