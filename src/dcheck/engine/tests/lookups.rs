//! Lookups: shared answers, rates, who does not answer, and what becomes of the Unknown.

use super::rules::ask::Ask;
use super::*;

/// A rule that asks, with more lines under `reference` and in the rule; beside it the rules that watch.
pub(super) fn load(reference: &str, more: &str) -> Result<RuleSet, Vec<RuleError>> {
    let text = format!(
        "- id: r\n  version: 1\n  loss_point: l\n  severity: P1\n  rollout: full\n  strategy: threshold\n  \
         subject: {{kind: item, id: after.id}}\n  occurrence: after.id\n  on: {{table: a, ops: insert}}\n  \
         reference: {{params: {{sku: after.sku}}, {reference}}}\n  check: after.x <= ref.top\n  \
         carries: money(after.x, \"CNY\")\n  when_absent: finding\n  expected: e\n  actual: a\n{more}\
         - {{id: lookup-down, version: 1, loss_point: l, severity: P0, rollout: full, strategy: self-watch, \
         watches: lookup, when_absent: finding}}\n\
         - {{id: shedding, version: 1, loss_point: l, severity: P0, rollout: full, strategy: self-watch, \
         watches: shedding, when_absent: finding}}\n"
    );
    rules::load(&[(PathBuf::from("r.yaml"), text)])
}

pub(super) const SQL: &str = "sql: 'SELECT top FROM t WHERE sku = :sku'";

pub(super) fn over(reference: &str, more: &str) -> Engine {
    let rules = load(reference, more).unwrap_or_else(|errors| panic!("{errors:?}"));
    Engine::new(Arc::new(rules), &sources(), HashSet::new())
}

pub(super) fn item(engine: &mut Engine, at: i64, id: &str, sku: &str) -> Vec<String> {
    let row = serde_json::json!({"id": id, "sku": sku, "x": 5});
    lines(&engine.step(Input::Event(change(at, "a", None, row)), CellTime(at)))
}

pub(super) fn answer(engine: &mut Engine, lookup: u64, at: i64, top: i64) -> Vec<String> {
    let result = Ok(vec![row(serde_json::json!({"top": top}))]);
    lines(&engine.step(Input::Answer { lookup, result }, CellTime(at)))
}

pub(super) fn fail(engine: &mut Engine, lookup: u64, at: i64) -> Vec<Output> {
    let result = Err("refused".to_owned());
    engine.step(Input::Answer { lookup, result }, CellTime(at))
}

pub(super) fn tick(engine: &mut Engine, at: i64) -> Vec<String> {
    lines(&engine.step(Input::Tick, CellTime(at)))
}

#[test]
fn the_same_question_is_asked_once_while_its_answer_is_young() {
    let asked = |reference: String| {
        let mut engine = over(&reference, "");
        let mut told = item(&mut engine, 1_000, "A", "K");
        told.extend(item(&mut engine, 1_500, "B", "K"));
        told.extend(item(&mut engine, 1_600, "C", "L"));
        told.extend(answer(&mut engine, 1, 2_000, 9));
        told.extend(item(&mut engine, 3_000, "D", "K"));
        told.extend(item(&mut engine, 6_001, "E", "K"));
        assert_balanced(&engine);
        told
    };
    assert_eq!(
        asked(format!("{SQL}, cache: 5 s")),
        [
            "lookup 1 r",
            "lookup 2 r",
            "r matched item A / A",
            "r matched item B / B",
            "r matched item D / D",
            "lookup 3 r"
        ],
        "its age counts from when it was asked"
    );
    let alone = asked(SQL.to_owned());
    assert_eq!(alone.iter().filter(|line| line.starts_with("lookup")).count(), 5, "{alone:?}");
}

#[test]
fn a_question_above_the_rate_waits_for_its_slot_and_is_shed_where_that_is_too_late() {
    let mut engine = over(&format!("{SQL}, rate: 2 per 10 s"), "");
    for (number, told) in [(1, true), (2, true), (3, false), (4, false), (5, false)] {
        let outputs = item(&mut engine, number, &format!("S-{number}"), "K");
        assert_eq!(outputs.len(), usize::from(told), "{number}: {outputs:?}");
    }
    assert_eq!(engine.next_due(), Some(CellTime(10_001)));
    assert_eq!(tick(&mut engine, 10_001), ["lookup 3 r", "lookup 4 r"]);
    assert_eq!(tick(&mut engine, 20_001), ["lookup 5 r"]);
    assert_eq!(engine.lookup_counts()["r@1"].delayed, 3);

    let mut flooded = over(&format!("{SQL}, rate: 1 per 30 s"), "");
    let mut told = Vec::new();
    for number in 0..5 {
        told.extend(item(&mut flooded, number, &format!("S-{number}"), "K"));
    }
    assert_eq!(
        told,
        [
            "lookup 1 r",
            "r unknown item S-3 / S-3",
            "blind shedding mismatched rule r / r@1970-01-01T00:00:00.003Z",
            "r unknown item S-4 / S-4",
        ]
    );
    let shed = &flooded.shedding()["r@1"];
    assert_eq!(
        (shed.unseen.count, shed.unseen.money["CNY"].to_string()),
        (2, "10.00 CNY".to_owned())
    );
    assert_balanced(&flooded);
    // It ends, and what was shed is asked: in its slots again.
    tick(&mut flooded, 30_000);
    let ended = tick(&mut flooded, 60_004);
    let end = "unblind shedding matched rule r / r@1970-01-01T00:00:00.003Z resolved";
    assert!(ended.iter().any(|line| line == end), "{ended:?}");
    let rest: Vec<String> = (3..12).flat_map(|n| tick(&mut flooded, n * 30_000)).collect();
    assert!(rest.iter().filter(|line| line.starts_with("lookup")).count() >= 2, "{rest:?}");
}

#[test]
fn a_lookup_that_is_down_is_told_with_its_rules_and_money_and_its_items_are_asked_again() {
    let mut engine = over(SQL, "");
    for (number, id) in ["A", "B", "C"].iter().enumerate() {
        assert_eq!(item(&mut engine, 1_000, id, "K").len(), 1);
        let outputs = fail(&mut engine, number as u64 + 1, 2_000);
        let shown = lines(&outputs);
        assert_eq!(shown[0], format!("r unknown item {id} / {id}"), "never consistent");
        assert_eq!(shown.len(), if number == 2 { 2 } else { 1 }, "two are a blip: {shown:?}");
        if let Some(Output::Blind(verdict)) = outputs.last() {
            let told = "lookup down: `sql` gives no answer since 1970-01-01T00:00:02.000Z; \
                        Unknown, and passed unseen, of rules: r 3 (15.00 CNY); the last: refused";
            assert_eq!(verdict.actual, told);
        }
    }
    assert_eq!(engine.next_due(), Some(CellTime(62_000)));
    assert_eq!(tick(&mut engine, 62_000), ["lookup 4 r"], "one of them");
    assert!(fail(&mut engine, 4, 62_001).is_empty(), "told already, and Unknown already");
    assert_eq!(engine.next_due(), Some(CellTime(182_000)), "the pause doubles");
    // A restart asks on.
    let snapshot = engine.snapshot();
    let rules = Arc::clone(engine.rules());
    let back = Engine::restore(rules, &sources(), HashSet::new(), &snapshot).expect("restored");
    assert_eq!(back.next_due(), Some(CellTime(122_001)));
    tick(&mut engine, 182_000);
    let again = answer(&mut engine, 5, 182_001, 3);
    assert!(again.contains(&"r mismatched item B / B".to_owned()), "another one: {again:?}");
    assert_eq!(again.iter().filter(|line| line.starts_with("lookup ")).count(), 2, "{again:?}");
    assert_eq!(answer(&mut engine, 6, 182_002, 9), ["r matched item A / A"]);
    let down = "unblind lookup-down matched part sql / sql@1970-01-01T00:00:02.000Z resolved";
    assert_eq!(answer(&mut engine, 7, 182_003, 9), [down, "r matched item C / C"]);
    assert_eq!((engine.next_due(), engine.lookup_counts()["r@1"].waiting), (None, 0));
    assert_balanced(&engine);
}

#[test]
fn what_an_answer_says_wrong_is_not_asked_again() {
    let mut engine = over(SQL, "");
    item(&mut engine, 1_000, "A", "K");
    let two = vec![row(serde_json::json!({"top": 1})), row(serde_json::json!({"top": 2}))];
    let outputs = engine.step(Input::Answer { lookup: 1, result: Ok(two) }, CellTime(1_001));
    assert_eq!(lines(&outputs), ["r unknown item A / A"]);
    assert_eq!(engine.next_due(), None);
}

#[test]
fn what_a_reference_may_say() {
    let http = "http: {target: shop, get: '/p/:sku', read: {top: price.top}}";
    let set = load(http, "").expect("in order");
    let lookup = set.rules()[0].lookup.as_ref().expect("a lookup");
    assert!(matches!(&lookup.ask, Ask::Http { target, .. } if target == "shop"));
    assert_eq!(lookup.ask.place(), "http shop");
    for (reference, mistake) in [
        (format!("{SQL}, {http}"), "asks either `sql` or `http`"),
        ("timeout: 1 s".to_owned(), "asks either `sql` or `http`"),
        ("http: {target: shop, get: 'http://evil/:sku', read: {top: x}}".to_owned(), "is no path"),
        ("http: {target: shop, get: '/p/:sku', read: {}}".to_owned(), "`read` names nothing"),
        (
            "http: {target: shop, get: '/p', read: {top: x}}".to_owned(),
            "`sku` does not stand in `get`",
        ),
        (format!("{SQL}, rate: 0 per 1 s"), "is no rate"),
        (format!("{SQL}, rate: many"), "is no rate"),
        (format!("{SQL}, cache: 2 d"), "longer than a day"),
    ] {
        let errors = load(&reference, "").expect_err(&reference);
        let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert!(shown.join("\n").contains(mistake), "{reference}: {shown:?}");
    }
}

#[test]
fn a_rule_above_its_rate_sheds_by_the_time_of_events_and_says_what_passed() {
    let plain = "- {id: p, version: 1, loss_point: l, severity: P1, rollout: full, strategy: threshold, \
                 subject: {kind: item, id: after.id}, occurrence: after.id, revision: '{after.x}', \
                 on: {table: b, ops: [insert, update]}, rate: 2 per 1 s, check: after.x <= 3, \
                 carries: 'money(after.x, \"CNY\")', when_absent: ok, expected: e, actual: a}\n";
    let mut engine = over(SQL, plain);
    let mut bid = |at: i64, read_at: i64, id: &str, x: i64| {
        let row = serde_json::json!({"id": id, "x": x});
        lines(&engine.step(Input::Event(change(at, "b", None, row)), CellTime(read_at)))
    };
    // A backlog of a calm stream, read at one stroke: nothing is shed.
    for second in 0..20 {
        assert_eq!(bid(second * 1_000, 20_000, &format!("calm-{second}"), 1).len(), 1);
    }
    assert_eq!(bid(30_000, 30_000, "A", 9), ["p mismatched item A / A"]);
    assert_eq!(bid(30_001, 30_001, "B", 1), ["p matched item B / B"]);
    let shed = bid(30_002, 30_002, "C", 7);
    assert_eq!(shed, ["blind shedding mismatched rule p / p@1970-01-01T00:00:30.002Z"]);
    assert!(bid(30_003, 30_003, "D", 8).is_empty());
    assert!(bid(30_004, 30_004, "B", 1).is_empty(), "a redelivery is no overflow");
    assert_eq!(
        bid(30_005, 30_005, "A", 2),
        ["p matched item A / A resolved"],
        "what ends a finding is taken"
    );
    assert_eq!(bid(31_000, 31_000, "E", 1), ["p matched item E / E"], "the next second is free");
    let unseen = engine.shedding()["p@1"].unseen.shown();
    assert_eq!(unseen, "2 (15.00 CNY)");
    assert_balanced(&engine);
    let ended = engine.step(Input::Tick, CellTime(90_003));
    let Some(Output::Unblind(verdict)) = ended.first() else { panic!("{ended:?}") };
    assert_eq!(
        verdict.actual,
        "over; shedding: rule p takes 2 per 1000 ms; since 1970-01-01T00:00:30.002Z passed unseen: 2 (15.00 CNY)"
    );
}

#[test]
fn a_rule_that_compares_items_with_each_other_sheds_none() {
    let rule = "- {id: s, version: 1, loss_point: l, severity: P1, rollout: full, strategy: conservation, \
                subject: {kind: item, id: after.id}, occurrence: after.id, on: {table: b, ops: insert, key: after.id}, \
                rate: 2 per 1 s, window: 1 s, amount: 'money(after.x, \"CNY\")', order_by: after.x, \
                when_absent: ok, expected: e, actual: a}\n";
    let errors = load(SQL, rule).expect_err("refused");
    assert!(
        errors.iter().any(|error| error.message.contains("compares items with each other")),
        "{errors:?}"
    );
}
