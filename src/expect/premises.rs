//! Premises: without them a verdict would say nothing about the defence.
//!
//! A premise that did not hold makes the scenario inconclusive, whatever else happened; a deaf or
//! already alerting reconciler is its own failure. They are judged on what happened before the
//! reconciler's first plan step: what follows is the reconciler's.

use std::collections::BTreeMap;

use super::case::{Case, READER_LAG_MS};
use super::span_text;
use crate::clock::CellTime;
use crate::journal::{BadRow, Books, Event, History, Phase, Verdict, Word};

/// A verdict with its word and evidence.
pub(super) type Told = (Verdict, Word, String);

/// Ok where the premises held, as far as `now` can tell.
pub fn premises(history: &History, books: &Books, now: CellTime) -> Result<(), Told> {
    let Some(case) = Case::of(history, books, now) else {
        return Err(unproved(Word::NotJudged, "the journal has no start of this scenario"));
    };
    case.stage_held()?;
    case.faults_held()?;
    if case.facts.control { case.control_harmless() } else { case.attack_harmful() }
}

fn unproved(word: Word, evidence: impl Into<String>) -> Told {
    (Verdict::Inconclusive, word, evidence.into())
}

fn fail(word: Word, evidence: impl Into<String>) -> Told {
    (Verdict::Fail, word, evidence.into())
}

/// Words that are billed to the harness; all others are the defence's.
fn is_harness_word(word: Word) -> bool {
    matches!(
        word,
        Word::StageDown
            | Word::BooksOffBalance
            | Word::FaultDidNotBite
            | Word::NoLoss
            | Word::ControlLostMoney
            | Word::NotJudged
    )
}

/// How often one fault was meant to strike, and how often it was seen to.
#[derive(Default)]
struct Strikes {
    armed: usize,
    intents: usize,
    in_place: usize,
    bites: usize,
}

fn of<'m, 'k>(strikes: &'m mut BTreeMap<&'k str, Strikes>, fault: &'k str) -> &'m mut Strikes {
    strikes.entry(fault).or_default()
}

impl Case<'_> {
    /// Stage, books and steady state; then the reconciler's own readiness.
    fn stage_held(&self) -> Result<(), Told> {
        let broken = |harness: bool| {
            self.entries().find_map(|(_, entry)| match &entry.event {
                Event::Premise { word, evidence } if is_harness_word(*word) == harness => {
                    Some((*word, evidence.clone()))
                }
                _ => None,
            })
        };
        if let Some((word, evidence)) = broken(true) {
            return Err(unproved(word, evidence));
        }
        let deaf = self.entries().find_map(|(_, entry)| match &entry.event {
            Event::Deaf { evidence } => Some(evidence.clone()),
            _ => None,
        });
        if let Some(evidence) = deaf {
            return Err(fail(Word::Deaf, evidence));
        }
        if let Some((word, evidence)) = broken(false) {
            return Err(fail(word, evidence));
        }
        if !self.entries().any(|(_, entry)| matches!(entry.event, Event::Steady)) {
            return Err(unproved(Word::NotJudged, "the steady state was never reached"));
        }
        Ok(())
    }

    /// Each fault of the scenario was seen to bite, each time that it struck; a control's was in place, hit or not.
    fn faults_held(&self) -> Result<(), Told> {
        let mut strikes: BTreeMap<&str, Strikes> = BTreeMap::new();
        for (_, entry) in self.entries().filter(|(_, entry)| entry.phase != Phase::Canary) {
            match &entry.event {
                Event::FaultArmed { fault } => of(&mut strikes, &fault.fault).armed += 1,
                Event::FaultIntent { fault } => of(&mut strikes, &fault.fault).intents += 1,
                Event::FaultBites { fault, .. } => of(&mut strikes, fault).bites += 1,
                Event::FaultInPlace { fault, .. } => of(&mut strikes, fault).in_place += 1,
                _ => {}
            }
        }
        for (fault, strikes) in strikes {
            let wanted = strikes.armed.max(strikes.intents);
            let (proved, seen) = match self.facts.control {
                true => (strikes.bites.max(strikes.in_place), "in place"),
                false => (strikes.bites, "to bite"),
            };
            if proved == 0 && wanted > 0 {
                let told = format!("fault \"{fault}\" was never seen {seen}");
                return Err(unproved(Word::FaultDidNotBite, told));
            }
            if proved < wanted {
                let told = format!(
                    "fault \"{fault}\" was seen {seen} in {proved} of {wanted} strikes only"
                );
                return Err(unproved(Word::FaultDidNotBite, told));
            }
        }
        if self.facts.loss_point.watcher && !self.facts.control && self.bite().is_none() {
            return Err(unproved(Word::FaultDidNotBite, "no fault was seen to bite"));
        }
        Ok(())
    }

    fn attack_harmful(&self) -> Result<(), Told> {
        if self.facts.loss_point.watcher {
            return Ok(());
        }
        let Some(first) = self.books.attack_rows(self.now).min_by_key(|row| row.seen) else {
            return Err(unproved(Word::NoLoss, "no row differed from what was meant"));
        };
        match self.through_plan(first) {
            Some(told) => Err(fail(Word::PlanCausedALoss, told)),
            None => Ok(()),
        }
    }

    fn control_harmless(&self) -> Result<(), Told> {
        let rows = self.books.bad_rows_at(self.now).filter(|row| !row.is_beside());
        let Some(first) = rows.filter(|row| !self.held_by_plan(row)).min_by_key(|row| row.seen)
        else {
            return Ok(());
        };
        if let Some(told) = self.through_plan(first) {
            return Err(fail(Word::PlanCausedALoss, told));
        }
        let told = format!("{} at {} differed ({:?})", first.amount, first.subject, first.flaw);
        Err(unproved(Word::ControlLostMoney, told))
    }

    /// The row came only after the reconciler's first plan step.
    fn through_plan(&self, row: &BadRow) -> Option<String> {
        let run = self.runs.iter().min_by_key(|run| run.at)?;
        let after_ms = row.seen.since_ms(run.at);
        (after_ms > READER_LAG_MS).then(|| {
            let (after, plan) = (span_text(after_ms), &run.last().plan);
            format!("{} at {} came {after} after plan \"{plan}\" began", row.amount, row.subject)
        })
    }
}
