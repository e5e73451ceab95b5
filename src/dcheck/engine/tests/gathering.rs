//! A day that is over: nothing is judged before all rows are in, nothing is shed, and rows of the next day accuse nobody.

use std::path::PathBuf;

use super::*;

const END: i64 = 100_000;

const RULES: &str = "
- id: refunds-above
  version: 1
  loss_point: l
  severity: P1
  rollout: full
  strategy: sum-bound
  subject: {kind: order, id: after.order}
  occurrence: after.txn
  on: {topic: channel.flow, where: after.kind == \"paid-out\", key: after.order}
  counterpart: {table: pay, ops: [insert], key: after.order, id: after.id, amount: money(after.amount)}
  amount: money(after.amount)
  order_by: after.at_ms
  when_absent: finding
  at_risk: found.above
  expected: e
  actual: a
- id: booked
  version: 1
  loss_point: l
  severity: P1
  rollout: full
  strategy: two-sided-match
  subject: {kind: order, id: after.order}
  occurrence: after.id
  on: {table: pay, ops: [insert], key: after.id}
  counterpart: {table: book, ops: [insert], key: after.id}
  window: 1 s
  check: after.amount == other.amount
  when_absent: finding
  expected: e
  actual: a
- id: legs
  version: 1
  loss_point: l
  severity: P1
  rollout: full
  strategy: conservation
  subject: {kind: journal, id: after.journal}
  occurrence: after.id
  on: {table: leg, ops: [insert], key: after.journal}
  amount: money(after.amount)
  order_by: after.id
  window: 1 s
  when_absent: finding
  expected: e
  actual: a
- id: once
  version: 1
  loss_point: l
  severity: P1
  rollout: full
  strategy: at-most-one
  subject: {kind: order, id: after.order}
  occurrence: after.id
  on: {table: pay, ops: [insert], key: after.order}
  order_by: after.id
  rate: 1 per 1 s
  when_absent: finding
  expected: e
  actual: a
";

fn rules() -> Arc<RuleSet> {
    Arc::new(rules::load(&[(PathBuf::from("r.yaml"), RULES.to_owned())]).unwrap())
}

fn insert(at: i64, table: &str, fields: serde_json::Value) -> Event {
    let mut event = change(at, table, None, fields);
    event.position = format!("{table}#{at}");
    event
}

fn pay(at: i64, order: &str, id: u64, amount: &str) -> Event {
    insert(at, "pay", serde_json::json!({"order": order, "id": id, "amount": amount}))
}

fn book(at: i64, id: u64, amount: &str) -> Event {
    insert(at, "book", serde_json::json!({"id": id, "amount": amount}))
}

fn leg(at: i64, journal: &str, id: u64, amount: &str) -> Event {
    insert(at, "leg", serde_json::json!({"journal": journal, "id": id, "amount": amount}))
}

/// What is told once all rows are in, and the counts. Broken off and gone on with behind row `cut`.
fn swept(events: &[&Event], cut: usize) -> (Vec<String>, BTreeMap<String, Counts>) {
    let end = CellTime(END);
    let mut engine = Engine::new(rules(), &sources(), HashSet::new());
    engine.gather_until(end);
    for (nth, event) in events.iter().enumerate() {
        if nth == cut {
            let before = engine.snapshot();
            engine = Engine::restore(rules(), &sources(), HashSet::new(), &before).unwrap();
            engine.gather_until(end);
        }
        assert_eq!(engine.gather((*event).clone(), end), [], "nothing is told while rows come");
    }
    SOURCES.iter().for_each(|source| engine.all_in(source, end.plus_ms(1)));
    let mut told = Vec::new();
    while let Some(outputs) = engine.judge_gathered(1) {
        told.extend(lines(&outputs).into_iter().filter(|line| !line.contains(" matched ")));
    }
    assert_balanced(&engine);
    let mut counts = BTreeMap::new();
    engine.tell_counts(&mut counts);
    told.sort();
    (told, counts)
}

fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for nth in 0..count {
        let inserted = |order: Vec<usize>| {
            (0..=order.len()).map(move |at| {
                let mut order = order.clone();
                order.insert(at, nth);
                order
            })
        };
        all = all.into_iter().flat_map(inserted).collect();
    }
    all
}

#[test]
fn no_order_of_reading_makes_a_finding() {
    let rows = [
        pay(1_000, "O-1", 1, "50.00 CNY"),
        book(90_000, 1, "50.00 CNY"),
        paid_out(2_000, "O-1", "R-1", "T-1", "50.00 CNY"),
        leg(3_000, "J-1", 1, "5.00 CNY"),
        leg(80_000, "J-1", 2, "-5.00 CNY"),
        paid_out(4_000, "O-2", "R-2", "T-2", "3.00 CNY"),
    ];
    let found = ["refunds-above mismatched order O-2 / T-2 3.00 CNY"];
    for order in orders(rows.len()) {
        let events: Vec<&Event> = order.iter().map(|nth| &rows[*nth]).collect();
        for cut in [0, 3, 6] {
            let (told, _) = swept(&events, cut);
            assert_eq!(told, found, "{order:?}");
        }
    }
}

#[test]
fn nothing_is_shed() {
    let rows: Vec<Event> = (1..=5)
        .flat_map(|id| [pay(1_000, "O-1", id, "1.00 CNY"), book(1_000, id, "1.00 CNY")])
        .collect();
    let (told, counts) = swept(&rows.iter().collect::<Vec<_>>(), 9);
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!((counts["once@1"].taken, counts["once@1"].shed), (5, 0));
}

#[test]
fn rows_of_the_next_day_are_compared_with_and_accuse_nobody() {
    let (day, next) = (END - 50_000, END + 5);
    let (near, pending) = (END - 10, 1);
    for (rows, rule, found, open) in [
        // The counterpart was written, or last changed, after the end.
        (vec![pay(day, "O-1", 1, "5.00 CNY"), book(next, 1, "5.00 CNY")], "booked", 0, 0),
        (vec![pay(day, "O-1", 1, "5.00 CNY"), book(next, 1, "6.00 CNY")], "booked", 0, pending),
        (vec![pay(day, "O-1", 1, "5.00 CNY"), book(day, 1, "6.00 CNY")], "booked", 1, 0),
        (vec![pay(day, "O-1", 1, "5.00 CNY")], "booked", 1, 0),
        (vec![pay(near, "O-1", 1, "5.00 CNY")], "booked", 0, pending),
        (vec![pay(next, "O-1", 1, "5.00 CNY")], "booked", 0, 0),
        // The other leg.
        (vec![leg(day, "J", 1, "5.00 CNY"), leg(next, "J", 2, "-5.00 CNY")], "legs", 0, 0),
        (vec![leg(day, "J", 1, "5.00 CNY"), leg(next, "J", 2, "-4.00 CNY")], "legs", 0, pending),
        (vec![leg(day, "J", 1, "5.00 CNY"), leg(day, "J", 2, "-4.00 CNY")], "legs", 1, 0),
        // Two are two, whatever comes the next day.
        (vec![pay(day, "O", 1, "5.00 CNY"), pay(next, "O", 2, "5.00 CNY")], "once", 0, 0),
        (
            vec![
                pay(day, "O", 1, "5.00 CNY"),
                pay(day, "O", 2, "5.00 CNY"),
                pay(next, "O", 3, "5.00 CNY"),
            ],
            "once",
            1,
            0,
        ),
        // The payment that bounds them.
        (
            vec![
                paid_out(day, "O", "R", "T", "5.00 CNY"),
                insert(
                    next,
                    "pay",
                    serde_json::json!({"order": "O", "id": 1, "amount": "9.00 CNY"}),
                ),
            ],
            "refunds-above",
            0,
            0,
        ),
    ] {
        let (told, counts) = swept(&rows.iter().collect::<Vec<_>>(), 0);
        let told: Vec<&String> = told.iter().filter(|line| line.starts_with(rule)).collect();
        let stands = told.iter().filter(|line| line.contains("mismatched")).count();
        let is_open = u64::from(open == pending && counts[&format!("{rule}@1")].pending > 0);
        assert_eq!((stands, is_open), (found, open), "{rule}: {rows:?} {told:?} {counts:?}");
    }
}

/// What orders a group is kept with it, and must be readable again: a number that no column holds is refused with its row.
#[test]
fn an_order_beyond_any_column_is_refused() {
    for (id, refused) in [
        (i128::from(u64::MAX), 0),
        (i128::from(i64::MIN), 0),
        (i128::from(u64::MAX) + 1, 1),
        (99_999_999_999_999_999_999, 1),
    ] {
        let mut engine = Engine::new(rules(), &sources(), HashSet::new());
        let mut event = pay(1, "O-1", 1, "1.00");
        event.after.as_mut().unwrap().insert("id".to_owned(), Value::Int(id));
        engine.step(Input::Event(event), CellTime(1));
        let before = engine.snapshot();
        let again = Engine::restore(rules(), &sources(), HashSet::new(), &before).unwrap();
        let mut counts = BTreeMap::new();
        again.tell_counts(&mut counts);
        assert_eq!(counts["once@1"].refused, refused, "{id}: {counts:?}");
    }
}
