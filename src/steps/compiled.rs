//! The vocabulary, compiled: which sentence a step's text is, and which ones are near.
//!
//! Refuses at compile time what the `cucumber` crate would let through: alternation in Chinese, two rows that read
//! the same text, a row whose languages do not carry the same parameters.

use std::collections::HashMap;
use std::sync::LazyLock;

use cucumber_expressions::Expression;
use regex::Regex;

use super::params::{BadValue, Captured, PARAMETER_TYPES};
use super::said::Said;
use super::vocabulary::{Meaning, Row, VOCABULARY};
use super::{Kind, Language, Sentence};

/// How many near sentences a reader is shown.
pub const NEAREST_SHOWN: usize = 3;

/// A row that cannot be a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VocabularyError {
    #[error(
        "sentence `{id}`: `/` in Chinese wording is alternation between unspaced words and \
         matches neither meant sentence: write two rows"
    )]
    Alternation { id: &'static str },
    #[error("sentence `{id}`: wording `{wording}` does not compile: {reason}")]
    Wording { id: &'static str, wording: &'static str, reason: String },
    #[error(
        "sentence `{id}`: {en} parameters in English and {zh} in Chinese, in the order {order:?}"
    )]
    Parameters { id: &'static str, en: usize, zh: usize, order: &'static [usize] },
    #[error("sentences `{first}` and `{second}` both read `{text}`: reword one")]
    Ambiguous { first: &'static str, second: &'static str, text: String },
    #[error("sentence `{id}` does not read its own example `{text}`")]
    Example { id: &'static str, text: &'static str },
}

/// What a step's text is.
#[derive(Clone, Debug)]
pub enum Match {
    One { row: &'static Row, sentence: Result<Sentence, BadValue> },
    None,
    Many(Vec<&'static Row>),
}

/// A row with its two patterns.
pub struct Compiled {
    pub row: &'static Row,
    pub en: Regex,
    pub zh: Regex,
}

pub struct Vocabulary {
    pub rows: Vec<Compiled>,
}

/// The project's own vocabulary. Its compilation is a test's duty, so a failure here is a broken invariant.
pub fn vocabulary() -> &'static Vocabulary {
    static OWN: LazyLock<Vocabulary> = LazyLock::new(|| {
        Vocabulary::compile(&VOCABULARY).expect("invariant: the vocabulary's tests hold it sound")
    });
    &OWN
}

impl Vocabulary {
    pub fn compile(rows: &'static [Row]) -> Result<Vocabulary, VocabularyError> {
        let rows = rows.iter().map(compile_row).collect::<Result<Vec<_>, _>>()?;
        let vocabulary = Vocabulary { rows };
        for compiled in &vocabulary.rows {
            vocabulary.check_row(compiled.row)?;
        }
        Ok(vocabulary)
    }

    fn check_row(&self, row: &'static Row) -> Result<(), VocabularyError> {
        for text in [row.example_en, row.example_zh] {
            match self.read(text) {
                Match::One { row: found, sentence: Ok(_) } if found.id == row.id => {}
                Match::Many(rows) => {
                    let (first, second) = (rows[0].id, rows[1].id);
                    return Err(VocabularyError::Ambiguous { first, second, text: text.into() });
                }
                _ => return Err(VocabularyError::Example { id: row.id, text }),
            }
        }
        Ok(())
    }

    /// Which sentence `text` is, in either language.
    pub fn read(&self, text: &str) -> Match {
        let text = &normalise(text);
        let found: Vec<(&Compiled, Language, regex::Captures<'_>)> = self
            .rows
            .iter()
            .flat_map(|compiled| {
                let en = compiled.en.captures(text).map(|c| (compiled, Language::En, c));
                let zh = compiled.zh.captures(text).map(|c| (compiled, Language::ZhCn, c));
                en.or(zh)
            })
            .collect();
        match found.as_slice() {
            [] => Match::None,
            [(compiled, language, captures)] => {
                let row = compiled.row;
                let captured = captured(row, *language, captures, text);
                Match::One { row, sentence: meaning(row, &captured) }
            }
            many => Match::Many(many.iter().map(|(compiled, ..)| compiled.row).collect()),
        }
    }

    /// The row of this id.
    pub fn row(&self, id: &str) -> Option<&'static Row> {
        self.rows.iter().map(|compiled| compiled.row).find(|row| row.id == id)
    }

    /// The sentences nearest to `text`, of the language of its file and, first, of its kind.
    pub fn nearest(&self, text: &str, kind: Kind, language: Language) -> Vec<&'static Row> {
        let wanted = skeleton(text);
        let mut near: Vec<(f64, &'static Row)> = self
            .rows
            .iter()
            .map(|compiled| {
                let row = compiled.row;
                let likeness = alike(&wanted, &skeleton(wording(row, language)));
                // The right keyword counts for a little: it breaks near ties.
                (likeness + if row.kind == kind { 0.05 } else { 0.0 }, row)
            })
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        near.into_iter().take(NEAREST_SHOWN).map(|(_, row)| row).collect()
    }

    /// How much `text` looks like a sentence, 0 to 1: tells a step with a misspelt keyword from prose.
    pub fn likeness(&self, text: &str) -> f64 {
        let wanted = skeleton(text);
        let of = |wording: &str| alike(&wanted, &skeleton(wording));
        let each = self.rows.iter().flat_map(|c| [of(c.row.en), of(c.row.zh)]);
        each.fold(0.0, f64::max)
    }
}

fn meaning(row: &Row, captured: &Captured<'_>) -> Result<Sentence, BadValue> {
    match row.meaning {
        Meaning::Says(say) => say(captured),
        Meaning::Does(_) => Said::read(row.id, row.en, captured).map(Sentence::Business),
    }
}

/// A row's expression in one language.
pub fn wording(row: &Row, language: Language) -> &'static str {
    match language {
        Language::En => row.en,
        Language::ZhCn => row.zh,
    }
}

fn compile_row(row: &'static Row) -> Result<Compiled, VocabularyError> {
    if row.zh.contains('/') {
        return Err(VocabularyError::Alternation { id: row.id });
    }
    let en = compile_wording(row, row.en, "")?;
    // Chinese has no word spaces: people put one beside a number or not.
    let zh = compile_wording(row, row.zh, r"\s*")?;
    let counts = (en.captures_len() - 1, zh.captures_len() - 1);
    let mut order = row.zh_order.to_vec();
    order.sort_unstable();
    let permutes = order.is_empty() || order.iter().copied().eq(0..counts.0);
    if counts.0 != counts.1 || !permutes {
        let (en, zh, order) = (counts.0, counts.1, row.zh_order);
        return Err(VocabularyError::Parameters { id: row.id, en, zh, order });
    }
    Ok(Compiled { row, en, zh })
}

fn compile_wording(
    row: &'static Row,
    wording: &'static str,
    around: &str,
) -> Result<Regex, VocabularyError> {
    let parameters: HashMap<&str, String> = PARAMETER_TYPES
        .iter()
        .map(|parameter| (parameter.name, format!("{around}(?:{}){around}", parameter.pattern)))
        .collect();
    Expression::regex_with_parameters(wording, &parameters).map_err(|error| {
        VocabularyError::Wording { id: row.id, wording, reason: error.to_string() }
    })
}

fn captured<'t>(
    row: &Row,
    language: Language,
    captures: &regex::Captures<'t>,
    text: &'t str,
) -> Captured<'t> {
    let all: Vec<(usize, &str)> = captures
        .iter()
        .skip(1)
        .flatten()
        .map(|found| {
            let spaces = found.as_str().len() - found.as_str().trim_start().len();
            (found.start() + spaces, found.as_str().trim())
        })
        .collect();
    let values = match language {
        Language::ZhCn if !row.zh_order.is_empty() => {
            row.zh_order.iter().map(|index| all[*index]).collect()
        }
        _ => all,
    };
    Captured { values, text }
}

/// One space for each run of white space, and Chinese clauses parted by `，` however the comma was typed.
pub fn normalise(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let chars: Vec<char> = text.trim().chars().collect();
    for (index, &c) in chars.iter().enumerate() {
        let next = chars.get(index + 1).copied().unwrap_or(' ');
        let after_han = is_han(chars[index.saturating_sub(1)]) || is_han(next);
        match c {
            c if c.is_whitespace() && made.ends_with([' ', '，']) => {}
            c if c.is_whitespace() => made.push(' '),
            ',' if after_han || next.is_whitespace() => made.push('，'),
            c => made.push(c),
        }
    }
    made
}

fn is_han(c: char) -> bool {
    matches!(c as u32, 0x3400..=0x9FFF | 0xF900..=0xFAFF)
}

/// A text or wording with every value replaced by one letter, so that only its words are compared.
fn skeleton(text: &str) -> String {
    static VALUES: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r#"\{[a-z]+\}|"[^"]*"?|“[^”]*”?|「[^」]*」?|"#,
            r"-?[0-9][0-9.,]*\s*(?:[A-Z]{3}|元|秒|分钟|(?:ms|s|min|h|d)\b)?"
        ))
        .expect("invariant: a constant pattern")
    });
    VALUES.replace_all(&normalise(text), "◇").replace("(s)", "s")
}

/// How alike two skeletons are, 0 to 1: half by letters (typing slips), half by words (rewording).
fn alike(a: &str, b: &str) -> f64 {
    let (words_a, mut words_b) = (words(a), words(b));
    let total = words_a.len() + words_b.len();
    let mut shared = 0;
    for word in &words_a {
        if let Some(index) = words_b.iter().position(|other| other == word) {
            words_b.swap_remove(index);
            shared += 2;
        }
    }
    let by_words = if total == 0 { 0.0 } else { f64::from(shared) / total as f64 };
    f64::midpoint(by_words, strsim::normalized_damerau_levenshtein(a, b))
}

/// Words of a skeleton; in Chinese each character is one.
fn words(skeleton: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in skeleton.chars() {
        let stands_alone = c == '◇' || is_han(c);
        if c.is_whitespace() || stands_alone {
            words.push(String::new());
        }
        if stands_alone {
            words.push(c.to_string());
            words.push(String::new());
        } else if c.is_alphanumeric() {
            let last = words.last_mut().expect("invariant: never empty");
            last.push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_of_every_row_say_the_same() {
        let vocabulary = Vocabulary::compile(&VOCABULARY).expect("sound");
        for row in VOCABULARY.iter() {
            let says = |text: &str| match vocabulary.read(text) {
                Match::One { row: found, sentence: Ok(sentence) } => {
                    assert_eq!(found.id, row.id, "{text}");
                    sentence
                }
                other => panic!("{text}: {other:?}"),
            };
            assert_eq!(says(row.example_en), says(row.example_zh), "{}", row.id);
            assert!(!row.doc.is_empty(), "{}", row.id);
        }
    }

    #[test]
    fn spaces_and_quotes_are_as_people_type_them() {
        for (a, b) in [
            ("订单“O-2”待支付 199.00 元", "订单「O-2」待支付199.00元"),
            ("订单\"O-2\"待支付 199.00 CNY", "订单 “O-2” 待支付　199.00 元"),
            (
                "60 秒内产生告警“paid-order-unpaid”，对象为订单“O-2”",
                "60秒内产生告警\"paid-order-unpaid\", 对象为订单\"O-2\"",
            ),
            (
                "the refund-approved message of refund \"R-1\" is delivered 1 time",
                "the refund-approved message  of refund \"R-1\" is delivered 1 times",
            ),
        ] {
            let says = |text: &str| match vocabulary().read(text) {
                Match::One { sentence: Ok(sentence), .. } => sentence,
                other => panic!("{text}: {other:?}"),
            };
            assert_eq!(says(a), says(b));
        }
    }

    #[test]
    fn the_nearest_sentences_come_first() {
        for (text, kind, language, expect) in [
            ("order \"O-1\" was payed 9 CNY via \"x\"", Kind::Given, Language::En, "order-paid"),
            ("no other alerts are raised", Kind::Then, Language::En, "no-other-alert"),
            ("没有别的告警", Kind::Then, Language::ZhCn, "no-other-alert"),
            ("订单“O-2”待付款 9 元", Kind::Given, Language::ZhCn, "order-awaits-payment"),
        ] {
            let near = vocabulary().nearest(text, kind, language);
            assert_eq!((near.len(), near[0].id), (3, expect), "{text}");
        }
    }

    const PLAIN: Row = Row {
        en: "order {name} is paid",
        zh: "订单{name}已付",
        example_en: "order \"O-1\" is paid",
        example_zh: "订单“O-1”已付",
        ..VOCABULARY_FIRST
    };
    const VOCABULARY_FIRST: Row = Row {
        id: "plain",
        kind: Kind::Then,
        en: "",
        zh: "",
        zh_order: &[],
        doc: "",
        example_en: "",
        example_zh: "",
        takes_table: false,
        takes_plan: false,
        needs: &[],
        makes: &[],
        meaning: Meaning::Says(|_| Ok(Sentence::NoAlert)),
    };

    #[test]
    fn rows_that_cannot_be_are_refused() {
        static ALTERNATION: [Row; 1] = [Row { zh: "订单已/未支付", ..PLAIN }];
        static TWINS: [Row; 2] =
            [PLAIN, Row { id: "again", en: "order {name} is pai(d)", ..PLAIN }];
        static UNKNOWN: [Row; 1] = [Row { en: "order {nam} is paid", ..PLAIN }];
        static FEWER: [Row; 1] = [Row { zh: "订单已付", ..PLAIN }];
        static DEAF: [Row; 1] = [Row { example_zh: "订单“O-1”付了", ..PLAIN }];
        for (rows, part) in [
            (&ALTERNATION[..], "write two rows"),
            (&TWINS[..], "`plain` and `again` both read"),
            (&UNKNOWN[..], "does not compile"),
            (&FEWER[..], "1 parameters in English and 0 in Chinese"),
            (&DEAF[..], "does not read its own example"),
        ] {
            let error = Vocabulary::compile(rows).err().expect(part).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
