//! Decisions about dependencies: which rules tell of them, under which identity, and what a restart or other rules change.

use super::*;
use crate::dcheck::engine::decided::{Decided, Step};

fn rule(id: &str, version: u32, decides: &str) -> String {
    format!(
        "- {{id: {id}, version: {version}, loss_point: l, severity: P1, rollout: full, strategy: dependency, \
         decides: [{decides}], when_absent: finding}}\n"
    )
}

fn set(texts: &[String]) -> Arc<RuleSet> {
    Arc::new(rules::load(&[(PathBuf::from("r.yaml"), texts.concat())]).expect("rules"))
}

fn decided(step: Step, at: i64) -> Input {
    Input::Decided(Box::new(Decided {
        service: "checkout".into(),
        dependency: "points".into(),
        step,
        since: CellTime(1_000),
        at: CellTime(at),
        plan: Some("drop-points".into()),
        expected: "e".into(),
        actual: step.name().into(),
    }))
}

fn told(outputs: Vec<Output>) -> Vec<String> {
    let word = |output: Output| {
        let Output::Verdict(verdict) = output else { panic!("{output:?}") };
        assert_eq!(verdict.subject.to_string(), "dependency \"checkout/points\"");
        assert_eq!(verdict.occurrence, "checkout/points@1970-01-01T00:00:01.000Z");
        let end = match (verdict.resolved, verdict.held) {
            (true, true) => " ends, held",
            (true, false) => " ends",
            _ => "",
        };
        let shadow = if verdict.shadow && !verdict.resolved { " in shadow" } else { "" };
        assert_eq!(verdict.is_firing(), !verdict.resolved && !verdict.shadow);
        format!("{}@{} {}{end}{shadow}", verdict.rule, verdict.version, verdict.revision)
    };
    outputs.into_iter().map(word).collect()
}

#[test]
fn each_decision_is_told_by_the_rules_that_list_it_and_ended_with_it() {
    let rules =
        [rule("weak", 1, "degrade"), rule("any", 1, "limit, block"), rule("hard", 1, "block")];
    for (steps, expect) in [
        (
            &[Step::Degrade, Step::Restore][..],
            &[&["weak@1 degrade"][..], &["weak@1 degrade ends"]][..],
        ),
        (
            &[Step::Limit, Step::Block, Step::Restore],
            &[
                &["any@1 limit"],
                &["any@1 block", "hard@1 block"],
                &["any@1 block ends", "hard@1 block ends"],
            ],
        ),
        (&[Step::Restore], &[&[]]),
        // The same again, as after a restart that reads it again.
        (&[Step::Limit, Step::Limit], &[&["any@1 limit"], &[]]),
    ] {
        let mut engine = Engine::new(set(&rules), &sources(), HashSet::new());
        for (nth, (step, expect)) in (1..).zip(steps.iter().zip(expect)) {
            let outputs = engine.step(decided(*step, nth * 1_000), CellTime(nth * 1_000));
            assert_eq!(told(outputs), *expect, "{steps:?}");
        }
    }
}

#[test]
fn a_candidate_in_shadow_neither_ends_nor_keeps_the_alert_of_the_version_in_force() {
    for (in_force, candidate, at_block) in [
        ("limit, block", "limit", &["dep@1 block", "dep@2 limit ends, held"][..]),
        ("limit", "limit, block", &["dep@1 limit ends", "dep@2 block in shadow"]),
        ("limit", "limit", &["dep@1 limit ends", "dep@2 limit ends"]),
    ] {
        let shadow = rule("dep", 2, candidate).replace("full", "shadow");
        let rules = set(&[rule("dep", 1, in_force), shadow]);
        let mut engine = Engine::new(rules, &sources(), HashSet::new());
        let limited = engine.step(decided(Step::Limit, 1_000), CellTime(1_000));
        assert_eq!(told(limited), ["dep@1 limit", "dep@2 limit in shadow"]);
        let blocked = engine.step(decided(Step::Block, 2_000), CellTime(2_000));
        assert_eq!(told(blocked), at_block, "{in_force}; {candidate}");
    }
}

#[test]
fn a_finding_names_its_plan_and_parties() {
    let mut engine = Engine::new(set(&[rule("weak", 1, "degrade")]), &sources(), HashSet::new());
    let outputs = engine.step(decided(Step::Degrade, 1_000), CellTime(5_000));
    let Output::Verdict(verdict) = &outputs[0] else { panic!("{outputs:?}") };
    let fields = [
        ("decision", "degrade"),
        ("dependency", "points"),
        (ONLY_PLAN, "drop-points"),
        ("service", "checkout"),
    ];
    assert_eq!(verdict.fields, fields.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    assert_eq!((verdict.event_at, verdict.at), (CellTime(1_000), CellTime(5_000)));
}

#[test]
fn what_stands_outlives_a_restart_and_goes_over_to_other_rules() {
    let rules = set(&[rule("weak", 1, "degrade")]);
    let mut engine = Engine::new(Arc::clone(&rules), &sources(), HashSet::new());
    engine.step(decided(Step::Degrade, 1_000), CellTime(1_000));
    let snapshot = engine.snapshot();
    let restored = |judged| Engine::restore(Arc::clone(&rules), &sources(), judged, &snapshot);
    let mut engine = restored(HashSet::new()).unwrap();
    let younger = set(&[rule("weak", 2, "degrade")]);
    let outputs = engine.step(Input::Replace(younger), CellTime(2_000));
    assert_eq!(told(outputs), ["weak@2 degrade", "weak@1 degrade ends, held"]);
    let outputs = engine.step(decided(Step::Restore, 3_000), CellTime(3_000));
    assert_eq!(told(outputs), ["weak@2 degrade ends"]);
    let outputs = engine.step(Input::Replace(rules.clone()), CellTime(4_000));
    assert_eq!(told(outputs), [""; 0], "nothing stands");
}

#[test]
fn a_rule_that_speaks_from_now_on_tells_what_stands() {
    let at = |rollout: &str| set(&[rule("weak", 1, "degrade").replace("full", rollout)]);
    for (was, is, roll_out, expect) in [
        ("shadow", "full", true, &["weak@1 degrade~2000"][..]),
        ("shadow", "full", false, &["weak@1 degrade~2000"]),
        ("full", "shadow", true, &[]),
        ("full", "full", false, &[]),
        ("off", "full", false, &["weak@1 degrade"]),
        ("full", "off", false, &["weak@1 degrade ends"]),
    ] {
        let mut engine = Engine::new(at(was), &sources(), HashSet::new());
        engine.step(decided(Step::Degrade, 1_000), CellTime(1_000));
        let rules = at(is);
        let input = if roll_out { Input::RollOut(rules) } else { Input::Replace(rules) };
        assert_eq!(told(engine.step(input, CellTime(2_000))), *expect, "{was} {is}");
    }
}

#[test]
fn a_rule_that_was_off_for_a_while_tells_what_still_stands_again() {
    let at = |rollout: &str| set(&[rule("weak", 1, "degrade").replace("full", rollout)]);
    let mut engine = Engine::new(at("full"), &sources(), HashSet::new());
    engine.step(decided(Step::Degrade, 1_000), CellTime(1_000));
    for (rollout, now, expect) in [
        ("off", 2_000, "weak@1 degrade ends"),
        ("full", 3_000, "weak@1 degrade~3000"),
        ("off", 4_000, "weak@1 degrade~4000 ends"),
        ("full", 5_000, "weak@1 degrade~5000"),
    ] {
        let outputs = engine.step(Input::RollOut(at(rollout)), CellTime(now));
        assert_eq!(told(outputs), [expect]);
    }
    let outputs = engine.step(decided(Step::Restore, 6_000), CellTime(6_000));
    assert_eq!(told(outputs), ["weak@1 degrade~6000 ends"]);
    // The same decisions read again, without a checkpoint: what was ended once is ended.
    let keys = [Judgement::Mismatched, Judgement::Matched].map(|judgement| {
        let mut engine = Engine::new(at("full"), &sources(), HashSet::new());
        let outputs = engine.step(decided(Step::Degrade, 1_000), CellTime(1_000));
        let Output::Verdict(verdict) = &outputs[0] else { panic!("{outputs:?}") };
        VerdictKey { judgement, ..verdict.key() }
    });
    let mut engine = Engine::new(at("full"), &sources(), keys.into());
    for (step, now) in [(Step::Degrade, 7_000), (Step::Restore, 8_000)] {
        assert_eq!(told(engine.step(decided(step, now), CellTime(now))), [""; 0]);
    }
}

#[test]
fn files_changed_while_nothing_ran_are_a_change_like_any_other() {
    let weak = || rule("weak", 1, "degrade");
    let at = |rollout: &str| weak().replace("full", rollout);
    for (was, is, expect) in [
        (vec![weak()], vec![weak()], &[][..]),
        (vec![weak()], vec![rule("other", 1, "limit")], &["weak@1 degrade ends"]),
        (
            vec![weak()],
            vec![rule("weak", 2, "degrade")],
            &["weak@2 degrade", "weak@1 degrade ends, held"],
        ),
        (vec![weak()], vec![weak(), rule("b", 1, "degrade")], &["b@1 degrade"]),
        (vec![at("shadow")], vec![weak()], &["weak@1 degrade~2000"]),
        (vec![at("off")], vec![weak()], &["weak@1 degrade"]),
        (vec![weak()], vec![at("off")], &["weak@1 degrade ends"]),
    ] {
        for restarts in [false, true] {
            let mut engine = Engine::new(set(&was), &sources(), HashSet::new());
            let outputs = engine.step(decided(Step::Degrade, 1_000), CellTime(1_000));
            let stored = outputs.into_iter().map(|output| match output {
                Output::Verdict(verdict) => verdict.key(),
                other => panic!("{other:?}"),
            });
            let (stored, mut snapshot) = (stored.collect::<HashSet<_>>(), engine.snapshot());
            if !restarts {
                let outputs = engine.step(Input::Replace(set(&is)), CellTime(2_000));
                assert_eq!(told(outputs), expect, "{was:?} {is:?}");
                continue;
            }
            // As this program stores it, and as one did that did not keep what a rule tells.
            for is_older in [false, true] {
                let stood = snapshot.state["in_force"].as_object_mut().unwrap();
                for stood in stood.values_mut().filter(|_| is_older) {
                    assert!(stood.as_object_mut().unwrap().remove("tells").is_some());
                }
                let restored = Engine::restore(set(&is), &sources(), stored.clone(), &snapshot);
                let mut engine = restored.unwrap();
                let outputs = engine.step(Input::Tick, CellTime(2_000));
                assert_eq!(told(outputs), expect, "{was:?} {is:?} older: {is_older}");
                assert_eq!(told(engine.step(Input::Tick, CellTime(3_000))), [""; 0]);
            }
        }
    }
}

#[test]
fn a_rule_without_decisions_is_a_mistake() {
    for (decides, part) in [
        ("", "needs `decides`"),
        ("degrad", "`degrad` is no decision (did you mean `degrade`?)"),
        ("restore", "`restore` is no decision"),
    ] {
        let text = rule("r", 1, decides);
        let errors = rules::load(&[(PathBuf::from("r.yaml"), text)]).expect_err(decides);
        let told: String = errors.iter().map(ToString::to_string).collect();
        assert!(told.contains(part), "{told}");
    }
}
