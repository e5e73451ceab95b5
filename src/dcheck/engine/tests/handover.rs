//! What becomes of findings and blind alerts when rules change: by a reload, and by other files at a restart, alike.

use super::versions::{bid, set, told};
use super::*;
use crate::dcheck::engine::gate::Rollout;

type Versions = &'static [(u32, u32, &'static str)];

/// The change by a reload, or by a restart between two steps.
pub(super) fn changed(
    mut engine: Engine,
    rules: Arc<RuleSet>,
    restarts: bool,
    at: i64,
) -> (Engine, Vec<Output>) {
    if !restarts {
        let outputs = engine.step(Input::Replace(rules), CellTime(at));
        return (engine, outputs);
    }
    let text = serde_json::to_string(&engine.snapshot()).expect("plain data");
    let snapshot = serde_json::from_str(&text).expect("read back");
    let mut back = Engine::restore(rules, &sources(), HashSet::new(), &snapshot).expect("restored");
    // A commit before the first step must not forget what is to be handed over.
    let committed = back.checkpoint().state;
    assert_eq!(committed["in_force"], snapshot.state["in_force"]);
    assert!(back.take_changes().is_empty());
    let outputs = back.step(Input::Tick, CellTime(at));
    (back, outputs)
}

fn over(versions: Versions) -> Engine {
    Engine::new(set(versions), &sources(), HashSet::new())
}

#[test]
fn findings_are_handed_over_alike_by_a_reload_and_by_a_restart() {
    // Before, after, the bid, what the change tells, and what the end of the cause tells.
    let table: &[(Versions, Versions, i64, &[&str], &[&str])] = &[
        (
            &[(1, 10, "full"), (2, 5, "shadow")],
            &[(1, 10, "shadow"), (2, 5, "full")],
            7,
            &["2 mismatched B"],
            &["1 matched B shadow", "2 matched B resolved"],
        ),
        (
            &[(1, 10, "full"), (2, 15, "shadow")],
            &[(1, 10, "shadow"), (2, 15, "full")],
            12,
            &["1 matched B resolved"],
            &["1 matched B resolved shadow", "2 matched B"],
        ),
        // The elder is taken out with the same stroke: told once, and ended by its heir.
        (
            &[(1, 10, "full"), (2, 5, "shadow")],
            &[(2, 5, "full")],
            12,
            &[],
            &["2 matched B resolved"],
        ),
        (
            &[(1, 10, "full"), (2, 5, "shadow")],
            &[(2, 5, "full")],
            7,
            &["2 mismatched B"],
            &["2 matched B resolved"],
        ),
        (
            &[(1, 10, "full"), (2, 15, "shadow")],
            &[(2, 15, "full")],
            12,
            &["1 matched B resolved"],
            &["2 matched B"],
        ),
        (&[(1, 10, "full"), (2, 5, "shadow")], &[(1, 10, "full")], 7, &[], &["1 matched B"]),
        // One that has seen nothing yet.
        (&[(1, 10, "full")], &[(2, 5, "full")], 12, &[], &["2 matched B resolved"]),
        (&[(1, 10, "shadow")], &[(2, 5, "full")], 12, &[], &["2 matched B"]),
        // Nobody judges it any more.
        (&[(1, 10, "full")], &[], 12, &["1 unknown B resolved"], &[]),
        (&[(1, 10, "shadow")], &[], 12, &[], &[]),
        (&[(1, 10, "full")], &[(1, 10, "full")], 12, &[], &["1 matched B resolved"]),
    ];
    for (before, after, x, expect, end) in table {
        for restarts in [false, true] {
            let mut engine = over(before);
            bid(&mut engine, 1, "B", *x);
            let (mut engine, outputs) = changed(engine, set(after), restarts, 2);
            let case = format!("{before:?} {after:?} {x} restarts: {restarts}");
            assert_eq!(told(&outputs), *expect, "{case}");
            assert_balanced(&engine);
            assert!(engine.step(Input::Tick, CellTime(3)).is_empty(), "once: {case}");
            assert_eq!(told(&bid(&mut engine, 4, "B", 1)), *end, "{case}");
            assert_balanced(&engine);
        }
    }
}

#[test]
fn what_was_open_of_a_rule_that_the_files_lost_is_unknown_after_a_restart_too() {
    let refunds = std::fs::read_to_string(manifest("scenarios/rules/refund.yaml")).unwrap();
    let fewer = Arc::new(rules::load(&[(PathBuf::from("refund.yaml"), refunds)]).unwrap());
    for restarts in [false, true] {
        let mut engine = engine();
        engine.step(Input::Event(collected(1_000, "O-1", "T-1", "199.00 CNY")), CellTime(1_000));
        let (mut engine, outputs) = changed(engine, Arc::clone(&fewer), restarts, 3_000);
        let expect = [
            "paid-amount-differs unknown order O-1 / T-1",
            "paid-order-unpaid unknown order O-1 / T-1",
        ];
        assert_eq!(lines(&outputs), expect, "{restarts}");
        assert!(!engine.take_changes().is_empty(), "its groups go from the store");
        assert_eq!((engine.open_windows(), engine.next_due()), (0, None));
        assert_balanced(&engine);
        let (_, again) = changed(engine, Arc::clone(&fewer), true, 4_000);
        assert!(again.is_empty(), "once: {again:?}");
    }
}

/// Rules that watch over the parts named, each with its rollout.
fn watching(wards: &[(&str, &str)], more: &str) -> Arc<RuleSet> {
    let rule = |(ward, rollout): &(&str, &str)| {
        format!(
            "- {{id: w-{ward}, version: 1, loss_point: l, severity: P0, rollout: {rollout}, \
             strategy: self-watch, watches: {ward}, when_absent: finding}}\n"
        )
    };
    let text = wards.iter().map(rule).collect::<String>() + more;
    Arc::new(rules::load(&[(PathBuf::from("w.yaml"), text)]).unwrap_or_else(|e| panic!("{e:?}")))
}

fn ails(engine: &mut Engine, ward: Ward, id: &str, at: i64) -> Vec<String> {
    let (id, why) = (id.to_owned(), "broken".to_owned());
    lines(&engine.step(Input::Ails { ward, id, since: CellTime(at), why }, CellTime(at)))
}

fn recovers(engine: &mut Engine, ward: Ward, id: &str, at: i64) -> Vec<String> {
    let id = id.to_owned();
    lines(&engine.step(Input::Recovered { ward, id }, CellTime(at)))
}

#[test]
fn a_blind_alert_that_stood_at_death_is_not_told_twice_and_ends() {
    let rules = watching(&[("alert-channel", "full"), ("lag", "full")], "");
    let mut engine = Engine::new(Arc::clone(&rules), &sources(), HashSet::new());
    let place = "part alert-channel / alert-channel@1970-01-01T00:00:01.000Z";
    assert_eq!(
        ails(&mut engine, Ward::AlertChannel, "alert-channel", 1_000),
        [format!("blind w-alert-channel mismatched {place}")]
    );
    let (mut back, outputs) = changed(engine, rules, true, 2_000);
    assert!(outputs.is_empty(), "{outputs:?}");
    assert_eq!(back.blind_alerts().count(), 1);
    assert!(ails(&mut back, Ward::AlertChannel, "alert-channel", 3_000).is_empty(), "told already");
    assert_eq!(
        recovers(&mut back, Ward::AlertChannel, "alert-channel", 4_000),
        [format!("unblind w-alert-channel matched {place} resolved")]
    );
    assert_eq!((back.blind_alerts().count(), back.ailing().count()), (0, 0));
}

#[test]
fn what_was_not_told_at_death_is_not_held_against_a_process_that_has_not_looked() {
    let text = "- {id: w, version: 1, loss_point: l, severity: P0, rollout: full, strategy: freshness, \
                source: binlog, stale_after: 30 s, when_absent: finding}\n";
    let rules = watching(&[], text);
    for (at, told) in [(20_000, false), (31_000, true)] {
        let mut engine = Engine::new(Arc::clone(&rules), &sources(), HashSet::new());
        let behind = Input::Behind { source: "binlog".to_owned(), since: CellTime(0) };
        engine.step(behind, CellTime(1_000));
        assert_eq!(engine.step(Input::Tick, CellTime(at)).len(), usize::from(told));
        let (back, outputs) = changed(engine, Arc::clone(&rules), true, 90_000);
        assert!(outputs.is_empty(), "{outputs:?}");
        assert_eq!(back.ailing().count(), usize::from(told));
    }
}

#[test]
fn blind_alerts_about_what_is_gone_end() {
    let http = "- {id: r, version: 1, loss_point: l, severity: P1, rollout: full, strategy: threshold, \
                subject: {kind: item, id: after.id}, occurrence: after.id, on: {table: a, ops: insert}, \
                reference: {params: {}, http: {target: shop, get: /p, read: {top: top}}}, \
                check: after.x <= ref.top, when_absent: ok, expected: e, actual: a}\n";
    let wards = [("columns", "full"), ("lookup", "full"), ("undecodable", "full")];
    for restarts in [false, true] {
        let mut engine = Engine::new(watching(&wards, http), &sources(), HashSet::new());
        for (ward, id) in [
            (Ward::Columns, "r"),
            (Ward::Lookup, "http shop"),
            (Ward::Undecodable, "orders.events/0"),
        ] {
            assert_eq!(ails(&mut engine, ward, id, 1_000).len(), 1);
        }
        let (engine, outputs) = changed(engine, watching(&wards, ""), restarts, 2_000);
        let ended: Vec<String> = lines(&outputs);
        assert_eq!(ended.len(), 2, "{ended:?}");
        assert!(ended.iter().all(|line| line.ends_with("resolved")), "{ended:?}");
        // A source that is read no more.
        let rules = Arc::clone(engine.rules());
        let (snapshot, fewer) = (engine.snapshot(), &sources()[..1]);
        let mut back = Engine::restore(rules, fewer, HashSet::new(), &snapshot).expect("restored");
        let ended = lines(&back.step(Input::Tick, CellTime(3_000)));
        assert!(ended[0].starts_with("unblind w-undecodable"), "{ended:?}");
        // The rule that watched.
        let (_, ended) = changed(engine, watching(&wards[..2], ""), restarts, 4_000);
        assert_eq!(ended.len(), 1, "{ended:?}");
    }
}

#[test]
fn what_is_told_of_a_services_columns_is_not_ended_by_rules() {
    let rules = watching(&[("columns", "full")], "");
    for restarts in [false, true] {
        let mut engine = Engine::new(Arc::clone(&rules), &sources(), HashSet::new());
        assert_eq!(ails(&mut engine, Ward::Columns, "service points", 1_000).len(), 1);
        let (mut engine, outputs) = changed(engine, Arc::clone(&rules), restarts, 2_000);
        assert!(outputs.is_empty(), "{outputs:?}");
        assert_eq!(recovers(&mut engine, Ward::Columns, "service points", 3_000).len(), 1);
    }
}

#[test]
fn a_watch_that_is_promoted_raises_what_ails_already() {
    let rules = watching(&[("rules", "shadow")], "");
    let mut engine = Engine::new(Arc::clone(&rules), &sources(), HashSet::new());
    let stored = ails(&mut engine, Ward::Rules, "rules", 1_000);
    assert!(stored[0].ends_with(" shadow"), "{stored:?}");
    let full = BTreeMap::from([("w-rules@1".to_owned(), Rollout::Full)]);
    let promoted = Arc::new(rules.rolled_out(&full));
    let raised = engine.step(Input::RollOut(promoted), CellTime(2_000));
    assert!(matches!(&raised[..], [Output::Blind(verdict)] if verdict.is_firing()), "{raised:?}");
    assert!(engine.step(Input::Tick, CellTime(3_000)).is_empty(), "once");
    assert_eq!(recovers(&mut engine, Ward::Rules, "rules", 4_000).len(), 1);
}

#[test]
fn a_gap_that_is_told_at_death_still_passes() {
    let rules = watching(&[("unread", "full")], "");
    let mut engine = Engine::new(Arc::clone(&rules), &sources(), HashSet::new());
    let missed = Input::Missed { source: "binlog".into(), id: "1".into(), what: "gone".into() };
    assert_eq!(engine.step(missed, CellTime(1_000)).len(), 1);
    let (_, outputs) = changed(engine, rules, true, 1_001);
    assert_eq!(outputs.len(), 1, "its windows are over: {outputs:?}");
}
