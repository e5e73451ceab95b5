//! A sentence of one language written in the other, its values kept.
//!
//! The vocabulary carries both wordings side by side, so this needs no dictionary of its own.

use regex::Captures;

use super::compiled::{Compiled, normalise, vocabulary, wording};
use super::{Language, SubjectKind};

/// The units of a duration, English and Chinese.
const UNITS: [(&str, &str); 5] =
    [("ms", "毫秒"), ("s", "秒"), ("min", "分钟"), ("h", "小时"), ("d", "天")];

/// `text` in `language`; none where no sentence of the vocabulary reads it.
pub fn translated(text: &str, language: Language) -> Option<String> {
    let text = normalise(text);
    vocabulary().rows.iter().find_map(|compiled| {
        let values = values(compiled, &text)?;
        Some(written(compiled, &values, language))
    })
}

/// The captured texts in the order of the English wording.
fn values<'t>(compiled: &Compiled, text: &'t str) -> Option<Vec<&'t str>> {
    let all = |captures: Captures<'t>| -> Vec<&'t str> {
        captures.iter().skip(1).flatten().map(|found| found.as_str().trim()).collect()
    };
    if let Some(captures) = compiled.en.captures(text) {
        return Some(all(captures));
    }
    let values = all(compiled.zh.captures(text)?);
    Some(match compiled.row.zh_order {
        [] => values,
        order => order.iter().map(|index| values[*index]).collect(),
    })
}

fn written(compiled: &Compiled, values: &[&str], language: Language) -> String {
    let row = compiled.row;
    let mut written = String::new();
    let mut rest = wording(row, language);
    let mut place = 0;
    let mut last = "";
    while let Some((before, after)) = rest.split_once('{') {
        let (parameter, after) = after.split_once('}').unwrap_or((after, ""));
        written.push_str(&chosen(before, last));
        let index = match (language, row.zh_order) {
            (Language::En, _) | (_, []) => place,
            (Language::ZhCn, order) => order.iter().position(|at| *at == place).unwrap_or(place),
        };
        last = values.get(index).copied().unwrap_or_default();
        let value = value(parameter, last, language);
        push_value(&mut written, &value, after, language);
        (rest, place) = (after, place + 1);
    }
    written.push_str(&chosen(rest, last));
    written
}

/// The words of an expression as a person writes them: `time(s)` by the count before it.
fn chosen(words: &str, last: &str) -> String {
    let plural = if last == "1" { "" } else { "s" };
    words.replace("(s)", plural).replace('\\', "")
}

/// In Chinese one space parts a number from the character beside it.
fn push_value(written: &mut String, value: &str, after: &str, language: Language) {
    let parts = |a: Option<char>, b: Option<char>| {
        let meet = |a: char, b: char| a.is_ascii_alphanumeric() && is_han(b);
        matches!((a, b), (Some(a), Some(b)) if meet(a, b) || meet(b, a))
    };
    let spaced = language == Language::ZhCn;
    if spaced && parts(written.chars().last(), value.chars().next()) {
        written.push(' ');
    }
    written.push_str(value);
    if spaced && parts(value.chars().last(), after.chars().next()) {
        written.push(' ');
    }
}

fn is_han(c: char) -> bool {
    matches!(c as u32, 0x3400..=0x9FFF | 0xF900..=0xFAFF)
}

/// A value as that language writes it.
fn value(parameter: &str, text: &str, language: Language) -> String {
    match parameter {
        "name" => {
            let name = text.trim_matches(['"', '“', '”', '「', '」']);
            if language == Language::En { format!("\"{name}\"") } else { format!("“{name}”") }
        }
        "subject" => {
            let kinds = SubjectKind::ALL.into_iter().map(|kind| (kind.en(), kind.zh()));
            word_in(kinds, text, language).to_owned()
        }
        "money" | "duration" => {
            let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
            let unit = text[digits.len()..].trim();
            let units = UNITS.into_iter().chain([("CNY", "元")]);
            format!("{digits} {}", word_in(units, unit, language))
        }
        _ => text.to_owned(),
    }
}

/// The pair's word of that language; a word of no pair stays.
fn word_in<'t>(
    mut pairs: impl Iterator<Item = (&'static str, &'static str)>,
    word: &'t str,
    language: Language,
) -> &'t str {
    match (pairs.find(|(en, zh)| *en == word || *zh == word), language) {
        (None, _) => word,
        (Some((en, _)), Language::En) => en,
        (Some((_, zh)), Language::ZhCn) => zh,
    }
}

#[cfg(test)]
mod tests {
    use super::super::VOCABULARY;
    use super::*;

    #[test]
    fn every_example_is_the_translation_of_the_other() {
        for row in VOCABULARY.iter() {
            let (en, zh) = (row.example_en, row.example_zh);
            for (text, language, expect) in [
                (en, Language::ZhCn, zh),
                (zh, Language::En, en),
                (en, Language::En, en),
                (zh, Language::ZhCn, zh),
            ] {
                assert_eq!(translated(text, language).as_deref(), Some(expect), "{}", row.id);
            }
        }
    }

    #[test]
    fn a_text_that_is_no_sentence_has_no_translation() {
        assert_eq!(translated("the weather is fine", Language::ZhCn), None);
        let one = translated("退款“R-1”的批准消息投递了 1 次", Language::En);
        let said = "the refund-approved message of refund \"R-1\" is delivered 1 time";
        assert_eq!(one.as_deref(), Some(said));
    }
}
