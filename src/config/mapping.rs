//! Where the fields of somebody else's message are: JSON paths, and texts made of them.
//!
//! `$.labels.subject`, `$.alerts[*]`, `$.lines[0].id`; a text may hold several: `{$.amount} {$.currency}`. Pure. Must not know
//! what the fields mean. Not covered: filters and recursive descent.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// What `map:` says: our field -> where it is in theirs.
pub type Mapping = BTreeMap<String, Template>;

/// Why a text is no path, or no text of paths.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error(
        "`{0}` is no JSON path: write it like `$.labels.subject`, `$.alerts[*]` or `$.lines[0].id`"
    )]
    Path(String),
    #[error("`{0}` has a `{{$` that no `}}` closes")]
    Open(String),
}

/// Why a message has no such field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    #[error("{0} is a map or a list, not one value")]
    NotOne(String),
    #[error("{path} is the floating number {number}: money and ids must be texts or whole numbers")]
    Float { path: String, number: String },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
    /// `[*]`
    Each,
}

/// A path into a JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    text: String,
    steps: Vec<Step>,
}

impl JsonPath {
    /// Every place that the path leads to; none where it leads nowhere, or to null.
    pub fn all<'v>(&self, document: &'v Value) -> Vec<&'v Value> {
        let mut places = vec![document];
        for step in &self.steps {
            places = places.into_iter().flat_map(|place| step.from(place)).collect();
        }
        places.retain(|place| !place.is_null());
        places
    }

    fn one(&self, document: &Value) -> Result<Option<String>, FieldError> {
        match self.all(document).first() {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Bool(flag)) => Ok(Some(flag.to_string())),
            Some(Value::Number(number)) if number.is_f64() => {
                Err(FieldError::Float { path: self.text.clone(), number: number.to_string() })
            }
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(FieldError::NotOne(self.text.clone())),
        }
    }
}

impl Step {
    fn from<'v>(&self, place: &'v Value) -> Vec<&'v Value> {
        match (self, place) {
            (Step::Key(key), Value::Object(map)) => map.get(key).into_iter().collect(),
            (Step::Index(index), Value::Array(list)) => list.get(*index).into_iter().collect(),
            (Step::Each, Value::Array(list)) => list.iter().collect(),
            (Step::Each, Value::Object(map)) => map.values().collect(),
            _ => Vec::new(),
        }
    }
}

impl FromStr for JsonPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<JsonPath, PathError> {
        let bad = || PathError::Path(text.to_owned());
        let mut rest = text.strip_prefix('$').ok_or_else(bad)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (key, left) = after.split_at(end);
                let plain =
                    |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '@' | ':');
                if key.is_empty() || !key.chars().all(plain) {
                    return Err(bad());
                }
                steps.push(Step::Key(key.to_owned()));
                rest = left;
            } else {
                let after = rest.strip_prefix('[').ok_or_else(bad)?;
                let (inner, left) = after.split_once(']').ok_or_else(bad)?;
                steps.push(match inner {
                    "*" => Step::Each,
                    index => Step::Index(index.parse().map_err(|_| bad())?),
                });
                rest = left;
            }
        }
        Ok(JsonPath { text: text.to_owned(), steps })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Path(JsonPath),
}

/// A path alone (`$.id`), a text with paths in braces, or a plain text, which is itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

impl Template {
    /// The field; none where one of its paths leads nowhere.
    pub fn render(&self, document: &Value) -> Result<Option<String>, FieldError> {
        let mut rendered = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => rendered.push_str(text),
                Piece::Path(path) => match path.one(document)? {
                    Some(text) => rendered.push_str(&text),
                    None => return Ok(None),
                },
            }
        }
        Ok(Some(rendered))
    }
}

impl FromStr for Template {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Template, PathError> {
        let whole = |pieces| Ok(Template { text: text.to_owned(), pieces });
        if text.starts_with('$') {
            return whole(vec![Piece::Path(text.parse()?)]);
        }
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{$") {
            let open = || PathError::Open(text.to_owned());
            let (path, left) = after.split_once('}').ok_or_else(open)?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Path(format!("${path}").parse()?));
            rest = left;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        whole(pieces)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl Serialize for JsonPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_found_where_the_text_says() {
        let document = json!({
            "labels": {"subject": "O-1", "n": 7, "on": true},
            "lines": [{"id": "a"}, {"id": "b"}],
            "amount": "199.00", "currency": "CNY", "float": 1.5, "none": null,
        });
        for (template, expect) in [
            ("$.labels.subject", Ok(Some("O-1"))),
            ("$.labels.n", Ok(Some("7"))),
            ("$.labels.on", Ok(Some("true"))),
            ("$.lines[1].id", Ok(Some("b"))),
            ("$.lines[*].id", Ok(Some("a"))),
            ("{$.amount} {$.currency}", Ok(Some("199.00 CNY"))),
            ("P0", Ok(Some("P0"))),
            ("$.none", Ok(None)),
            ("$.lines[2].id", Ok(None)),
            ("{$.amount} {$.nowhere}", Ok(None)),
            ("$.labels", Err("not one value")),
            ("$.float", Err("floating number 1.5")),
        ] {
            let rendered = template.parse::<Template>().unwrap().render(&document);
            match (rendered, expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found.as_deref(), expect, "{template}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, expect) => panic!("{template}: {found:?} instead of {expect:?}"),
            }
        }
        let each: JsonPath = "$.lines[*].id".parse().unwrap();
        assert_eq!(each.all(&document), [&json!("a"), &json!("b")]);
        assert_eq!("$".parse::<JsonPath>().unwrap().all(&document), [&document]);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for bad in ["$labels", "$.", "$.a..b", "$.a[x]", "$.a[0", "$.a b", "$.a[*]b"] {
            assert!(bad.parse::<Template>().is_err(), "{bad}");
        }
        let error = "x {$.a".parse::<Template>().unwrap_err();
        assert_eq!(error, PathError::Open("x {$.a".to_owned()));
    }
}
