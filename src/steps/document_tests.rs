//! Documents of Cucumber Messages: outlines, backgrounds of a rule, tags, comments, Chinese.

use serde_json::Value;

use super::document;

const ENGLISH: &str = "\
# a word before
@lp:a @tier:gate
Feature: Refunds
  Two lines
  of prose

  Background:
    Given order \"O-1\" was paid

  Rule: Once
    Background:
      Given fault \"f\" is active
        | delay | 300 ms |

    @control
    Scenario Outline: Paid <times>
      When it is paid <times>
      Then nothing

      @slow
      Examples:
        | times |
        | once  |
        | twice |
";

const CHINESE: &str = "\
# language: zh-CN
@lp:a
功能: 退款
  场景: 打款
    假如订单“O-1”
    并且故障
    那么告警
";

fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {value:#}"))
}

#[test]
fn an_outline_gives_a_pickle_a_row_that_points_at_both() {
    let document = document("features/r.feature", ENGLISH);
    let [once, twice] = &document.pickles[..] else { panic!("{:?}", document.pickles) };
    assert_eq!((once.line, once.id.as_str()), (23, "features/r.feature:23"));
    let lines =
        ["Given order \"O-1\" was paid", "Given fault \"f\" is active", "When it is paid twice"];
    assert_eq!(twice.lines[..3], lines);
    assert_eq!(at(&twice.value, "/name"), "Paid twice");
    assert_eq!(at(&twice.value, "/astNodeIds/1"), "features/r.feature:24");
    assert_eq!(at(&twice.value, "/steps/1/argument/dataTable/rows/0/cells/1/value"), "300 ms");
    let tags = at(&twice.value, "/tags").as_array().unwrap().iter().map(|tag| &tag["name"]);
    assert!(tags.eq(["@lp:a", "@tier:gate", "@control", "@slow"]), "{:#}", twice.value);
}

#[test]
fn the_tree_has_every_line_where_it_stands() {
    let gherkin = document("features/r.feature", ENGLISH).gherkin;
    for (pointer, expect) in [
        ("/comments/0/text", "# a word before"),
        ("/feature/description", "  Two lines\n  of prose"),
        ("/feature/tags/0/name", "@lp:a"),
        ("/feature/children/0/background/steps/0/keyword", "Given "),
        (
            "/feature/children/1/rule/children/0/background/steps/0/dataTable/rows/0/cells/0/value",
            "delay",
        ),
        ("/feature/children/1/rule/children/1/scenario/keyword", "Scenario Outline"),
        (
            "/feature/children/1/rule/children/1/scenario/examples/0/tableBody/1/cells/0/value",
            "twice",
        ),
        ("/feature/children/1/rule/children/1/scenario/examples/0/tags/0/name", "@slow"),
    ] {
        assert_eq!(at(&gherkin, pointer), expect, "{pointer}");
    }
}

#[test]
fn chinese_keywords_have_no_blank() {
    let document = document("features/r.feature", CHINESE);
    assert_eq!(at(&document.gherkin, "/feature/language"), "zh-CN");
    assert_eq!(at(&document.gherkin, "/comments"), &serde_json::json!([]));
    let step = at(&document.gherkin, "/feature/children/0/scenario/steps/1");
    assert_eq!((&step["keyword"], &step["keywordType"]), (&"并且".into(), &"Conjunction".into()));
    let types = at(&document.pickles[0].value, "/steps").as_array().unwrap().iter();
    assert!(types.map(|step| &step["type"]).eq(["Context", "Context", "Outcome"]));
}
