//! The scenario's verdict, and `recheck`: every verdict again from the journal alone.

use std::collections::BTreeMap;

use super::premises::{Told, premises};
use super::{Case, Ruling, judge};
use crate::clock::CellTime;
use crate::journal::{Books, Event, Expectation, History, Verdict, Word};

/// One decided expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    pub index: usize,
    pub verdict: Verdict,
    pub word: Word,
    pub evidence: String,
}

/// What a journal's scenario comes to when it is judged again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rechecked {
    pub sentences: Vec<Sentence>,
    pub verdict: Verdict,
    pub word: Word,
    pub evidence: String,
}

/// The verdict of the scenario from its premises and its `Decided` entries; `books_of` is the
/// oracle.
pub fn scenario_verdict(
    history: &History,
    books_of: fn(&History) -> Books,
) -> (Verdict, Word, String) {
    let decided = history.pick(|event| match event {
        Event::Decided { index, verdict, word, evidence } => Some(Sentence {
            index: *index,
            verdict: *verdict,
            word: *word,
            evidence: evidence.clone(),
        }),
        _ => None,
    });
    let sentences: Vec<Sentence> = decided.map(|(_, sentence)| sentence).collect();
    combine(history, books_of, &sentences)
}

/// Judges again at every `Tick`, as the loop did, without its `Decided` and `ScenarioVerdict`
/// entries.
pub fn recheck(history: &History, books_of: fn(&History) -> Books) -> Rechecked {
    let mut so_far = History::default();
    let mut sentences: BTreeMap<usize, Sentence> = BTreeMap::new();
    for entry in history.entries() {
        match &entry.event {
            Event::Decided { .. } => continue,
            Event::ScenarioVerdict { .. } => break,
            _ => so_far.push(entry.clone()),
        }
        if !matches!(entry.event, Event::Tick) {
            continue;
        }
        let Some(now) = so_far.last_time() else { continue };
        let books = books_of(&so_far);
        for (index, expectation) in registered(&so_far) {
            if sentences.contains_key(&index) {
                continue;
            }
            if let Ruling::Done { verdict, word, evidence } =
                judge(&expectation, &so_far, &books, now)
            {
                sentences.insert(index, Sentence { index, verdict, word, evidence });
            }
        }
    }
    let sentences: Vec<Sentence> = sentences.into_values().collect();
    let (verdict, word, evidence) = combine(&so_far, books_of, &sentences);
    Rechecked { sentences, verdict, word, evidence }
}

fn registered(history: &History) -> Vec<(usize, Expectation)> {
    let registered = history.pick(|event| match event {
        Event::Registered { index, expectation, .. } => Some((*index, expectation.clone())),
        _ => None,
    });
    registered.map(|(_, registered)| registered).collect()
}

fn combine(history: &History, books_of: fn(&History) -> Books, sentences: &[Sentence]) -> Told {
    let judged = up_to_last_tick(history);
    let now = judged.last_time().unwrap_or_default();
    let books = books_of(&judged);
    if let Err(told) = premises(&judged, &books, now) {
        return told;
    }
    let failed = sentences.iter().filter(|sentence| sentence.verdict == Verdict::Fail);
    if let Some(first) = failed.min_by_key(|sentence| sentence.index) {
        return (Verdict::Fail, first.word, first.evidence.clone());
    }
    if let Some(told) = second_fingerprint(&judged, &books, now) {
        return (Verdict::Fail, Word::Duplicate, told);
    }
    if let Some(told) = plan_without_cause(&judged, &books, now) {
        return (Verdict::Fail, Word::PlanWithoutCause, told);
    }
    let open = sentences.iter().find(|sentence| sentence.verdict == Verdict::Inconclusive);
    if let Some(first) = open {
        return (Verdict::Inconclusive, first.word, first.evidence.clone());
    }
    let registered = registered(history);
    let undecided = registered
        .iter()
        .find(|(index, _)| !sentences.iter().any(|sentence| sentence.index == *index));
    match undecided {
        Some((index, _)) => {
            let told = format!("expectation {} of {} was not decided", index + 1, registered.len());
            (Verdict::Inconclusive, Word::NotJudged, told)
        }
        None if registered.is_empty() => {
            (Verdict::Inconclusive, Word::NotJudged, "nothing was expected".to_owned())
        }
        None => (Verdict::Pass, Word::Proved, format!("{} of {0} held", registered.len())),
    }
}

/// A second fingerprint may come after its alert was decided.
fn second_fingerprint(history: &History, books: &Books, now: CellTime) -> Option<String> {
    let case = Case::of(history, books, now)?;
    case.registered().find_map(|(_, expectation)| match expectation {
        Expectation::AlertRaised { rule, subject, .. } => case.duplicate(rule, subject),
        _ => None,
    })
}

/// No sentence need speak of it: a plan may touch only what something bad was seen of.
fn plan_without_cause(history: &History, books: &Books, now: CellTime) -> Option<String> {
    Case::of(history, books, now)?.plan_without_cause()
}

/// The history that the last decision saw: a row or alert that comes later changes no verdict. What
/// tells of the harness itself counts whenever it was written.
fn up_to_last_tick(history: &History) -> History {
    let last = history.entries().iter().rposition(|entry| matches!(entry.event, Event::Tick));
    let mut judged = History::default();
    for (index, entry) in history.entries().iter().enumerate() {
        let told = matches!(entry.event, Event::Premise { .. } | Event::Deaf { .. });
        if matches!(entry.event, Event::ScenarioVerdict { .. }) {
            break;
        }
        if told || last.is_none_or(|last| index <= last) {
            judged.push(entry.clone());
        }
    }
    judged
}
