//! `lossdrill new LOSS-POINT`: an attack and its twin that already run, from the catalogue's entry.
//!
//! Givens and Whens come from the story of what the entry's `reproduce:` names, built in or learned from a feature
//! that drills it already; the Thens from its rules, subject, plan and deadlines. What is written has passed the same
//! reading as `lossdrill check`, or it is not written.

mod stories;
mod story;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::fmt::formatted;
use crate::catalog::{Catalog, LossPoint};
use crate::config::{Mistake, or_known};
use crate::steps::{
    FaultCheck, Kind, Known, Language, Scenario, read_feature, translated, word_for,
};
use story::{Said, Story};

/// Why no feature was written.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    #[error("unknown loss point `{0}`{1}")]
    Unknown(String, String),
    #[error(
        "{0} is there already, and is not overwritten: move it, or name another folder with --into DIR"
    )]
    Exists(PathBuf),
    #[error("write {path}: {source}: name another folder with --into DIR")]
    Write { path: PathBuf, source: std::io::Error },
    #[error(
        "loss point `{point}`: no story is known of {causes}, and no feature there drills it yet: name a folder of features that do \
         with --features DIR, or write the first by hand with the sentences of `lossdrill steps`"
    )]
    NoStory { point: String, causes: String },
    #[error(
        "loss point `{point}`: its alert is about one {kind}, and no step of the story names one"
    )]
    NoSubject { point: String, kind: String },
    #[error("what would be written for `{point}` is not sound:\n{mistakes}")]
    Unsound { point: String, mistakes: String },
}

/// A feature, ready to be written.
#[derive(Clone, Debug, Serialize)]
pub struct Draft {
    pub loss_point: String,
    pub path: PathBuf,
    pub text: String,
}

/// What a draft is made from.
pub struct NewFrom<'a> {
    pub catalog: &'a Catalog,
    pub scenarios: &'a [Scenario],
    pub faults: &'a FaultCheck<'a>,
}

impl NewFrom<'_> {
    /// The feature of `id`, below `features`; nothing is written.
    pub fn draft(&self, id: &str, language: Language, features: &Path) -> Result<Draft, NewError> {
        let known = self.catalog.loss_points.iter().map(|point| point.id.as_str());
        let point = self.catalog.loss_point(id);
        let point = point.ok_or_else(|| NewError::Unknown(id.to_owned(), or_known(id, known)))?;
        let story = Story::of(point, self.scenarios)?;
        let path = features.join(format!("{id}.feature"));
        let text = self.text(point, &story, language)?;
        self.sound(point, &path, text).map(|text| Draft { loss_point: id.to_owned(), path, text })
    }

    fn text(
        &self,
        point: &LossPoint,
        story: &Story,
        language: Language,
    ) -> Result<String, NewError> {
        let words = Words::of(point, language);
        let mut thens = vec![self.alert(point, story)?];
        thens.extend(self.plan(point, story)?);
        thens.push("no other alert is raised".to_owned());
        if point.plan.is_some() && !point.is_watcher() {
            thens.push("the loss is contained in time".to_owned());
        }
        let silence = ["no alert is raised".to_owned()];
        Ok(format!(
            "{}@lp:{} @tier:gate\n{}: {}\n\n{}: {}\n{}\n@control\n{}: {}\n{}",
            words.header,
            point.id,
            words.feature,
            words.title,
            words.scenario,
            words.attack,
            steps(&story.attack, &thens, language),
            words.scenario,
            words.twin,
            steps(&story.twin, &silence, language),
        ))
    }

    fn alert(&self, point: &LossPoint, story: &Story) -> Result<String, NewError> {
        let kind = point.subject.en();
        let rule = point.rules.first().map_or(point.id.as_str(), String::as_str);
        let name = story.name_of(kind).ok_or_else(|| no_subject(point, kind))?;
        Ok(format!("alert \"{rule}\" is raised in time for {kind} \"{name}\""))
    }

    fn plan(&self, point: &LossPoint, story: &Story) -> Result<Option<String>, NewError> {
        let Some(plan) = &point.plan else { return Ok(None) };
        let scope = self.catalog.plan(plan).and_then(|plan| plan.scope.as_deref());
        let kind = scope.unwrap_or(point.subject.en());
        let name = story.name_of(kind).ok_or_else(|| no_subject(point, kind))?;
        Ok(Some(format!("plan \"{plan}\" is effective in time for {kind} \"{name}\"")))
    }

    /// The text in its one form, if it reads without a mistake.
    fn sound(&self, point: &LossPoint, path: &Path, text: String) -> Result<String, NewError> {
        let file = path.display().to_string();
        let known = Known::of(self.catalog, self.faults);
        let judged = formatted(&file, &text).and_then(|text| {
            let (_, mistakes) = read_feature(&file, &file, &text, &known);
            let errors: Vec<Mistake> = mistakes.into_iter().filter(Mistake::is_error).collect();
            if errors.is_empty() { Ok(text) } else { Err(errors) }
        });
        judged.map_err(|mistakes| NewError::Unsound {
            point: point.id.clone(),
            mistakes: mistakes.iter().map(|mistake| format!("{mistake}\n")).collect(),
        })
    }
}

fn no_subject(point: &LossPoint, kind: &str) -> NewError {
    NewError::NoSubject { point: point.id.clone(), kind: kind.to_owned() }
}

impl Draft {
    /// Writes the file; one that is there stays as it is.
    pub fn write(&self) -> Result<(), NewError> {
        let failed = |source| NewError::Write { path: self.path.clone(), source };
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let mut file = match std::fs::File::create_new(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(NewError::Exists(self.path.clone()));
            }
            opened => opened.map_err(failed)?,
        };
        file.write_all(self.text.as_bytes()).map_err(failed)
    }
}

/// What stands around the steps.
struct Words {
    header: &'static str,
    feature: &'static str,
    scenario: &'static str,
    title: String,
    attack: String,
    twin: String,
}

impl Words {
    fn of(point: &LossPoint, language: Language) -> Words {
        match language {
            Language::En => Words {
                header: "",
                feature: "Feature",
                scenario: "Scenario",
                title: point.title.clone(),
                attack: format!("Money is at risk: {}", point.id),
                twin: format!("Nothing is wrong: {}", point.id),
            },
            Language::ZhCn => Words {
                header: "# language: zh-CN\n",
                feature: "功能",
                scenario: "场景",
                title: format!("资损点 {}：及时发现，及时止损", point.id),
                attack: format!("发生资损：{}", point.id),
                twin: format!("一切正常：{}", point.id),
            },
        }
    }
}

/// Givens and Whens, then the Thens; a keyword opens once.
fn steps(acting: &[Said], thens: &[String], language: Language) -> String {
    let then =
        |text: &String| Said { kind: Kind::Then, text: text.clone(), params: BTreeMap::new() };
    let mut lines = String::new();
    let mut above = None;
    for said in acting.iter().cloned().chain(thens.iter().map(then)) {
        let keyword = match (above == Some(said.kind), language) {
            (false, _) => word_for(said.kind, language),
            (true, Language::En) => "And",
            (true, Language::ZhCn) => "并且",
        };
        let space = if language == Language::En { " " } else { "" };
        let text = translated(&said.text, language).unwrap_or(said.text);
        lines.push_str(&format!("{keyword}{space}{text}\n"));
        for (name, value) in &said.params {
            lines.push_str(&format!("| {name} | {value} |\n"));
        }
        above = Some(said.kind);
    }
    lines
}
