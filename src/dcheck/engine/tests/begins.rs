//! What lies before the first thing that was read, or before a rule was switched on, makes no finding.

use super::handover::changed;
use super::*;
use crate::dcheck::engine::gate::Rollout;

const RULE: &str = "paid-order-unpaid";
/// Behind every window of the rule.
const FAR_MS: i64 = 3_600_000;

fn begin(engine: &mut Engine, at: Option<i64>) {
    for source in sources() {
        let begins = Input::Begins { source, at: at.map(CellTime) };
        assert!(engine.step(begins, CellTime(at.unwrap_or(0))).is_empty(), "no alert of its own");
    }
}

/// What the rule says of all that `events` give, with every source read to its end long after.
fn said(engine: &mut Engine, events: Vec<Event>) -> Vec<String> {
    let mut outputs: Vec<Output> = Vec::new();
    let mut last = engine.now.0;
    for event in events {
        last = last.max(event.at.0);
        outputs.extend(engine.step(Input::Event(event), CellTime(last)));
    }
    outputs.extend(mark_all(engine, 9, last + FAR_MS));
    outputs.extend(engine.step(Input::Tick, CellTime(last + FAR_MS + 1)));
    let mut shown = lines(&outputs);
    shown.retain(|line| line.starts_with(RULE));
    assert_balanced(engine);
    shown
}

fn payment(at: i64, order: &str) -> Event {
    collected(at, order, &format!("T-{order}"), "199.00 CNY")
}

#[test]
fn a_payment_whose_order_may_be_older_than_the_first_start_is_no_finding() {
    let word = |word: &str, order: &str| vec![format!("{RULE} {word} order {order} / T-{order}")];
    let found = vec![format!("{RULE} mismatched order O-1 / T-O-1 199.00 CNY")];
    // Where reading begins, the events, what is said.
    let table = [
        (None, vec![payment(6_000, "O-1")], found.clone()),
        (Some(5_000), vec![payment(6_000, "O-1")], word("unknown", "O-1")),
        // Written before, and read after: records of one partition are not in the order of time.
        (Some(5_000), vec![payment(4_000, "O-1")], word("unknown", "O-1")),
        // Both halves came later.
        (Some(5_000), vec![payment(6_000, "O-1"), paid(7_000, "O-1")], word("matched", "O-1")),
        // Its second change: the first one may have stood there in time.
        (Some(5_000), vec![payment(6_000, "O-1"), paid(600_000, "O-1")], word("unknown", "O-1")),
        // Its whole window lies behind the beginning.
        (Some(5_000), vec![payment(600_000, "O-1")], found),
    ];
    for (begins, events, expect) in table {
        for restarts in [false, true] {
            let mut engine = engine();
            if begins.is_some() {
                begin(&mut engine, None);
                begin(&mut engine, begins);
                // The first word counts.
                begin(&mut engine, Some(900_000_000));
                assert!(!engine.awaits("binlog"));
            }
            let mut engine = match restarts {
                true => changed(engine, project_rules(), true, 5_000).0,
                false => engine,
            };
            engine.now = CellTime(5_000);
            assert_eq!(said(&mut engine, events.clone()), expect, "{begins:?} {restarts}");
        }
    }
}

#[test]
fn a_source_of_which_nothing_was_read_yet_is_a_gap_without_an_end() {
    let mut engine = engine();
    begin(&mut engine, None);
    assert!(engine.awaits("binlog") && !engine.awaits("other/0"));
    let told = said(&mut engine, vec![payment(600_000, "O-1")]);
    assert_eq!(told, [format!("{RULE} unknown order O-1 / T-O-1")]);
    // What was seen stays a finding.
    let twice = ["P-1", "P-2"].map(|txn| paid_out(9_000_000, "O-1", "R-1", txn, "10.00 CNY"));
    let outputs = twice.map(|event| engine.step(Input::Event(event), CellTime(9_000_000)));
    let found = lines(&outputs.concat());
    assert!(found.iter().any(|line| line.starts_with("refund-paid-twice mismatched")), "{found:?}");
}

fn with_rollout(rollout: Rollout) -> Arc<RuleSet> {
    let rules = project_rules();
    let name = rules.versions(RULE).next().expect("a rule of the project").name.clone();
    Arc::new(rules.rolled_out(&BTreeMap::from([(name, rollout)])))
}

/// Another rollout by an order, by other files, and by other files at a restart.
fn switched(mut engine: Engine, to: Rollout, way: &str, at: i64) -> (Engine, Vec<String>) {
    let rules = with_rollout(to);
    let (engine, outputs) = match way {
        "order" => {
            let outputs = engine.step(Input::RollOut(rules), CellTime(at));
            (engine, outputs)
        }
        _ => changed(engine, rules, way == "restart", at),
    };
    let mut shown = lines(&outputs);
    shown.retain(|line| line.starts_with(RULE));
    (engine, shown)
}

#[test]
fn a_rule_that_was_off_begins_when_it_is_on_again() {
    for way in ["order", "files", "restart"] {
        let mut engine = Engine::new(with_rollout(Rollout::Full), &sources(), HashSet::new());
        engine.step(Input::Event(payment(1_000, "O-1")), CellTime(1_000));
        let (mut engine, told) = switched(engine, Rollout::Off, way, 2_000);
        assert_eq!(told, [format!("{RULE} unknown order O-1 / T-O-1")], "{way}");
        assert_balanced(&engine);
        assert!(!engine.groups.contains_key(&format!("{RULE}@1")), "{way}: it keeps nothing");
        // While it is off: one pair is booked, one is a loss.
        let meanwhile = vec![payment(3_000, "O-2"), paid(3_500, "O-3")];
        assert!(said(&mut engine, meanwhile).is_empty(), "{way}");
        let on = engine.now.0 + 1_000;
        let (mut engine, told) = switched(engine, Rollout::Full, way, on);
        assert!(told.is_empty(), "{way}: {told:?}");
        // Nothing of then is told, and a half whose other half may be of then is not known.
        let told = said(&mut engine, vec![payment(on + 500, "O-3")]);
        assert_eq!(told, [format!("{RULE} unknown order O-3 / T-O-3")], "{way}");
        let later = engine.now.0 + FAR_MS;
        let told = said(&mut engine, vec![payment(later, "O-4")]);
        assert_eq!(told, [format!("{RULE} mismatched order O-4 / T-O-4 199.00 CNY")], "{way}");
    }
}

#[test]
fn what_a_rule_raised_ends_when_it_is_switched_off() {
    for way in ["order", "files", "restart"] {
        let mut engine = Engine::new(with_rollout(Rollout::Full), &sources(), HashSet::new());
        assert_eq!(said(&mut engine, vec![payment(1_000, "O-1")]).len(), 1);
        let at = engine.now.0 + 1_000;
        let (engine, told) = switched(engine, Rollout::Off, way, at);
        assert_eq!(told, [format!("{RULE} unknown order O-1 / T-O-1 resolved")], "{way}");
        let (mut engine, told) = switched(engine, Rollout::Full, way, at + 1_000);
        assert!(told.is_empty(), "{way}: {told:?}");
        assert!(said(&mut engine, Vec::new()).is_empty(), "{way}");
    }
}
