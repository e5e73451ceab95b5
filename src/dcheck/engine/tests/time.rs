//! Windows, watermarks, staleness, restart and reload.

use super::rules::ask::Ask;
use super::*;

fn tick(engine: &mut Engine, at: i64) -> Vec<Output> {
    engine.step(Input::Tick, CellTime(at))
}

fn give(engine: &mut Engine, event: Event) -> Vec<String> {
    let at = event.at;
    lines(&engine.step(Input::Event(event), at))
}

const LOST: &str = "paid-order-unpaid mismatched order O-1 / T-1 199.00 CNY";

/// Verdicts of the rule under test.
fn unpaid(outputs: &[Output]) -> Vec<String> {
    let mut shown = lines(outputs);
    shown.retain(|line| line.starts_with("paid-order-unpaid"));
    shown
}

#[test]
fn a_window_waits_for_time_then_for_its_source() {
    let mut engine = engine();
    mark_all(&mut engine, 1, 500);
    assert_eq!((engine.settled(), engine.next_due()), (1, None));
    let told = give(&mut engine, collected(1_000, "O-1", "T-1", "199.00 CNY"));
    let unpaid_at_once = told.iter().any(|line| line.starts_with("paid-order-unpaid"));
    assert!(!unpaid_at_once, "only other rules may judge it at once: {told:?}");
    assert_eq!(engine.next_due(), Some(CellTime(31_000)));
    mark_all(&mut engine, 2, 2_000);
    assert_eq!((engine.settled(), engine.open_windows()), (1, 2), "mark 2 is after the event");
    assert!(tick(&mut engine, 31_000).is_empty());
    assert_eq!(engine.next_due(), None, "it waits for the change log, not for time");
    assert!(tick(&mut engine, 999_000).is_empty());
    let end = |at| Input::SourceEnd { source: "binlog".to_owned(), at: CellTime(at) };
    assert!(engine.step(end(31_000), CellTime(999_001)).is_empty(), "an end at the deadline");
    let own = Input::SourceEnd { source: "channel.flow/0".to_owned(), at: CellTime(31_001) };
    assert!(engine.step(own, CellTime(999_001)).is_empty());
    assert_eq!(unpaid(&engine.step(end(31_001), CellTime(999_002))), [LOST]);
    assert_eq!((engine.settled(), engine.open_windows()), (2, 0));
    assert_balanced(&engine);
}

#[test]
fn a_source_read_far_ahead_does_not_close_a_window_before_its_time() {
    let mut engine = engine();
    give(&mut engine, collected(1_000, "O-1", "T-1", "199.00 CNY"));
    let end = Input::SourceEnd { source: "binlog".to_owned(), at: CellTime(60_000) };
    assert!(engine.step(end, CellTime(2_000)).is_empty());
    let own = Input::SourceEnd { source: "channel.flow/0".to_owned(), at: CellTime(60_000) };
    assert!(engine.step(own, CellTime(2_000)).is_empty());
    assert_eq!(engine.next_due(), Some(CellTime(31_000)));
    assert_eq!(unpaid(&tick(&mut engine, 31_000)), [LOST]);
}

#[test]
fn a_lookup_is_work_now_and_its_retry_is_due_later() {
    let bid = |price: &str| {
        serde_json::json!({"bid_id": "B-1", "sku": "K", "price": price, "currency": "CNY",
            "qty": 1, "status": "ACTIVE", "updated_at_ms": 1000})
    };
    let mut engine = engine();
    let outputs = engine.step(Input::Event(change(1_000, "bid", None, bid("1"))), CellTime(1_000));
    let [Output::Lookup { id, ask: Ask::Sql(sql), params, .. }] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert!(sql.contains(":since_ms"));
    assert_eq!(params[2], ("since_ms".to_owned(), Value::Int(1_000 - 604_800_000)));
    assert_eq!((engine.pending(), engine.next_due()), (1, None));
    let failed = Input::Answer { lookup: *id, result: Err("refused".to_owned()) };
    assert!(engine.step(failed.clone(), CellTime(1_500)).is_empty());
    assert_eq!((engine.pending(), engine.next_due()), (0, Some(CellTime(2_500))));
    assert!(engine.step(failed, CellTime(1_600)).is_empty(), "an answer counts once");
    assert_eq!(lines(&tick(&mut engine, 2_500)), ["lookup 2 bid-below-market"]);
    // The text price is no number: refused, never consistent.
    let row = row(serde_json::json!({"median": 3, "clearances": 0}));
    let answer = Input::Answer { lookup: 2, result: Ok(vec![row]) };
    let expect = ["bid-below-market refused item K / B-1"];
    assert_eq!(lines(&engine.step(answer, CellTime(2_600))), expect);
    assert_balanced(&engine);
}

#[test]
fn a_stale_source_is_blind_once_and_sees_again() {
    let mut engine = engine();
    let behind = |since| Input::Behind { source: "binlog".to_owned(), since: CellTime(since) };
    assert!(engine.step(behind(1_000), CellTime(3_000)).is_empty());
    assert_eq!(engine.next_due(), Some(CellTime(31_000)));
    assert!(engine.step(behind(9_000), CellTime(9_000)).is_empty(), "the first instant counts");
    assert!(tick(&mut engine, 30_999).is_empty());
    let id = "change-capture-stalled";
    let occurrence = "source binlog / binlog@1970-01-01T00:00:31.000Z";
    assert_eq!(lines(&tick(&mut engine, 31_000)), [format!("blind {id} mismatched {occurrence}")]);
    assert!(tick(&mut engine, 99_000).is_empty() && engine.next_due().is_none());
    let caught_up = Input::CaughtUp { source: "binlog".to_owned() };
    let seen = lines(&engine.step(caught_up.clone(), CellTime(99_001)));
    assert_eq!(seen, [format!("unblind {id} matched {occurrence} resolved")]);
    assert!(engine.step(caught_up.clone(), CellTime(99_002)).is_empty());
    // In time: silent.
    engine.step(behind(100_000), CellTime(102_000));
    engine.step(caught_up, CellTime(129_999));
    assert!(tick(&mut engine, 999_000).is_empty());
    let other = Input::Behind { source: "channel.flow/0".to_owned(), since: CellTime(0) };
    assert!(engine.step(other, CellTime(999_999)).is_empty(), "no rule watches it");
}

#[test]
fn a_part_that_ails_is_told_once_and_its_recovery_too() {
    let mut engine = engine();
    let id = || "alert-channel".to_owned();
    let ails = |since| {
        let (ward, why) = (Ward::AlertChannel, "no acknowledgement".to_owned());
        Input::Ails { ward, id: id(), since: CellTime(since), why }
    };
    let occurrence = "part alert-channel / alert-channel@1970-01-01T00:00:01.000Z";
    let told = lines(&engine.step(ails(1_000), CellTime(1_000)));
    assert_eq!(told, [format!("blind alert-channel-dead mismatched {occurrence}")]);
    assert!(engine.step(ails(2_000), CellTime(2_000)).is_empty(), "once");
    let other = Input::Recovered { ward: Ward::PlanExecutor, id: id() };
    assert!(engine.step(other, CellTime(3_000)).is_empty(), "another part's recovery");
    let recovered = Input::Recovered { ward: Ward::AlertChannel, id: id() };
    let told = lines(&engine.step(recovered.clone(), CellTime(3_000)));
    assert_eq!(told, [format!("unblind alert-channel-dead matched {occurrence} resolved")]);
    assert!(engine.step(recovered, CellTime(4_000)).is_empty());
}

#[test]
fn lag_is_held_against_the_smallest_window() {
    let mut engine = engine();
    let window_ms = engine.rules().smallest_window_ms().expect("some rule waits");
    let late = |since| {
        let (ward, id) = (Ward::Lag, "binlog".to_owned());
        Input::Ails { ward, id, since: CellTime(since), why: "late".to_owned() }
    };
    assert!(engine.step(late(1_000), CellTime(999 + window_ms)).is_empty(), "within the window");
    let told = lines(&tick(&mut engine, 1_000 + window_ms));
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("blind reconciler-lagging mismatched source binlog"), "{told:?}");
}

/// Every strategy has something to remember in it.
fn stream() -> Vec<Input> {
    vec![
        Input::Event(collected(1_000, "O-1", "T-1", "199.00 CNY")),
        Input::Event(collected(1_100, "O-2", "T-2", "50.00 CNY")),
        Input::Event(paid(1_200, "O-2")),
        Input::Event(paid_out(2_000, "O-2", "R-1", "T-3", "50.00 CNY")),
        Input::Event(paid_out(3_000, "O-2", "R-1", "T-4", "50.00 CNY")),
        Input::Mark { source: "binlog".to_owned(), seq: 1, at: CellTime(40_000) },
        Input::Mark { source: "channel.flow/0".to_owned(), seq: 1, at: CellTime(40_000) },
        Input::Event(paid(45_000, "O-1")),
    ]
}

fn now_of(input: &Input) -> CellTime {
    match input {
        Input::Event(event) => event.at,
        _ => CellTime(40_000),
    }
}

/// After a restart at every point, from the snapshot there or an older one: the same verdicts, none
/// twice.
#[test]
fn a_restart_anywhere_loses_nothing_and_repeats_nothing() {
    let inputs = stream();
    let run = |engine: &mut Engine, inputs: &[Input]| -> Vec<Output> {
        inputs.iter().flat_map(|input| engine.step(input.clone(), now_of(input))).collect()
    };
    let whole = lines(&run(&mut engine(), &inputs));
    assert!(whole.contains(&LOST.to_owned()) && whole.len() > 6, "{whole:?}");
    for stored in 0..=inputs.len() {
        for died in stored..=inputs.len() {
            let mut first = engine();
            let mut told = run(&mut first, &inputs[..stored]);
            let text = serde_json::to_string(&first.snapshot()).unwrap();
            told.extend(run(&mut first, &inputs[stored..died]));
            let keys = told.iter().filter_map(|output| match output {
                Output::Verdict(verdict) => Some(verdict.key()),
                _ => None,
            });
            let snapshot: Snapshot = serde_json::from_str(&text).unwrap();
            let restored = Engine::restore(project_rules(), &sources(), keys.collect(), &snapshot);
            let mut second = restored.unwrap();
            told.extend(run(&mut second, &inputs[stored..]));
            let mut got = lines(&told);
            let mut expect = whole.clone();
            got.sort();
            expect.sort();
            assert_eq!(got, expect, "stored after {stored}, died after {died}");
            assert_balanced(&second);
        }
    }
}

/// What a commit stores of the groups is all that a restart needs of them.
#[test]
fn changes_kept_one_by_one_are_the_whole() {
    let inputs = stream();
    let whole = |engine: &Engine| {
        let mut groups: Vec<String> =
            engine.snapshot().groups.iter().map(|g| g.to_string()).collect();
        groups.sort();
        groups
    };
    for every in 1..=inputs.len() {
        let mut engine = engine();
        let mut store: BTreeMap<String, String> = BTreeMap::new();
        let mut largest = 0;
        for (nth, input) in inputs.iter().enumerate() {
            engine.step(input.clone(), now_of(input));
            if nth % every != 0 {
                continue;
            }
            for change in engine.take_changes() {
                match change.body {
                    Some(body) => store.insert(change.id, body),
                    None => store.remove(&change.id),
                };
            }
            let mut kept: Vec<String> = store.values().cloned().collect();
            kept.sort();
            assert_eq!(kept, whole(&engine), "after input {nth}, stored every {every}");
            largest = largest.max(kept.len());
        }
        assert!(largest > 0 && engine.take_changes().len() <= inputs.len());
    }
}

#[test]
fn a_restored_engine_asks_again_what_was_out() {
    let bid = serde_json::json!({"bid_id": "B-1", "sku": "K", "price": 1, "currency": "CNY",
        "qty": 1, "status": "ACTIVE", "updated_at_ms": 1000});
    let mut first = engine();
    mark_all(&mut first, 4, 900);
    first.step(Input::Event(change(1_000, "bid", None, bid)), CellTime(1_000));
    mark_all(&mut first, 5, 1_100);
    let snapshot = first.snapshot();
    assert_eq!((snapshot.settled, snapshot.checkpoint), (4, 5));
    let mut second =
        Engine::restore(project_rules(), &sources(), HashSet::new(), &snapshot).unwrap();
    assert_eq!(second.settled(), 0, "nothing is settled before the lookup is out again");
    assert_eq!(lines(&tick(&mut second, 1_200)), ["lookup 2 bid-below-market"]);
    assert_eq!((second.settled(), second.pending()), (4, 1));
    let broken = Snapshot { state: serde_json::json!({"shape": 7}), ..snapshot };
    let error = Engine::restore(project_rules(), &sources(), HashSet::new(), &broken);
    assert!(error.err().unwrap().to_string().contains("cannot restore"));
}

#[test]
fn a_reload_keeps_the_state_of_rules_that_stay_and_tells_of_those_that_go() {
    let mut engine = engine();
    give(&mut engine, collected(1_000, "O-1", "T-1", "199.00 CNY"));
    assert!(engine.step(Input::Replace(project_rules()), CellTime(2_000)).is_empty());
    let refunds = std::fs::read_to_string(manifest("scenarios/rules/refund.yaml")).unwrap();
    let fewer = Arc::new(rules::load(&[(PathBuf::from("refund.yaml"), refunds)]).unwrap());
    let told = lines(&engine.step(Input::Replace(fewer), CellTime(3_000)));
    assert_eq!(
        told,
        [
            "paid-amount-differs unknown order O-1 / T-1",
            "paid-order-unpaid unknown order O-1 / T-1"
        ]
    );
    assert_eq!((engine.open_windows(), engine.next_due()), (0, None));
    let told = give(&mut engine, paid_out(4_000, "O-1", "R-1", "T-9", "199.00 CNY"));
    assert!(
        told.contains(&"refund-exceeds-payment matched order O-1 / T-9".to_owned()),
        "{told:?}"
    );
}

#[test]
fn groups_are_forgotten_after_their_time_but_not_while_a_finding_holds() {
    let mut engine = engine();
    give(&mut engine, collected(1_000, "O-1", "T-1", "199.00 CNY"));
    give(&mut engine, collected(1_000, "O-2", "T-2", "199.00 CNY"));
    give(&mut engine, paid(1_100, "O-2"));
    mark_all(&mut engine, 1, 40_000);
    let kept = |engine: &Engine| engine.groups.values().map(BTreeMap::len).sum::<usize>();
    assert!(kept(&engine) > 4);
    tick(&mut engine, 1_000 + 31 * 86_400_000);
    assert_eq!(kept(&engine), 1, "only the open finding on O-1 stays");
    let late = give(&mut engine, paid(1_000 + 32 * 86_400_000, "O-1"));
    assert_eq!(late, ["paid-order-unpaid matched order O-1 / T-1 resolved"]);
}

#[test]
fn a_rule_in_shadow_is_stored_and_raises_nothing() {
    let text = std::fs::read_to_string(manifest("scenarios/rules/refund.yaml")).unwrap();
    let with = |rollout: &str| {
        let text = text.replace("rollout: full", rollout);
        let rules = rules::load(&[(PathBuf::from("refund.yaml"), text)]).unwrap();
        let mut engine = Engine::new(Arc::new(rules), &sources(), HashSet::new());
        let event = paid_out(4_000, "O-1", "R-1", "T-9", "199.00 CNY");
        engine.step(Input::Event(event), CellTime(4_000))
    };
    let firing = |outputs: &[Output]| {
        let fires = |o: &&Output| matches!(o, Output::Verdict(v) if v.is_firing());
        outputs.iter().filter(fires).count()
    };
    let (full, shadow) = (with("rollout: full"), with("rollout: shadow"));
    assert_eq!((full.len(), firing(&full)), (2, 1));
    assert_eq!((shadow.len(), firing(&shadow)), (2, 0));
    assert!(with("rollout: off").is_empty());
}
