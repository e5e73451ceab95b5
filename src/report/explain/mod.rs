//! Why a scenario ended as it did: expected and observed side by side, the nearest alerts, the rules' own trace.
//!
//! The trace is what the reconciler reported of its single judgements, as the journal holds it: a foreign reconciler
//! reports none.

mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use super::view::{RunView, ScenarioView};
use crate::clock::parse_rfc3339;
use crate::config::or_known;
use crate::journal::{Entry, Event, Expectation, Verdict, Word};
use crate::wire::{Judged, Judgement, PlanState, Subject};

/// More alerts are no longer near.
const ALERTS_MAX: usize = 8;

/// A Then, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    pub expected: String,
    pub verdict: Option<Verdict>,
    pub word: Option<Word>,
    pub observed: String,
}

/// An alert, and how near it is to the expected one.
#[derive(Clone, Debug, Serialize)]
pub struct Near {
    pub after_ms: i64,
    pub rule: String,
    pub subject: Subject,
    pub at_risk: Option<String>,
    pub expected: String,
    pub actual: String,
    pub same_rule: bool,
    pub same_subject: bool,
}

#[derive(Clone, Debug, Serialize)]
pub struct PlanStep {
    pub after_ms: i64,
    pub plan: String,
    pub state: PlanState,
    pub scope: Vec<Subject>,
    pub note: String,
}

/// One stay of a fault.
#[derive(Clone, Debug, Serialize)]
pub struct Stay {
    pub fault: String,
    pub struck_after_ms: i64,
    /// None where no healing was proved.
    pub healed_after_ms: Option<i64>,
}

/// One rule's judgements: those of the expected subjects in full, of all others their number.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Trace {
    pub rule: String,
    pub of_the_subject: Vec<Traced>,
    pub of_others: BTreeMap<String, usize>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Traced {
    /// Cell time from the origin, where there is one.
    pub after_ms: Option<i64>,
    pub at: String,
    pub judgement: Judgement,
    pub subject: Subject,
    pub occurrence: String,
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub run: String,
    pub id: String,
    pub name: String,
    pub location: String,
    pub loss_point: String,
    pub verdict: Verdict,
    pub word: Word,
    pub evidence: String,
    /// Acts that were to pass, and did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    pub again: String,
    pub origin: String,
    pub lost: String,
    pub exposed: String,
    pub pairs: Vec<Pair>,
    pub faults: Vec<Stay>,
    pub alerts: Vec<Near>,
    pub plans: Vec<PlanStep>,
    pub traces: Vec<Trace>,
    /// False where the reconciler reports no single judgements.
    pub judged: bool,
    pub notes: Vec<String>,
}

/// The scenario of `view` that `asked` names: an id, a name or a part of one, or its place.
pub fn find<'v>(view: &'v RunView, asked: &str) -> Result<&'v ScenarioView, String> {
    let whole = |one: &&ScenarioView| {
        one.id == asked || one.facts.name == asked || one.facts.location.ends_with(asked)
    };
    let mut found: Vec<&ScenarioView> = view.scenarios.iter().filter(whole).collect();
    if found.is_empty() {
        found = view.scenarios.iter().filter(|one| one.facts.name.contains(asked)).collect();
    }
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let names = view.scenarios.iter().map(|one| one.facts.name.as_str());
            Err(format!("run {} has no scenario `{asked}`{}", view.run, or_known(asked, names)))
        }
        many => {
            let told = many.iter().map(|one| format!("{}  {}", one.facts.location, one.facts.name));
            let told: Vec<String> = told.collect();
            Err(format!("`{asked}` names {} scenarios:\n  {}", many.len(), told.join("\n  ")))
        }
    }
}

impl Explanation {
    /// Of one scenario of `view`; `entries` are those of the whole journal.
    pub fn of(view: &RunView, scenario: &ScenarioView, entries: &[Entry]) -> Explanation {
        let facts = &scenario.facts;
        let aims = Aims::of(scenario);
        Explanation {
            run: view.run.clone(),
            id: scenario.id.clone(),
            name: facts.name.clone(),
            location: facts.location.clone(),
            loss_point: facts.loss_point.id.clone(),
            verdict: scenario.verdict,
            word: scenario.word,
            evidence: scenario.evidence.clone(),
            refused: scenario.refused.clone(),
            again: view.again(&facts.name),
            origin: scenario.origin_is.clone(),
            lost: scenario.loss_peak.to_string(),
            exposed: scenario.exposure_peak.to_string(),
            pairs: pairs(scenario),
            faults: stays(scenario),
            alerts: nearest(scenario, &aims),
            plans: plans(scenario),
            traces: traces(scenario, &aims, entries),
            judged: facts.judged,
            notes: scenario.notes.clone(),
        }
    }
}

/// The rules and subjects that the scenario is about.
struct Aims {
    rules: Vec<String>,
    subjects: Vec<Subject>,
}

impl Aims {
    fn of(scenario: &ScenarioView) -> Aims {
        let mut rules = scenario.facts.loss_point.rules.clone();
        let mut subjects = Vec::new();
        for view in &scenario.expectations {
            match &view.expectation {
                Expectation::AlertRaised { rule, subject, .. }
                | Expectation::AlertAtRisk { rule, subject, .. } => {
                    rules.push(rule.clone());
                    subjects.push(subject.clone());
                }
                Expectation::PlanEffective { scope, .. } | Expectation::PlanWaits { scope, .. } => {
                    subjects.push(scope.clone())
                }
                _ => {}
            }
        }
        rules.sort();
        rules.dedup();
        subjects.sort();
        subjects.dedup();
        Aims { rules, subjects }
    }
}

fn pairs(scenario: &ScenarioView) -> Vec<Pair> {
    let pair = |view: &super::view::ExpectationView| {
        let told = view.verdict.as_ref();
        Pair {
            expected: view.sentence.clone(),
            verdict: told.map(|(verdict, ..)| *verdict),
            word: told.map(|(_, word, _)| *word),
            observed: told.map_or(String::new(), |(_, _, evidence)| evidence.clone()),
        }
    };
    scenario.expectations.iter().map(pair).collect()
}

fn stays(scenario: &ScenarioView) -> Vec<Stay> {
    let stay = |span: &super::FaultSpan| Stay {
        fault: span.fault.clone(),
        struck_after_ms: span.struck.after_ms,
        healed_after_ms: span.healed.map(|at| at.after_ms),
    };
    scenario.spans.iter().map(stay).collect()
}

fn nearest(scenario: &ScenarioView, aims: &Aims) -> Vec<Near> {
    let near = |(at, alert): &(super::Milestone, crate::wire::Alert)| Near {
        after_ms: at.after_ms,
        rule: alert.rule.clone(),
        subject: alert.subject.clone(),
        at_risk: alert.at_risk.map(|money| money.to_string()),
        expected: alert.expected.clone(),
        actual: alert.actual.clone(),
        same_rule: aims.rules.contains(&alert.rule),
        same_subject: aims.subjects.contains(&alert.subject),
    };
    let mut alerts: Vec<Near> = scenario.alerts.iter().map(near).collect();
    // Stable: within one nearness in order of time.
    alerts.sort_by_key(|alert| std::cmp::Reverse((alert.same_rule, alert.same_subject)));
    alerts.truncate(ALERTS_MAX);
    alerts
}

fn plans(scenario: &ScenarioView) -> Vec<PlanStep> {
    let step = |(at, run): &(super::Milestone, crate::wire::PlanRun)| PlanStep {
        after_ms: at.after_ms,
        plan: run.plan.clone(),
        state: run.state,
        scope: run.scope.clone(),
        note: run.note.clone(),
    };
    scenario.plans.iter().map(step).collect()
}

fn traces(scenario: &ScenarioView, aims: &Aims, entries: &[Entry]) -> Vec<Trace> {
    let judged = entries.iter().filter(|entry| entry.scenario.as_ref() == Some(&scenario.id));
    let judged: Vec<&Judged> = judged
        .filter_map(|entry| match &entry.event {
            Event::Judged { judged } => Some(judged),
            _ => None,
        })
        .collect();
    let trace = |rule: &String| {
        let mut trace = Trace { rule: rule.clone(), ..Trace::default() };
        for one in judged.iter().filter(|one| one.rule == *rule) {
            if aims.subjects.contains(&one.subject) {
                trace.of_the_subject.push(traced(scenario, one));
            } else {
                *trace.of_others.entry(one.judgement.name().to_owned()).or_default() += 1;
            }
        }
        trace
    };
    aims.rules.iter().map(trace).collect()
}

fn traced(scenario: &ScenarioView, judged: &Judged) -> Traced {
    let at_ms = parse_rfc3339(&judged.at);
    Traced {
        after_ms: at_ms.zip(scenario.origin).map(|(at_ms, origin)| at_ms - origin.0),
        at: judged.at.clone(),
        judgement: judged.judgement,
        subject: judged.subject.clone(),
        occurrence: judged.occurrence.clone(),
    }
}
