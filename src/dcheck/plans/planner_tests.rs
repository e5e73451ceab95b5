//! Which finding starts, joins, counts or is refused.

use super::super::halts::{ALL, Halt};
use super::super::spec::{Action, BlastLimit, Scope, Several, SqlTemplate, Step, Trigger};
use super::*;
use crate::money::Currency;
use crate::wire::Effect;

fn spec() -> PlanSpec {
    PlanSpec {
        id: "take-off-sale".into(),
        title: String::new(),
        trigger: Trigger {
            rules: vec!["bid-below-market".into()],
            min_severity: "P1".into(),
            min_at_risk: Vec::new(),
            findings: None,
        },
        scope: Scope { kind: "item".into(), field: "sku".into() },
        effect: Effect::Stops("buy".into()),
        actions: Vec::new(),
        proof: Vec::new(),
        ttl_ms: Some(600_000),
        holds_while: None,
        revert: Vec::new(),
        revert_proof: Vec::new(),
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
        at_risk: None,
        fields: [("sku".to_owned(), sku.to_owned())].into(),
    }
}

fn of(spec: PlanSpec) -> Planner {
    Planner::new(vec![Arc::new(spec)], &[], &[], Arc::default())
}

fn planner() -> Planner {
    of(spec())
}

fn word(decisions: &[(String, Decision)]) -> &'static str {
    match decisions {
        [] => "nothing",
        [(_, Decision::Start(_))] => "start",
        [(_, Decision::Join(_))] => "join",
        [(_, Decision::Refuse(_))] => "refuse",
        [(_, Decision::Count(_))] => "count",
        _ => "several",
    }
}

#[test]
fn one_run_per_plan_and_scope() {
    let mut planner = planner();
    let now = CellTime(1_000);
    assert_eq!(word(&planner.on_finding(&finding("S-1", "b1"), now)), "start");
    assert_eq!(word(&planner.on_finding(&finding("S-1", "b1"), now)), "nothing", "once an alert");
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
    let mut again =
        Planner::new(vec![Arc::new(spec())], std::slice::from_ref(run), &[trigger], Arc::default());
    assert_eq!(word(&again.on_finding(&finding("S-1", "b1"), CellTime(5))), "nothing");
    assert_eq!(word(&again.on_finding(&finding("S-1", "b2"), CellTime(5))), "join");
}

#[test]
fn money_starts_a_plan_by_the_amount_of_its_own_currency() {
    let usd = |minor| Money::new(minor, Currency::Usd);
    for (least, at_risk, decision) in [
        (vec![], None, "start"),
        (vec![Money::cny(100_000)], Some(Money::cny(100_000)), "start"),
        (vec![Money::cny(100_000)], Some(Money::cny(99_999)), "nothing"),
        (vec![Money::cny(100_000)], None, "nothing"),
        (vec![Money::cny(100_000)], Some(usd(i64::MAX)), "nothing"),
        (vec![Money::cny(100_000), usd(15_000)], Some(usd(15_000)), "start"),
        (vec![Money::cny(100_000), usd(15_000)], Some(usd(14_999)), "nothing"),
    ] {
        let mut spec = spec();
        spec.trigger.min_at_risk = least;
        let finding = Finding { at_risk, ..finding("S-1", "b1") };
        let (told, decided) =
            (format!("{spec:?} {at_risk:?}"), of(spec).on_finding(&finding, CellTime(0)));
        assert_eq!(word(&decided), decision, "{told}");
    }
}

/// Findings as (sku, occurrence, instant in s), and what each is to do.
type Rows = &'static [(&'static str, &'static str, i64, &'static str)];

#[test]
fn a_count_in_a_window_starts_a_plan_and_a_restart_goes_on_counting() {
    let mut spec = spec();
    spec.trigger.findings = Some(Several { count: 3, within_ms: 600_000 });
    spec.cooldown_ms = 0;
    let cases: [Rows; 6] = [
        // One that has been open for long is not near the others, whichever is told first.
        &[
            ("S-1", "b1", 3_600, "count"),
            ("S-1", "b2", 0, "count"),
            ("S-1", "b3", 3_601, "count"),
            ("S-1", "b4", 3_500, "start"),
        ],
        &[("S-1", "b1", 0, "count"), ("S-1", "b2", 1, "count"), ("S-1", "b3", 599, "start")],
        // The first one is too old; then the three newest are enough.
        &[
            ("S-1", "b1", 0, "count"),
            ("S-1", "b2", 1, "count"),
            ("S-1", "b3", 600, "count"),
            ("S-1", "b4", 600, "start"),
        ],
        // Each scope counts for itself.
        &[
            ("S-1", "b1", 0, "count"),
            ("S-2", "b2", 0, "count"),
            ("S-1", "b3", 0, "count"),
            ("S-2", "b4", 0, "count"),
            ("S-1", "b5", 0, "start"),
        ],
        // What is told again does not count again.
        &[("S-1", "b1", 0, "count"), ("S-1", "b1", 0, "nothing"), ("S-1", "b2", 1, "count")],
        // A run takes the next ones in.
        &[
            ("S-1", "b1", 0, "count"),
            ("S-1", "b2", 0, "count"),
            ("S-1", "b3", 0, "start"),
            ("S-1", "b4", 1, "join"),
        ],
    ];
    for (case, restarts) in cases.into_iter().flat_map(|case| [(case, false), (case, true)]) {
        let specs = vec![Arc::new(spec.clone())];
        let (mut runs, mut triggers) = (Vec::new(), Vec::new());
        let mut planner = of(spec.clone());
        for (sku, occurrence, at_s, decision) in case {
            if restarts {
                planner = Planner::new(specs.clone(), &runs, &triggers, Arc::default());
            }
            let starts_at = CellTime(at_s * 1_000);
            let finding = Finding { starts_at, ..finding(sku, occurrence) };
            let decided = planner.on_finding(&finding, starts_at);
            assert_eq!(word(&decided), *decision, "{case:?} {occurrence} {restarts}");
            for (plan, decided) in decided {
                let run_id = match decided {
                    Decision::Start(run) => {
                        runs.push(run.clone());
                        run.run_id
                    }
                    Decision::Count(id) | Decision::Join(id) => id,
                    Decision::Refuse(run) => panic!("{run:?}"),
                };
                triggers.push((plan, finding.alert_key(), run_id));
            }
        }
    }
}

#[test]
fn what_started_a_run_counts_for_no_other_one_after_a_restart_either() {
    let mut spec = spec();
    spec.trigger.findings = Some(Several { count: 2, within_ms: 600_000 });
    spec.cooldown_ms = 0;
    let mut first = of(spec.clone());
    let mut triggers = Vec::new();
    let decided = first.on_finding(&finding("S-1", "b1"), CellTime(1));
    let [(plan, Decision::Count(mark))] = &decided[..] else { panic!("{decided:?}") };
    triggers.push((plan.clone(), finding("S-1", "b1").alert_key(), mark.clone()));
    let decided = first.on_finding(&finding("S-1", "b2"), CellTime(1));
    let [(plan, Decision::Start(run))] = &decided[..] else { panic!("{decided:?}") };
    triggers.push((plan.clone(), finding("S-1", "b2").alert_key(), run.run_id.clone()));
    let over = PlanRun { state: PlanState::Reverted, ..run.clone() };
    let mut again = Planner::new(vec![Arc::new(spec)], &[over], &triggers, Arc::default());
    let later = Finding { starts_at: CellTime(2), ..finding("S-1", "b3") };
    assert_eq!(word(&again.on_finding(&later, CellTime(2))), "count");
}

#[test]
fn a_kill_switch_refuses_new_runs_by_name_and_lets_others_be() {
    for (plan, decision) in [(ALL, "refuse"), ("take-off-sale", "refuse"), ("other", "start")] {
        let (who, why) = ("anna".to_owned(), "a wrong rule".to_owned());
        let halt = Halt { plan: plan.into(), who, why, since: CellTime(0) };
        let halts = Arc::new(Halts::new([halt]));
        let mut planner = Planner::new(vec![Arc::new(spec())], &[], &[], Arc::clone(&halts));
        let decided = planner.on_finding(&finding("S-1", "b1"), CellTime(0));
        assert_eq!(word(&decided), decision, "{plan}");
        if let [(_, Decision::Refuse(run))] = &decided[..] {
            assert!(run.note.contains("kill switch") && run.note.contains("anna"), "{run:?}");
        }
        halts.lift(plan);
        assert_ne!(word(&planner.on_finding(&finding("S-1", "b2"), CellTime(0))), "refuse");
    }
}

#[test]
fn a_run_that_only_a_person_reverts_holds_its_scope() {
    for (reverts, decision) in [(true, "join"), (false, "start")] {
        let mut spec = spec();
        (spec.ttl_ms, spec.cooldown_ms) = (None, 0);
        if reverts {
            let sql = SqlTemplate {
                text: "DELETE FROM t WHERE 1".into(),
                params: Vec::new(),
                ticket: String::new(),
            };
            spec.revert = vec![Step { name: "on".into(), action: Action::Sql(sql) }];
        }
        let decided = of(spec.clone()).on_finding(&finding("S-1", "b1"), CellTime(0));
        let [(_, Decision::Start(run))] = &decided[..] else { panic!("{decided:?}") };
        let run = PlanRun { state: PlanState::Effective, ..run.clone() };
        let mut again = Planner::new(vec![Arc::new(spec)], &[run], &[], Arc::default());
        assert_eq!(word(&again.on_finding(&finding("S-1", "b2"), CellTime(1))), decision);
    }
}

#[test]
fn what_was_refused_counts_for_no_limit_after_a_restart_either() {
    let mut first = planner();
    let mut runs = Vec::new();
    for (sku, decision) in
        [("S-1", "start"), ("S-2", "start"), ("S-3", "refuse"), ("S-3", "refuse")]
    {
        let of = finding(sku, &format!("b{}", runs.len()));
        let decided = first.on_finding(&of, CellTime(0));
        assert_eq!(word(&decided), decision);
        let (Decision::Start(run) | Decision::Refuse(run)) = &decided[0].1 else { panic!() };
        runs.push(run.clone());
    }
    // Only the two that were refused are in the window now, and on S-3 nothing has cooled down.
    let kept = &runs[2..];
    let mut again = Planner::new(vec![Arc::new(spec())], kept, &[], Arc::default());
    for sku in ["S-3", "S-4"] {
        let later = finding(sku, &format!("later-{sku}"));
        assert_eq!(word(&again.on_finding(&later, CellTime(1))), "start", "{sku}");
    }
    assert_eq!(word(&again.on_finding(&finding("S-5", "later"), CellTime(1))), "refuse");
}

#[test]
fn a_rehearsal_counts_with_what_counts_and_leaves_it_as_it_is() {
    let mut spec = spec();
    spec.trigger.findings = Some(Several { count: 2, within_ms: 600_000 });
    let mut live = of(spec.clone());
    for (nth, decision) in [(0, "count"), (1, "start"), (1, "start")] {
        if nth == 1 {
            live.on_finding(&finding("S-1", "b0"), CellTime(0));
        }
        let mut rehearsed = of(spec.clone()).with_counts(&live.counting());
        let decided = rehearsed.on_finding(&finding("S-1", "dry-run"), CellTime(0));
        assert_eq!(word(&decided), decision, "{nth}");
    }
}

#[test]
fn a_scope_that_names_another_place_in_a_path_is_refused() {
    for (sku, decision) in [("S.1", "start"), ("...", "start"), (".", "refuse"), ("..", "refuse")] {
        let decided = planner().on_finding(&finding(sku, "b1"), CellTime(0));
        assert_eq!(word(&decided), decision, "{sku}");
    }
}

#[test]
fn a_finding_that_is_for_one_plan_starts_no_other() {
    for (only, expect) in [
        (None, "start"),
        (Some("take-off-sale"), "start"),
        (Some("drop-points"), "nothing"),
        (Some(""), "nothing"),
    ] {
        let mut finding = finding("S-1", "b1");
        finding.fields.extend(only.map(|plan| (ONLY_PLAN.to_owned(), plan.to_owned())));
        assert_eq!(word(&planner().on_finding(&finding, CellTime(1))), expect, "{only:?}");
    }
    let mut other = finding("S-1", "b1");
    other.fields.insert(ONLY_PLAN.to_owned(), "drop-points".to_owned());
    assert_eq!(why_not(&spec(), &other), "it is for plan `drop-points` alone");
}
