//! Reading a YAML tree with mistakes collected instead of thrown.
//!
//! Owns where a mistake is (file, line, path) and what was probably meant. Must not know plans or alerts, which both read by it.

use serde_json::Value;

/// One node of a file, with the way to it.
pub struct Node<'a> {
    file: &'a str,
    text: &'a str,
    path: String,
    /// Lines before it: it is one of several things in the file.
    before: usize,
    pub value: &'a Value,
}

impl<'a> Node<'a> {
    pub fn root(file: &'a str, text: &'a str, value: &'a Value) -> Node<'a> {
        let id = value.get("id").and_then(Value::as_str).unwrap_or_default();
        Node { file, text, path: id.to_owned(), before: 0, value }
    }

    /// The same, behind so many lines of the file.
    pub fn behind(self, before: usize) -> Node<'a> {
        Node { before, ..self }
    }

    /// The root of a file that is one thing; `name` stands before the paths in it.
    pub fn file(file: &'a str, text: &'a str, value: &'a Value, name: &str) -> Node<'a> {
        Node { file, text, path: name.to_owned(), before: 0, value }
    }

    /// A mistake at this node: `take-off-sale.yaml:12: take-off-sale.trigger: …`.
    pub fn says(&self, what: &str) -> String {
        format!("{}:{}: {}: {what}", self.file, self.line(), self.path)
    }

    /// A value that is not among the choices.
    pub fn unknown(&self, kind: &str, given: &str, choices: &[&str]) -> String {
        let nearest = nearest(given, choices);
        let hint = match nearest {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("known are {}", choices.join(", ")),
        };
        self.says(&format!("unknown {kind} `{given}`: {hint}"))
    }

    pub fn keys(&self, known: &[&str], out: &mut Vec<String>) {
        let Some(map) = self.value.as_object() else {
            out.push(self.says("a map is expected here"));
            return;
        };
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            out.push(self.at(key).unknown("key", key, known));
        }
    }

    pub fn optional(&self, key: &str) -> Option<Node<'a>> {
        let value = self.value.get(key)?;
        (!value.is_null()).then(|| Node { value, ..self.at(key) })
    }

    pub fn child(&self, key: &str, out: &mut Vec<String>) -> Option<Node<'a>> {
        let found = self.optional(key);
        if found.is_none() && self.value.is_object() {
            out.push(self.says(&format!("`{key}` is missing")));
        }
        found
    }

    pub fn text(&self, key: &str, out: &mut Vec<String>) -> Option<String> {
        self.child(key, out)?;
        let text = self.optional_text(key, out)?;
        if text.is_empty() {
            out.push(self.at(key).says("is empty"));
        }
        Some(text)
    }

    pub fn optional_text(&self, key: &str, out: &mut Vec<String>) -> Option<String> {
        let node = self.optional(key)?;
        let text = scalar(node.value);
        if text.is_none() {
            out.push(node.says("a text is expected here"));
        }
        text
    }

    /// The texts of a list; a missing list is empty.
    pub fn texts(&self, key: &str, out: &mut Vec<String>) -> Vec<String> {
        self.items(key, out)
            .iter()
            .filter_map(|item| {
                let text = scalar(item.value);
                if text.is_none() {
                    out.push(item.says("a text is expected here"));
                }
                text
            })
            .collect()
    }

    pub fn items(&self, key: &str, out: &mut Vec<String>) -> Vec<Node<'a>> {
        let Some(node) = self.optional(key) else { return Vec::new() };
        let Some(list) = node.value.as_array() else {
            out.push(node.says("a list is expected here"));
            return Vec::new();
        };
        list.iter()
            .enumerate()
            .map(|(index, value)| Node { value, ..node.at(&index.to_string()) })
            .collect()
    }

    /// A map of scalars, as texts.
    pub fn pairs(&self, out: &mut Vec<String>) -> Vec<(String, String)> {
        let Some(map) = self.value.as_object() else {
            out.push(self.says("a map is expected here"));
            return Vec::new();
        };
        map.iter()
            .filter_map(|(key, value)| {
                let text = scalar(value);
                if text.is_none() {
                    out.push(self.at(key).says("a text is expected here"));
                }
                Some((key.clone(), text?))
            })
            .collect()
    }

    fn at(&self, key: &str) -> Node<'a> {
        let dot = if self.path.is_empty() { "" } else { "." };
        let path = format!("{}{dot}{key}", self.path);
        Node { path, ..*self }
    }

    /// The line of the last key of the path: each key is searched after the one above it.
    fn line(&self) -> usize {
        let lines: Vec<&str> = self.text.lines().collect();
        let mut at = self.before.min(lines.len());
        for key in self.path.split('.').skip(1) {
            let marker = format!("{key}:");
            if let Some(found) = lines[at..].iter().position(|line| line.contains(&marker)) {
                at += found;
            }
        }
        at + 1
    }
}

/// A scalar as text; a number keeps its digits.
pub fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// The likeliest choice, where one is near.
pub fn nearest<'c>(given: &str, choices: &[&'c str]) -> Option<&'c str> {
    choices
        .iter()
        .map(|choice| (strsim::damerau_levenshtein(given, choice), *choice))
        .min()
        .filter(|(distance, choice)| *distance <= 2.max(choice.len() / 3))
        .map(|(_, choice)| choice)
}

/// `300 ms`, `60 s`, `5 min`, `24 h`, `7 d`: one unit.
pub fn parse_duration_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let count: i64 = text[..split].parse().ok()?;
    let unit_ms = match text[split..].trim() {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    count.checked_mul(unit_ms)
}
