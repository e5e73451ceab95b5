//! Gherkin's keywords in the two languages, as the `gherkin` crate has them (a test holds that).

use super::{Kind, Language};

/// What a keyword line opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heading {
    Feature,
    Background,
    Rule,
    Scenario,
    Outline,
    Examples,
}

/// What a step keyword says of its step's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepWord {
    Opens(Kind),
    /// `And`, `But`: as the step above.
    Same,
}

/// Longer ones first where one begins another. Chinese has no word of its own for `Rule`.
pub fn headings(language: Language) -> &'static [(&'static str, Heading)] {
    match language {
        Language::En => &[
            ("Feature", Heading::Feature),
            ("Background", Heading::Background),
            ("Rule", Heading::Rule),
            ("Scenario Outline", Heading::Outline),
            ("Scenario", Heading::Scenario),
            ("Examples", Heading::Examples),
        ],
        Language::ZhCn => &[
            ("功能", Heading::Feature),
            ("背景", Heading::Background),
            ("Rule", Heading::Rule),
            ("场景大纲", Heading::Outline),
            ("场景", Heading::Scenario),
            ("例子", Heading::Examples),
        ],
    }
}

/// Words that people write for a heading and that Gherkin does not know.
pub const STRANGERS: [(&str, &str); 6] = [
    ("规则", "Rule"),
    ("示例", "例子"),
    ("样例", "例子"),
    ("特性", "功能"),
    ("前提", "背景"),
    ("Scenario Template", "Scenario Outline"),
];

/// English ones are followed by a space.
pub fn step_words(language: Language) -> &'static [(&'static str, StepWord)] {
    use StepWord::{Opens, Same};
    match language {
        Language::En => &[
            ("Given", Opens(Kind::Given)),
            ("When", Opens(Kind::When)),
            ("Then", Opens(Kind::Then)),
            ("And", Same),
            ("But", Same),
        ],
        Language::ZhCn => &[
            ("假如", Opens(Kind::Given)),
            ("假设", Opens(Kind::Given)),
            ("假定", Opens(Kind::Given)),
            ("当", Opens(Kind::When)),
            ("那么", Opens(Kind::Then)),
            ("而且", Same),
            ("并且", Same),
            ("同时", Same),
            ("但是", Same),
        ],
    }
}

/// The first keyword for a kind: for messages.
pub fn word_for(kind: Kind, language: Language) -> &'static str {
    let words = step_words(language);
    let found = words.iter().find(|(_, word)| *word == StepWord::Opens(kind));
    found.map_or("", |(text, _)| text)
}

#[cfg(test)]
mod tests {
    use gherkin::{Feature, GherkinEnv};

    use super::*;

    fn reads(language: &str, source: &str) -> Option<Feature> {
        Feature::parse(source, GherkinEnv::new(language).expect("known")).ok()
    }

    #[test]
    fn the_parser_has_the_same_words() {
        for (name, language) in [("en", Language::En), ("zh-CN", Language::ZhCn)] {
            let word = |wanted: Heading| {
                headings(language).iter().find(|(_, h)| *h == wanted).expect("one each").0
            };
            for (step, opens) in step_words(language) {
                let source = format!(
                    "{}: f\n  {}:\n    {} x\n  {}: r\n    {}: s\n      {step} x\n    {}: o\n      \
                     {step} <n>\n      {}:\n        | n |\n        | 1 |\n",
                    word(Heading::Feature),
                    word(Heading::Background),
                    word_for(Kind::Given, language),
                    word(Heading::Rule),
                    word(Heading::Scenario),
                    word(Heading::Outline),
                    word(Heading::Examples),
                );
                let feature = reads(name, &source).unwrap_or_else(|| panic!("{source}"));
                let rule = &feature.rules[0];
                assert_eq!((rule.scenarios.len(), rule.scenarios[1].examples.len()), (2, 1));
                let kind = match opens {
                    StepWord::Opens(Kind::When) => gherkin::StepType::When,
                    StepWord::Opens(Kind::Then) => gherkin::StepType::Then,
                    _ => gherkin::StepType::Given,
                };
                assert_eq!(rule.scenarios[0].steps[0].ty, kind, "{step}");
            }
        }
    }

    /// The day this fails, the crate knows the word: take it out of [`STRANGERS`].
    #[test]
    fn the_parser_still_takes_the_chinese_rule_for_prose() {
        let source = "功能: f\n  规则: r\n  场景: s\n    当x\n";
        let feature = reads("zh-CN", source).expect("parses");
        assert_eq!((feature.rules.len(), feature.scenarios.len()), (0, 1));
        assert!(feature.description.is_some_and(|text| text.contains("规则")));
    }
}
