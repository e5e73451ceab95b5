//! Parameters of faults: their names, bounds and defaults, and the values that a scenario gives.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{FaultError, FaultSpec};

/// As long as a topic's name can be.
const TEXT_CHARS_MAX: usize = 249;

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Param {
    /// As in the table under a step: `| delay | 300 ms |`.
    pub name: &'static str,
    pub doc: &'static str,
    #[serde(flatten)]
    pub scale: Scale,
}

/// What a parameter's values are, with their bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Scale {
    /// A duration.
    Span { default_ms: u64, min_ms: u64, max_ms: u64 },
    /// A whole number from 1.
    Count { default: u64, max: u64 },
    /// One of some words.
    Word { default: &'static str, among: &'static [&'static str] },
    /// A bare name, of a table.
    Name { default: &'static str },
    /// Any text, as a topic or a value has it.
    Text { default: &'static str },
}

impl Param {
    /// As the table under a step says it.
    pub fn default_text(&self) -> String {
        match self.scale {
            Scale::Span { default_ms, .. } => format!("{default_ms} ms"),
            Scale::Count { default, .. } => default.to_string(),
            Scale::Word { default, .. } | Scale::Name { default } | Scale::Text { default } => {
                default.to_owned()
            }
        }
    }

    fn default_value(&self) -> Value {
        match self.scale {
            Scale::Span { default_ms, .. } => Value::Ms(default_ms),
            Scale::Count { default, .. } => Value::Count(default),
            Scale::Word { default, .. } | Scale::Name { default } | Scale::Text { default } => {
                Value::Word(default.to_owned())
            }
        }
    }

    /// The value that `text` says, or what is wrong with it.
    fn read(&self, text: &str) -> Result<Value, String> {
        match self.scale {
            Scale::Span { min_ms, max_ms, .. } => {
                let ms = duration_ms(text)
                    .ok_or("is no duration; write `300 ms`, `20 s`, `5 min`".to_owned())?;
                let fits = (min_ms..=max_ms).contains(&ms);
                fits.then_some(Value::Ms(ms))
                    .ok_or_else(|| format!("is not in {min_ms} ms ..= {max_ms} ms"))
            }
            Scale::Count { max, .. } => {
                let count = text.trim().parse();
                let count = count.map_err(|_| "is no whole number; write `1`, `2`".to_owned())?;
                let fits = (1..=max).contains(&count);
                fits.then_some(Value::Count(count)).ok_or_else(|| format!("is not in 1 ..= {max}"))
            }
            Scale::Word { among, .. } => {
                let word = among.iter().find(|word| **word == text.trim());
                let word = word.ok_or_else(|| format!("is none of {}", among.join(", ")))?;
                Ok(Value::Word((*word).to_owned()))
            }
            Scale::Name { .. } => {
                let name = text.trim();
                let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
                if name.is_empty() || !name.chars().all(plain) {
                    return Err("is no name; write it bare, without its schema".to_owned());
                }
                Ok(Value::Word(name.to_owned()))
            }
            Scale::Text { .. } => match text.trim() {
                "" => Err("is empty; leave it out, or write a text".to_owned()),
                long if long.chars().count() > TEXT_CHARS_MAX => {
                    Err(format!("has more than {TEXT_CHARS_MAX} characters"))
                }
                text => Ok(Value::Word(text.to_owned())),
            },
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Ms(u64),
    Count(u64),
    Word(String),
}

/// Checked values of one fault's parameters, defaults filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<&'static str, Value>);

impl Params {
    /// Checks `given` against the spec. The first mistake in the order of the names is reported.
    pub fn check(spec: &FaultSpec, given: &BTreeMap<String, String>) -> Result<Params, FaultError> {
        let mut values: BTreeMap<_, _> =
            spec.params.iter().map(|param| (param.name, param.default_value())).collect();
        for (name, value) in given {
            let Some(param) = spec.params.iter().find(|param| param.name == name) else {
                let known: Vec<_> = spec.params.iter().map(|param| param.name).collect();
                let known = match known[..] {
                    [] => "it takes none".to_owned(),
                    _ => format!("it takes {}", known.join(", ")),
                };
                let (fault, param) = (spec.id.clone(), name.clone());
                return Err(FaultError::UnknownParam { fault, param, known });
            };
            let bad = |reason| FaultError::BadParam {
                fault: spec.id.clone(),
                param: name.clone(),
                value: value.clone(),
                reason,
            };
            values.insert(param.name, param.read(value).map_err(bad)?);
        }
        Ok(Params(values))
    }

    fn value(&self, name: &str) -> &Value {
        self.0.get(name).expect("invariant: the registry names each parameter that is read")
    }

    pub fn ms(&self, name: &str) -> u64 {
        let Value::Ms(ms) = self.value(name) else { unreachable!("`{name}` is a duration") };
        *ms
    }

    pub fn count(&self, name: &str) -> u64 {
        let Value::Count(count) = self.value(name) else { unreachable!("`{name}` is a count") };
        *count
    }

    pub fn word(&self, name: &str) -> &str {
        let Value::Word(word) = self.value(name) else { unreachable!("`{name}` is a word") };
        word
    }

    pub fn duration(&self, name: &str) -> Duration {
        Duration::from_millis(self.ms(name))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a switch of the practice shop takes them: `{"delay_ms": 20000}`.
    pub fn to_json(&self) -> serde_json::Value {
        let entry = |(name, value): (&&str, &Value)| match value {
            Value::Ms(ms) => (format!("{name}_ms"), (*ms).into()),
            Value::Count(count) => ((*name).to_owned(), (*count).into()),
            Value::Word(word) => ((*name).to_owned(), word.clone().into()),
        };
        serde_json::Value::Object(self.0.iter().map(entry).collect())
    }
}

/// `300 ms`, `20 s`, `5 min`, `2 h`, `1 d`, and the units in Chinese: a whole number and one unit.
fn duration_ms(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit.trim() {
        "ms" | "毫秒" => 1,
        "s" | "秒" => 1000,
        "min" | "分钟" => 60_000,
        "h" | "小时" => 3_600_000,
        "d" | "天" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::registry;

    #[test]
    fn durations_have_one_unit() {
        for (text, ms) in [
            ("300 ms", Some(300)),
            ("20 s", Some(20_000)),
            ("20秒", Some(20_000)),
            (" 5 min ", Some(300_000)),
            ("2 分钟", Some(120_000)),
            ("0 ms", Some(0)),
            ("300", None),
            ("", None),
            ("ms", None),
            ("1.5 s", None),
            ("-1 s", None),
            ("1 min 3 s", None),
            ("99999999999999999999 d", None),
            ("9999999999999999999 d", None),
        ] {
            assert_eq!(duration_ms(text), ms, "{text:?}");
        }
    }

    #[test]
    fn mistakes_are_named_and_defaults_filled_in() {
        let spec = registry::find("link.binlog.slow").unwrap();
        let check = |pairs: &[(&str, &str)]| {
            let given = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Params::check(spec, &given)
        };
        assert_eq!(check(&[]).unwrap().ms("delay"), 100);
        assert_eq!(check(&[("delay", "2 s")]).unwrap().ms("delay"), 2000);
        for (pairs, message) in [
            (&[("dealy", "1 s")][..], "fault `link.binlog.slow` has no parameter `dealy`"),
            (&[("delay", "soon")][..], "delay `soon` is no duration"),
            (&[("delay", "0 ms")][..], "delay `0 ms` is not in 1 ms"),
            (&[("delay", "2 d")][..], "delay `2 d` is not in"),
        ] {
            let error = check(pairs).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        let none = registry::find("link.sql.stalled").unwrap();
        let given = [("delay".to_owned(), "1 s".to_owned())].into();
        let error = Params::check(none, &given).unwrap_err().to_string();
        assert!(error.ends_with("it takes none"), "{error}");
    }
}
