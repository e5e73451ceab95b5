//! Who gets no answer: how many are asked again at once, which key is in doubt, and when a place counts as down.

use super::lookups::{SQL, answer, fail, item, over, tick};
use super::*;

fn asked(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.starts_with("lookup ")).count()
}

fn waiting(engine: &Engine) -> u64 {
    engine.lookup_counts()["r@1"].waiting
}

/// So many items, each asked in vain, then one that waits for its probe.
fn outage(engine: &mut Engine, items: u64) -> u64 {
    for number in 1..=items {
        item(engine, 1_000, &format!("S-{number:05}"), "K");
        fail(engine, number, 1_000);
    }
    items + 1
}

#[test]
fn an_answer_brings_a_bounded_and_growing_number_of_questions() {
    let mut engine = over(SQL, "");
    let mut next = outage(&mut engine, 500);
    assert_eq!((tick(&mut engine, 61_000).len(), waiting(&engine)), (1, 499));
    let (mut out, mut most, mut answers) = (1, 0, 0);
    while out > 0 {
        let told = answer(&mut engine, next, 61_001, 9);
        (next, answers, out) = (next + 1, answers + 1, out - 1 + asked(&told));
        assert!(answers > 1 || asked(&told) == 2, "two at first: {told:?}");
        most = most.max(out);
    }
    assert_eq!((answers, most, waiting(&engine)), (500, 64, 0));
    assert_balanced(&engine);
}

#[test]
fn each_probe_asks_another_key() {
    let mut engine = over(SQL, "");
    let mut next = outage(&mut engine, 3);
    let mut probed = Vec::new();
    let mut at = 1_000;
    for _ in 0..4 {
        at = engine.next_due().expect("a probe").0.max(at);
        let outputs = engine.step(Input::Tick, CellTime(at));
        assert_eq!(asked(&lines(&outputs)), 1);
        let out = |id: &str| {
            let group = &engine.groups["r@1"][id].items[0];
            matches!(group.reference, rules::group::Reference::Asked { .. })
        };
        probed.extend(engine.groups["r@1"].keys().filter(|key| out(key)).cloned());
        fail(&mut engine, next, at);
        next += 1;
    }
    assert_eq!(probed, ["S-00001", "S-00002", "S-00003", "S-00001"]);
}

#[test]
fn a_place_that_answers_every_second_time_is_down_and_one_bad_key_is_not() {
    let blind = |told: &[Output]| told.iter().any(|output| matches!(output, Output::Blind(_)));
    let mut engine = over(SQL, "");
    let (mut next, mut told) = (1, false);
    let mut out: Vec<u64> = Vec::new();
    for number in 0..12 {
        let id = format!("S-{number}");
        let asked_now = asked(&item(&mut engine, number, &id, "K"));
        assert_eq!(asked_now, 1);
        let fresh = next;
        next += 1;
        if number % 2 == 0 {
            told |= blind(&fail(&mut engine, fresh, number));
        } else {
            let more = asked(&answer(&mut engine, fresh, number, 9)) as u64;
            out.extend(next..next + more);
            next += more;
        }
        // What was asked again gets its answer.
        for again in out.drain(..) {
            let more = asked(&answer(&mut engine, again, number, 9));
            assert_eq!(more, 0);
        }
    }
    assert!(!told, "asked again, each has its answer: nothing passes unseen");

    let mut engine = over(SQL, "");
    let (mut next, mut told) = (1, false);
    for number in 0..12 {
        item(&mut engine, number, &format!("S-{number}"), "K");
        let fresh = next;
        next += 1;
        if number % 2 == 0 {
            told |= blind(&fail(&mut engine, fresh, number));
        } else {
            let more = asked(&answer(&mut engine, fresh, number, 9)) as u64;
            (next..next + more).for_each(|again| told |= blind(&fail(&mut engine, again, number)));
            next += more;
        }
    }
    assert!(told, "every second one stays without an answer");

    let mut engine = over(SQL, "");
    item(&mut engine, 0, "BAD", "K");
    let (mut told, mut next, mut again) = (blind(&fail(&mut engine, 1, 0)), 2, 0);
    for number in 1..40 {
        item(&mut engine, number, &format!("S-{number}"), "K");
        let more = asked(&answer(&mut engine, next, number, 9)) as u64;
        (next + 1..=next + more).for_each(|bad| told |= blind(&fail(&mut engine, bad, number)));
        (next, again) = (next + 1 + more, again + more);
    }
    assert_eq!((told, again, waiting(&engine)), (false, 3, 0), "given up: it is its own fault");
    assert_balanced(&engine);
}

#[test]
fn a_key_that_is_not_known_is_unknown_for_good_and_no_outage() {
    let mut engine = over(SQL, "");
    let mut told = Vec::new();
    for number in 1..=9 {
        item(&mut engine, 1_000, &format!("S-{number}"), "K");
        let why = "shop answers 404".to_owned();
        told = engine.step(Input::NoAnswer { lookup: number, why }, CellTime(1_000));
        assert_eq!(lines(&told)[0], format!("r unknown item S-{number} / S-{number}"));
    }
    assert_eq!((engine.next_due(), waiting_or_none(&engine)), (None, 0), "not asked again");
    assert_eq!(told.len(), 1, "two in three is not yet an outage: {told:?}");
    item(&mut engine, 1_000, "S-10", "K");
    let why = "shop answers 404".to_owned();
    let told = engine.step(Input::NoAnswer { lookup: 10, why }, CellTime(1_000));
    let Some(Output::Blind(verdict)) = told.last() else { panic!("{told:?}") };
    assert!(verdict.actual.contains("8 keys in a row"), "{}", verdict.actual);
    // One that is known ends it.
    item(&mut engine, 1_001, "S-11", "K");
    let ended = answer(&mut engine, 11, 1_002, 9);
    assert!(ended.iter().any(|line| line.starts_with("unblind lookup-down")), "{ended:?}");
}

fn waiting_or_none(engine: &Engine) -> u64 {
    engine.lookup_counts().get("r@1").map_or(0, |counts| counts.waiting)
}

#[test]
fn what_is_forgotten_waits_no_more_and_no_more_wait_than_the_limit() {
    let mut engine = over(SQL, "");
    outage(&mut engine, 3);
    assert_eq!(waiting(&engine), 3);
    let month = 1_000 + 40 * 86_400_000;
    tick(&mut engine, month);
    assert_eq!(waiting(&engine), 0, "nobody remembers what they were");

    let mut engine = over(SQL, "");
    let next = outage(&mut engine, 10_000);
    item(&mut engine, 1_000, "T", "K");
    let told = fail(&mut engine, next, 1_000);
    let Some(Output::Verdict(verdict)) = told.first() else { panic!("{told:?}") };
    assert!(verdict.actual.contains("too many wait"), "{}", verdict.actual);
    let counts = engine.lookup_counts()["r@1"];
    assert_eq!((counts.waiting, counts.given_up), (10_000, 1));
}

#[test]
fn an_unknown_that_was_being_asked_again_at_death_is_asked_again_after_it() {
    let mut engine = over(SQL, "");
    outage(&mut engine, 1);
    assert_eq!(asked(&tick(&mut engine, 61_000)), 1);
    let snapshot = engine.snapshot();
    let rules = Arc::clone(engine.rules());
    let mut back = Engine::restore(rules, &sources(), HashSet::new(), &snapshot).expect("restored");
    assert_eq!(asked(&tick(&mut back, 61_001)), 1);
}
