//! Features are read, and every way to write one wrong is told at its place.

use std::collections::BTreeMap;

use super::mistake_cases::{Case, EN, LINES, LINES_ZH, MEANINGS, ZH};
use super::{Known, Scenario, Selection, Sentence, Tier, read_feature};
use crate::catalog::tests::small_catalog;
use crate::config::{Mistake, Severity};
use crate::wire::Effect;

fn faults(fault: &str, params: &BTreeMap<String, String>) -> Result<(), String> {
    let known =
        ["app.refund-guard.bypassed", "app.refund-payout.not-idempotent", "link.binlog.slow"];
    match (known.contains(&fault), params.keys().find(|name| *name != "delay")) {
        (false, _) => Err(format!("unknown fault `{fault}`")),
        (true, Some(name)) => Err(format!("fault `{fault}` has no parameter `{name}`")),
        (true, None) => Ok(()),
    }
}

fn read(source: &str) -> (Vec<Scenario>, Vec<Mistake>) {
    let catalog = small_catalog();
    read_feature("f.feature", "features/f.feature", source, &Known::of(&catalog, &faults))
}

/// What is wrong with the telling of one mistake, if anything.
fn missed(base: &str, (from, to, code, place, parts): Case) -> Option<String> {
    assert!(base.contains(from), "no `{from}`");
    let (_, mistakes) = read(&base.replacen(from, to, 1));
    let told = mistakes.iter().any(|mistake| {
        mistake.code == code
            && (mistake.place.line, mistake.place.column) == place
            && mistake.message.contains(parts[0])
            && mistake.help.join("\n").contains(parts[1])
    });
    let all: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    (!told).then(|| format!("## {code} at {place:?} for `{to}`, found:\n{}\n", all.join("\n")))
}

fn check_all(base: &str, cases: &[Case]) {
    let missed: Vec<String> = cases.iter().filter_map(|case| missed(base, *case)).collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn both_features_are_sound_and_twinned() {
    for (base, steps) in [(EN, 7), (ZH, 4)] {
        let (scenarios, mistakes) = read(base);
        assert_eq!(mistakes, []);
        let [attack, twin] = scenarios.as_slice() else { panic!("{}", scenarios.len()) };
        assert_eq!(attack.steps.len(), steps);
        assert_eq!(attack.twin.as_ref(), Some(&twin.id));
        assert_eq!(twin.canary.as_ref(), Some(&attack.id));
        assert!(twin.control && !attack.control);
        assert!(attack.steps[0].from_background && !attack.steps[2].from_background);
    }
    let says = |base: &str| -> Vec<Sentence> {
        read(base).0[1].steps.iter().map(|step| step.sentence.clone()).collect()
    };
    assert_eq!(says(EN), says(ZH), "one meaning in both languages");
}

#[test]
fn every_line_is_accounted_for() {
    check_all(EN, &LINES);
    check_all(ZH, &LINES_ZH);
}

#[test]
fn every_meaning_is_checked() {
    check_all(EN, &MEANINGS);
}

#[test]
fn what_is_only_odd_is_taken() {
    let (plain, _) = read(ZH);
    for odd in [
        format!("\u{feff}{ZH}"),
        ZH.replace("    ", "　　"),
        ZH.replace('\n', "\r\n"),
        ZH.replace("，", ", "),
        ZH.replace(['“', '”'], "\""),
        ZH.trim_end().to_owned(),
        ZH.replace("199.00 元", "199.00元"),
        ZH.replace("  场景: 多退", "  # 注释\n\n  场景 : 多退"),
    ] {
        let (scenarios, mistakes) = read(&odd);
        assert_eq!(mistakes, [], "{odd}");
        let ids = |scenarios: &[Scenario]| -> Vec<(String, Vec<Sentence>)> {
            let says = |s: &Scenario| s.steps.iter().map(|step| step.sentence.clone()).collect();
            scenarios.iter().map(|s| (s.id.clone(), says(s))).collect()
        };
        assert_eq!(ids(&scenarios), ids(&plain), "{odd}");
    }
}

#[test]
fn an_id_survives_edits_of_the_steps_and_not_of_the_name() {
    let ids = |source: &str| -> Vec<String> { read(source).0.into_iter().map(|s| s.id).collect() };
    let moved = EN.replace("  Background:", "\n\n  Background:").replace("51.00", "52.00");
    assert_eq!(ids(EN), ids(&moved));
    assert_ne!(ids(EN)[0], ids(&EN.replace("One refund too much", "Too much"))[0]);
    assert_ne!(ids(EN)[0], ids(EN)[1]);
}

#[test]
fn an_outline_is_one_scenario_for_each_row() {
    let outline = EN
        .replace("Scenario: One refund too much", "Scenario Outline: <amount> is too much")
        .replace("250.00 CNY", "<amount>")
        .replace(
            "51.00 CNY\n\n",
            "51.00 CNY\n\n      Examples:\n        | amount |\n        | 250.00 CNY |\n        \
             | 200.00 CNY |\n\n",
        );
    let (scenarios, mistakes) = read(&outline);
    let errors: Vec<&Mistake> =
        mistakes.iter().filter(|mistake| mistake.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(scenarios.len(), 3);
    let example = scenarios[1].example.as_ref().expect("a row");
    assert_eq!((example.key.as_str(), example.line), ("200.00 CNY", 21));
    assert_eq!(scenarios[1].name, "200.00 CNY is too much");
    assert_ne!(scenarios[0].id, scenarios[1].id);
    let typo: Case = (
        "of <amount> on",
        "of <amout> on",
        "unknown-placeholder",
        (12, 28),
        ["`<amout>`", "`amount`"],
    );
    check_all(&outline, &[typo]);
}

#[test]
fn all_mistakes_of_a_file_come_at_once() {
    let broken = EN
        .replace("    Given order", "    Givn order")
        .replace("Scenario: One refund too much", "Scenario：One refund too much")
        .replace("@control", "@contol")
        .replace("within 5 min", "within 6 min")
        .replace("51.00 CNY at", "51.0 CNY at");
    let codes: Vec<&str> = read(&broken).1.iter().map(|mistake| mistake.code).collect();
    for code in ["misspelt-keyword", "full-width", "misspelt-tag", "bound-too-long", "bad-value"] {
        assert!(codes.contains(&code), "{code} in {codes:?}");
    }
}

#[test]
fn a_selection_that_holds_nothing_is_told_apart() {
    let (scenarios, _) = read(EN);
    let point = |id: &str| Selection { loss_points: vec![id.into()], ..Selection::default() };
    let named = |name: &str| Selection { names: vec![name.into()], ..Selection::default() };
    let tags = |text: &str| Selection { tags: text.parse().ok(), ..Selection::default() };
    let tier = |tier: Tier| Selection { tiers: vec![tier], ..Selection::default() };
    for (selection, expect) in [
        (Selection::default(), Ok(2)),
        (tier(Tier::Gate), Ok(2)),
        (tier(Tier::Drill), Err("none of 2 scenarios has @tier:drill")),
        (tags("@control"), Ok(1)),
        (tags("not @tier:gate"), Err("tags not @tier:gate")),
        (named("too much"), Ok(1)),
        (named(&scenarios[1].id), Ok(1)),
        (named("One refnd"), Err("did you mean `One refund`?")),
        (point("refund-exceeds-payment"), Ok(2)),
        (point("refund-exceed-payment"), Err("did you mean `refund-exceeds-payment`?")),
    ] {
        match (selection.of(&scenarios, "features"), expect) {
            (Ok(found), Ok(count)) => assert_eq!(found.len(), count, "{selection:?}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, _) => panic!("{selection:?}: {got:?}"),
        }
    }
    let error = Selection::default().of(&[], "features").expect_err("nothing there").to_string();
    assert!(error.contains("is `features` the folder of the features?"));
}

#[test]
fn a_stop_that_no_probe_can_do_again_is_told() {
    let mut catalog = small_catalog();
    for plan in &mut catalog.plans {
        plan.effect = Some(Effect::Stops("refnd".into()));
    }
    let (_, mistakes) = read_feature("f", "features/f.feature", EN, &Known::of(&catalog, &faults));
    let told = |mistake: &Mistake| {
        mistake.code == "unproved-stop" && mistake.help.join("").contains("`refund`")
    };
    assert!(mistakes.iter().any(told), "{mistakes:?}");
}

/// What a business sentence needs, and what is wrong with what its feature says instead.
#[test]
fn a_business_sentence_needs_what_its_row_says() {
    const ACCOUNTS: &str = "\
@lp:refund-exceeds-payment @tier:gate
Feature: Accounts

  Scenario: A transfer
    Given account \"W-1\" holds 100.00 CNY
    And account \"W-2\" holds 0.00 CNY
    When 30.00 CNY is transferred from account \"W-1\" to account \"W-2\"
    Then alert \"refund-exceeds-payment\" is raised in time for account \"W-1\"

  @control
  Scenario: Half of it
    Given account \"W-1\" holds 100.00 CNY
    And account \"W-2\" holds 0.00 CNY
    When 15.00 CNY is transferred from account \"W-1\" to account \"W-2\"
    Then no alert is raised
";
    let codes = |source: &str| -> Vec<String> {
        read(source).1.iter().map(|mistake| mistake.code.to_string()).collect()
    };
    assert_eq!(codes(ACCOUNTS), [""; 0]);
    let unmade = ACCOUNTS.replacen("to account \"W-2\"", "to account \"W-3\"", 1);
    assert_eq!(codes(&unmade), ["unknown-name", "not-a-twin"]);
    let about = ACCOUNTS.replacen("for account \"W-1\"", "for account \"W-3\"", 1);
    assert_eq!(codes(&about), ["unknown-name"]);
    let same = ACCOUNTS.replacen("When 15.00", "When 30.00", 1);
    assert_eq!(codes(&same), ["not-a-twin"], "nothing differs");
    let other = ACCOUNTS.replacen(
        "When 15.00 CNY is transferred from",
        "When 2 transfers of 15.00 CNY from",
        1,
    );
    let other = other.replacen(
        "\"W-2\"\n    Then no alert",
        "\"W-2\" are made at once\n    Then no alert",
        1,
    );
    assert_eq!(codes(&other), ["not-a-twin"], "another sentence");
}
