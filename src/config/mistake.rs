//! A mistake in what somebody wrote: file, line, column, the line itself with a caret, and the way out.
//!
//! Owns their shape, order and rendering for configuration, catalogue and features alike. Knows no file format.

use std::fmt::{self, Write as _};

use serde::Serialize;

use super::width::columns;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Error,
    Warning,
}

/// Where a mistake stands. `line` 0 means the file as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    pub file: String,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// Characters to underline, at least 1.
    pub length: usize,
    /// The line as written, for the caret.
    pub source: String,
}

impl Place {
    pub fn file(file: &str) -> Place {
        Place { file: file.to_owned(), ..Place::default() }
    }

    /// The part `from..from+length` (0-based, in characters) of line `line`.
    pub fn part(file: &str, line: usize, source: &str, from: usize, length: usize) -> Place {
        let source = source.trim_end_matches(['\r', '\n']).to_owned();
        Place { file: file.to_owned(), line, column: from + 1, length: length.max(1), source }
    }

    /// Everything on a line but its indentation.
    pub fn line(file: &str, line: usize, source: &str) -> Place {
        let text = source.trim();
        let from = source.chars().take_while(|c| c.is_whitespace()).count();
        Place::part(file, line, source, from, text.chars().count())
    }
}

/// One mistake. Sorts by place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mistake {
    pub severity: Severity,
    /// Stable and kebab-case: `undefined-step`.
    pub code: &'static str,
    #[serde(flatten)]
    pub place: Place,
    /// What is wrong, with the value.
    pub message: String,
    /// The ways out, nearest first.
    pub help: Vec<String>,
}

impl Mistake {
    pub fn error(code: &'static str, place: Place, message: impl Into<String>) -> Mistake {
        let (message, help) = (message.into(), Vec::new());
        Mistake { severity: Severity::Error, code, place, message, help }
    }

    pub fn warning(code: &'static str, place: Place, message: impl Into<String>) -> Mistake {
        Mistake { severity: Severity::Warning, ..Mistake::error(code, place, message) }
    }

    pub fn with_help(mut self, help: impl Into<String>) -> Mistake {
        self.help.push(help.into());
        self
    }

    /// Adds `did you mean` where a known word is near.
    pub fn with_nearest<'a>(self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Mistake {
        let known: Vec<&str> = known.into_iter().collect();
        match nearest(word, known.iter().copied()) {
            Some(near) => self.with_help(format!("did you mean `{near}`?")),
            None if known.is_empty() => self,
            None => self.with_help(format!("known are {}", list(&known))),
        }
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    fn key(&self) -> (&Place, Severity, &str, &str) {
        (&self.place, self.severity, self.code, &self.message)
    }
}

/// In reading order, each once.
pub fn in_order(mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    mistakes.sort_by(|a, b| a.key().cmp(&b.key()));
    mistakes.dedup();
    mistakes
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}[{}]: {}", self.code, self.message)?;
        let place = &self.place;
        let gutter = place.line.to_string().len();
        if place.line == 0 {
            write!(f, "\n --> {}", place.file)?;
        } else {
            let (blank, caret) = (" ".repeat(gutter), caret(place));
            write!(f, "\n{blank}--> {}:{}:{}", place.file, place.line, place.column)?;
            write!(f, "\n{blank} |\n{} | {}\n{blank} | {caret}", place.line, shown(&place.source))?;
        }
        for help in &self.help {
            let mut lines = help.lines();
            write!(f, "\n{} = {}", " ".repeat(gutter), lines.next().unwrap_or_default())?;
            for line in lines {
                write!(f, "\n{}   {line}", " ".repeat(gutter))?;
            }
        }
        Ok(())
    }
}

/// Tabs as one space each, so that the caret stands where the eye looks.
fn shown(source: &str) -> String {
    source.replace('\t', " ")
}

fn caret(place: &Place) -> String {
    let before: usize = place.source.chars().take(place.column - 1).map(columns).sum();
    let under: usize =
        place.source.chars().skip(place.column - 1).take(place.length).map(columns).sum();
    format!("{}{}", " ".repeat(before), "^".repeat(under.max(1)))
}

/// The known word nearest to `word`, where it is near enough to be what was meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 4);
    let distance = |candidate: &str| strsim::damerau_levenshtein(word, candidate);
    let holds = |candidate: &str| {
        let (short, long) = (word.len().min(candidate.len()), word.len().max(candidate.len()));
        short >= 4 && 2 * short >= long && (candidate.contains(word) || word.contains(candidate))
    };
    known
        .into_iter()
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit || holds(candidate))
        .min()
        .map(|(_, candidate)| candidate)
}

/// What may follow `unknown thing `word``: the nearest known word, else all of them.
pub fn or_known<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(word, known.iter().copied()) {
        Some(near) => format!(": did you mean `{near}`?"),
        None if known.is_empty() => String::new(),
        None => format!(": known are {}", list(&known)),
    }
}

/// `a`, `b`, `c`, in the order given; long lists are cut.
pub fn list<S: AsRef<str>>(words: &[S]) -> String {
    /// More than a reader takes in at a glance.
    const SHOWN_MAX: usize = 14;
    let mut text = String::new();
    for (index, word) in words.iter().take(SHOWN_MAX).enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}`{}`", word.as_ref());
    }
    if words.len() > SHOWN_MAX {
        let _ = write!(text, " and {} more", words.len() - SHOWN_MAX);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_wide_characters() {
        let place = Place::part("f.feature", 12, "  假如订单“O-2”待支付 9 元", 4, 2);
        let text = Mistake::error("x", place, "no").with_help("one\ntwo").to_string();
        assert_eq!(
            text,
            "error[x]: no\n  --> f.feature:12:5\n   |\n12 |   假如订单“O-2”待支付 9 元\n   |       ^^^^\n   \
             = one\n     two"
        );
    }

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        for (word, expect) in [
            ("bid-bellow-market", Some("bid-below-market")),
            ("refund-exceed-payment", Some("refund-exceeds-payment")),
            ("refund-exceeds", Some("refund-exceeds-payment")),
            ("coupon", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, ["bid-below-market", "refund-exceeds-payment"]), expect);
        }
    }
}
