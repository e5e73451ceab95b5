//! One value within a JSON text: found by its path, and changed without a touch on the rest.
//!
//! A text that is parsed and printed again has lost its digits (`199.00` becomes `199.0`) and its spaces: here the
//! bytes of one value are replaced. Amounts are exact decimals, and may stand in a string before their currency.

use std::ops::Range;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::de::IgnoredAny;
use serde::{Serialize, Serializer};

/// As deep as a message has reason to be.
const STEPS_MAX: usize = 32;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
}

/// `amount`, `payment.amount`, `lines[0].price`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    text: String,
    steps: Vec<Step>,
}

impl Serialize for JsonPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl FromStr for JsonPath {
    type Err = String;

    fn from_str(text: &str) -> Result<JsonPath, String> {
        let steps = steps(text.strip_prefix("$.").unwrap_or(text));
        let steps = steps.filter(|steps| (1..=STEPS_MAX).contains(&steps.len()));
        let steps = steps.ok_or_else(|| {
            format!("`{text}` is no path; write `amount`, `payment.amount` or `lines[0].price`")
        })?;
        Ok(JsonPath { text: text.to_owned(), steps })
    }
}

fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in text.split('.') {
        let (name, indexes) = part.split_at(part.find('[').unwrap_or(part.len()));
        if !name.is_empty() {
            steps.push(Step::Name(name.to_owned()));
        } else if indexes.is_empty() {
            return None;
        }
        for index in indexes.split_terminator(']') {
            steps.push(Step::Index(index.strip_prefix('[')?.parse().ok()?));
        }
        if !indexes.is_empty() && !indexes.ends_with(']') {
            return None;
        }
    }
    Some(steps)
}

impl JsonPath {
    /// The value as it stands in `json`; none where there is none or the text is no JSON.
    pub(super) fn find<'j>(&self, json: &'j [u8]) -> Option<&'j str> {
        std::str::from_utf8(&json[self.span(json)?]).ok()
    }

    /// Is it this string, or this number to the digit?
    pub(super) fn is(&self, json: &[u8], wanted: &str) -> bool {
        self.find(json).is_some_and(|found| match serde_json::from_str::<String>(found) {
            Ok(text) => text == wanted,
            Err(_) => found == wanted,
        })
    }

    /// `json` with the value changed; none where it is not there or cannot be changed so.
    pub(super) fn changed(&self, json: &[u8], change: &Change) -> Option<Vec<u8>> {
        let span = self.span(json)?;
        let found = std::str::from_utf8(&json[span.clone()]).ok()?;
        let with = change.apply(found)?;
        Some([&json[..span.start], with.as_bytes(), &json[span.end..]].concat())
    }

    fn span(&self, json: &[u8]) -> Option<Range<usize>> {
        // From here on the text is known to be sound, and of bounded depth.
        serde_json::from_slice::<IgnoredAny>(json).ok()?;
        let mut scan = Scan { json, at: 0 };
        for step in &self.steps {
            scan.step(step)?;
        }
        let start = scan.at;
        scan.pass_value();
        Some(start..scan.at)
    }
}

/// A place in a JSON text that is known to be sound: always before a value when asked.
struct Scan<'j> {
    json: &'j [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&mut self) -> u8 {
        let rest = self.json.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.json.get(self.at).copied().unwrap_or_default()
    }

    /// Goes to the wanted member of the value that stands here.
    fn step(&mut self, wanted: &Step) -> Option<()> {
        let (open, close) = match wanted {
            Step::Name(_) => (b'{', b'}'),
            Step::Index(_) => (b'[', b']'),
        };
        if self.peek() != open {
            return None;
        }
        self.at += 1;
        for number in 0.. {
            if self.peek() == close {
                return None;
            }
            let is_it = match wanted {
                Step::Index(index) => number == *index,
                Step::Name(name) => {
                    let start = self.at;
                    self.pass_value();
                    let found = serde_json::from_slice::<String>(&self.json[start..self.at]);
                    // The colon.
                    self.peek();
                    self.at += 1;
                    found.is_ok_and(|found| found == *name)
                }
            };
            self.peek();
            if is_it {
                return Some(());
            }
            self.pass_value();
            if self.peek() == b',' {
                self.at += 1;
            }
        }
        None
    }

    fn pass_value(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.peek() {
                b'"' => self.pass_string(),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b',' | b':' => self.at += 1,
                _ => self.pass_word(),
            }
            if depth == 0 || self.at >= self.json.len() {
                return;
            }
        }
    }

    fn pass_string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.json.get(self.at) {
            self.at += if *byte == b'\\' { 2 } else { 1 };
            if *byte == b'"' {
                return;
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn pass_word(&mut self) {
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(*byte);
        let length = self.json[self.at..].iter().take_while(is_part).count();
        self.at += length.max(1);
    }
}

/// What becomes of a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Plus(Decimal),
    Times(Decimal),
    /// To as many places as it had.
    Over(Decimal),
    Becomes(String),
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Change, String> {
        let number = |digits: &str| digits.parse::<Decimal>().ok();
        let mut chars = text.chars();
        let read = match (chars.next(), chars.as_str()) {
            (Some('+'), digits) => number(digits).map(Change::Plus),
            (Some('-'), digits) => number(digits).map(|digits| Change::Plus(-digits)),
            (Some('x' | '×'), digits) => number(digits).map(Change::Times),
            (Some('/' | '÷'), digits) => {
                number(digits).filter(|by| !by.is_zero()).map(Change::Over)
            }
            (Some('='), text) => Some(Change::Becomes(text.to_owned())),
            _ => None,
        };
        read.ok_or_else(|| {
            format!("`{text}` is no change; write `+0.01`, `-0.01`, `x100`, `/10` or `=VALUE`")
        })
    }
}

impl Change {
    /// A value as JSON has it, changed.
    fn apply(&self, found: &str) -> Option<String> {
        let quoted = |text: &str| serde_json::to_string(text).ok();
        let string = serde_json::from_str::<String>(found).ok();
        if let Change::Becomes(text) = self {
            let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
            return if string.is_none() && is_json { Some(text.clone()) } else { quoted(text) };
        }
        match string {
            None => self.amount(found),
            Some(text) => {
                let is_digit = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-');
                let end = text.find(|c| !is_digit(c)).unwrap_or(text.len());
                let (amount, currency) = text.split_at(end);
                quoted(&format!("{}{currency}", self.amount(amount)?))
            }
        }
    }

    fn amount(&self, digits: &str) -> Option<String> {
        let amount: Decimal = digits.parse().ok()?;
        let changed = match self {
            Change::Plus(more) => amount.checked_add(*more)?,
            Change::Times(by) => amount.checked_mul(*by)?,
            Change::Over(by) => amount.checked_div(*by)?.round_dp(amount.scale()),
            Change::Becomes(_) => return None,
        };
        Some(changed.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = r#"{"type":"refund-approved", "amount" : "199.00 CNY","no":7,
        "a\"b":[1.50,{"x":[true,"]"],"y":-0.10}],"empty":{},"n":null, "amount_2":12}"#;

    fn changed(path: &str, change: &str) -> Option<String> {
        let path: JsonPath = path.parse().unwrap();
        let made = path.changed(MESSAGE.as_bytes(), &change.parse().unwrap())?;
        let made = String::from_utf8(made).unwrap();
        serde_json::from_str::<IgnoredAny>(&made).unwrap();
        let found = path.find(made.as_bytes()).unwrap();
        // Nothing but the value was touched.
        let before = path.find(MESSAGE.as_bytes()).unwrap();
        assert_eq!(made.len() + before.len(), MESSAGE.len() + found.len());
        Some(found.to_owned())
    }

    #[test]
    fn one_value_is_changed_to_the_digit() {
        for (path, change, expect) in [
            ("amount", "+0.01", Some(r#""199.01 CNY""#)),
            ("$.amount", "-0.01", Some(r#""198.99 CNY""#)),
            ("amount", "x100", Some(r#""19900.00 CNY""#)),
            ("amount", "x1", Some(r#""199.00 CNY""#)),
            ("amount", "/10", Some(r#""19.90 CNY""#)),
            ("amount", "=150.00 CNY", Some(r#""150.00 CNY""#)),
            ("no", "=8", Some("8")),
            ("no", "=eight", Some(r#""eight""#)),
            ("no", "x-1", Some("-7")),
            ("a\"b[0]", "+0.01", Some("1.51")),
            ("a\"b[1].y", "/3", Some("-0.03")),
            ("a\"b[1].x[1]", "=[", Some(r#""[""#)),
            ("n", "=true", Some("true")),
            ("n", "+1", None),
            ("type", "x100", None),
            ("no.deeper", "x2", None),
            ("empty.x", "x2", None),
            ("a\"b[2]", "x2", None),
            ("amount_", "x2", None),
        ] {
            assert_eq!(changed(path, change).as_deref(), expect, "{path} {change}");
        }
    }

    #[test]
    fn what_is_no_json_has_no_values() {
        let path: JsonPath = "amount".parse().unwrap();
        for text in ["", "{", r#"{"amount":}"#, "\u{1}", r#"[{"amount":1}]"#, r#"{"amount":1}x"#] {
            assert_eq!(path.find(text.as_bytes()), None, "{text}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(path.find(deep.as_bytes()), None);
        assert!(path.is(MESSAGE.as_bytes(), "199.00 CNY"));
        assert!("no".parse::<JsonPath>().unwrap().is(MESSAGE.as_bytes(), "7"));
    }

    #[test]
    fn mistakes_are_told() {
        for text in ["", ".", "a.", "a..b", "a[", "a[x]", "a[0", "a]0[", "[0]x"] {
            assert!(text.parse::<JsonPath>().is_err(), "{text}");
        }
        for text in ["", "100", "x", "+", "/0", "x1,5", "÷"] {
            let told = text.parse::<Change>().unwrap_err();
            assert!(told.contains("write `+0.01`"), "{told}");
        }
    }
}
