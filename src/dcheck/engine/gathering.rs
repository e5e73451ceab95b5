//! Rows that are all read before any of them is judged: how a sweep of a day that is over uses the engine.
//!
//! Owns what is different there: nothing is judged while rows are still coming, so that no order of reading makes a finding;
//! nothing is shed; and rows of a later day are there as what others are compared with, never to be judged, and never to be a
//! finding's ground.
//! Knows no table and no file. Try it: `cargo test --lib engine::tests::gathering`.

use std::sync::Arc;

use crate::clock::CellTime;
use crate::dcheck::event::{Event, Row};

use super::rules::Rule;
use super::rules::group::Group;
use super::rules::strategy::{Reliance, Ruling};
use super::{Engine, Output};

impl Engine {
    /// From here on rows are gathered; `end` is the first instant that is no part of the books.
    pub fn gather_until(&mut self, end: CellTime) {
        self.books_end = Some(end);
        self.shedding.is_off = true;
    }

    /// Takes a row, and judges nothing. What comes out is of the row alone: that it cannot be read.
    pub fn gather(&mut self, event: Event, now: CellTime) -> Vec<Output> {
        self.now = self.now.max(now);
        let mut outputs = Vec::new();
        self.progress.took(&event.source, &event.position);
        let is_later = self.is_later(event.at);
        let (rules, event) = (Arc::clone(&self.rules), Arc::new(event));
        for (rule_number, side_number) in rules.listening(&event) {
            let rule = &rules.rules()[rule_number];
            if is_later && !is_compared_with(rule, side_number) {
                continue;
            }
            if let Err(why) = self.take_for(rule, side_number, &event) {
                self.refuse(rule, &event, &why, &mut outputs);
            }
        }
        outputs
    }

    /// Part of `source` could not be read: findings that rest on what is missing there are held back.
    pub fn lacks(&mut self, source: &str, id: String, what: String) {
        // Of the watcher's own alerts nobody is told here.
        self.miss(source, id, what, &mut Vec::new());
    }

    /// All that was written to `source` before `at` was gathered.
    pub fn all_in(&mut self, source: &str, at: CellTime) {
        self.progress.end(source, at);
    }

    /// Judges up to `limit` of the groups that were gathered or answered; none: there are no more.
    pub fn judge_gathered(&mut self, limit: usize) -> Option<Vec<Output>> {
        let addresses = self.schedule.take_touched(limit);
        let mut outputs = Vec::new();
        addresses.iter().for_each(|address| self.settle(address, &mut outputs));
        (!addresses.is_empty()).then_some(outputs)
    }

    /// The answer to a question of [`Engine::judge_gathered`]; who waits for it is judged with its next call.
    pub fn take_answer(&mut self, lookup: u64, result: &Result<Vec<Row>, String>) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.answer(lookup, result, super::lookups::Fault::Place, &mut outputs);
        outputs
    }

    fn is_later(&self, at: CellTime) -> bool {
        self.books_end.is_some_and(|end| at >= end)
    }

    /// What becomes of `ruling` where the books of a day are closed; none: it stays. A counterpart that came late is there:
    /// lateness is online's to tell. A difference that rests on rows of a later day is left to that day.
    pub(super) fn by_the_books(
        &self,
        rule: &Rule,
        group: &Group,
        ruling: &Ruling,
    ) -> Option<Ruling> {
        let end = self.books_end?;
        if *ruling == Ruling::Late {
            return Some(Ruling::Matched);
        }
        let rests = match rule.strategy.relies_on() {
            Reliance::Nothing => false,
            Reliance::Items => group.items.iter().any(|item| item.event.at >= end),
            Reliance::Counterparts => {
                let mut states = group.others.iter().flat_map(|other| other.states());
                states.any(|state| state.at >= end)
            }
        };
        (rests && *ruling == Ruling::Mismatched).then_some(Ruling::Wait(end))
    }
}

/// True where the rule compares others with rows of this side.
fn is_compared_with(rule: &Rule, side_number: usize) -> bool {
    match rule.strategy.relies_on() {
        Reliance::Nothing => false,
        Reliance::Items => side_number == 0,
        Reliance::Counterparts => side_number > 0,
    }
}
