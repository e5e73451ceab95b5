//! The one form: what it looks like, that it keeps every meaning, and that it is its own form.

use std::path::Path;

use lossdrill::author::formatted;
use lossdrill::steps::{LineKind, scan};
use proptest::prelude::*;

#[test]
fn the_shipped_features_are_in_form() {
    let features = Path::new(env!("CARGO_MANIFEST_DIR")).join("features");
    let formatting = lossdrill::author::fmt(&features, true);
    assert!(formatting.files >= 5);
    assert_eq!(formatting.exit_code(true), 0, "{}", formatting.render_text(true));
}

#[test]
fn a_crooked_file_comes_straight() {
    for (source, expect) in [(EN, EN_FORMED), (ZH, ZH_FORMED)] {
        let text = formatted("f.feature", source).unwrap();
        assert_eq!(text, expect);
        assert_eq!(formatted("f.feature", &text).unwrap(), expect);
    }
}

#[test]
fn what_is_no_feature_is_left_alone() {
    let mistakes = formatted("f.feature", "Feature: x\n  Scenaro: y\n").unwrap_err();
    assert_eq!(mistakes[0].code, "misspelt-keyword");
    let escaped = "Feature: x\n  Scenario: y\n    Given z\n      | a\\|b |  c |\n";
    let text = formatted("f.feature", escaped).unwrap();
    assert!(text.contains("      | a\\|b |  c |\n"), "a bar in a cell: {text}");
}

const EN: &str = "\u{feff}#a remark about the file\n\n\n\
@lp:x   @tier:gate # why\nFeature:   A title  \n\n\nProse stands here,\nand here.\n\n\n\n  Again.\n\
Background:\n  Given   order \"O-1\" waits\n\n\n    And fault \"f\" is active\n| delay | 20 s |\n|a|b|\n\
Rule: r\n\n\n#about the scenario\n@control\nScenario Outline: s <a>\n   When <a>\n # about the step\n\nThen b\n\
Examples:\n|a|\n|  退款  |\n|long cell|\n# the end\n\n\n";

const EN_FORMED: &str = "#a remark about the file

@lp:x @tier:gate # why
Feature: A title
  Prose stands here,
  and here.

  Again.

  Background:
    Given order \"O-1\" waits
    And fault \"f\" is active
      | delay | 20 s |
      | a     | b    |

  Rule: r

    #about the scenario
    @control
    Scenario Outline: s <a>
      When <a>
      # about the step
      Then b

      Examples:
        | a         |
        | 退款      |
        | long cell |

# the end
";

const ZH: &str =
    "#language : zh-CN\r\n功能:标题\r\n\t场景:   一\r\n　　假如 订单“O-1”待支付 9 元\r\n当x\r\n";

const ZH_FORMED: &str = "# language: zh-CN
功能: 标题

  场景: 一
    假如订单“O-1”待支付 9 元
    当x
";

/// What the lines of a file say, layout aside.
fn said(source: &str) -> Vec<String> {
    let lines = scan("f.feature", source).lines;
    let kept = lines.into_iter().filter(|line| line.kind != LineKind::Blank);
    kept.map(|line| match &line.kind {
        LineKind::Comment => line.source.trim().trim_start_matches('\u{feff}').to_owned(),
        LineKind::Description => line.mended.trim().to_owned(),
        kind => format!("{kind:?}"),
    })
    .collect()
}

fn space() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", " ", "    ", "\t", "　", "       "]).prop_map(str::to_owned)
}

/// Blank lines and comments, which may stand anywhere.
fn between() -> impl Strategy<Value = String> {
    let filler = prop::sample::select(vec!["\n", "   \n", "# a remark\n", "  #another\n"]);
    prop::collection::vec(filler, 0..4).prop_map(|lines| lines.concat())
}

fn steps() -> impl Strategy<Value = String> {
    let step = prop::sample::select(vec![
        "Given a b",
        "When   c",
        "Then  d \"O-1\"",
        "And e\n| a | 退款 |\n|bb||",
        "But f",
    ]);
    let lines = (space(), step, between()).prop_map(|(s, step, b)| format!("{s}{step}\n{b}"));
    prop::collection::vec(lines, 1..5).prop_map(|lines| lines.concat())
}

fn scenario() -> impl Strategy<Value = String> {
    let tags = prop::sample::select(vec!["", "@control\n", "  @a   @b # why\n"]);
    let heading = prop::sample::select(vec!["Scenario: s", "Scenario:s", "Scenario:"]);
    let examples = prop::sample::select(vec!["", "Examples:\n|a|b|\n|12345|6|\n"]);
    let parts = (between(), tags, space(), heading, between(), steps(), examples);
    parts.prop_map(|(b, tags, s, heading, c, steps, examples)| {
        let heading = match examples.is_empty() {
            true => heading.to_owned(),
            false => heading.replace("Scenario", "Scenario Outline"),
        };
        format!("{b}{tags}{s}{heading}\n{c}{steps}{examples}")
    })
}

fn feature() -> impl Strategy<Value = String> {
    let prose = prop::sample::select(vec!["", "Some prose.\n\n\n   More of it.\n"]);
    let background = prop_oneof![
        Just(String::new()),
        (space(), steps()).prop_map(|(s, steps)| format!("{s}Background:\n{steps}"))
    ];
    let rule = prop::sample::select(vec!["", " Rule: r\n", "Rule:r\nProse of it.\n"]);
    let scenarios = prop::collection::vec(scenario(), 0..3);
    let more = prop::collection::vec(scenario(), 0..3);
    let parts = (between(), prose, background, scenarios, rule, more, between());
    parts.prop_map(|(b, prose, background, scenarios, rule, more, end)| {
        let (scenarios, more) = (scenarios.concat(), more.concat());
        format!("{b}@lp:x\nFeature: f\n{prose}{background}{scenarios}{rule}{more}{end}")
    })
}

proptest! {
    #[test]
    fn the_form_keeps_the_meaning_and_is_its_own_form(source in feature()) {
        let once = formatted("f.feature", &source).expect("nothing is wrong with it");
        prop_assert_eq!(said(&once), said(&source));
        prop_assert_eq!(formatted("f.feature", &once).expect("still sound"), once);
    }
}
