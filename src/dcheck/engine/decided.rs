//! What was decided about a dependency, from the measurements of others, told by the rules of strategy `dependency`.
//!
//! Owns which decisions stand: a rule that comes into force tells of them, one that goes ends what it told. An alert's identity is
//! the dependency and the instant at which it fell ill; a decision is told once, whatever is read again after a restart.

use serde::{Deserialize, Serialize};

use crate::clock::{CellTime, rfc3339};
use crate::wire::{Judgement, Subject};

use super::gate::Rollout;
use super::judge::blank;
use super::port::Ward;
use super::rules::Rule;
use super::{Engine, Output, RuleSet, Verdict, VerdictKey};

/// The field of a finding that names the one plan it is for; empty: none. Where it is not there, the triggers alone decide.
pub const ONLY_PLAN: &str = "only_plan";

/// What is done about a dependency that ails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// The service goes on without it.
    Degrade,
    /// A share of the requests is let through.
    Limit,
    /// None is.
    Block,
    /// It is well again.
    Restore,
}

impl Step {
    /// Those that a rule may tell of.
    pub const TOLD: [(&'static str, Step); 3] =
        [("degrade", Step::Degrade), ("limit", Step::Limit), ("block", Step::Block)];

    pub fn name(self) -> &'static str {
        let told = Step::TOLD.iter().find(|(_, step)| *step == self);
        told.map_or("restore", |(name, _)| name)
    }
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Who depends …
    pub service: String,
    /// … on whom.
    pub dependency: String,
    pub step: Step,
    /// When the dependency fell ill: the end of the window that said so.
    pub since: CellTime,
    /// The end of the window that decided this.
    pub at: CellTime,
    /// Which plan carries it out.
    pub plan: Option<String>,
    /// What would have been well, and what was measured.
    pub expected: String,
    pub actual: String,
}

impl Decided {
    /// `checkout/points`
    pub fn pair(&self) -> String {
        format!("{}/{}", self.service, self.dependency)
    }
}

impl Engine {
    /// Tells of a decision, and ends what a rule told of the one before that it does not tell of now.
    pub(super) fn decide(&mut self, decided: Decided, outputs: &mut Vec<Output>) {
        let before = match decided.step {
            Step::Restore => self.decisions.remove(&decided.pair()),
            _ => self.decisions.insert(decided.pair(), decided.clone()),
        };
        let rules = std::sync::Arc::clone(&self.rules);
        for rule in rules.rules().iter().filter(|rule| is_on(&rules, rule)) {
            let tells = |decided: &Decided| rule.strategy.tells().contains(&decided.step);
            if tells(&decided) {
                self.tell_decided(rule, &decided, outputs);
            } else if let Some(before) = before.as_ref().filter(|before| tells(before)) {
                let (actual, at) = (decided.actual.clone(), decided.at);
                let end = Decided { actual, at, ..before.clone() };
                // A candidate's shadow ends no alert that the version in force still tells of.
                let twin = rules.other_version(rule).filter(|twin| is_on(&rules, twin));
                let is_held =
                    twin.is_some_and(|twin| twin.strategy.tells().contains(&decided.step));
                let held = is_held && rules.is_shadow(rule, &decided.pair());
                self.end_decided(rule, &end, held, outputs);
            }
        }
    }

    /// The rules, or their rollouts, are others than `old`: what is gone ends what it told, what is new, or speaks from now on, tells
    /// what stands.
    pub(super) fn decide_again(&mut self, old: &RuleSet, outputs: &mut Vec<Output>) {
        let rules = std::sync::Arc::clone(&self.rules);
        let standing: Vec<Decided> = self.decisions.values().cloned().collect();
        for mut decided in standing {
            let pair = decided.pair();
            let telling = |set: &RuleSet| -> Vec<std::sync::Arc<Rule>> {
                let tells =
                    |rule: &&std::sync::Arc<Rule>| rule.strategy.tells().contains(&decided.step);
                set.rules().iter().filter(tells).filter(|rule| is_on(set, rule)).cloned().collect()
            };
            let (before, now) = (telling(old), telling(&rules));
            for rule in &now {
                let was = before.iter().find(|was| was.name == rule.name);
                let was_silent = was.is_some_and(|was| old.is_shadow(was, &pair));
                let mut verdict = self.verdict_on(rule, &decided, Judgement::Mismatched);
                let speaks_now = was_silent && !verdict.shadow;
                if was.is_some() && !speaks_now {
                    continue;
                }
                if speaks_now || self.already_judged.contains(&verdict.key()) {
                    // It was stored before, or was ended since, and is told now.
                    verdict.revision.push_str(&format!("~{}", self.now.0));
                }
                self.put_once(verdict, outputs);
            }
            decided.actual = "the rule was replaced, or switched off".to_owned();
            for rule in before.iter().filter(|rule| !now.iter().any(|is| is.name == rule.name)) {
                // Another version speaks for the alert now.
                let held = now.iter().any(|other| other.head.id == rule.head.id);
                self.end_decided(rule, &decided, held, outputs);
            }
        }
    }

    fn tell_decided(&mut self, rule: &Rule, decided: &Decided, outputs: &mut Vec<Output>) {
        let verdict = self.verdict_on(rule, decided, Judgement::Mismatched);
        self.put_once(verdict, outputs);
    }

    fn end_decided(
        &mut self,
        rule: &Rule,
        decided: &Decided,
        held: bool,
        outputs: &mut Vec<Output>,
    ) {
        let mut verdict = self.verdict_on(rule, decided, Judgement::Matched);
        if self.already_judged.contains(&verdict.key()) && self.is_told_anew(&verdict) {
            verdict.revision.push_str(&format!("~{}", self.now.0));
        }
        self.put_once(Verdict { resolved: true, held, ..verdict }, outputs);
    }

    /// What `end` is to end was told under a revision of its own. Looks at all: it is asked where something ends again only.
    fn is_told_anew(&self, end: &Verdict) -> bool {
        let key = end.key();
        let is_anew = |told: &VerdictKey| {
            told.judgement == Judgement::Mismatched
                && told
                    .revision
                    .strip_prefix(&*key.revision)
                    .is_some_and(|rest| rest.starts_with('~'))
                && (&told.rule, &told.version) == (&key.rule, &key.version)
                && (&told.subject, &told.occurrence) == (&key.subject, &key.occurrence)
        };
        self.already_judged.iter().any(is_anew)
    }

    fn put_once(&mut self, verdict: Verdict, outputs: &mut Vec<Output>) {
        if self.already_judged.insert(verdict.key()) {
            outputs.push(Output::Verdict(Box::new(verdict)));
        }
    }

    fn verdict_on(&self, rule: &Rule, decided: &Decided, judgement: Judgement) -> Verdict {
        let pair = decided.pair();
        let plan = decided.plan.clone().unwrap_or_default();
        let fields = [
            ("service", decided.service.clone()),
            ("dependency", decided.dependency.clone()),
            ("decision", decided.step.name().to_owned()),
            (ONLY_PLAN, plan),
        ];
        Verdict {
            shadow: self.rules.is_shadow(rule, &pair),
            occurrence: format!("{pair}@{}", rfc3339(decided.since.0)),
            subject: Subject::new(Ward::Dependency.subject_kind(), pair),
            revision: decided.step.name().to_owned(),
            expected: decided.expected.clone(),
            actual: decided.actual.clone(),
            event_at: decided.at,
            fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
            ..blank(rule, judgement, self.now)
        }
    }
}

fn is_on(rules: &RuleSet, rule: &Rule) -> bool {
    rules.rollout(rule) != Rollout::Off
}
