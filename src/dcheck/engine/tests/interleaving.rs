//! Sources are read in any order and more than once: the findings are the same.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// Money on its way, good and bad: lost callback (O-1), in time (O-2), late (O-3), paid out twice
/// and above (O-4), booked wrong (O-5).
fn world() -> Vec<Event> {
    let booked = |at, order: &str, txn: &str, amount: &str| {
        let amount: serde_json::Value = serde_json::from_str(amount).unwrap();
        let row = serde_json::json!({"pay_id": txn, "order_id": order, "channel_txn": txn,
            "amount": amount, "currency": "CNY", "status": "SUCCESS"});
        change(at, "pay_order", None, row)
    };
    vec![
        collected(1_000, "O-1", "T-1", "199.00 CNY"),
        collected(2_000, "O-2", "T-2", "100.00 CNY"),
        paid(2_100, "O-2"),
        booked(2_100, "O-2", "T-2", "100.00"),
        collected(3_000, "O-3", "T-3", "10.00 CNY"),
        paid(43_000, "O-3"),
        collected(4_000, "O-4", "T-4", "50.00 CNY"),
        paid(3_990, "O-4"),
        paid_out(5_000, "O-4", "R-1", "T-5", "20.00 CNY"),
        paid_out(6_000, "O-4", "R-1", "T-6", "20.00 CNY"),
        paid_out(7_000, "O-4", "R-2", "T-7", "20.00 CNY"),
        collected(8_000, "O-5", "T-8", "70.00 CNY"),
        paid(8_100, "O-5"),
        booked(8_100, "O-5", "T-8", "7.00"),
    ]
}

/// What stands in the end: open findings, and findings that ended. `order` gives the events by
/// number, some again.
fn findings(order: &[usize], marks: &[usize]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (world, mut engine) = (world(), engine());
    let (mut open, mut ended) = (BTreeSet::new(), BTreeSet::new());
    let mut outputs = Vec::new();
    let mut now = CellTime(0);
    for (step, number) in order.iter().enumerate() {
        let event = world[*number].clone();
        now = now.max(event.at);
        outputs.extend(engine.step(Input::Event(event), now));
        if marks.contains(&step) {
            // Nothing but time: a mark would claim that all before it was given.
            outputs.extend(engine.step(Input::Tick, now.plus_ms(1)));
        }
        assert_balanced(&engine);
    }
    outputs.extend(mark_all(&mut engine, 1, 100_000));
    for output in outputs {
        let Output::Verdict(verdict) = output else { panic!("{output:?}") };
        let name = format!("{} {} / {}", verdict.rule, verdict.subject, verdict.occurrence);
        match verdict.judgement {
            Judgement::Mismatched => {
                let money = verdict.at_risk.map(|m| m.to_string()).unwrap_or_default();
                open.retain(|known: &String| !known.starts_with(&name));
                open.insert(format!("{name} {money}"));
            }
            Judgement::Matched if verdict.resolved => {
                open.retain(|known: &String| !known.starts_with(&name));
                ended.insert(name);
            }
            _ => {}
        }
    }
    assert_eq!((engine.open_windows(), engine.settled()), (0, 1));
    (open, ended)
}

fn in_order() -> (BTreeSet<String>, BTreeSet<String>) {
    findings(&(0..world().len()).collect::<Vec<_>>(), &[])
}

#[test]
fn the_findings_of_the_world_in_order() {
    let (open, ended) = in_order();
    let open: Vec<&str> = open.iter().map(String::as_str).collect();
    assert_eq!(
        open,
        [
            "paid-amount-differs order \"O-5\" / T-8 63.00 CNY",
            "paid-order-unpaid order \"O-1\" / T-1 199.00 CNY",
            "refund-exceeds-payment order \"O-4\" / T-7 10.00 CNY",
            "refund-paid-twice refund \"R-1\" / T-6 20.00 CNY",
        ]
    );
    assert_eq!(ended.len(), 1, "O-3 was late: {ended:?}");
}

/// Any order of reading: the collected messages of one order stay before its payouts, as one
/// partition keeps them.
fn any_order() -> impl Strategy<Value = Vec<usize>> {
    let count = world().len();
    let all: Vec<usize> = (0..count).collect();
    let again = prop::collection::vec(0..count, 0..6);
    (Just(all).prop_shuffle(), again, any::<u64>()).prop_map(|(mut order, again, seed)| {
        for (n, number) in again.into_iter().enumerate() {
            let place = (seed.rotate_left(n as u32 * 7) % (order.len() as u64 + 1)) as usize;
            order.insert(place, number);
        }
        let payment = order.iter().position(|n| *n == 6).expect("every event is there");
        let payout = order.iter().position(|n| (8..=10).contains(n)).expect("payouts are there");
        if payout < payment {
            order.insert(payout, 6);
        }
        order
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_findings_do_not_depend_on_the_order_of_reading(
        order in any_order(),
        marks in prop::collection::vec(0..20_usize, 0..4),
    ) {
        let (open, ended) = findings(&order, &marks);
        let (expect_open, expect_ended) = in_order();
        prop_assert_eq!(open, expect_open);
        // A finding that was taken back on the way may only be one that reading in order never has.
        prop_assert!(ended.is_superset(&expect_ended));
    }
}
