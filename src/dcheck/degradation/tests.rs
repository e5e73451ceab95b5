//! The file, the state machine as a table, and decisions against a naive model that keeps every call.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::spec::{Limits, Measures};
use super::*;
use crate::clock::CellTime;
use crate::dcheck::engine::window::Stream;
use crate::dcheck::engine::{Decided, Input, Step};
use crate::dcheck::event::{Event, Op, Value};

const FILE: &str = r#"
- id: points
  measured:
    - {table: service_call, where: 'after.callee == "points"', latency_ms: after.latency_ms, ok: 'after.outcome == "OK"'}
  window: 10 s
  min_calls: 5
  latency: {of: p90, ill: 800 ms, well: 400 ms, worse: 3 s}
  errors: {ill: 200, well: 50, worse: 500}
  hold: 5 s
- id: checkout
  dependencies:
    - {on: points, strength: weak, plan: drop-points}
- id: refunds
  dependencies:
    - {on: points, strength: strong, limit: {to: 50%, plan: slow-refunds}, block: {plan: stop-refunds}}
"#;

fn services(text: &str) -> Vec<Service> {
    load_text("services.yaml", text, None).unwrap()
}

fn measures() -> Measures {
    services(FILE)[0].measures.clone().unwrap()
}

/// A call of `points`; none: it failed without an answer.
fn call(at: i64, latency_ms: Option<i64>, is_ok: bool) -> Input {
    let latency = latency_ms.map_or(Value::Null, Value::from);
    let row = [
        ("callee", Value::from("points")),
        ("latency_ms", latency),
        ("outcome", Value::from(if is_ok { "OK" } else { "ERROR" })),
    ];
    Input::Event(Event {
        source: "binlog".into(),
        stream: "service_call".into(),
        op: Op::Insert,
        before: None,
        after: Some(row.map(|(name, value)| (name.to_owned(), value)).into()),
        changed: Vec::new(),
        txn: None,
        position: String::new(),
        at: CellTime(at),
    })
}

/// With what another file changes.
fn restore(services: Vec<Service>, state: State) -> (Degradation, Vec<Change>) {
    let mut restored = Degradation::restore(services, state);
    let changes = restored.decide(|_| None);
    (restored, changes)
}

/// Stored, and read back: what one commit writes, and the state that a restart finds.
fn stored(degradation: &mut Degradation, rows: &mut BTreeMap<String, String>) -> (usize, State) {
    let text = serde_json::to_string(degradation.state()).unwrap();
    let mut bytes = text.len();
    for (id, body) in degradation.take_changes() {
        bytes += id.len() + body.as_ref().map_or(0, String::len);
        match body {
            Some(body) => drop(rows.insert(id, body)),
            None => drop(rows.remove(&id)),
        }
    }
    let mut state: State = serde_json::from_str(&text).unwrap();
    let all = rows.values().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(state.take_rows(all).unwrap(), [0; 0]);
    (bytes, state)
}

fn due(degradation: &mut Degradation) -> Option<CellTime> {
    assert!(!degradation.has_moved());
    degradation.decide(|_| None);
    degradation.next_due(CellTime(0))
}

fn new(text: &str) -> Degradation {
    let (degradation, changes) = restore(services(text), State::default());
    assert_eq!(changes, []);
    degradation
}

/// Everything before `end` was given.
fn read_to(degradation: &mut Degradation, end: i64) -> Vec<Change> {
    degradation
        .hear(&Input::SourceEnd { source: "binlog".into(), at: CellTime(end) }, CellTime(end));
    degradation.decide(|stream| {
        assert_eq!(*stream, Stream::Table("service_call".into()));
        Some(CellTime(end))
    })
}

fn words(changes: &[Change]) -> Vec<String> {
    let word = |change: &Change| {
        let Decided { step, at, .. } = &change.decided;
        format!("{} {} at {}", change.decided.pair(), step.name(), at.0 / 1000)
    };
    changes.iter().map(word).collect()
}

fn hear(degradation: &mut Degradation, at: i64, latency_ms: Option<i64>, is_ok: bool) {
    degradation.hear(&call(at, latency_ms, is_ok), CellTime(at));
}

/// What was written before it, and not read yet, is gone.
fn miss(degradation: &mut Degradation, at: i64) {
    let (id, what) = ("gap".to_owned(), "purged".to_owned());
    degradation.hear(&Input::Missed { source: "binlog".into(), id, what }, CellTime(at));
}

/// So many calls in each second.
fn calls(
    degradation: &mut Degradation,
    seconds: std::ops::Range<i64>,
    each: i64,
    ms: i64,
    ok: bool,
) {
    for second in seconds {
        (0..each).for_each(|nth| hear(degradation, second * 1000 + nth, Some(ms), ok));
    }
}

#[test]
fn weak_ones_are_degraded_strong_ones_limited_then_blocked_until_the_hold_is_over() {
    let mut degradation = new(FILE);
    calls(&mut degradation, 0..10, 2, 100, true);
    assert_eq!(words(&read_to(&mut degradation, 10_000)), [""; 0]);
    calls(&mut degradation, 10..13, 4, 900, true);
    let ill = read_to(&mut degradation, 13_000);
    assert_eq!(words(&ill), ["checkout/points degrade at 11", "refunds/points limit at 11"]);
    assert_eq!(ill[0].decided.plan.as_deref(), Some("drop-points"));
    assert_eq!((ill[1].per_cent, ill[1].strength), (Some(50), "strong"));
    let Reading { calls: seen, errors, latency_ms, .. } = ill[0].reading;
    assert_eq!((seen, errors, latency_ms), (22, 0, Some(896)));
    assert_eq!(
        ill[0].decided.expected,
        "p90 below 800 ms, below 200 of 1000 calls failed within 10 s"
    );
    assert_eq!(
        ill[0].decided.actual,
        "degrade: 22 calls, 0 failed (0 of 1000), p90 896 ms or more"
    );
    calls(&mut degradation, 13..20, 4, 5_000, true);
    let worse = read_to(&mut degradation, 20_000);
    assert_eq!(words(&worse), ["refunds/points block at 14"]);
    assert_eq!(worse[0].decided.since, ill[1].decided.since, "one alert");
    // Nobody calls it any more: the window runs empty, then the hold passes.
    assert_eq!(due(&mut degradation), Some(CellTime(35_000)));
    assert_eq!(words(&read_to(&mut degradation, 34_000)), [""; 0]);
    let well = read_to(&mut degradation, 90_000);
    assert_eq!(words(&well), ["checkout/points restore at 35", "refunds/points restore at 35"]);
    assert_eq!(due(&mut degradation), None);
    assert_eq!(degradation.watched("points").unwrap().health, Health::Healthy);
}

#[test]
fn few_calls_say_nothing_and_a_silent_one_may_stay_as_it_is() {
    let mut degradation = new(FILE);
    calls(&mut degradation, 0..4, 1, 9_000, false);
    assert_eq!(words(&read_to(&mut degradation, 60_000)), [""; 0], "four calls");
    for (silent, restored) in [("recover", 2), ("stay", 0)] {
        let mut degradation =
            new(&FILE.replace("hold: 5 s", &format!("hold: 5 s\n  when_silent: {silent}")));
        calls(&mut degradation, 0..1, 5, 9_000, false);
        assert_eq!(read_to(&mut degradation, 1_000).len(), 2);
        let ended = read_to(&mut degradation, 600_000);
        assert_eq!(ended.len(), restored, "{silent}");
        assert_eq!(due(&mut degradation), None, "{silent}");
    }
}

#[test]
fn a_call_that_nobody_can_read_is_counted_and_not_judged() {
    let mut degradation = new(FILE);
    (0..20).for_each(|nth| hear(&mut degradation, nth, None, true));
    (0..4).for_each(|nth| hear(&mut degradation, nth, None, false));
    assert_eq!(read_to(&mut degradation, 20_000), []);
    let watched = degradation.watched("points").unwrap();
    assert_eq!((watched.unreadable, watched.why.as_str()), (20, "`latency_ms` is nothing"));
    hear(&mut degradation, 5_000, Some(1), true);
    let watched = degradation.watched("points").unwrap();
    assert_eq!(watched.late, 1);
}

#[test]
fn calls_that_were_never_read_make_no_decision() {
    let mut degradation = new(FILE);
    calls(&mut degradation, 0..1, 9, 9_000, false);
    miss(&mut degradation, 900);
    assert_eq!(read_to(&mut degradation, 20_000), []);
}

/// What nobody saw is no silence: the decision stands until a window is known to the full, and then the hold passes.
#[test]
fn neither_a_gap_nor_unreadable_calls_heal() {
    let gap = |degradation: &mut Degradation| miss(degradation, 60_000);
    let unreadable = |degradation: &mut Degradation| {
        (2..60).for_each(|second| hear(degradation, second * 1000, None, true));
    };
    let cases: [(&dyn Fn(&mut Degradation), i64); 2] = [(&gap, 76), (&unreadable, 75)];
    for (blind, well) in cases {
        let mut degradation = new(FILE);
        calls(&mut degradation, 0..1, 5, 900, true);
        assert_eq!(read_to(&mut degradation, 1_000).len(), 2);
        blind(&mut degradation);
        assert_eq!(words(&read_to(&mut degradation, 60_000)), [""; 0], "until {well}");
        assert_eq!(due(&mut degradation), Some(CellTime(well * 1000)));
        let (_, state) = stored(&mut degradation, &mut BTreeMap::new());
        let (mut degradation, _) = restore(services(FILE), state);
        assert_eq!(words(&read_to(&mut degradation, (well - 1) * 1000)), [""; 0]);
        let ends = words(&read_to(&mut degradation, 90_000));
        assert_eq!(
            ends,
            ["checkout/points", "refunds/points"].map(|pair| format!("{pair} restore at {well}"))
        );
    }
    // What was read behind the gap still says that it ails.
    let mut degradation = new(FILE);
    hear(&mut degradation, 0, Some(1), true);
    miss(&mut degradation, 1_000);
    calls(&mut degradation, 1..2, 5, 900, true);
    assert_eq!(read_to(&mut degradation, 2_000).len(), 2);
}

#[test]
fn what_the_file_no_longer_names_ends_and_what_it_names_now_begins() {
    let mut degradation = new(FILE);
    calls(&mut degradation, 0..1, 9, 900, true);
    read_to(&mut degradation, 1_000);
    let (_, state) = stored(&mut degradation, &mut BTreeMap::new());
    assert_eq!(*degradation.state(), state);
    let renamed = FILE.replace("id: checkout", "id: basket");
    let unmeasured = FILE.replace("points", "bonus");
    let weak = "strong, limit: {to: 50%, plan: slow-refunds}, block: {plan: stop-refunds}}";
    for (file, expect) in [
        (FILE.to_owned(), &[][..]),
        (renamed, &["checkout/points restore at 1", "basket/points degrade at 1"]),
        (unmeasured, &["checkout/points restore at 1", "refunds/points restore at 1"]),
        (FILE.replace(weak, "weak}"), &["refunds/points degrade at 1"]),
    ] {
        let (mut restored, changes) = restore(services(&file), state.clone());
        assert_eq!(words(&changes), expect);
        let (_, again) = restore(services(&file), restored.state().clone());
        assert_eq!(again, []);
        assert!(read_to(&mut restored, 2_000).is_empty());
    }
    // Named again while it is still ill: a new case, which nobody has told of.
    let (mut without, _) = restore(services(&FILE.replace("id: checkout", "id: basket")), state);
    read_to(&mut without, 2_000);
    let (_, again) = restore(services(FILE), without.state().clone());
    assert_eq!(words(&again), ["basket/points restore at 1", "checkout/points degrade at 2"]);
    assert_eq!(again[1].decided.since, CellTime(2_000));
}

#[test]
fn health_by_grade() {
    let at = CellTime;
    let ill = Health::Ill { since: at(1) };
    let worse = Health::Worse { since: at(1) };
    let better = |from| Health::Recovering { since: at(1), from, well_since: at(5) };
    for (health, grade, now, next) in [
        (Health::Healthy, Grade::Well, 9, Health::Healthy),
        (Health::Healthy, Grade::Unsaid, 9, Health::Healthy),
        (Health::Healthy, Grade::Ill, 1, ill),
        (Health::Healthy, Grade::Worse, 1, worse),
        (ill, Grade::Unsaid, 9, ill),
        (ill, Grade::Ill, 9, ill),
        (ill, Grade::Worse, 9, worse),
        (ill, Grade::Well, 5, better(Level::Ill)),
        (worse, Grade::Ill, 9, worse),
        (worse, Grade::Well, 5, better(Level::Worse)),
        (better(Level::Ill), Grade::Well, 14, better(Level::Ill)),
        (better(Level::Ill), Grade::Well, 15, Health::Healthy),
        (better(Level::Ill), Grade::Unsaid, 99, ill),
        (better(Level::Ill), Grade::Worse, 99, worse),
        (better(Level::Worse), Grade::Ill, 99, worse),
    ] {
        assert_eq!(health.next(grade, at(now), 10), next, "{health:?} {grade:?}");
    }
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let known = Known {
        plans: [("drop-points".to_owned(), ["other".to_owned()].into())].into(),
        rules: [("told".to_owned(), vec![Step::Degrade, Step::Limit])].into(),
    };
    let told = |text: &str, known: Option<&Known>| {
        load_text("s.yaml", text, known).expect_err(text).join("\n")
    };
    for (was, is, parts) in [
        (
            "id: points",
            "id: Points",
            &["s.yaml:2: Points: id `Points` is not kebab-case", "did you mean"][..],
        ),
        (
            "on: points, strength: weak",
            "on: point, strength: weak",
            &["unknown service `point`: did you mean `points`?"],
        ),
        ("strength: weak", "strength: week", &["unknown strength `week`: did you mean `weak`?"]),
        ("window: 10 s", "window: 10", &["s.yaml:5: points.window: `window: 10` is no duration"]),
        ("window: 10 s", "window: 1 s", &["`window` is from 10 s to 1 h"]),
        ("min_calls: 5", "min_calls: 3", &["fewer calls are no evidence"]),
        ("hold: 5 s", "hold: 200 s", &["`hold` is from 1 s to 10 windows (100 s)"]),
        ("of: p90", "of: p9", &["unknown latency in `of` `p9`: did you mean `p9"]),
        ("well: 400 ms", "well: 800 ms", &["`well` is below `ill`"]),
        ("worse: 500", "worse: 100", &["`ill` below `worse`"]),
        ("ill: 200", "ill: 0.2", &["`ill: 0.2` is not per mille"]),
        ("latency_ms: after.latency_ms, ", "", &["`latency_ms` is missing"]),
        (
            "  errors: {ill: 200, well: 50, worse: 500}\n",
            "",
            &["s.yaml:3", "`ok` without `errors`", "leave `ok` out"],
        ),
        ("after.latency_ms", "after.latency_ms >", &["in `latency_ms`"]),
        (
            "table: service_call",
            "tabel: service_call",
            &["unknown key `tabel`: did you mean `table`?", "either a `table` or a `topic`"],
        ),
        (
            "  dependencies:\n    - {on: points, strength: weak, plan: drop-points}\n",
            "",
            &["checkout: a service is `measured`, or has"],
        ),
        ("to: 50%", "to: 100%", &["`to: 100%` is no share"]),
        ("plan: stop-refunds", "plan: slow-refunds", &["the same plan"]),
        ("id: refunds", "id: checkout", &["this id is taken"]),
        (
            "on: points, strength: strong",
            "on: refunds, strength: strong",
            &["it depends on itself"],
        ),
        ("id: checkout\n", "id: checkout\n  hold: 5 s\n", &["`hold` is of what is `measured`"]),
    ] {
        let text = told(&FILE.replacen(was, is, 1), None);
        parts.iter().for_each(|part| assert!(text.contains(part), "{part} in {text}"));
    }
    let no_worse = FILE.replace(", worse: 3 s", "").replace(", worse: 500", "");
    assert!(told(&no_worse, None).contains("give `points` a `worse`"));
    let text = told(FILE, Some(&known));
    for part in
        ["its `trigger` lacks told", "unknown plan `slow-refunds`", "no rule tells of `block`"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    // Several at once, each service's by its own lines.
    let both =
        FILE.replace("min_calls: 5", "min_calls: x").replace("strength: strong", "strength: x");
    let text = told(&both, None);
    assert!(text.contains("s.yaml:6") || text.contains("s.yaml:2"), "{text}");
    assert!(text.lines().count() >= 2, "{text}");
    assert!(told("{}", None).contains("a list of services"));
}

/// What each call was: instant, latency, whether it is ok.
type Calls = Vec<(i64, u64, bool)>;

/// Every call kept, every window sorted anew; the decision level after each window up to `end`.
fn naive(calls: &Calls, end: i64, measures: &Measures) -> Vec<(i64, Level)> {
    let bucket_ms = measures.bucket_ms();
    let (mut health, mut found) = (Health::Healthy, Vec::new());
    for to in (1..=end / bucket_ms).map(|nth| nth * bucket_ms) {
        let within = |at: &i64| (to - measures.window_ms..to).contains(at);
        let window: Vec<_> = calls.iter().filter(|(at, ..)| within(at)).collect();
        let mut slow: Vec<u64> = window.iter().map(|(_, ms, _)| *ms).collect();
        slow.sort_unstable();
        let rank = (slow.len() * 900).div_ceil(1000);
        let p90 = slow.get(rank.saturating_sub(1)).copied();
        let failed = window.iter().filter(|(.., ok)| !ok).count() as u64 * 1000;
        let count = window.len() as u64;
        let reaches = |pick: fn(Limits) -> u64| {
            let (latency, errors) = (measures.latency.unwrap().1, measures.errors.unwrap());
            p90.is_some_and(|p90| p90 >= pick(latency))
                || (count > 0 && failed >= pick(errors) * count)
        };
        let is_well = !reaches(|limits| limits.well);
        let grade = match (count < measures.min_calls, is_well) {
            (_, true) => Grade::Well,
            (true, false) => Grade::Unsaid,
            _ if reaches(|limits| limits.worse.unwrap()) => Grade::Worse,
            _ if reaches(|limits| limits.ill) => Grade::Ill,
            _ => Grade::Unsaid,
        };
        let was = health.level();
        health = health.next(grade, CellTime(to), measures.hold_ms);
        if health.level() != was {
            found.push((to, health.level()));
        }
    }
    found
}

fn level(step: Step) -> Level {
    match step {
        Step::Block => Level::Worse,
        Step::Restore => Level::Well,
        _ => Level::Ill,
    }
}

/// Of the strong dependency, which shows every level.
fn levels(changes: &[Change]) -> Vec<(i64, Level)> {
    let strong = changes.iter().filter(|change| change.decided.service == "refunds");
    strong.map(|change| (change.decided.at.0, level(change.decided.step))).collect()
}

/// Good and bad spells of two seconds, so that the state changes often.
fn spells() -> impl Strategy<Value = Calls> {
    let spell = (0..9_usize, prop_oneof![0..450_u64, 350..1_000_u64, 700..5_000_u64], 0..6_u64);
    proptest::collection::vec(spell, 1..60).prop_map(|spells| {
        let mut calls = Calls::new();
        for (nth, (count, ms, bad)) in (0..).zip(spells) {
            for call in 0..count as u64 {
                let at = nth * 2_000 + (call as i64 * 317) % 2_000;
                calls.push((at, ms + call * 7, call >= bad));
            }
        }
        calls
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn as_a_naive_model_in_any_order_over_any_restart_and_never_twice_within_a_hold(
        calls in spells(),
        shuffle in any::<u64>(),
        cuts in proptest::collection::vec(0..150_000_i64, 0..6),
    ) {
        let measures = measures();
        let end = 160_000;
        let wanted = naive(&calls, end, &measures);
        // Any order between two ends of the source, and a restart at each end.
        let mut cuts = cuts;
        cuts.push(end);
        cuts.sort_unstable();
        let (mut degradation, mut changes, mut from) = (new(FILE), Vec::new(), 0);
        let mut rows = BTreeMap::new();
        for cut in cuts {
            let mut part: Vec<_> = calls.iter().filter(|(at, ..)| (from..cut).contains(at)).collect();
            part.sort_by_key(|(at, ms, _)| (*at as u64 ^ *ms).wrapping_mul(shuffle | 1));
            for (at, ms, ok) in part {
                hear(&mut degradation, *at, Some(*ms as i64), *ok);
            }
            let due = due(&mut degradation);
            let found = read_to(&mut degradation, cut);
            if let (Some(due), [first, ..]) = (due, &found[..]) {
                // What is due does not come earlier: the calls of then were given.
                prop_assert!(first.decided.at <= due.max(CellTime(from)), "{due:?} {first:?}");
            }
            changes.extend(found);
            let (_, state) = stored(&mut degradation, &mut rows);
            let (restored, orphans) = restore(services(FILE), state);
            prop_assert_eq!(orphans, vec![]);
            (degradation, from) = (restored, cut);
        }
        prop_assert_eq!(levels(&changes), wanted.clone());
        let falls: Vec<i64> = wanted.windows(2).filter(|pair| pair[0].1 == Level::Well).map(|pair| pair[1].0).collect();
        let begun = wanted.first().map(|(at, _)| *at).into_iter().chain(falls);
        let begun: Vec<i64> = begun.collect();
        prop_assert!(begun.windows(2).all(|pair| pair[1] - pair[0] >= measures.hold_ms), "{begun:?}");
    }
}

/// The model can disagree: another limit gives other decisions.
#[test]
fn the_naive_model_can_disagree() {
    let calls: Calls = (0..40).map(|nth| (nth * 500, 850, true)).collect();
    let mut other = measures();
    other.latency = other.latency.map(|(of, limits)| (of, Limits { ill: 851, ..limits }));
    assert_eq!(naive(&calls, 20_000, &measures()).len(), 1);
    assert!(naive(&calls, 20_000, &other).is_empty());
}

mod columns;
mod rows;
mod settled;
