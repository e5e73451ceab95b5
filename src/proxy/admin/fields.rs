//! Strict reading of a JSON object: known keys only, each of its type, all mistakes at once.

use serde_json::{Map, Value};

use super::refusal::{Mistake, Refusal, Title, mistake};

/// An object's fields, and the mistakes met in them.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    /// Where it stands, such as "proxy 2: "; empty for a request's own body.
    place: String,
    pub mistakes: Vec<Mistake>,
}

/// The value of a request's body.
pub(super) fn body(bytes: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()).into())
}

fn bad(text: impl Into<String>) -> Mistake {
    mistake(Title::BadBody, text)
}

/// The nearest of `names`, where one is near.
pub(super) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = |name: &&str| strsim::damerau_levenshtein(name, wrong);
    names.min_by_key(far).filter(|name| far(name) <= name.len() / 2)
}

impl<'a> Fields<'a> {
    pub fn of(value: &'a Value, place: &str, known: &[&str]) -> Result<Fields<'a>, Mistake> {
        let place = place.to_owned();
        let Some(map) = value.as_object() else {
            return Err(bad(format!("{place}{} is no object", kind(value))));
        };
        let mut fields = Fields { map, place, mistakes: Vec::new() };
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let way_out = match nearest(key, known.iter().copied()) {
                Some(name) => format!("did you mean `{name}`?"),
                None if known.is_empty() => "there are none here".to_owned(),
                None => format!("there are {}", known.join(", ")),
            };
            fields.wrong(format!("unknown field `{key}`; {way_out}"));
        }
        Ok(fields)
    }

    pub fn wrong(&mut self, text: impl AsRef<str>) {
        self.push(Title::BadBody, text);
    }

    pub fn push(&mut self, title: Title, text: impl AsRef<str>) {
        self.mistakes.push(mistake(title, format!("{}{}", self.place, text.as_ref())));
    }

    /// The value of `key`; `null` is none.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub fn text(&mut self, key: &str) -> Option<&'a str> {
        let value = self.get(key)?;
        let text = value.as_str();
        if text.is_none() {
            self.wrong(format!("`{key}` is {}, not a text", kind(value)));
        }
        text
    }

    pub fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.get(key)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.wrong(format!("`{key}` is {}, not true or false", kind(value)));
        }
        flag
    }

    /// A whole number of at least 0; clients may write it as `100.0`.
    pub fn whole(&mut self, key: &str) -> Option<u64> {
        let value = self.get(key)?;
        let whole = |number: f64| (number.fract() == 0.0 && number < 9e15).then_some(number as u64);
        match value.as_f64() {
            Some(number) if number < 0.0 => self.wrong(format!("`{key}` {value} is below 0")),
            Some(number) => match value.as_u64().or_else(|| whole(number)) {
                Some(whole) => return Some(whole),
                None => self.wrong(format!("`{key}` {value} is no whole number")),
            },
            None => self.wrong(format!("`{key}` is {}, not a number", kind(value))),
        }
        None
    }

    pub fn number(&mut self, key: &str) -> Option<f64> {
        let value = self.get(key)?;
        let number = value.as_f64();
        if number.is_none() {
            self.wrong(format!("`{key}` is {}, not a number", kind(value)));
        }
        number
    }

    pub fn done<T>(self, read: T) -> Result<T, Refusal> {
        if self.mistakes.is_empty() { Ok(read) } else { Err(Refusal(self.mistakes)) }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
