//! What a rule remembers: no shorter than what it compares with, and what is forgotten makes no finding.

use super::*;

const RULE: &str = "
- id: as-listed
  version: 1
  loss_point: none
  severity: P0
  rollout: full
  strategy: two-sided-match
  window: 1 s
  when_absent: finding
  subject: {kind: order, id: after.order}
  occurrence: after.order
  on: {topic: channel.flow, key: after.item}
  counterpart: {topic: orders.events, key: after.item}
  check: after.price == other.price
  expected: {price}
  actual: {sold}
";

fn rules(text: &str) -> Result<Arc<RuleSet>, String> {
    let text = text.replace("{price}", "\"{other.price}\"").replace("{sold}", "\"{after.price}\"");
    let loaded = rules::load(&[(PathBuf::from("memory.yaml"), text)]);
    loaded.map(Arc::new).map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn listed(at: i64, price: i64) -> Event {
    let body = serde_json::json!({"item": "K", "price": price, "at_ms": at});
    Event {
        source: "orders.events/0".to_owned(),
        stream: "orders.events".to_owned(),
        position: format!("{at:06}"),
        ..flow(at, body)
    }
}

fn sold(at: i64, order: &str, price: i64) -> Event {
    flow(at, serde_json::json!({"order": order, "item": "K", "price": price, "at_ms": at}))
}

fn mismatched(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).filter(|line| line.contains("mismatched")).collect()
}

/// Who stores what changed is told how much of it there is, before it is put together.
#[test]
fn what_is_to_be_stored_is_counted_by_its_states() {
    let rules = rules(RULE).unwrap_or_else(|why| panic!("{why}"));
    let mut engine = Engine::new(rules, &sources(), HashSet::new());
    let take = |engine: &mut Engine, event: Event| {
        let at = event.at;
        engine.step(Input::Event(event), at);
        engine.changed_states()
    };
    assert_eq!(engine.changed_states(), 0);
    let counted =
        [1_000, 2_000, 3_000].map(|at| take(&mut engine, sold(at, &format!("O-{at}"), 1)));
    assert_eq!(counted, [1, 2, 3]);
    assert_eq!(engine.take_changes().len(), 1);
    assert_eq!(engine.changed_states(), 0);
    assert_eq!(take(&mut engine, sold(4_000, "O-4", 1)), 4, "all of a group is stored again");
}

/// An honest sale stays one, however often its item changes afterwards; a wrong one stays wrong.
#[test]
fn what_a_sale_was_compared_with_may_be_forgotten_and_makes_no_finding() {
    let rules = rules(RULE).unwrap_or_else(|why| panic!("{why}"));
    let mut engine = Engine::new(rules, &sources(), HashSet::new());
    let mut outputs = Vec::new();
    let mut events = vec![listed(1_000, 100), sold(2_000, "O-1", 100), sold(2_500, "O-2", 99)];
    events.extend((0..80).map(|change| listed(10_000 + change * 1_000, 110 + change)));
    for (number, event) in (1_u64..).zip(events) {
        let at = event.at;
        outputs.extend(engine.step(Input::Event(event), at));
        outputs.extend(mark_all(&mut engine, number, at.0 + 900));
    }
    let told = lines(&outputs);
    assert_eq!(mismatched(&told), ["as-listed mismatched order O-2 / O-2"], "{told:?}");
    let of_first: Vec<&String> = told.iter().filter(|line| line.contains("O-1")).collect();
    assert_eq!(of_first, ["as-listed matched order O-1 / O-1"]);
}

#[test]
fn a_memory_that_is_too_short_is_refused() {
    let error =
        rules(&RULE.replace("  window: 1 s", "  window: 2 h\n  remember: 1 h")).unwrap_err();
    assert!(
        error.contains("`remember: 3600 s` forgets what the rule still compares with"),
        "{error}"
    );
    assert!(rules(&RULE.replace("  window: 1 s", "  window: 2 h\n  remember: 2 h")).is_ok());
}

/// A bid that is repriced all day: one key, and each price a state of its own.
#[test]
fn a_busy_key_keeps_its_latest_states_and_what_a_finding_rests_on() {
    let text = "- {id: r, version: 1, loss_point: l, severity: P1, rollout: full, strategy: threshold, \
                subject: {kind: item, id: after.sku}, occurrence: after.id, revision: '{after.rev}', \
                on: {table: a, ops: [insert, update]}, check: after.x <= 9, \
                when_absent: ok, expected: e, actual: a}\n";
    let rules = rules(text).unwrap_or_else(|why| panic!("{why}"));
    let mut engine = Engine::new(rules, &sources(), HashSet::new());
    let mut bid = |id: &str, rev: i64, x: i64| {
        let row = serde_json::json!({"id": id, "sku": "K", "rev": rev, "x": x});
        lines(&engine.step(Input::Event(change(rev, "a", None, row)), CellTime(rev)))
    };
    assert_eq!(bid("B", 1, 20), ["r mismatched item K / B"]);
    for rev in 2..1_000 {
        let held = ["r mismatched item K / B"];
        assert_eq!(bid("B", rev, 20), held);
    }
    assert!(bid("B", 999, 20).is_empty(), "a redelivery is known");
    assert_eq!(bid("B", 1_000, 2), ["r matched item K / B resolved"]);
    for rev in 1_001..2_000 {
        assert_eq!(bid("B", rev, 1), ["r matched item K / B"]);
    }
    let group = &engine.groups["r@1"]["B"];
    assert_eq!((group.items.len(), group.open.len()), (256, 0));
    assert_balanced(&engine);
}

/// A state that was out of the rule's reach before the finding began does not end it later.
#[test]
fn a_state_before_a_finding_does_not_end_it() {
    let text = "- id: r\n  version: 1\n  loss_point: l\n  severity: P1\n  rollout: full\n  \
        strategy: threshold\n  subject: {kind: bid, id: after.id}\n  occurrence: after.id\n  \
        revision: \"{after.rev}\"\n  on: {topic: channel.flow}\n  applies: after.status == \"ACTIVE\"\n  \
        check: after.price >= 10\n  when_absent: finding\n  remember: 1 d\n  expected: e\n  actual: a\n";
    let rules = rules(text).unwrap_or_else(|why| panic!("{why}"));
    let mut engine = Engine::new(rules, &sources(), HashSet::new());
    let states = [(1, "DRAFT", 5), (2, "ACTIVE", 5), (3, "ACTIVE", 6), (4, "ACTIVE", 12)];
    let told = states.map(|(rev, status, price)| {
        let row = serde_json::json!({"id": "B", "rev": rev, "status": status, "price": price});
        let outputs = engine.step(Input::Event(flow(rev, row)), CellTime(rev));
        let verdicts = outputs.into_iter().map(|output| match output {
            Output::Verdict(verdict) => (verdict.revision, verdict.resolved),
            other => panic!("{other:?}"),
        });
        verdicts.collect::<Vec<_>>()
    });
    let of = |rev: &str, resolved: bool| vec![(rev.to_owned(), resolved)];
    assert_eq!(told, [vec![], of("2", false), of("3", false), of("4", true)]);
}
