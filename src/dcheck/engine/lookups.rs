//! Lookups: what is asked, who waits for which answer, which answers serve again, and who does not answer.
//!
//! Owns the questions that are out, the cache (for the same question, by the age that a rule allows) and the slots of rates. Knows
//! no server. Not kept over a restart: the cache.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use serde::Serialize;

use crate::clock::CellTime;
use crate::dcheck::event::{Row, Value};

use super::rules::Rule;
use super::rules::ask::Ask;
use super::rules::group::{Group, Reference};
use super::schedule::Address;
use super::unanswered::Trouble;
use super::{Engine, Output};

/// Answers kept; the oldest go first.
const CACHED: usize = 10_000;

type Question = (Ask, Vec<(String, Value)>);

/// An item that waits for an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    pub address: Address,
    pub occurrence: String,
    pub revision: String,
}

#[derive(Clone, Debug)]
struct Out {
    question: Question,
    at: CellTime,
    asked: Vec<Asked>,
}

/// What a rule's questions came to, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LookupCounts {
    pub asked: u64,
    pub failed: u64,
    /// Served by an answer or a question of somebody else.
    pub shared: u64,
    pub delayed: u64,
    pub shed: u64,
    /// Unknown for want of an answer, and to be asked again.
    pub waiting: u64,
    /// Unknown for good: too many waited.
    pub given_up: u64,
}

#[derive(Clone, Debug, Default)]
pub struct Lookups {
    out: BTreeMap<u64, Out>,
    /// Questions out that others may share.
    shared: HashMap<Question, u64>,
    cache: HashMap<Question, (CellTime, Row)>,
    cached: VecDeque<Question>,
    /// By rule name.
    pub(super) troubles: BTreeMap<String, Trouble>,
    pub(super) counts: BTreeMap<String, LookupCounts>,
    /// Places that are told as down.
    pub(super) down: Vec<String>,
}

/// Whose fault it is that there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The key's: it cannot be asked for, or is not known.
    Key,
    /// Nobody answers, or nobody can say.
    Place,
}

/// What becomes of an item without an answer.
fn unanswered(waits: bool, why: String) -> Reference {
    match waits {
        true => Reference::Away(why),
        false => Reference::Failed(format!("{why}; too many wait, it is not asked again")),
    }
}

impl Lookups {
    pub fn pending(&self) -> usize {
        self.out.len()
    }

    pub fn counts(&self) -> &BTreeMap<String, LookupCounts> {
        &self.counts
    }

    pub fn next_due(&self) -> Option<CellTime> {
        self.troubles.values().filter_map(|trouble| trouble.probe_at).min()
    }

    pub fn drop_rule(&mut self, rule: &str) {
        for out in self.out.values_mut() {
            out.asked.retain(|asked| asked.address.rule != rule);
        }
        self.out.retain(|_, out| !out.asked.is_empty());
        let ids = &self.out;
        self.shared.retain(|_, id| ids.contains_key(id));
        self.troubles.remove(rule);
        self.counts.remove(rule);
    }

    fn keep(&mut self, question: Question, at: CellTime, row: Row) {
        if self.cache.insert(question.clone(), (at, row)).is_none() {
            self.cached.push_back(question);
        }
        while self.cached.len() > CACHED {
            let oldest = self.cached.pop_front();
            oldest.and_then(|question| self.cache.remove(&question));
        }
    }
}

impl Engine {
    pub(super) fn fetch(
        &mut self,
        rule: &Rule,
        address: &Address,
        group: &mut Group,
        outputs: &mut Vec<Output>,
    ) {
        let Some(lookup) = &rule.lookup else { return };
        for item in &mut group.items {
            let Reference::Due { at, attempt, admitted } = item.reference else { continue };
            if at > self.now {
                continue;
            }
            let (occurrence, revision) = (item.occurrence.clone(), item.revision.clone());
            let asked = Asked { address: address.clone(), occurrence, revision };
            let params = match rule.params(lookup, &item.event) {
                Ok(params) => params,
                Err(error) => {
                    item.reference = Reference::Failed(format!("cannot ask: {error}"));
                    self.lookups.settled(&asked);
                    continue;
                }
            };
            let question = (lookup.ask.clone(), params);
            if let Some(reference) = self.share(lookup.cache_ms, &question, &asked, attempt) {
                if matches!(reference, Reference::Known(_)) {
                    self.lookups.settled(&asked);
                }
                item.reference = reference;
                continue;
            }
            if let Some(rate) = lookup.rate.filter(|_| !admitted) {
                let slot = self.shedding.slot(&rule.name, rate, self.now);
                let counts = self.lookups.counts.entry(rule.name.clone()).or_default();
                match slot {
                    Some(slot) if slot > self.now => {
                        counts.delayed += 1;
                        item.reference = Reference::Due { at: slot, attempt, admitted: true };
                        continue;
                    }
                    Some(_) => {}
                    None => {
                        counts.shed += 1;
                        let money = rule.carried(&item.event);
                        let why = format!("shed: more than {rate} to ask");
                        let waits = self.lookups.wait(asked, money.clone(), self.now);
                        item.reference = unanswered(waits, why);
                        self.shed(rule, format!("{rate} of its questions"), &money);
                        continue;
                    }
                }
            }
            item.reference = Reference::Asked { attempt };
            let id = self.next_lookup;
            self.next_lookup += 1;
            self.lookups.counts.entry(rule.name.clone()).or_default().asked += 1;
            if lookup.cache_ms > 0 {
                self.lookups.shared.insert(question.clone(), id);
            }
            let (ask, params) = question.clone();
            let out = Out { question, at: self.now, asked: vec![asked] };
            self.lookups.out.insert(id, out);
            let (rule, timeout_ms) = (rule.head.id.clone(), lookup.timeout_ms);
            outputs.push(Output::Lookup { id, rule, ask, params, timeout_ms });
        }
    }

    /// By an answer that is young enough, or by a question that is out.
    fn share(
        &mut self,
        cache_ms: i64,
        question: &Question,
        asked: &Asked,
        attempt: usize,
    ) -> Option<Reference> {
        if cache_ms == 0 {
            return None;
        }
        let (now, lookups) = (self.now, &mut self.lookups);
        let known = lookups.cache.get(question).filter(|(at, _)| now.since_ms(*at) <= cache_ms);
        let reference = match known {
            Some((_, row)) => Reference::Known(row.clone()),
            None => {
                let out = lookups.out.get_mut(lookups.shared.get(question)?)?;
                if now.since_ms(out.at) > cache_ms {
                    return None;
                }
                out.asked.push(asked.clone());
                Reference::Asked { attempt }
            }
        };
        lookups.counts.entry(asked.address.rule.clone()).or_default().shared += 1;
        Some(reference)
    }

    pub(super) fn answer(
        &mut self,
        lookup: u64,
        result: &Result<Vec<Row>, String>,
        fault: Fault,
        outputs: &mut Vec<Output>,
    ) {
        let Some(Out { question, at, asked }) = self.lookups.out.remove(&lookup) else { return };
        if self.lookups.shared.get(&question) == Some(&lookup) {
            self.lookups.shared.remove(&question);
            if let Ok(rows) = result
                && rows.len() <= 1
            {
                self.lookups.keep(question, at, rows.first().cloned().unwrap_or_default());
            }
        }
        let mut rules: Vec<String> = asked.iter().map(|asked| asked.address.rule.clone()).collect();
        rules.sort();
        rules.dedup();
        let mut telling = rules.clone();
        if result.is_err() && fault == Fault::Place {
            telling.retain(|rule| !self.lookups.is_suspect(rule, &asked));
        }
        let failed = u64::from(result.is_err());
        for rule in &rules {
            self.lookups.counts.entry(rule.clone()).or_default().failed += failed;
        }
        asked.iter().for_each(|asked| self.answer_one(asked.clone(), result, fault));
        if let Err(why) = result {
            for rule in &telling {
                match fault {
                    Fault::Key => self.unknown_key(rule, why),
                    Fault::Place => self.failed(rule, why),
                }
            }
        }
        if result.is_ok() {
            rules.iter().for_each(|rule| self.answered(rule, &asked, outputs));
        }
    }

    fn answer_one(&mut self, asked: Asked, result: &Result<Vec<Row>, String>, fault: Fault) {
        let rules = Arc::clone(&self.rules);
        let rule = rules.named(&asked.address.rule);
        let with_lookup = rule.and_then(|rule| Some((rule, rule.lookup.as_ref()?)));
        let groups = self.groups.get_mut(&asked.address.rule);
        let group = groups.and_then(|groups| groups.get_mut(&asked.address.key));
        let (Some((rule, lookup)), Some(group)) = (with_lookup, group) else { return };
        let items = group.items.iter_mut();
        for item in items.filter(|item| item.is(&asked.occurrence, &asked.revision)) {
            let Reference::Asked { attempt } = item.reference else { continue };
            let why = match result {
                Ok(rows) if rows.len() <= 1 => {
                    item.reference = Reference::Known(rows.first().cloned().unwrap_or_default());
                    continue;
                }
                Ok(rows) => format!("the lookup found {} rows, one at most is right", rows.len()),
                Err(error) => error.clone(),
            };
            let again = lookup.retries_ms.get(attempt - 1);
            let in_vain = format!("asked {attempt} times in vain: {why}");
            item.reference = match (again, result) {
                (Some(pause_ms), _) => Reference::Due {
                    at: self.now.plus_ms(*pause_ms),
                    attempt: attempt + 1,
                    admitted: false,
                },
                (None, Ok(_)) => Reference::Failed(in_vain),
                (None, Err(_)) if fault == Fault::Key => Reference::Failed(in_vain),
                (None, Err(_)) if self.lookups.is_in_vain(&asked) => {
                    Reference::Failed(format!("others get answers, this does not: {in_vain}"))
                }
                (None, Err(_)) => {
                    let money = rule.carried(&item.event);
                    unanswered(self.lookups.wait(asked.clone(), money, self.now), in_vain)
                }
            };
            if matches!(item.reference, Reference::Failed(_)) {
                self.lookups.settled(&asked);
            }
        }
        self.changed.insert(asked.address.clone());
        self.schedule.touch(asked.address);
    }
}
