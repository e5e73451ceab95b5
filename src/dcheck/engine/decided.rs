//! What was decided about a dependency, from the measurements of others, told by the rules of strategy `dependency`.
//!
//! Owns which decisions stand: a rule that comes into force tells of them, one that goes ends what it told. An alert's identity is
//! the dependency and the instant at which it fell ill; a decision is told once, whatever is read again after a restart.

use serde::{Deserialize, Serialize};

use crate::clock::{CellTime, rfc3339};
use crate::wire::{Judgement, Subject};

use super::force::{InForce, id_of};
use super::judge::blank;
use super::port::Ward;
use super::rules::Rule;
use super::{Engine, Output, Verdict, VerdictKey};

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
        for rule in rules.rules().iter().filter(|rule| rules.is_on(rule)) {
            let tells = |decided: &Decided| rule.strategy.tells().contains(&decided.step);
            if tells(&decided) {
                self.tell_decided(rule, &decided, outputs);
            } else if let Some(before) = before.as_ref().filter(|before| tells(before)) {
                let (actual, at) = (decided.actual.clone(), decided.at);
                let end = Decided { actual, at, ..before.clone() };
                // A candidate's shadow ends no alert that the version in force still tells of.
                let twin = rules.other_version(rule).filter(|twin| rules.is_on(twin));
                let is_held =
                    twin.is_some_and(|twin| twin.strategy.tells().contains(&decided.step));
                let held = is_held && rules.is_shadow(rule, &decided.pair());
                self.end_decided(rule, &end, held, outputs);
            }
        }
    }

    /// The rules, or their rollouts, are others than `before`, of a change or a restart: what is gone ends what it told, what is
    /// new, or speaks from now on, tells what stands.
    pub(super) fn decide_again(&mut self, before: &InForce, outputs: &mut Vec<Output>) {
        let rules = std::sync::Arc::clone(&self.rules);
        let standing: Vec<Decided> = self.decisions.values().cloned().collect();
        for mut decided in standing {
            let pair = decided.pair();
            let tells =
                |rule: &&std::sync::Arc<Rule>| rule.strategy.tells().contains(&decided.step);
            let on = rules.rules().iter().filter(|rule| rules.is_on(rule));
            let now: Vec<_> = on.filter(tells).collect();
            let told: Vec<&String> =
                before.names().filter(|name| self.told(before, name, &decided)).collect();
            for rule in &now {
                let was_told = told.contains(&&rule.name);
                let mut verdict = self.verdict_on(rule, &decided, Judgement::Mismatched);
                let speaks_now = before.is_shadow(&rule.name, &pair) && !verdict.shadow;
                if was_told && !speaks_now {
                    continue;
                }
                if was_told || self.already_judged.contains(&verdict.key()) {
                    // It was stored before, or was ended since, and is told now.
                    verdict.revision.push_str(&format!("~{}", self.now.0));
                }
                self.put_once(verdict, outputs);
            }
            decided.actual = "the rule was replaced, or switched off".to_owned();
            for name in told.into_iter().filter(|name| !now.iter().any(|is| is.name == **name)) {
                // Another version speaks for the alert now.
                let held = now.iter().any(|other| other.head.id == id_of(name));
                let end = before.blank(name, Judgement::Matched, self.now);
                let shadow = before.is_shadow(name, &pair);
                self.put_end(Verdict { held, shadow, ..of_decision(&decided, end) }, outputs);
            }
        }
    }

    /// Did the version `name` tell of it? One of which it is not kept what it tells did where that is stored.
    fn told(&self, before: &InForce, name: &str, decided: &Decided) -> bool {
        before.tells(name, decided.step).unwrap_or_else(|| {
            let told = before.blank(name, Judgement::Mismatched, self.now);
            self.already_judged.contains(&of_decision(decided, told).key())
        })
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
        let end = self.verdict_on(rule, decided, Judgement::Matched);
        self.put_end(Verdict { held, ..end }, outputs);
    }

    fn put_end(&mut self, mut end: Verdict, outputs: &mut Vec<Output>) {
        if self.already_judged.contains(&end.key()) && self.is_told_anew(&end) {
            end.revision.push_str(&format!("~{}", self.now.0));
        }
        self.put_once(Verdict { resolved: true, ..end }, outputs);
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
        let shadow = self.rules.is_shadow(rule, &decided.pair());
        Verdict { shadow, ..of_decision(decided, blank(rule, judgement, self.now)) }
    }
}

/// What `blank` says of a decision.
fn of_decision(decided: &Decided, blank: Verdict) -> Verdict {
    let pair = decided.pair();
    let plan = decided.plan.clone().unwrap_or_default();
    let fields = [
        ("service", decided.service.clone()),
        ("dependency", decided.dependency.clone()),
        ("decision", decided.step.name().to_owned()),
        (ONLY_PLAN, plan),
    ];
    Verdict {
        occurrence: format!("{pair}@{}", rfc3339(decided.since.0)),
        subject: Subject::new(Ward::Dependency.subject_kind(), pair),
        revision: decided.step.name().to_owned(),
        expected: decided.expected.clone(),
        actual: decided.actual.clone(),
        event_at: decided.at,
        fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
        ..blank
    }
}
