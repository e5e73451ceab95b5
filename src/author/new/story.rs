//! The Givens and Whens of a loss point's attack and twin, from a built-in story or from a feature.

use std::collections::BTreeMap;

use serde_json::Value;

use super::NewError;
use super::stories::{Builtin, STORIES};
use crate::catalog::{LossPoint, Reproduce};
use crate::config::list;
use crate::faults::registry;
use crate::steps::{Kind, Match, Scenario, Sentence, VOCABULARY, vocabulary};

/// A step to write.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub kind: Kind,
    /// In either language.
    pub text: String,
    pub params: BTreeMap<String, String>,
}

pub(super) struct Story {
    pub attack: Vec<Said>,
    pub twin: Vec<Said>,
    /// What the attack's Thens speak of, where a feature was learned from.
    thens: Vec<Said>,
}

impl Story {
    pub fn of(point: &LossPoint, scenarios: &[Scenario]) -> Result<Story, NewError> {
        let causes: Vec<&str> = point.reproduce.iter().map(cause).collect();
        let told = causes.iter().find_map(|cause| STORIES.iter().find(|told| told.cause == *cause));
        let learned = || learned(point, &causes, scenarios);
        told.map(builtin)
            .or_else(learned)
            .ok_or_else(|| NewError::NoStory { point: point.id.clone(), causes: list(&causes) })
    }

    /// The name of the thing of this kind that the story is about: what the learned feature's Thens name, else its last
    /// act.
    pub fn name_of(&self, kind: &str) -> Option<String> {
        let of = |wanted: Kind| self.attack.iter().rev().filter(move |said| said.kind == wanted);
        let acting = self.thens.iter().chain(of(Kind::When)).chain(of(Kind::Given));
        let mut sentences = acting.filter_map(|said| sentence(&said.text));
        sentences.find_map(|sentence| named(&sentence, kind))
    }
}

fn cause(how: &Reproduce) -> &str {
    match how {
        Reproduce::Fault(id) | Reproduce::Data(id) => id,
    }
}

fn builtin(told: &Builtin) -> Story {
    let attack: Vec<Said> = told.steps.iter().map(|line| said(line)).collect();
    let mut twin = attack.clone();
    let (from, to) = told.differs;
    if let Some(said) = twin.iter_mut().find(|said| said.text.contains(from)) {
        said.text = said.text.replace(from, to);
    }
    Story { attack, twin, thens: Vec::new() }
}

fn said(line: &str) -> Said {
    let (keyword, text) = line.split_once(' ').unwrap_or((line, ""));
    let kind = if keyword == "When" { Kind::When } else { Kind::Given };
    Said { kind, text: text.to_owned(), params: BTreeMap::new() }
}

/// An attack that drills the point already, else one that uses its fault or pattern.
fn learned(point: &LossPoint, causes: &[&str], scenarios: &[Scenario]) -> Option<Story> {
    let attacks = || scenarios.iter().filter(|scenario| !scenario.control);
    let uses =
        |scenario: &&Scenario| scenario.steps.iter().any(|step| brings(&step.sentence, causes));
    let attack = attacks().find(|scenario| scenario.loss_point == point.id);
    let attack = attack.or_else(|| attacks().find(uses))?;
    let twin = scenarios.iter().find(|scenario| Some(&scenario.id) == attack.twin.as_ref())?;
    let of = |scenario: &Scenario, thens: bool| -> Vec<Said> {
        let steps = scenario.steps.iter().filter(|step| (step.kind == Kind::Then) == thens);
        let said = steps.map(|step| Said {
            kind: step.kind,
            text: step.text.clone(),
            params: step.params.clone(),
        });
        said.collect()
    };
    Some(Story { attack: of(attack, false), twin: of(twin, false), thens: of(attack, true) })
}

fn brings(sentence: &Sentence, causes: &[&str]) -> bool {
    let fields = fields(sentence);
    ["fault", "pattern"].iter().any(|key| {
        let value = fields.get(*key).and_then(Value::as_str);
        value.is_some_and(|value| causes.contains(&value))
    })
}

fn sentence(text: &str) -> Option<Sentence> {
    match vocabulary().read(text) {
        Match::One { sentence, .. } => sentence.ok(),
        _ => None,
    }
}

fn fields(sentence: &Sentence) -> Value {
    serde_json::to_value(sentence).expect("invariant: a sentence is JSON")
}

/// The thing of this kind that a sentence names: by its own field, as its subject, or as what its fault withholds.
fn named(sentence: &Sentence, kind: &str) -> Option<String> {
    if let Sentence::Business(said) = sentence {
        let row = VOCABULARY.iter().find(|row| row.id == said.row)?;
        let mut things = row.needs.iter().chain(row.makes);
        return things.find(|(thing, _)| *thing == kind).map(|(_, at)| said.name(*at).to_owned());
    }
    let fields = fields(sentence);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(name) = fields.get(kind).and_then(text) {
        return Some(name);
    }
    let subject = ["subject", "scope"].iter().filter_map(|key| fields.get(*key));
    let mut subject = subject.filter(|subject| subject["kind"] == kind);
    if let Some(name) = subject.next().and_then(|subject| text(&subject["id"])) {
        return Some(name);
    }
    let fault = sentence.fault().filter(|_| kind == "source")?;
    let withheld = registry::find(fault).ok()?.withholds.first()?;
    Some((*withheld).to_owned())
}
