//! Matchers over an alert's labels, in Alertmanager's words: `severity="P0"`, `alertname!="x"`, `subject=~"SKU-.*"`, `a!~"b|c"`.
//!
//! Owns their text and their meaning: a label that an alert does not have is the empty text; an expression must match the whole value.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// An expression compiles to no more than this: it is asked for every alert.
const REGEX_BYTES: usize = 1 << 16;

pub type Labels = BTreeMap<String, String>;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Matcher {
    pub name: String,
    pub value: String,
    negative: bool,
    regex: Option<Regex>,
}

impl Matcher {
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.name).map_or("", String::as_str);
        let hit = match &self.regex {
            Some(regex) => regex.is_match(value),
            None => value == self.value,
        };
        hit != self.negative
    }

    /// True of `name="value"` alone: it names one thing.
    pub fn is_equality(&self) -> bool {
        !self.negative && self.regex.is_none()
    }
}

/// All of them match.
pub fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels))
}

/// Something must be named: matchers that take an alert without any label take every alert.
pub fn takes_everything(matchers: &[Matcher]) -> bool {
    all_match(matchers, &Labels::new())
}

impl FromStr for Matcher {
    type Err = String;

    fn from_str(text: &str) -> Result<Matcher, String> {
        let bad = || {
            format!(
                "`{text}` is no matcher: write label=\"value\", or with !=, =~ (expression) or !~"
            )
        };
        let split = text.find(['=', '!']).ok_or_else(bad)?;
        let (name, rest) = (text[..split].trim(), &text[split..]);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(bad());
        }
        let operators = [("=~", false, true), ("!~", true, true), ("!=", true, false)];
        let operators = operators.into_iter().chain([("=", false, false)]);
        let mut found = operators.filter_map(|(sign, negative, is_regex)| {
            Some((rest.strip_prefix(sign)?, negative, is_regex))
        });
        let (value, negative, is_regex) = found.next().ok_or_else(bad)?;
        let value = value.trim();
        let value = match value.strip_prefix('"') {
            Some(quoted) => quoted.strip_suffix('"').ok_or_else(bad)?,
            None if value.contains('"') => return Err(bad()),
            None => value,
        };
        let regex = match is_regex {
            true => {
                let whole = format!("^(?:{value})$");
                let built = RegexBuilder::new(&whole).size_limit(REGEX_BYTES).build();
                Some(built.map_err(|error| format!("matcher `{text}`: {error}"))?)
            }
            false => None,
        };
        Ok(Matcher { name: name.to_owned(), value: value.to_owned(), negative, regex })
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match (self.negative, self.regex.is_some()) {
            (false, false) => "=",
            (true, false) => "!=",
            (false, true) => "=~",
            (true, true) => "!~",
        };
        write!(f, "{}{sign}\"{}\"", self.name, self.value)
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        self.to_string() == other.to_string()
    }
}

impl TryFrom<String> for Matcher {
    type Error = String;

    fn try_from(text: String) -> Result<Matcher, String> {
        text.parse()
    }
}

impl From<Matcher> for String {
    fn from(matcher: Matcher) -> String {
        matcher.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches() {
        let labels: Labels =
            [("alertname", "refund-paid-twice"), ("severity", "P0"), ("subject", "a=\"b\"")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        for (text, matches) in [
            ("severity=\"P0\"", true),
            ("severity = P0", true),
            ("severity=\"P\"", false),
            ("severity!=\"P0\"", false),
            ("severity!=P1", true),
            ("severity=~\"P0|P1\"", true),
            ("severity=~\"P\"", false),
            ("severity!~\"P.\"", false),
            ("alertname=~\"refund-.*\"", true),
            ("subject=\"a=\"b\"\"", true),
            ("channel=\"\"", true),
            ("channel=~\".+\"", false),
        ] {
            let matcher: Matcher = text.parse().expect(text);
            assert_eq!(matcher.matches(&labels), matches, "{text}");
            let again: Matcher = matcher.to_string().parse().expect(text);
            assert_eq!(again, matcher, "{text}: its text says the same");
        }
    }

    #[test]
    fn what_is_no_matcher() {
        let long = format!("a=~\"{}\"", "(x{100}){100}");
        for text in ["", "severity", "=P0", "a b=c", "a=\"b", "a=b\"", "a=~\"(\"", "a!b", &long] {
            assert!(text.parse::<Matcher>().is_err(), "{text}");
        }
        for (texts, everything) in [
            (&["a!=\"x\""][..], true),
            (&["a=~\".*\""], true),
            (&[], true),
            (&["a!=\"x\"", "b=\"y\""], false),
            (&["a=~\".+\""], false),
        ] {
            let matchers: Vec<Matcher> = texts.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(takes_everything(&matchers), everything, "{texts:?}");
        }
    }
}
