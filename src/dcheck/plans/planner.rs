//! Which finding starts which plan, joins which run, or must not: pure.
//!
//! Owns the limits (severity, money, count in a window, kill switch, blast limit, cooldown, one run per plan and scope). Must not
//! know how an action is done, and reads no clock. Two plans on one subject are `turns`' to part.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::counting::{Counting, mark};
use super::halts::Halts;
use super::spec::{Approval, PlanSpec};
use crate::clock::{CellTime, parse_rfc3339, rfc3339};
use crate::dcheck::engine::ONLY_PLAN;
use crate::money::Money;
use crate::wire::{PlanRun, PlanState, Subject};

/// What the planner needs to know of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub rule: String,
    pub severity: String,
    pub fingerprint: String,
    pub starts_at: CellTime,
    pub subject: Subject,
    pub occurrence: String,
    pub at_risk: Option<Money>,
    /// What the rule names for scopes: `channel`, `sku`, `order` …
    pub fields: std::collections::BTreeMap<String, String>,
}

impl Finding {
    /// One alert that was raised once: it triggers each plan once.
    pub fn alert_key(&self) -> String {
        format!("{}@{}", self.fingerprint, self.starts_at.0)
    }
}

/// What is to be done for one plan.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// A new run, to be stored and then executed.
    Start(PlanRun),
    /// An active run takes this finding in: its end moves.
    Join(String),
    /// A run that may not start, stored as failed with the reason.
    Refuse(PlanRun),
    /// It counts towards a run, and is stored under this mark.
    Count(String),
}

/// How the note of a run begins that was refused, and so never was one.
const REFUSED: &str = "not started: ";

/// Which runs there are, by plan and scope.
pub struct Planner {
    specs: Vec<Arc<PlanSpec>>,
    active: HashMap<(String, Subject), String>,
    triggered: HashSet<(String, String)>,
    ended: HashMap<(String, Subject), CellTime>,
    starts: HashMap<String, VecDeque<CellTime>>,
    counting: Arc<Mutex<Counting>>,
    halts: Arc<Halts>,
}

impl Planner {
    /// `runs` and `triggers` are what the results database holds.
    pub fn new(
        specs: Vec<Arc<PlanSpec>>,
        runs: &[PlanRun],
        triggers: &[(String, String, String)],
        halts: Arc<Halts>,
    ) -> Planner {
        let mut planner = Planner {
            counting: Arc::new(Mutex::new(Counting::restore(&specs, runs, triggers))),
            halts,
            specs,
            active: HashMap::new(),
            triggered: triggers.iter().map(|(p, a, _)| (p.clone(), a.clone())).collect(),
            ended: HashMap::new(),
            starts: HashMap::new(),
        };
        for run in runs {
            let Some(scope) = run.scope.first() else { continue };
            if run.note.starts_with(REFUSED) {
                // As it was before the restart: what was refused counts for no limit.
                continue;
            }
            let key = (run.plan.clone(), scope.clone());
            let started = CellTime(parse_rfc3339(&run.started_at).unwrap_or(0));
            planner.starts.entry(run.plan.clone()).or_default().push_back(started);
            let spec = planner.specs.iter().find(|spec| spec.id == run.plan);
            if spec.map_or_else(|| is_active(run), |spec| in_force(run, spec)) {
                planner.active.insert(key, run.run_id.clone());
            } else {
                let at = CellTime(parse_rfc3339(&run.updated_at).unwrap_or(0));
                planner.ended.insert(key, at);
            }
        }
        planner
    }

    /// What counts so far towards plans that wait for several findings.
    pub fn counting(&self) -> Arc<Mutex<Counting>> {
        Arc::clone(&self.counting)
    }

    /// For a rehearsal: the same counts, and nothing of it comes back.
    pub fn with_counts(self, counts: &Mutex<Counting>) -> Planner {
        let counts = counts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Planner { counting: Arc::new(Mutex::new(counts)), ..self }
    }

    pub fn halts(&self) -> &Halts {
        &self.halts
    }

    /// The decisions for one finding, at most one per plan.
    pub fn on_finding(&mut self, finding: &Finding, now: CellTime) -> Vec<(String, Decision)> {
        let specs: Vec<Arc<PlanSpec>> =
            self.specs.iter().filter(|spec| triggers(spec, finding)).cloned().collect();
        specs
            .iter()
            .filter_map(|spec| Some((spec.id.clone(), self.decide(spec, finding, now)?)))
            .collect()
    }

    fn decide(&mut self, spec: &PlanSpec, finding: &Finding, now: CellTime) -> Option<Decision> {
        if !self.triggered.insert((spec.id.clone(), finding.alert_key())) {
            return None;
        }
        let Some(scope) = scope_of(spec, finding) else {
            let field = &spec.scope.field;
            let why = format!("the finding has no field `{field}` that can be a scope");
            let nothing = Subject::new(spec.scope.kind.clone(), "");
            return Some(Decision::Refuse(refused(new_run(spec, finding, nothing, now), &why)));
        };
        let key = (spec.id.clone(), scope.clone());
        if let Some(run) = self.active.get(&key) {
            return Some(Decision::Join(run.clone()));
        }
        if let Some(several) = spec.trigger.findings {
            let mark = mark(&spec.id, &scope);
            let mut counting = self.counting.lock().unwrap_or_else(PoisonError::into_inner);
            if !counting.is_reached(&mark, finding.starts_at, several) {
                return Some(Decision::Count(mark));
            }
        }
        let mut run = new_run(spec, finding, scope, now);
        if let Some(why) = self.limit(spec, &key, now) {
            return Some(Decision::Refuse(refused(run, &why)));
        }
        if let Approval::Manual { within_ms } = spec.approval {
            run.state = PlanState::WaitingApproval;
            run.note = format!("a person approves until {}", rfc3339(now.plus_ms(within_ms).0));
        }
        self.starts.entry(spec.id.clone()).or_default().push_back(now);
        self.active.insert(key, run.run_id.clone());
        Some(Decision::Start(run))
    }

    fn limit(&mut self, spec: &PlanSpec, key: &(String, Subject), now: CellTime) -> Option<String> {
        if let Some(halt) = self.halts.on(&spec.id) {
            return Some(format!("kill switch: {halt}"));
        }
        if let Some(ended) = self.ended.get(key)
            && now.since_ms(*ended) < spec.cooldown_ms
        {
            return Some(format!("cooldown: the last run on {} ended too recently", key.1));
        }
        let starts = self.starts.entry(spec.id.clone()).or_default();
        while starts.front().is_some_and(|at| now.since_ms(*at) >= spec.blast_limit.per_ms) {
            starts.pop_front();
        }
        let limit = spec.blast_limit.runs;
        (starts.len() >= limit).then(|| {
            let minutes = spec.blast_limit.per_ms / 60_000;
            format!("blast limit: {limit} runs in {minutes} min are reached; a person decides")
        })
    }

    /// A run came to its end; findings that it could no longer take in are given again by the
    /// caller.
    pub fn ended(&mut self, run: &PlanRun, now: CellTime) {
        let Some(scope) = run.scope.first() else { return };
        let key = (run.plan.clone(), scope.clone());
        if self.active.get(&key) == Some(&run.run_id) {
            self.active.remove(&key);
            self.ended.insert(key, now);
        }
    }

    /// Forgets that a finding triggered a plan, because the run that it joined was already ending.
    pub fn forget(&mut self, plan: &str, finding: &Finding) {
        self.triggered.remove(&(plan.to_owned(), finding.alert_key()));
    }
}

/// True while a run holds its scope: one that a person alone reverts does so without an end.
pub fn in_force(run: &PlanRun, spec: &PlanSpec) -> bool {
    is_active(run) || (run.state == PlanState::Effective && !spec.revert.is_empty())
}

/// True while a run is under way, or reverts by itself.
pub fn is_active(run: &PlanRun) -> bool {
    match run.state {
        PlanState::Armed | PlanState::WaitingApproval | PlanState::Running => true,
        PlanState::Effective => run.reverts_at.is_some(),
        PlanState::Failed | PlanState::Reverted => false,
    }
}

fn triggers(spec: &PlanSpec, finding: &Finding) -> bool {
    // `P0` sorts first: at least as severe means not after.
    let trigger = &spec.trigger;
    trigger.rules.contains(&finding.rule)
        && finding.severity <= trigger.min_severity
        && is_enough(finding.at_risk, &trigger.min_at_risk)
        && finding.fields.get(ONLY_PLAN).is_none_or(|plan| *plan == spec.id)
}

/// Why a finding of one of its rules starts nothing.
pub fn why_not(spec: &PlanSpec, finding: &Finding) -> String {
    let trigger = &spec.trigger;
    if finding.severity > trigger.min_severity {
        return format!("severity {} is below {}", finding.severity, trigger.min_severity);
    }
    if let Some(plan) = finding.fields.get(ONLY_PLAN).filter(|plan| **plan != spec.id) {
        return format!("it is for plan `{plan}` alone");
    }
    let least: Vec<String> = trigger.min_at_risk.iter().map(Money::to_string).collect();
    match finding.at_risk {
        None => format!("no money is at risk, and it asks for {}", least.join(" or ")),
        Some(at_risk) => format!("{at_risk} at risk, and it asks for {}", least.join(" or ")),
    }
}

/// Held against the amount of its own currency alone: nobody here knows a rate.
fn is_enough(at_risk: Option<Money>, least: &[Money]) -> bool {
    let reaches = |at_risk: Money| {
        least.iter().any(|m| m.currency == at_risk.currency && at_risk.minor >= m.minor)
    };
    least.is_empty() || at_risk.is_some_and(reaches)
}

/// In the path of a request the last two would name another place.
const NO_SCOPES: [&str; 3] = ["", ".", ".."];

pub fn scope_of(spec: &PlanSpec, finding: &Finding) -> Option<Subject> {
    let own = (finding.subject.kind == spec.scope.kind).then_some(&finding.subject.id);
    let id = finding
        .fields
        .get(&spec.scope.field)
        .or(own)
        .filter(|id| !NO_SCOPES.contains(&id.as_str()))?;
    Some(Subject::new(spec.scope.kind.clone(), id.clone()))
}

fn new_run(spec: &PlanSpec, finding: &Finding, scope: Subject, now: CellTime) -> PlanRun {
    let mut hash = Sha256::new();
    hash.update(format!("{}\n{}\n{}\n{}", spec.id, scope, finding.alert_key(), now.0));
    PlanRun {
        plan: spec.id.clone(),
        run_id: format!("{}-{}", spec.id, hex::encode(&hash.finalize()[..6])),
        alert: finding.fingerprint.clone(),
        rule: finding.rule.clone(),
        scope: vec![scope],
        effect: spec.effect.clone(),
        steps: Vec::new(),
        state: PlanState::Armed,
        started_at: rfc3339(now.0),
        updated_at: rfc3339(now.0),
        reverts_at: None,
        note: String::new(),
    }
}

fn refused(mut run: PlanRun, why: &str) -> PlanRun {
    run.state = PlanState::Failed;
    run.note = format!("{REFUSED}{why}");
    run
}

#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;
