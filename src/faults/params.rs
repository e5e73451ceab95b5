//! Parameters of faults: their names, bounds and defaults, and the values that a scenario gives.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{FaultError, FaultSpec};

/// One parameter: a duration, the only unit that the faults of today need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Param {
    /// As in the table under a step: `| delay | 300 ms |`.
    pub name: &'static str,
    pub doc: &'static str,
    pub default_ms: u64,
    pub min_ms: u64,
    pub max_ms: u64,
}

/// Checked values of one fault's parameters, defaults filled in; ms by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<&'static str, u64>);

impl Params {
    /// Checks `given` against the spec. The first mistake in the order of the names is reported.
    pub fn check(spec: &FaultSpec, given: &BTreeMap<String, String>) -> Result<Params, FaultError> {
        let mut values: BTreeMap<_, _> =
            spec.params.iter().map(|param| (param.name, param.default_ms)).collect();
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
            let ms = duration_ms(value)
                .ok_or_else(|| bad("is no duration; write `300 ms`, `20 s`, `5 min`".to_owned()))?;
            if !(param.min_ms..=param.max_ms).contains(&ms) {
                let bounds = format!("is not in {} ms ..= {} ms", param.min_ms, param.max_ms);
                return Err(bad(bounds));
            }
            values.insert(param.name, ms);
        }
        Ok(Params(values))
    }

    pub fn ms(&self, name: &str) -> u64 {
        *self.0.get(name).expect("invariant: the registry names each parameter that is read")
    }

    pub fn duration(&self, name: &str) -> Duration {
        Duration::from_millis(self.ms(name))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a switch of the practice shop takes them: `{"delay_ms": 20000}`.
    pub fn to_json(&self) -> serde_json::Value {
        let entry = |(name, ms): (&&str, &u64)| (format!("{name}_ms"), (*ms).into());
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
