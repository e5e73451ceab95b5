//! "I am blind": sources that are known to go on and are not read to their end, and parts of the
//! watcher itself that ail.
//!
//! Owns, per ward, since when it ails and why, and which blind alerts stand. Knows no lag, channel
//! or plan: the daemon says who ails.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::{CellTime, rfc3339};
use crate::wire::{Judgement, Subject};

use super::judge::blank;
use super::port::Ward;
use super::rules::Rule;
use super::rules::strategy::Watch;
use super::unanswered::place_of;
use super::{Engine, Output, RuleSet, Verdict};

/// How the id of what is told of a service's columns begins: no rule's id has a blank.
pub const OF_SERVICE: &str = "service ";

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ailment {
    since: CellTime,
    why: String,
    /// What tells this case from others of the same part; none: when it was told.
    case: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Watches {
    ailing: BTreeMap<(Ward, String), Ailment>,
    /// By rule name and the id of what ails: the blind alert that stands.
    standing: BTreeMap<(String, String), Verdict>,
}

/// [`Watches`] as a snapshot keeps them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct KeptWatches {
    ailing: Vec<(Ward, String, Ailment)>,
    standing: Vec<Verdict>,
}

impl From<KeptWatches> for Watches {
    fn from(kept: KeptWatches) -> Watches {
        // What was not told yet is not held against a process that has not looked.
        let is_told = |ward: Ward, id: &str| {
            kept.standing.iter().any(|verdict| {
                verdict.subject.id == id && verdict.subject.kind == ward.subject_kind()
            })
        };
        let ailing = kept.ailing.into_iter().filter(|(ward, id, _)| is_told(*ward, id));
        let ailing: BTreeMap<_, _> =
            ailing.map(|(ward, id, ailment)| ((ward, id), ailment)).collect();
        let place = |verdict: &Verdict| {
            (format!("{}@{}", verdict.rule, verdict.version), verdict.subject.id.clone())
        };
        let standing = kept.standing.into_iter().map(|verdict| (place(&verdict), verdict));
        Watches { ailing, standing: standing.collect() }
    }
}

/// Something that ails and that a rule watches over.
struct Due<'a> {
    rule: &'a Rule,
    watch: &'a Watch,
    id: &'a str,
    ailment: &'a Ailment,
    at: CellTime,
}

impl Watches {
    /// The first instant counts until the source has caught up.
    pub fn behind(&mut self, source: String, since: CellTime) {
        let why = format!("blind to `{source}` since {}", rfc3339(since.0));
        self.ails(Ward::Source, source, since, why);
    }

    /// The first instant counts until recovery, and what was last said of it.
    pub fn ails(&mut self, ward: Ward, id: String, since: CellTime, why: String) {
        // What stops plans is the same case after a restart: a kill switch is stored with its instant.
        let case = (ward == Ward::PlanExecutor).then(|| rfc3339(since.0));
        let found = Ailment { since, why: String::new(), case };
        self.ailing.entry((ward, id)).or_insert(found).why = why;
    }

    /// Names the case that ails now.
    pub fn call(&mut self, ward: Ward, id: &str, case: String) {
        if let Some(ailment) = self.ailing.get_mut(&(ward, id.to_owned())) {
            ailment.case = Some(case);
        }
    }

    /// When the next alert is due.
    pub fn next_due(&self, rules: &RuleSet) -> Option<CellTime> {
        self.due(rules).map(|due| due.at).min()
    }

    /// What ails, is watched over and is not told yet.
    fn due<'a>(&'a self, rules: &'a RuleSet) -> impl Iterator<Item = Due<'a>> {
        let smallest_ms = rules.smallest_window_ms();
        let watching = rules.rules().iter().filter_map(|rule| {
            rule.strategy.watch().filter(|_| rules.is_on(rule)).map(|watch| (rule, watch))
        });
        watching.flat_map(move |(rule, watch)| {
            let of_ward = self.ailing.iter().filter(|((ward, id), _)| watch.is_over(*ward, id));
            of_ward.filter_map(move |((_, id), ailment)| {
                if self.standing.contains_key(&(rule.name.clone(), id.clone())) {
                    return None;
                }
                let after_ms = if watch.ward == Ward::Lag { smallest_ms? } else { watch.after_ms };
                Some(Due { rule, watch, id, ailment, at: ailment.since.plus_ms(after_ms) })
            })
        })
    }

    pub fn kept(&self) -> KeptWatches {
        let ailing = self.ailing.iter();
        let ailing = ailing.map(|((ward, id), ailment)| (*ward, id.clone(), ailment.clone()));
        KeptWatches {
            ailing: ailing.collect(),
            standing: self.standing.values().cloned().collect(),
        }
    }

    /// What of a ward ails, told or not.
    pub fn ailing(&self, ward: Ward) -> Vec<String> {
        let of_ward = self.ailing.keys().filter(|(of, _)| *of == ward);
        of_ward.map(|(_, id)| id.clone()).collect()
    }

    fn end(&mut self, is_over: impl Fn(&(String, String), &Verdict) -> bool) -> Vec<Verdict> {
        let (mut stays, mut ended) = (BTreeMap::new(), Vec::new());
        for (key, verdict) in std::mem::take(&mut self.standing) {
            if is_over(&key, &verdict) {
                ended.push(verdict);
            } else {
                stays.insert(key, verdict);
            }
        }
        self.standing = stays;
        ended
    }
}

fn end_of(verdict: Verdict, actual: &str, now: CellTime) -> Output {
    Output::Unblind(Box::new(Verdict {
        judgement: Judgement::Matched,
        resolved: true,
        actual: actual.to_owned(),
        at: now,
        ..verdict
    }))
}

/// What would have been right.
fn expected(watch: &Watch, id: &str, rules: &RuleSet) -> String {
    match watch.ward {
        Ward::Source => format!("read to its end within {} s", watch.after_ms / 1000),
        Ward::Lag => {
            let window_s = rules.smallest_window_ms().unwrap_or_default() / 1000;
            format!("read within {window_s} s, the smallest window")
        }
        Ward::Unread => "every record is read".to_owned(),
        Ward::Columns => "the columns that it names are there, as they were".to_owned(),
        Ward::Undecodable => "every message is one JSON object".to_owned(),
        Ward::AlertChannel => format!("the {} acknowledges", id.replace('-', " ")),
        Ward::Rules => "the rule files are in order".to_owned(),
        Ward::Lookup => "whoever rules ask answers".to_owned(),
        Ward::Shedding => "the rule takes all that is its to judge".to_owned(),
        Ward::Dependency => "services on which others depend are well".to_owned(),
        Ward::PlanExecutor => "plan actions reach their targets".to_owned(),
        Ward::Reconciler => format!("a sign of life within {} s", watch.after_ms / 1000),
    }
}

impl Engine {
    pub(super) fn recovered(&mut self, ward: Ward, id: &str, outputs: &mut Vec<Output>) {
        let actual = match ward {
            Ward::Source => "read to its end again",
            Ward::Unread => "read on, and the windows of then are over",
            _ => "well again",
        };
        self.recovered_with(ward, id, actual, outputs);
    }

    /// What is told of the end is `actual`.
    pub(super) fn recovered_with(
        &mut self,
        ward: Ward,
        id: &str,
        actual: &str,
        outputs: &mut Vec<Output>,
    ) {
        self.watches.ailing.remove(&(ward, id.to_owned()));
        let rules = std::sync::Arc::clone(&self.rules);
        let is_over = |(rule, of): &(String, String)| {
            let watch = rules.named(rule).and_then(|rule| rule.strategy.watch());
            of == id && watch.is_some_and(|watch| watch.ward == ward)
        };
        let ended = self.watches.end(|key, _| is_over(key));
        outputs.extend(ended.into_iter().map(|verdict| end_of(verdict, actual, self.now)));
    }

    /// What ails, told or not.
    pub fn ailing(&self) -> impl Iterator<Item = (Ward, &str)> {
        self.watches.ailing.keys().map(|(ward, id)| (*ward, &**id))
    }

    /// The blind alerts that stand.
    pub fn blind_alerts(&self) -> impl Iterator<Item = &Verdict> {
        self.watches.standing.values().filter(|verdict| !verdict.shadow)
    }

    /// Ends what is told by rules that are gone or off, and of rules and places that are. `down`: the places that some rule got
    /// no answer from before.
    pub(super) fn end_orphans(&mut self, down: &[String], outputs: &mut Vec<Output>) {
        let rules = std::sync::Arc::clone(&self.rules);
        let is_on = |rule: &str| rules.named(rule).is_some_and(|rule| rules.is_on(rule));
        let ended = self.watches.end(|(rule, _), _| !is_on(rule));
        let now = self.now;
        outputs.extend(
            ended.into_iter().map(|v| end_of(v, "the rule was replaced, or switched off", now)),
        );
        let still_down = self.places_without_answer();
        for (ward, id) in self.watches.ailing.keys().cloned().collect::<Vec<_>>() {
            let is_orphan = match ward {
                // A service's, which is no rule's to end.
                Ward::Columns if id.starts_with(OF_SERVICE) => false,
                Ward::Columns | Ward::Shedding => {
                    !rules.versions(&id).any(|rule| rules.is_on(rule))
                }
                Ward::Lookup => {
                    let on = rules.rules().iter().filter(|rule| rules.is_on(rule));
                    let is_asked = on.filter_map(|rule| place_of(rule));
                    !is_asked.into_iter().any(|place| place == id)
                        || down.contains(&id) && !still_down.contains(&id)
                }
                _ => false,
            };
            if is_orphan {
                self.lookups.down.retain(|place| ward != Ward::Lookup || *place != id);
                self.recovered_with(ward, &id, "the rule is gone, or off", outputs);
            }
        }
    }

    /// Raises the alerts that a rule stored only, where it speaks from now on.
    pub(super) fn speak_of_blindness(&mut self, outputs: &mut Vec<Output>) {
        let rules = std::sync::Arc::clone(&self.rules);
        for ((name, id), verdict) in &mut self.watches.standing {
            let Some(rule) = rules.named(name) else { continue };
            if verdict.shadow && !rules.is_shadow(rule, id) {
                (verdict.shadow, verdict.at) = (false, self.now);
                verdict.revision = format!("~{}", self.now.0);
                outputs.push(Output::Blind(Box::new(verdict.clone())));
            }
        }
    }

    /// Tells of what ails and has come due.
    pub(super) fn go_blind(&mut self, outputs: &mut Vec<Output>) {
        if self.watches.ailing.is_empty() {
            return;
        }
        let rules = std::sync::Arc::clone(&self.rules);
        let mut told = Vec::new();
        for Due { rule, watch, id, ailment, at } in self.watches.due(&rules) {
            if at > self.now {
                continue;
            }
            let case = ailment.case.clone().unwrap_or_else(|| rfc3339(self.now.0));
            let verdict = Verdict {
                subject: Subject::new(watch.ward.subject_kind(), id),
                occurrence: format!("{id}@{case}"),
                expected: expected(watch, id, &rules),
                actual: ailment.why.clone(),
                position: self.progress.positions().remove(id).unwrap_or_default(),
                event_at: ailment.since,
                shadow: rules.is_shadow(rule, id),
                ..blank(rule, Judgement::Mismatched, self.now)
            };
            told.push(((rule.name.clone(), id.to_owned()), verdict));
        }
        for (key, verdict) in told {
            self.watches.standing.insert(key, verdict.clone());
            outputs.push(Output::Blind(Box::new(verdict)));
        }
    }
}
