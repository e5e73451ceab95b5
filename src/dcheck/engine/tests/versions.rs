//! Two versions of a rule side by side: who speaks, what they differ in, and what a promotion does to findings that hold.

use super::*;
use crate::dcheck::engine::gate::Rollout;

/// Bids above a limit, per version: (version, limit, rollout).
fn load(versions: &[(u32, u32, &str)]) -> Result<RuleSet, Vec<RuleError>> {
    let rule = |(version, limit, rollout): &(u32, u32, &str)| {
        format!(
            "- id: r\n  version: {version}\n  loss_point: l\n  severity: P1\n  rollout: {rollout}\n  \
             strategy: threshold\n  subject: {{kind: item, id: after.sku}}\n  \
             occurrence: after.id\n  revision: \"{{after.x}}\"\n  \
             on: {{table: a, ops: [insert, update]}}\n  check: after.x <= {limit}\n  \
             when_absent: ok\n  at_risk: money(after.x - {limit}, \"CNY\")\n  \
             expected: e\n  actual: a\n"
        )
    };
    let text: String = versions.iter().map(rule).collect();
    rules::load(&[(PathBuf::from("generated.yaml"), text)])
}

pub(super) fn set(versions: &[(u32, u32, &str)]) -> Arc<RuleSet> {
    Arc::new(load(versions).unwrap_or_else(|errors| panic!("{errors:?}")))
}

fn over(versions: &[(u32, u32, &str)]) -> Engine {
    Engine::new(set(versions), &sources(), HashSet::new())
}

pub(super) fn bid(engine: &mut Engine, at: i64, id: &str, x: i64) -> Vec<Output> {
    let row = serde_json::json!({"id": id, "sku": id, "x": x});
    engine.step(Input::Event(change(at, "a", None, row)), CellTime(at))
}

/// `version judgement occurrence [resolved] [shadow] [held]` of each verdict.
pub(super) fn told(outputs: &[Output]) -> Vec<String> {
    let word = |output: &Output| {
        let Output::Verdict(verdict) = output else { return line(output) };
        let mut text =
            format!("{} {} {}", verdict.version, verdict.judgement.name(), verdict.occurrence);
        let flags =
            [(verdict.resolved, "resolved"), (verdict.shadow, "shadow"), (verdict.held, "held")];
        flags
            .iter()
            .filter(|(set, _)| *set)
            .for_each(|(_, name)| text.push_str(&format!(" {name}")));
        text
    };
    outputs.iter().map(word).collect()
}

fn diff(engine: &Engine) -> &Diff {
    &engine.diffs()["r"]
}

fn money(tally: &Tally) -> (u64, String) {
    (tally.count, tally.money.values().map(ToString::to_string).collect())
}

#[test]
fn which_versions_may_stand_together() {
    for (versions, mistake) in [
        (&[(1, 10, "full"), (2, 5, "shadow")][..], None),
        (&[(1, 10, "full"), (2, 5, "10%")], None),
        (&[(1, 10, "shadow"), (2, 5, "shadow")], None),
        (&[(1, 10, "off"), (2, 5, "full")], None),
        (
            &[(1, 10, "full"), (2, 5, "full")],
            Some("generated.yaml:16: versions 1 and 2 of rule `r` would both raise"),
        ),
        (&[(1, 10, "full"), (2, 5, "100%")], Some("would both raise")),
        (&[(1, 10, "full"), (2, 5, "off"), (3, 5, "off")], Some("more than two versions")),
    ] {
        let found = load(versions).err().map(|errors| errors[0].to_string());
        match mistake {
            None => assert_eq!(found, None, "{versions:?}"),
            Some(part) => assert!(found.as_deref().unwrap_or("").contains(part), "{found:?}"),
        }
    }
}

#[test]
fn each_subject_has_one_speaker() {
    let mut engine = over(&[(1, 10, "full"), (2, 10, "30%")]);
    let mut speakers = BTreeMap::new();
    for number in 0..200 {
        let outputs = bid(&mut engine, number, &format!("S-{number}"), 20);
        let firing: Vec<String> =
            told(&outputs).into_iter().filter(|line| !line.contains("shadow")).collect();
        assert_eq!((outputs.len(), firing.len()), (2, 1), "{outputs:?}");
        *speakers.entry(firing[0][..1].to_owned()).or_insert(0) += 1;
    }
    assert!((30..90).contains(&speakers["2"]), "{speakers:?}");
    assert_eq!(speakers["1"] + speakers["2"], 200);
    for (mine, shown) in [
        ("off", vec![]),
        ("shadow", vec!["1 mismatched B shadow"]),
        ("full", vec!["1 mismatched B"]),
    ] {
        assert_eq!(told(&bid(&mut over(&[(1, 10, mine)]), 1, "B", 20)), shown);
    }
}

#[test]
fn the_difference_in_counts_and_money() {
    let mut engine = over(&[(1, 10, "full"), (2, 5, "shadow")]);
    for (at, id, x) in [(1, "both", 12), (2, "new", 7), (3, "newer", 8), (4, "fine", 3)] {
        bid(&mut engine, at, id, x);
    }
    let found = diff(&engine);
    assert_eq!((found.elder.as_str(), found.candidate.as_str()), ("r@1", "r@2"));
    assert_eq!(money(&found.only_candidate), (2, "5.00 CNY".to_owned()));
    assert_eq!(money(&found.amount_of_elder), (1, "2.00 CNY".to_owned()));
    assert_eq!(money(&found.amount_of_candidate), (1, "7.00 CNY".to_owned()));
    assert_eq!((found.only_elder.count, found.same, found.judged_by_one), (0, 1, 0));
    let example = &found.examples[1];
    assert_eq!(
        (example.elder.as_str(), example.candidate.as_str()),
        ("matched", "mismatched 2.00 CNY")
    );
    let before = found.clone();
    bid(&mut engine, 5, "both", 12);
    assert_eq!(*diff(&engine), before, "a redelivery is no second occurrence");
    let snapshot = engine.snapshot();
    let rules = Arc::clone(engine.rules());
    let back = Engine::restore(rules, &sources(), HashSet::new(), &snapshot).expect("restored");
    assert_eq!(*diff(&back), before, "a restart keeps it");
    // The same text twice differs in nothing.
    let mut alike = over(&[(1, 10, "full"), (2, 10, "shadow")]);
    (0..20).for_each(|x| drop(bid(&mut alike, x, &format!("S-{x}"), x)));
    let found = diff(&alike);
    assert_eq!((found.same, found.only_elder.count + found.only_candidate.count), (20, 0));
    assert!(found.examples.is_empty());
}

#[test]
fn a_candidate_that_sees_less_is_told() {
    let text = "- {id: r, version: 1, loss_point: l, severity: P1, rollout: full, strategy: threshold, \
                subject: {kind: item, id: after.sku}, occurrence: after.id, on: {table: a, ops: insert}, \
                check: after.x <= 10, when_absent: ok, expected: e, actual: a}\n";
    let narrow = text.replace("version: 1", "version: 2").replace("full", "shadow");
    let narrow = narrow.replace("ops: insert", "ops: insert, where: after.x < 15");
    let rules = rules::load(&[(PathBuf::from("r.yaml"), format!("{text}{narrow}"))]).unwrap();
    let mut engine = Engine::new(Arc::new(rules), &sources(), HashSet::new());
    for (at, id, x) in [(1, "seen", 12), (2, "missed", 20), (3, "fine", 3)] {
        bid(&mut engine, at, id, x);
    }
    let found = diff(&engine);
    assert_eq!((found.same, money(&found.only_elder)), (2, (1, String::new())));
    assert_eq!(found.only_elder.without_money, 1);
}

#[test]
fn what_a_shadow_says_ends_nothing_of_the_speaker() {
    let mut engine = over(&[(1, 10, "full"), (2, 15, "shadow")]);
    assert_eq!(told(&bid(&mut engine, 1, "B", 20)), ["1 mismatched B", "2 mismatched B shadow"]);
    // Mended halfway: the candidate is content, the speaker is not.
    assert_eq!(
        told(&bid(&mut engine, 2, "B", 12)),
        ["1 mismatched B", "2 matched B resolved shadow held"]
    );
    assert_eq!(told(&bid(&mut engine, 3, "B", 9)), ["1 matched B resolved", "2 matched B shadow"]);
}

#[test]
fn a_promotion_raises_what_the_candidate_found_and_ends_what_it_did_not() {
    let ordered = |elder, candidate| {
        BTreeMap::from([("r@1".to_owned(), elder), ("r@2".to_owned(), candidate)])
    };
    for (limit, held, promoted, rolled_back) in [
        (5, 7, vec!["2 mismatched B"], vec!["2 matched B resolved shadow"]),
        (15, 12, vec!["1 matched B resolved shadow"], vec!["1 mismatched B"]),
        (11, 20, vec![], vec![]),
        (15, 9, vec![], vec![]),
    ] {
        let files = set(&[(1, 10, "full"), (2, limit, "shadow")]);
        let mut engine = Engine::new(Arc::clone(&files), &sources(), HashSet::new());
        bid(&mut engine, 1, "B", held);
        let rolled = files.rolled_out(&ordered(Rollout::Shadow, Rollout::Full));
        let mut outputs = engine.step(Input::RollOut(Arc::new(rolled)), CellTime(2));
        assert_eq!(strip(&mut outputs), promoted, "{limit} {held}");
        let mut outputs = engine.step(Input::RollOut(files), CellTime(3));
        assert_eq!(strip(&mut outputs), rolled_back, "{limit} {held}");
        assert_balanced(&engine);
    }
}

/// The end of a version that fell silent is in shadow only by who speaks now.
fn strip(outputs: &mut [Output]) -> Vec<String> {
    for output in outputs.iter_mut() {
        if let Output::Verdict(verdict) = output {
            assert!(verdict.revision.contains('~'), "stored a second time: {verdict:?}");
            verdict.shadow |= verdict.resolved;
        }
    }
    told(outputs)
}

#[test]
fn a_rollout_that_is_ordered_needs_no_change_of_files() {
    let files = set(&[(1, 10, "off")]);
    let mut engine = Engine::new(Arc::clone(&files), &sources(), HashSet::new());
    assert!(bid(&mut engine, 1, "B", 20).is_empty());
    let on = files.rolled_out(&BTreeMap::from([("r@1".to_owned(), Rollout::Full)]));
    engine.step(Input::RollOut(Arc::new(on)), CellTime(2));
    assert_eq!(told(&bid(&mut engine, 3, "C", 20)), ["1 mismatched C"]);
}
