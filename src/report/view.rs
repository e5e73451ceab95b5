//! The run as reports need it: one [`ScenarioView`] each, with milestones, curves and verdicts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::spans::{FaultSpan, fault_spans};
use crate::clock::CellTime;
use crate::journal::{
    Basis, Books, Entry, Event, Expectation, Flaw, History, Phase, ScenarioFacts, ServiceFacts,
    SourceText, Verdict, Word, peak,
};
use crate::money::Money;
use crate::oracle::Oracle;
use crate::wire::{Alert, AlertState, Effect, PlanRun, PlanState};

/// A whole run.
#[derive(Clone, Debug, Default)]
pub struct RunView {
    pub run: String,
    pub version: String,
    pub seed: u64,
    pub args: Vec<String>,
    pub services: Vec<ServiceFacts>,
    pub basis: Basis,
    /// The feature files as the run read them.
    pub sources: Vec<SourceText>,
    /// In the order in which they started.
    pub scenarios: Vec<ScenarioView>,
    pub total: usize,
    /// As the run's last entry says; none where the run was cut off.
    pub exit: Option<u8>,
    pub started_wall_ms: i64,
    pub start_ms: u64,
    pub scenarios_ms: u64,
    pub teardown_ms: u64,
}

/// An instant that matters, counted from the scenario's origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// Cell time from the origin, ms.
    pub after_ms: i64,
    /// Real time from the origin, ms.
    pub real_ms: i64,
}

/// An expectation with its verdict, if it has one.
#[derive(Clone, Debug)]
pub struct ExpectationView {
    pub index: usize,
    pub sentence: String,
    pub expectation: Expectation,
    pub verdict: Option<(Verdict, Word, String)>,
}

/// One scenario.
#[derive(Clone, Debug)]
pub struct ScenarioView {
    pub id: String,
    pub cell: String,
    pub facts: ScenarioFacts,
    pub verdict: Verdict,
    pub word: Word,
    pub evidence: String,
    pub real_ms: u64,
    pub expectations: Vec<ExpectationView>,
    /// Where deadlines count from: the first bad row, or the fault's bite.
    pub origin: Option<CellTime>,
    pub origin_is: String,
    pub alert: Option<Milestone>,
    pub plan: Option<Milestone>,
    pub contained: Option<Milestone>,
    /// Loss and exposure from each instant on.
    pub loss: Vec<(CellTime, Money)>,
    pub exposure: Vec<(CellTime, Money)>,
    pub loss_peak: Money,
    pub exposure_peak: Money,
    pub alerts: Vec<(Milestone, Alert)>,
    pub plans: Vec<(Milestone, PlanRun)>,
    pub faults: Vec<(String, String)>,
    pub spans: Vec<FaultSpan>,
    pub notes: Vec<String>,
    pub evidence_files: Vec<(String, String)>,
    pub acts: usize,
    pub refused: Option<String>,
    /// It got a cell.
    pub opened: bool,
    pub advanced_ms: i64,
}

impl RunView {
    /// From the entries of one journal.
    pub fn of(entries: Vec<Entry>) -> RunView {
        let mut view = RunView::default();
        let mut order: Vec<String> = Vec::new();
        let mut own: BTreeMap<String, History> = BTreeMap::new();
        let first_us = entries.first().map_or(0, |entry| entry.mono_us);
        let last_us = entries.last().map_or(0, |entry| entry.mono_us);
        view.started_wall_ms = entries.first().map_or(0, |entry| entry.wall_ms);
        let (mut first_started, mut last_verdict) = (None, None);
        for entry in entries {
            match &entry.event {
                Event::RunStarted { run, version, seed, args, total } => {
                    view.run = run.clone();
                    view.version = version.clone();
                    view.seed = *seed;
                    view.args = args.clone();
                    view.total = *total;
                }
                Event::Basis { basis } => view.basis = (**basis).clone(),
                Event::Source { source } => view.sources.push(source.clone()),
                Event::StageUp { services, .. } => view.services = services.clone(),
                Event::RunEnded { exit, .. } => view.exit = Some(*exit),
                Event::ScenarioStarted { .. } => {
                    first_started.get_or_insert(entry.mono_us);
                }
                Event::ScenarioVerdict { .. } => last_verdict = Some(entry.mono_us),
                _ => {}
            }
            let Some(id) = entry.scenario.clone() else { continue };
            if !own.contains_key(&id) {
                order.push(id.clone());
            }
            own.entry(id).or_default().push(Arc::new(entry));
        }
        let scenarios = order.iter().filter_map(|id| ScenarioView::of(id, &own[id]));
        view.scenarios = scenarios.collect();
        let started = first_started.unwrap_or(last_us);
        let judged = last_verdict.unwrap_or(last_us).max(started);
        view.start_ms = (started - first_us) / 1000;
        view.scenarios_ms = (judged - started) / 1000;
        view.teardown_ms = last_us.saturating_sub(judged) / 1000;
        view
    }

    pub fn with_verdict(&self, verdict: Verdict) -> impl Iterator<Item = &ScenarioView> {
        self.scenarios.iter().filter(move |scenario| scenario.verdict == verdict)
    }

    pub fn passed(&self) -> usize {
        self.with_verdict(Verdict::Pass).count()
    }

    /// Inconclusive counts as failed.
    pub fn failed(&self) -> usize {
        self.scenarios.len() - self.passed()
    }

    pub fn skipped(&self) -> usize {
        self.total.saturating_sub(self.scenarios.len())
    }

    pub fn inconclusive(&self) -> usize {
        self.with_verdict(Verdict::Inconclusive).count()
    }

    /// The last line of every run.
    pub fn last_line(&self) -> String {
        format!("{} passed, {} failed, {} skipped", self.passed(), self.failed(), self.skipped())
    }

    /// The line before the last.
    pub fn inconclusive_line(&self) -> String {
        let names = self.with_verdict(Verdict::Inconclusive);
        let names: Vec<&str> = names.map(|scenario| scenario.facts.name.as_str()).collect();
        match names.is_empty() {
            true => "inconclusive: none".to_owned(),
            false => format!("inconclusive: {}", names.join("; ")),
        }
    }

    /// Slowest first.
    pub fn slowest(&self) -> Vec<&ScenarioView> {
        let mut slowest: Vec<&ScenarioView> = self.scenarios.iter().collect();
        slowest.sort_by_key(|scenario| std::cmp::Reverse(scenario.real_ms));
        slowest
    }
}

impl ScenarioView {
    /// None where the scenario never started.
    pub fn of(id: &str, history: &History) -> Option<ScenarioView> {
        let facts = history.facts()?.clone();
        let books = Oracle::of(history);
        let origin = origin_of(history, &books, &facts);
        let (verdict, word, evidence, real_ms) = verdict_of(history);
        let since = |entry: &Entry| {
            let (at, mono_us) = origin.as_ref().map(|origin| (origin.at, origin.mono_us))?;
            let after_ms = CellTime(entry.cell_ms?).since_ms(at);
            let real_us = i64::try_from(entry.mono_us).ok()? - i64::try_from(mono_us).ok()?;
            Some(Milestone { after_ms, real_ms: real_us / 1000 })
        };
        let firing = |event: &Event| match event {
            Event::Alerted { alert } if alert.state == AlertState::Firing => Some(alert.clone()),
            _ => None,
        };
        let alerts: Vec<(Milestone, Alert)> = stamped(history, since, firing);
        let ran = |event: &Event| match event {
            Event::PlanRan { run } => Some(run.clone()),
            _ => None,
        };
        let plans: Vec<(Milestone, PlanRun)> = stamped(history, since, ran);
        let point = &facts.loss_point;
        let alert = alerts.iter().find(|(_, alert)| point.rules.contains(&alert.rule));
        let effective = plans.iter().find(|(_, run)| {
            run.state == PlanState::Effective && point.plan.as_ref() == Some(&run.plan)
        });
        let contained =
            effective.and_then(|(at, run)| contained(*at, run, &books, origin.as_ref()));
        Some(ScenarioView {
            id: id.to_owned(),
            cell: cell_of(history),
            verdict,
            word,
            evidence,
            real_ms,
            expectations: expectations_of(history),
            alert: alert.map(|(at, _)| *at),
            plan: effective.map(|(at, _)| *at),
            contained,
            origin: origin.as_ref().map(|origin| origin.at),
            origin_is: origin.as_ref().map_or("nothing bad was seen", |one| &one.what).to_owned(),
            loss_peak: peak(&books.curve(), books.currency),
            exposure_peak: peak(&books.exposure_curve(), books.currency),
            loss: books.curve(),
            exposure: books.exposure_curve(),
            alerts,
            plans,
            faults: faults_of(history),
            spans: fault_spans(history, since),
            notes: notes_of(history),
            evidence_files: texts(history, |event| match event {
                Event::Evidence { what, file, .. } => Some((what.clone(), file.clone())),
                _ => None,
            }),
            acts: texts(history, |event| matches!(event, Event::Intent { .. }).then_some(())).len(),
            refused: super::refused::refused(history),
            advanced_ms: advanced_ms(history),
            opened: history.entries().iter().any(|entry| match &entry.event {
                Event::ScenarioStarted { cell, .. } => !cell.is_empty(),
                _ => false,
            }),
            facts,
        })
    }

    /// The word and its evidence, the word only once.
    pub fn told(&self) -> String {
        let word = self.word.to_string();
        match self.evidence.contains(&word) {
            true => self.evidence.clone(),
            false => format!("{word}: {}", self.evidence),
        }
    }

    /// What a person must see first of a red scenario: the expectation that it failed by. A deaf reconciler fails
    /// before any is decided: by the first.
    pub fn missing(&self) -> Option<&ExpectationView> {
        let red = |view: &&ExpectationView| {
            view.verdict.as_ref().is_some_and(|(verdict, ..)| *verdict != Verdict::Pass)
        };
        let open = |view: &&ExpectationView| view.verdict.is_none();
        let first_open = || self.expectations.iter().find(open);
        let failed = self.verdict == Verdict::Fail;
        self.expectations.iter().find(red).or_else(|| failed.then(first_open).flatten())
    }
}

struct OriginView {
    at: CellTime,
    mono_us: u64,
    what: String,
}

fn origin_of(history: &History, books: &Books, facts: &ScenarioFacts) -> Option<OriginView> {
    let entries = history.entries();
    if facts.loss_point.watcher {
        let bites = |entry: &&Arc<Entry>| matches!(entry.event, Event::FaultBites { .. });
        let bite = entries.iter().find(bites)?;
        let what = "the fault bites".to_owned();
        return Some(OriginView { at: CellTime(bite.cell_ms?), mono_us: bite.mono_us, what });
    }
    // A control has no bad row of its own: its canary's is shown.
    let own = books.attack_rows(books.last).next();
    let row = own.or_else(|| books.bad_rows().next())?;
    let mono_us = entries.iter().find(|entry| entry.seq == row.seq).map_or(0, |e| e.mono_us);
    let what = match row.flaw {
        Flaw::Missing => "the row that made the missing one due",
        _ => "the bad row",
    };
    let canary = if facts.control { " of the canary" } else { "" };
    Some(OriginView { at: row.seen, mono_us, what: format!("{what}{canary}") })
}

fn verdict_of(history: &History) -> (Verdict, Word, String, u64) {
    let told = history.pick(|event| match event {
        Event::ScenarioVerdict { verdict, word, evidence, real_ms } => {
            Some((*verdict, *word, evidence.clone(), *real_ms))
        }
        _ => None,
    });
    let cut = "the run ended before this scenario had a verdict".to_owned();
    told.last().map_or((Verdict::Inconclusive, Word::NotJudged, cut, 0), |(_, told)| told)
}

fn cell_of(history: &History) -> String {
    let cells = texts(history, |event| match event {
        Event::ScenarioStarted { cell, .. } => Some(cell.clone()),
        _ => None,
    });
    cells.into_iter().next().unwrap_or_default()
}

fn expectations_of(history: &History) -> Vec<ExpectationView> {
    let mut views = texts(history, |event| match event {
        Event::Registered { index, expectation, sentence } => Some(ExpectationView {
            index: *index,
            sentence: sentence.clone(),
            expectation: expectation.clone(),
            verdict: None,
        }),
        _ => None,
    });
    let decided = history.pick(|event| match event {
        Event::Decided { index, verdict, word, evidence } => {
            Some((*index, (*verdict, *word, evidence.clone())))
        }
        _ => None,
    });
    for (_, (index, told)) in decided {
        if let Some(view) = views.iter_mut().find(|view| view.index == index) {
            view.verdict = Some(told);
        }
    }
    views
}

/// A stop contains when it is effective; a repair when the last posting is right again.
fn contained(
    effective: Milestone,
    run: &PlanRun,
    books: &Books,
    origin: Option<&OriginView>,
) -> Option<Milestone> {
    if run.effect != Effect::Repairs {
        return Some(effective);
    }
    let rows = books.attack_rows(books.last).filter(|row| !row.is_promise());
    let ends: Option<Vec<CellTime>> = rows.map(|row| row.until).collect();
    let right = ends?.into_iter().max()?;
    let after_ms = right.since_ms(origin?.at).max(effective.after_ms);
    Some(Milestone { after_ms, real_ms: effective.real_ms })
}

fn faults_of(history: &History) -> Vec<(String, String)> {
    let own = history.entries().iter().filter(|entry| entry.phase != Phase::Canary);
    let told = own.filter_map(|entry| match &entry.event {
        Event::FaultBites { fault, evidence } | Event::FaultInPlace { fault, evidence } => {
            Some((fault.clone(), evidence.clone()))
        }
        _ => None,
    });
    told.collect()
}

fn notes_of(history: &History) -> Vec<String> {
    texts(history, |event| match event {
        Event::Note { text } => Some(text.clone()),
        Event::FaultHealFailed { fault, error } => {
            Some(format!("fault \"{fault}\" was not proved healed: {error}"))
        }
        _ => None,
    })
}

/// How far the harness advanced the cell's clock in all.
fn advanced_ms(history: &History) -> i64 {
    let totals = texts(history, |event| match event {
        Event::Advanced { offset_ms, .. } => Some(*offset_ms),
        _ => None,
    });
    totals.into_iter().max().unwrap_or(0)
}

fn texts<T>(history: &History, pick: impl Fn(&Event) -> Option<T>) -> Vec<T> {
    history.entries().iter().filter_map(|entry| pick(&entry.event)).collect()
}

fn stamped<T>(
    history: &History,
    since: impl Fn(&Entry) -> Option<Milestone>,
    pick: impl Fn(&Event) -> Option<T>,
) -> Vec<(Milestone, T)> {
    let made = history.entries().iter().filter_map(|entry| {
        let made = pick(&entry.event)?;
        let origin = Milestone { after_ms: 0, real_ms: 0 };
        Some((since(entry).unwrap_or(origin), made))
    });
    made.collect()
}
