//! A dry run: what each plan would touch for a finding, with everything filled in. Pure.
//!
//! Owns what a rehearsal says. It asks the planner itself, with the runs as they are, so that limits and kill switches are the real
//! ones; what only the run itself can know (another plan at work on the subject, a target's answer) is not in it. A target is told by
//! its name, never by its address, which may hold a secret. Touches nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::action::{filled, params, record};
use super::counting::Counting;
use super::halts::Halts;
use super::planner::{Decision, Finding, Planner, scope_of, why_not};
use super::spec::{
    Action, Method, Names, PlanSpec, Proof, SqlTemplate, Step, path_segment, verbatim,
};
use crate::clock::CellTime;
use crate::money::Money;
use crate::wire::{Effect, PlanRun, Subject};

/// A finding as a person writes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Supposed {
    pub rule: String,
    pub severity: String,
    pub subject: Subject,
    #[serde(default)]
    pub at_risk: Option<Money>,
    /// What the rule names for scopes: `channel`, `sku` …
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

/// What one plan would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rehearsal {
    pub plan: String,
    pub title: String,
    pub sop: String,
    /// `starts`, `waits-for-approval`, `counts`, `joins`, `is-refused`, `stays-out`.
    pub decision: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
    pub scope: Option<Subject>,
    pub effect: Effect,
    pub actions: Vec<Value>,
    pub proof: Vec<Value>,
    pub ttl_ms: Option<i64>,
    pub holds_while: Option<Value>,
    pub revert: Vec<Value>,
}

/// What stands there of plans.
pub struct Stage<'a> {
    pub specs: &'a [Arc<PlanSpec>],
    pub runs: &'a [PlanRun],
    pub halts: &'a Arc<Halts>,
    pub counts: &'a Mutex<Counting>,
    pub topic_prefix: &'a str,
}

/// One entry for each plan that names the rule; an unknown rule is a mistake.
pub fn rehearse(
    stage: &Stage<'_>,
    supposed: Supposed,
    now: CellTime,
) -> Result<Vec<Rehearsal>, String> {
    let finding = Finding {
        fingerprint: "dry-run".to_owned(),
        occurrence: "dry-run".to_owned(),
        starts_at: now,
        rule: supposed.rule,
        severity: supposed.severity,
        subject: supposed.subject,
        at_risk: supposed.at_risk,
        fields: supposed.fields,
    };
    let planner = Planner::new(stage.specs.to_vec(), stage.runs, &[], Arc::clone(stage.halts));
    let mut planner = planner.with_counts(stage.counts);
    let mut decisions: BTreeMap<String, Decision> =
        planner.on_finding(&finding, now).into_iter().collect();
    let named = stage.specs.iter().filter(|spec| spec.trigger.rules.contains(&finding.rule));
    let rehearsals: Vec<Rehearsal> =
        named.map(|spec| one(stage, spec, decisions.remove(&spec.id), &finding, now)).collect();
    match rehearsals.is_empty() {
        true => Err(format!("no plan names rule `{}`: {}", finding.rule, known(stage.specs))),
        false => Ok(rehearsals),
    }
}

fn known(specs: &[Arc<PlanSpec>]) -> String {
    let mut rules: Vec<&str> =
        specs.iter().flat_map(|spec| &spec.trigger.rules).map(String::as_str).collect();
    rules.sort_unstable();
    rules.dedup();
    format!("they name {}", rules.join(", "))
}

fn one(
    stage: &Stage<'_>,
    spec: &PlanSpec,
    decision: Option<Decision>,
    finding: &Finding,
    now: CellTime,
) -> Rehearsal {
    let scope = scope_of(spec, finding);
    let (decision, why) = match decision {
        None => ("stays-out", why_not(spec, finding)),
        Some(Decision::Join(run)) => ("joins", format!("run {run}")),
        Some(Decision::Refuse(run)) => ("is-refused", run.note),
        Some(Decision::Count(_)) => {
            let several = spec.trigger.findings.expect("invariant: it waits for several");
            let (count, minutes) = (several.count, several.within_ms / 60_000);
            ("counts", format!("{count} findings on this scope within {minutes} min start it"))
        }
        Some(Decision::Start(run)) if run.note.is_empty() => ("starts", String::new()),
        Some(Decision::Start(run)) => ("waits-for-approval", run.note),
    };
    let names = Names {
        scope: scope.as_ref().map(|scope| scope.id.clone()).unwrap_or_default(),
        run: format!("{}-dry-run", spec.id),
        plan: spec.id.clone(),
        alert: finding.fingerprint.clone(),
        rule: finding.rule.clone(),
        now_ms: now.0.to_string(),
    };
    let steps = |steps: &[Step]| -> Vec<Value> {
        steps.iter().map(|step| told(step, stage.topic_prefix, &names)).collect()
    };
    Rehearsal {
        plan: spec.id.clone(),
        title: spec.title.clone(),
        sop: spec.sop.clone(),
        decision,
        why,
        scope,
        effect: spec.effect.clone(),
        actions: steps(&spec.actions),
        proof: spec.proof.iter().map(|proof| proved(proof, &names)).collect(),
        ttl_ms: spec.ttl_ms,
        holds_while: spec.holds_while.as_ref().map(|sql| statement(sql, &names)),
        revert: steps(&spec.revert),
    }
}

fn told(step: &Step, topic_prefix: &str, names: &Names) -> Value {
    let mut told = match &step.action {
        Action::Http(http) => {
            let body = http.body.as_ref().map(|body| filled(body, names));
            json!({
                "target": http.target,
                "method": method(http.method),
                "path": names.fill(&http.path, path_segment),
                "idempotency_key": format!("{}:{}", names.run, step.name),
                "body": body,
            })
        }
        Action::Sql(sql) => statement(sql, names),
        Action::Kafka(kafka) => {
            let record = record(kafka, topic_prefix, &step.name, names);
            json!({
                "topic": record.topic,
                "key": record.key,
                "idempotency_key": record.id,
                "body": filled(&kafka.body, names),
            })
        }
    };
    told["step"] = json!(step.name);
    told
}

fn proved(proof: &Proof, names: &Names) -> Value {
    match proof {
        Proof::Sql(sql) => statement(sql, names),
        Proof::Http { target, path, expect } => {
            let expect: BTreeMap<&str, String> = expect
                .iter()
                .map(|(name, value)| (name.as_str(), names.fill(value, verbatim)))
                .collect();
            json!({"target": target, "path": names.fill(path, path_segment), "expect": expect})
        }
    }
}

fn statement(sql: &SqlTemplate, names: &Names) -> Value {
    let mut told = json!({"sql": sql.text, "params": params(sql, names)});
    if !sql.ticket.is_empty() {
        told["ticket"] = json!(names.fill(&sql.ticket, verbatim));
    }
    told
}

fn method(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Put => "PUT",
        Method::Post => "POST",
        Method::Delete => "DELETE",
    }
}

#[cfg(test)]
mod tests {
    use super::super::halts::{ALL, Halt};
    use super::super::load::{Known, load_texts};
    use super::*;

    const PLAN: &str = "
id: take-off-sale
trigger: {rules: [bid-below-market], min_severity: P2, min_at_risk: 100.00 CNY}
scope: {kind: item, field: sku}
effect: {stops: buy}
actions:
  - step: stop
    http: {target: shop, method: PUT, path: '/breakers/sale/{scope}', body: {run_id: '{run}'}}
  - {step: note, sql: INSERT INTO t VALUES (?), params: ['{scope}'], ticket: 'OPS-{run}'}
  - step: tell
    kafka: {topic: risk, body: {sku: '{scope}'}}
proof:
  - sql: SELECT 1 FROM t WHERE sku = ?
    params: ['{scope}']
ttl: 10 min
revert:
  - step: go
    http: {target: shop, method: DELETE, path: '/breakers/sale/{scope}'}
";

    fn supposed(rule: &str, severity: &str, at_risk: Option<Money>) -> Supposed {
        Supposed {
            rule: rule.into(),
            severity: severity.into(),
            subject: Subject::new("bid", "b1"),
            at_risk,
            fields: [("sku".to_owned(), "S/1".to_owned())].into(),
        }
    }

    fn rehearsed(plan: &str, halts: &[&str], supposed: Supposed) -> Result<Rehearsal, String> {
        let plans = load_texts(&[("p.yaml".into(), plan.into())], &Known::default()).unwrap();
        let specs: Vec<Arc<PlanSpec>> = plans.into_iter().map(Arc::new).collect();
        let halt = |plan: &&str| Halt {
            plan: (*plan).into(),
            who: "anna".into(),
            why: "a wrong rule".into(),
            since: CellTime(0),
        };
        let halts = Arc::new(Halts::new(halts.iter().map(halt)));
        let counts = Mutex::default();
        let (halts, counts) = (&halts, &counts);
        let stage = Stage { specs: &specs, runs: &[], halts, counts, topic_prefix: "p." };
        rehearse(&stage, supposed, CellTime(7)).map(|mut all| all.remove(0))
    }

    #[test]
    fn everything_is_filled_in() {
        let enough = supposed("bid-below-market", "P1", Some(Money::cny(10_000)));
        let told = rehearsed(PLAN, &[], enough).unwrap();
        assert_eq!(told.decision, "starts");
        assert_eq!(told.scope, Some(Subject::new("item", "S/1")));
        let run = "take-off-sale-dry-run";
        let actions = [
            json!({"step": "stop", "target": "shop", "method": "PUT", "path": "/breakers/sale/S%2F1",
                   "idempotency_key": format!("{run}:stop"), "body": {"run_id": run}}),
            json!({"step": "note", "sql": "INSERT INTO t VALUES (?)", "params": ["S/1"],
                   "ticket": format!("OPS-{run}")}),
            json!({"step": "tell", "topic": "p.risk", "key": format!("{run}:tell"),
                   "idempotency_key": format!("{run}:tell"), "body": {"sku": "S/1"}}),
        ];
        assert_eq!(told.actions, actions);
        assert_eq!(told.proof[0]["params"], json!(["S/1"]));
        assert_eq!(told.revert[0]["method"], "DELETE");
    }

    #[test]
    fn each_decision_has_its_word() {
        let enough = || supposed("bid-below-market", "P1", Some(Money::cny(10_000)));
        let manual = format!("{PLAN}approval: manual\n");
        let several = PLAN
            .replace("min_severity: P2", "min_severity: P2, findings: {count: 2, within: 1 min}");
        for (plan, halts, given, decision, why) in [
            (PLAN, &[][..], supposed("bid-below-market", "P3", None), "stays-out", "P3"),
            (PLAN, &[], supposed("bid-below-market", "P1", None), "stays-out", "no money"),
            (
                PLAN,
                &[],
                supposed("bid-below-market", "P1", Some(Money::cny(9_999))),
                "stays-out",
                "99.99 CNY",
            ),
            (PLAN, &[ALL], enough(), "is-refused", "all plans are halted by anna"),
            (&manual, &[], enough(), "waits-for-approval", "until"),
            (&several, &[], enough(), "counts", "2 findings"),
        ] {
            let told = rehearsed(plan, halts, given).unwrap();
            assert_eq!(told.decision, decision);
            assert!(told.why.contains(why), "{why} in {}", told.why);
        }
        let unknown = rehearsed(PLAN, &[], supposed("bid-belwo", "P1", None)).unwrap_err();
        assert!(unknown.contains("they name bid-below-market"), "{unknown}");
    }
}
