//! A scenario as data: what the runner runs. Holds no behaviour beyond look-ups.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Kind, Sentence};
use crate::config::Tier;
use crate::faults::PlanRow;

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
    /// The faults that come and go, where the step says so; empty elsewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<PlanRow>,
    pub from_background: bool,
}

impl Step {
    /// The faults that it names, with their parameters.
    pub fn faults(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, String>)> {
        let one = self.sentence.fault().map(|fault| (fault, &self.params));
        one.into_iter().chain(self.plan.iter().map(|row| (row.fault.as_str(), &row.params)))
    }
}

/// A row of an outline's Examples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its values: `app.payment-callback.dropped · 20 s`.
    pub key: String,
    /// 1-based, in the feature file.
    pub line: usize,
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
    pub example: Option<Example>,
    /// Background steps first, in written order.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// `features/bid.feature:14`; of an outline's row its own line.
    pub fn location(&self) -> String {
        format!("{}:{}", self.path, self.own_line())
    }

    /// The line that is nobody else's: its heading's, or its row's of the examples.
    pub fn own_line(&self) -> usize {
        self.example.as_ref().map_or(self.line, |example| example.line)
    }

    pub fn steps_of(&self, kind: Kind) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(move |step| step.kind == kind)
    }

    /// The faults that the steps name, in written order.
    pub fn faults(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, String>)> {
        self.steps.iter().flat_map(Step::faults)
    }

    /// The faults that come and go while its Whens happen.
    pub fn plan(&self) -> &[PlanRow] {
        self.steps
            .iter()
            .map(|step| step.plan.as_slice())
            .find(|plan| !plan.is_empty())
            .unwrap_or(&[])
    }

    /// The lines as written, for reports.
    pub fn lines(&self) -> Vec<String> {
        self.steps.iter().map(|step| format!("{} {}", step.keyword, step.text)).collect()
    }
}
