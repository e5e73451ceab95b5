//! Which finding starts which plan, joins which run, or must not: pure.
//!
//! Owns the limits (blast limit, cooldown, one run per plan and scope). Must not know how an action
//! is done, and reads no clock. Not covered: triggers by money or by a count in a window.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::spec::{Approval, PlanSpec};
use crate::clock::{CellTime, parse_rfc3339, rfc3339};
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
}

/// Which runs there are, by plan and scope.
pub struct Planner {
    specs: Vec<Arc<PlanSpec>>,
    active: HashMap<(String, Subject), String>,
    triggered: HashSet<(String, String)>,
    ended: HashMap<(String, Subject), CellTime>,
    starts: HashMap<String, VecDeque<CellTime>>,
}

impl Planner {
    /// `runs` and `triggers` are what the results database holds.
    pub fn new(
        specs: Vec<Arc<PlanSpec>>,
        runs: &[PlanRun],
        triggers: &[(String, String, String)],
    ) -> Planner {
        let mut planner = Planner {
            specs,
            active: HashMap::new(),
            triggered: triggers.iter().map(|(p, a, _)| (p.clone(), a.clone())).collect(),
            ended: HashMap::new(),
            starts: HashMap::new(),
        };
        for run in runs {
            let Some(scope) = run.scope.first() else { continue };
            let key = (run.plan.clone(), scope.clone());
            let started = CellTime(parse_rfc3339(&run.started_at).unwrap_or(0));
            planner.starts.entry(run.plan.clone()).or_default().push_back(started);
            if is_active(run) {
                planner.active.insert(key, run.run_id.clone());
            } else {
                let at = CellTime(parse_rfc3339(&run.updated_at).unwrap_or(0));
                planner.ended.insert(key, at);
            }
        }
        planner
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
            let why = format!("the finding has no field `{}` for the scope", spec.scope.field);
            let nothing = Subject::new(spec.scope.kind.clone(), "");
            return Some(Decision::Refuse(refused(new_run(spec, finding, nothing, now), &why)));
        };
        let key = (spec.id.clone(), scope.clone());
        if let Some(run) = self.active.get(&key) {
            return Some(Decision::Join(run.clone()));
        }
        let mut run = new_run(spec, finding, scope, now);
        if let Some(why) = self.limit(spec, &key, now) {
            return Some(Decision::Refuse(refused(run, &why)));
        }
        if spec.approval == Approval::Manual {
            run.state = PlanState::WaitingApproval;
        }
        self.starts.entry(spec.id.clone()).or_default().push_back(now);
        self.active.insert(key, run.run_id.clone());
        Some(Decision::Start(run))
    }

    fn limit(&mut self, spec: &PlanSpec, key: &(String, Subject), now: CellTime) -> Option<String> {
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

/// True while a run holds its scope.
pub fn is_active(run: &PlanRun) -> bool {
    match run.state {
        PlanState::Armed | PlanState::WaitingApproval | PlanState::Running => true,
        PlanState::Effective => run.reverts_at.is_some(),
        PlanState::Failed | PlanState::Reverted => false,
    }
}

fn triggers(spec: &PlanSpec, finding: &Finding) -> bool {
    // `P0` sorts first: at least as severe means not after.
    spec.trigger.rules.contains(&finding.rule) && finding.severity <= spec.trigger.min_severity
}

fn scope_of(spec: &PlanSpec, finding: &Finding) -> Option<Subject> {
    let own = (finding.subject.kind == spec.scope.kind).then_some(&finding.subject.id);
    let id = finding.fields.get(&spec.scope.field).or(own).filter(|id| !id.is_empty())?;
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
    run.note = why.to_owned();
    run
}

#[cfg(test)]
mod tests {
    use super::super::spec::{BlastLimit, Scope, Trigger};
    use super::*;
    use crate::wire::Effect;

    fn spec() -> PlanSpec {
        PlanSpec {
            id: "take-off-sale".into(),
            title: String::new(),
            trigger: Trigger { rules: vec!["bid-below-market".into()], min_severity: "P1".into() },
            scope: Scope { kind: "item".into(), field: "sku".into() },
            effect: Effect::Stops("buy".into()),
            actions: Vec::new(),
            proof: Vec::new(),
            ttl_ms: Some(600_000),
            holds_while: None,
            revert: Vec::new(),
            cooldown_ms: 60_000,
            blast_limit: BlastLimit { runs: 2, per_ms: 600_000 },
            approval: Approval::Automatic,
            sop: String::new(),
        }
    }

    fn finding(sku: &str, occurrence: &str) -> Finding {
        Finding {
            rule: "bid-below-market".into(),
            severity: "P1".into(),
            fingerprint: format!("f-{occurrence}"),
            starts_at: CellTime(1),
            subject: Subject::new("item", sku),
            occurrence: occurrence.into(),
            fields: [("sku".to_owned(), sku.to_owned())].into(),
        }
    }

    fn planner() -> Planner {
        Planner::new(vec![Arc::new(spec())], &[], &[])
    }

    fn word(decisions: &[(String, Decision)]) -> &'static str {
        match decisions {
            [] => "nothing",
            [(_, Decision::Start(_))] => "start",
            [(_, Decision::Join(_))] => "join",
            [(_, Decision::Refuse(_))] => "refuse",
            _ => "several",
        }
    }

    #[test]
    fn one_run_per_plan_and_scope() {
        let mut planner = planner();
        let now = CellTime(1_000);
        assert_eq!(word(&planner.on_finding(&finding("S-1", "b1"), now)), "start");
        assert_eq!(
            word(&planner.on_finding(&finding("S-1", "b1"), now)),
            "nothing",
            "once an alert"
        );
        assert_eq!(word(&planner.on_finding(&finding("S-1", "b2"), now)), "join");
        assert_eq!(word(&planner.on_finding(&finding("S-2", "b3"), now)), "start");
        assert_eq!(word(&planner.on_finding(&finding("S-3", "b4"), now)), "refuse", "blast limit");
        let later = now.plus_ms(600_000);
        assert_eq!(word(&planner.on_finding(&finding("S-3", "b5"), later)), "start");
    }

    #[test]
    fn other_rules_lesser_findings_and_missing_scopes_start_nothing() {
        let mut other = finding("S-1", "b1");
        other.rule = "refund-paid-twice".into();
        assert_eq!(word(&planner().on_finding(&other, CellTime(0))), "nothing");
        let mut lesser = finding("S-1", "b1");
        lesser.severity = "P2".into();
        assert_eq!(word(&planner().on_finding(&lesser, CellTime(0))), "nothing");
        let mut scopeless = finding("S-1", "b1");
        scopeless.fields.clear();
        scopeless.subject.kind = "bid".into();
        assert_eq!(word(&planner().on_finding(&scopeless, CellTime(0))), "refuse");
    }

    #[test]
    fn an_ended_run_frees_its_scope_after_the_cooldown() {
        let mut planner = planner();
        let decisions = planner.on_finding(&finding("S-1", "b1"), CellTime(0));
        let [(_, Decision::Start(run))] = &decisions[..] else { panic!("{decisions:?}") };
        planner.ended(run, CellTime(10_000));
        assert_eq!(word(&planner.on_finding(&finding("S-1", "b2"), CellTime(20_000))), "refuse");
        assert_eq!(word(&planner.on_finding(&finding("S-1", "b3"), CellTime(80_000))), "start");
    }

    #[test]
    fn a_restart_knows_what_was_triggered_and_what_runs() {
        let mut first = planner();
        let decisions = first.on_finding(&finding("S-1", "b1"), CellTime(0));
        let [(plan, Decision::Start(run))] = &decisions[..] else { panic!("{decisions:?}") };
        let trigger = (plan.clone(), finding("S-1", "b1").alert_key(), run.run_id.clone());
        let mut again = Planner::new(vec![Arc::new(spec())], std::slice::from_ref(run), &[trigger]);
        assert_eq!(word(&again.on_finding(&finding("S-1", "b1"), CellTime(5))), "nothing");
        assert_eq!(word(&again.on_finding(&finding("S-1", "b2"), CellTime(5))), "join");
    }
}
