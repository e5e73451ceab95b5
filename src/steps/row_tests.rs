//! Outlines row by row, and the plans of faults that come and go: what they become, and what is told of wrong ones.

use std::collections::BTreeMap;

use super::{FeaturePlace, Known, Scenario, Selection, document, read_feature};
use crate::catalog::tests::small_catalog;
use crate::config::Mistake;
use crate::faults::{PlanRow, Range, registry};

fn faults(fault: &str, params: &BTreeMap<String, String>) -> Result<(), String> {
    let spec = registry::find(fault).map_err(|error| error.to_string())?;
    spec.check_params(params).map(drop).map_err(|error| error.to_string())
}

fn read(source: &str) -> (Vec<Scenario>, Vec<Mistake>) {
    let catalog = small_catalog();
    read_feature("f.feature", "features/f.feature", source, &Known::of(&catalog, &faults))
}

/// Each of the mistakes as `code line:column message`.
fn told(source: &str) -> Vec<String> {
    let one = |mistake: &Mistake| {
        let place = &mistake.place;
        let help = mistake.help.join(" / ");
        format!("{} {}:{} {} = {help}", mistake.code, place.line, place.column, mistake.message)
    };
    read(source).1.iter().map(one).collect()
}

const OUTLINES: &str = r#"@lp:refund-exceeds-payment @tier:gate
Feature: Refunds stay within the payment
  What has left is lost.

  Background:
    Given order "O-1" was paid 199.00 CNY through channel "alipay"

  Scenario Outline: One refund too much
    Given fault "<fault>" is active
      | delay | <delay> |
    When refund "R-1" of 250.00 CNY on order "O-1" is paid out where 199.00 CNY is due
    Then alert "refund-exceeds-payment" is raised in time for order "O-1"

    Examples:
      | fault            | delay  |
      | link.binlog.slow | 100 ms |
      | link.sql.slow    | 200 ms |

  @control
  Scenario Outline: One refund
    Given fault "<fault>" is active
      | delay | <delay> |
    When refund "R-1" of 199.00 CNY on order "O-1" is paid out where 199.00 CNY is due
    Then no alert is raised

    Examples:
      | fault            | delay  |
      | link.sql.slow    | 200 ms |
      | link.binlog.slow | 100 ms |
"#;

#[test]
fn each_row_is_a_scenario_with_a_name_a_place_and_a_twin_of_its_own() {
    let (scenarios, mistakes) = read(OUTLINES);
    assert_eq!(mistakes, []);
    let told: Vec<(&str, String)> =
        scenarios.iter().map(|one| (one.name.as_str(), one.location())).collect();
    let place = |line: usize| format!("features/f.feature:{line}");
    assert_eq!(
        told,
        [
            ("One refund too much (link.binlog.slow · 100 ms)", place(16)),
            ("One refund too much (link.sql.slow · 200 ms)", place(17)),
            ("One refund (link.sql.slow · 200 ms)", place(28)),
            ("One refund (link.binlog.slow · 100 ms)", place(29)),
        ]
    );
    let [binlog, sql, sql_twin, binlog_twin] = scenarios.as_slice() else { panic!("four rows") };
    for (attack, twin) in [(binlog, binlog_twin), (sql, sql_twin)] {
        assert_eq!(attack.twin.as_ref(), Some(&twin.id));
        assert_eq!(twin.canary.as_ref(), Some(&attack.id));
    }
    assert_eq!(sql.steps[1].params["delay"], "200 ms");
    let pickles = document("features/f.feature", OUTLINES).pickles;
    for (pickle, scenario) in pickles.iter().zip(&scenarios) {
        assert!(scenario.location().ends_with(&format!(":{}", pickle.line)));
        assert_eq!(pickle.lines, scenario.lines());
    }
}

#[test]
fn a_row_is_selected_by_its_line_and_all_of_them_by_a_step() {
    let (scenarios, _) = read(OUTLINES);
    for (line, expect) in [(8, 2), (11, 2), (16, 1), (17, 1), (29, 1), (15, 0)] {
        let place: FeaturePlace = format!("f.feature:{line}").parse().expect("a place");
        let selection = Selection { places: vec![place], ..Selection::default() };
        let found = selection.of(&scenarios, "features").map_or(0, |found| found.len());
        assert_eq!(found, expect, "line {line}");
    }
}

#[test]
fn a_mistake_of_one_row_names_it_and_one_of_all_is_told_once() {
    let one =
        OUTLINES.replacen("| link.sql.slow    | 200 ms |", "| link.sql.slov    | 200 ms |", 1);
    let mistakes = told(&one);
    let bad = |told: &&String| told.starts_with("bad-fault");
    let bad: Vec<&String> = mistakes.iter().filter(bad).collect();
    assert_eq!(bad.len(), 1, "{mistakes:?}");
    assert!(bad[0].starts_with("bad-fault 17:9 "), "{bad:?}");
    assert!(bad[0].contains("the example on line 17: link.sql.slov"), "{bad:?}");
    let all = OUTLINES.replacen("for order \"O-1\"", "for order \"O-2\"", 1);
    let mistakes = told(&all);
    assert_eq!(mistakes.len(), 1, "{mistakes:?}");
    assert!(mistakes[0].starts_with("unknown-name 12:"), "{mistakes:?}");
    assert!(!mistakes[0].contains("the example on line"), "{mistakes:?}");
    for (from, to, line) in
        [("| delay | <delay> |", "| delay | <dalay> |", 10), ("too much", "<how> much", 8)]
    {
        let mistakes = told(&OUTLINES.replacen(from, to, 1));
        let told =
            mistakes.iter().any(|told| told.starts_with(&format!("unknown-placeholder {line}:")));
        assert!(told, "{mistakes:?}");
    }
    let twice = "      | link.sql.slow    | 200 ms |\n";
    let mistakes = told(&OUTLINES.replacen(twice, &twice.repeat(2), 1));
    assert!(mistakes.iter().any(|told| told.starts_with("duplicate-name 18:7 ")), "{mistakes:?}");
    let other = OUTLINES.replace("R-1\" of 199.00 CNY", "R-2\" of 199.00 CNY");
    let mistakes = told(&other);
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert!(mistakes[0].starts_with("not-a-twin 28:7 "), "{mistakes:?}");
    let short = OUTLINES.replacen("      | link.sql.slow    | 200 ms |\n", "", 1);
    let mistakes = told(&short);
    assert!(mistakes.is_empty(), "a control more is a control: {mistakes:?}");
}

#[test]
fn an_example_that_leaves_a_parameter_empty_leaves_its_default() {
    let mixed = OUTLINES.replace("| link.sql.slow    | 200 ms |", "| link.sql.stalled |        |");
    let (scenarios, mistakes) = read(&mixed);
    assert_eq!(mistakes, []);
    assert_eq!(scenarios[0].steps[1].params["delay"], "100 ms");
    assert!(scenarios[1].steps[1].params.is_empty(), "{:?}", scenarios[1].steps[1]);
    let plain = OUTLINES.replace("| delay | <delay> |", "| delay |  |");
    assert!(told(&plain)[0].contains("delay `` is no duration"), "{:?}", told(&plain));
}

const PLAN: &str = r#"@lp:refund-exceeds-payment @tier:nightly
Feature: Refunds stay within the payment

  Background:
    Given order "O-1" was paid 199.00 CNY through channel "alipay"
    And these faults come and go:
      | fault            | first after | lasts       | pause  | times  | delay  |
      | link.binlog.slow | 0 to 2 acts | 2 to 4 acts | 2 acts | 1 to 3 | 200 ms |
      | link.sql.stalled | 1 act       | 1 act       |        |        |        |

  Scenario: One refund too much
    When refund "R-1" of 250.00 CNY on order "O-1" is paid out where 199.00 CNY is due
    Then alert "refund-exceeds-payment" is raised in time for order "O-1"

  @control
  Scenario: One refund
    When refund "R-1" of 199.00 CNY on order "O-1" is paid out where 199.00 CNY is due
    Then no alert is raised
"#;

#[test]
fn a_table_is_a_plan_in_both_languages() {
    let (scenarios, mistakes) = read(PLAN);
    assert_eq!(mistakes, []);
    let range = |least, most| Range { least, most };
    let rows = [
        PlanRow {
            fault: "link.binlog.slow".to_owned(),
            params: BTreeMap::from([("delay".to_owned(), "200 ms".to_owned())]),
            first: range(0, 2),
            lasts: range(2, 4),
            pause: range(2, 2),
            times: range(1, 3),
        },
        PlanRow {
            fault: "link.sql.stalled".to_owned(),
            params: BTreeMap::new(),
            first: Range::ONE,
            lasts: Range::ONE,
            pause: Range::ONE,
            times: Range::ONE,
        },
    ];
    assert_eq!(scenarios[0].plan(), rows);
    let named: Vec<&str> = scenarios[0].faults().map(|(fault, _)| fault).collect();
    assert_eq!(named, ["link.binlog.slow", "link.sql.stalled"]);
    let zh = "# language: zh-CN\n@lp:refund-exceeds-payment @tier:nightly\n功能: 退款不超过实付\n\n  场景: 多退\n    \
        假如订单“O-1”已通过渠道“alipay”支付 199.00 元\n    并且以下故障时有时无：\n      \
        | 故障 | 首次之前 | 持续 | 间隔 | 次数 | delay |\n      \
        | link.binlog.slow | 0 到 2 笔 | 2 到 4 笔 | 2 笔 | 1 到 3 | 200 ms |\n      \
        | link.sql.stalled | 1 笔 | 1 笔 | | | |\n    \
        当订单“O-1”应退 199.00 元，退款“R-1”实际打款 250.00 元\n    \
        那么及时产生告警“refund-exceeds-payment”，对象为订单“O-1”\n\n  @control\n  场景: 正好\n    \
        假如订单“O-1”已通过渠道“alipay”支付 199.00 元\n    并且以下故障时有时无：\n      \
        | 故障 | 首次之前 | 持续 | 间隔 | 次数 | delay |\n      \
        | link.binlog.slow | 0 到 2 笔 | 2 到 4 笔 | 2 笔 | 1 到 3 | 200 ms |\n      \
        | link.sql.stalled | 1 笔 | 1 笔 | | | |\n    \
        当订单“O-1”应退 199.00 元，退款“R-1”实际打款 199.00 元\n    那么没有任何告警\n";
    let (scenarios, mistakes) = read(zh);
    assert_eq!(mistakes, []);
    assert_eq!(scenarios[0].plan(), rows);
}

/// (what is replaced, by what, how the mistake begins, what it says)
const WRONG_PLANS: &[(&str, &str, &str, &str)] = &[
    ("2 to 4 acts", "2 to 4 s", "bad-plan 8:42", "write `2 acts`, or `1 to 3 acts`"),
    ("2 to 4 acts", "4 to 2 acts", "bad-plan 8:42", "the lesser first"),
    ("2 to 4 acts", "0 acts", "bad-plan 8:42", "not within 1"),
    ("1 to 3 |", "1 to 3 acts |", "bad-plan 8:65", "no number of times"),
    ("| lasts ", "| last ", "bad-plan 7:7", "did you mean it by `last`?"),
    ("| pause ", "| lasts ", "bad-plan 7:", "stands twice"),
    (
        "| link.sql.stalled | 1 act ",
        "| link.sql.stalled | ",
        "bad-plan 9:7",
        "`first after` is empty",
    ),
    ("| link.sql.stalled |", "| link.sql.stalld |", "bad-fault 9:", "link.sql.stalled"),
    ("| link.sql.stalled |", "| link.binlog.slow |", "bad-plan 9:", "named twice"),
    ("| delay  |\n", "| dealy  |\n", "bad-fault 8:", "no parameter `dealy`"),
    ("2 to 4 acts", "2 to 40 acts", "bad-plan 8:", "60 at most"),
    ("| 200 ms |\n", "|\n", "bad-table 8:7", "5 cells in a table of 6"),
];

#[test]
fn a_wrong_plan_is_told_cell_by_cell() {
    for (from, to, begins, says) in WRONG_PLANS {
        assert!(PLAN.contains(from), "no `{from}`");
        let mistakes = told(&PLAN.replacen(from, to, 1));
        let found = mistakes.iter().any(|told| told.starts_with(begins) && told.contains(says));
        assert!(found, "{to}: {mistakes:?}");
    }
    let (head, rest) = PLAN.split_once("      | fault").expect("a table");
    let without = format!("{head}{}", rest.split_once("\n\n").expect("an end").1);
    assert!(told(&without)[0].contains("the plan is missing"), "{:?}", told(&without));
    let several = PLAN.replacen("2 acts |", "two acts |", 1).replacen("1 act ", "one act ", 1);
    assert_eq!(told(&several).len(), 2, "all cells at once: {:?}", told(&several));
}
