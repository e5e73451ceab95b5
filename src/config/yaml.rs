//! YAML as a tree that knows its lines, and a reader that collects every mistake instead of stopping at the first.
//!
//! Owns unknown and duplicate keys, missing ones, wrong shapes, and values that do not parse. Knows no schema. Not
//! covered: anchors that span files, several documents in one file.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;

use super::mistake::{Mistake, Place, list};

/// A value and where it starts (1-based; in characters).
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub line: usize,
    pub column: usize,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// A string, or a number as YAML reads it.
    Text(String),
    List(Vec<Node>),
    /// In written order, duplicates kept: the reader names them.
    Map(Vec<(Node, Node)>),
}

impl Node {
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value under `key`, where this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|(name, _)| name.as_text() == Some(key)).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        let at = spanned.referenced;
        let as_usize = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Ok(Node { line: as_usize(at.line()), column: as_usize(at.column()), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = seq.next_element()? {
            nodes.push(node);
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry::<Node, Node>()? {
            entries.push(entry);
        }
        Ok(Value::Map(entries))
    }
}

/// One file being read; collects its mistakes.
pub struct Reader<'s> {
    file: &'s str,
    lines: Vec<&'s str>,
    pub mistakes: Vec<Mistake>,
}

impl<'s> Reader<'s> {
    /// Parses `source`. Without a tree, the mistake that hid it is collected.
    pub fn open(file: &'s str, source: &'s str) -> (Reader<'s>, Option<Node>) {
        let mut reader = Reader { file, lines: source.lines().collect(), mistakes: Vec::new() };
        // Duplicates come through so that the reader can name all of them, with its own words.
        let options = serde_yaml::options! {
            strict_booleans: true,
            leading_zero_numbers_as_strings: true,
            underscored_numbers_as_strings: true,
            duplicate_keys: serde_yaml::DuplicateKeyPolicy::PassThrough,
            with_snippet: false,
        };
        match serde_yaml::from_str_with_options::<Node>(source, options) {
            Ok(node) => {
                reader.name_duplicates(&node);
                (reader, Some(node))
            }
            Err(error) => {
                let at = error.location().map_or((0, 1), |at| (at.line(), at.column()));
                let place = reader.place(usize_of(at.0), usize_of(at.1), 1);
                let text = error.render_with_options(serde_yaml::render_options! {
                    snippets: serde_yaml::SnippetMode::Off,
                });
                let first = text.lines().next().unwrap_or_default().to_owned();
                reader.mistakes.push(Mistake::error("not-yaml", place, first));
                (reader, None)
            }
        }
    }

    pub fn place(&self, line: usize, column: usize, length: usize) -> Place {
        if line == 0 {
            return Place::file(self.file);
        }
        let source = self.lines.get(line - 1).copied().unwrap_or_default();
        Place::part(self.file, line, source, column.saturating_sub(1), length)
    }

    /// Where `node` stands, underlined as far as it is plain text.
    pub fn place_of(&self, node: &Node) -> Place {
        let length = match &node.value {
            Value::Text(text) => text.chars().count(),
            _ => 1,
        };
        self.place(node.line, node.column, length)
    }

    pub fn error(&mut self, node: &Node, code: &'static str, message: impl Into<String>) {
        let place = self.place_of(node);
        self.mistakes.push(Mistake::error(code, place, message));
    }

    fn name_duplicates(&mut self, node: &Node) {
        match &node.value {
            Value::Map(entries) => {
                let mut first: BTreeMap<&str, usize> = BTreeMap::new();
                for (key, value) in entries {
                    if let Some(name) = key.as_text() {
                        if let Some(line) = first.get(name) {
                            let message = format!("key `{name}` is given twice");
                            let help = format!("it stands on line {line} already: keep one");
                            let place = self.place_of(key);
                            let mistake = Mistake::error("duplicate-key", place, message);
                            self.mistakes.push(mistake.with_help(help));
                        }
                        first.entry(name).or_insert(key.line);
                    }
                    self.name_duplicates(value);
                }
            }
            Value::List(nodes) => nodes.iter().for_each(|node| self.name_duplicates(node)),
            _ => {}
        }
    }

    /// The entries of a map whose keys must be among `known`; others are mistakes.
    pub fn fields<'n>(&mut self, node: &'n Node, what: &str, known: &[&str]) -> Fields<'n> {
        let mut fields = Fields { node, entries: BTreeMap::new() };
        let Value::Map(entries) = &node.value else {
            let message = format!("{what} must be a map with {}", list(known));
            self.error(node, "wrong-shape", message);
            return fields;
        };
        for (key, value) in entries {
            let name = key.as_text().unwrap_or_default();
            if known.contains(&name) {
                fields.entries.entry(name).or_insert(value);
            } else {
                let place = self.place_of(key);
                let message = format!("unknown key `{name}` in {what}");
                let mistake = Mistake::error("unknown-key", place, message);
                self.mistakes.push(mistake.with_nearest(name, known.iter().copied()));
            }
        }
        fields
    }

    /// The entries of a map with free keys.
    pub fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Vec<(&'n Node, &'n Node)> {
        match &node.value {
            Value::Map(entries) => entries.iter().map(|(key, value)| (key, value)).collect(),
            _ => {
                self.error(node, "wrong-shape", format!("{what} must be a map"));
                Vec::new()
            }
        }
    }

    pub fn items<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::List(nodes) => nodes,
            _ => {
                self.error(node, "wrong-shape", format!("{what} must be a list"));
                &[]
            }
        }
    }

    pub fn texts(&mut self, node: &Node, what: &str) -> Vec<String> {
        self.items(node, what).iter().filter_map(|node| self.text(node, what)).collect()
    }

    pub fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match node.as_text() {
            Some(text) if !text.trim().is_empty() => Some(text.to_owned()),
            _ => {
                self.error(node, "wrong-shape", format!("{what} must be a text"));
                None
            }
        }
    }

    pub fn bool(&mut self, node: &Node, what: &str) -> Option<bool> {
        match node.value {
            Value::Bool(value) => Some(value),
            _ => {
                self.error(node, "wrong-shape", format!("{what} must be true or false"));
                None
            }
        }
    }

    /// Reads a scalar by its `FromStr`, whose error becomes the mistake.
    pub fn parse<T>(&mut self, node: &Node, what: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let text = self.text(node, what)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(node, "bad-value", format!("{what}: {error}"));
                None
            }
        }
    }

    /// One of a closed set of words.
    pub fn choice<T: Copy>(&mut self, node: &Node, what: &str, known: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, what)?;
        let found = known.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let place = self.place_of(node);
            let mistake = Mistake::error("bad-value", place, format!("{what} cannot be `{text}`"));
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            let mistake = mistake.with_nearest(&text, words.iter().copied());
            self.mistakes.push(mistake.with_help(format!("it is one of {}", list(&words))));
        }
        found
    }
}

fn usize_of(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// The known entries of one map.
pub struct Fields<'n> {
    node: &'n Node,
    entries: BTreeMap<&'n str, &'n Node>,
}

impl<'n> Fields<'n> {
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.get(key).copied()
    }

    /// The entry, or the mistake that it is missing.
    pub fn need(&self, reader: &mut Reader<'_>, what: &str, key: &str) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            reader.error(self.node, "missing-key", format!("{what} has no `{key}`"));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_collected_with_its_place() {
        let source = "id: a\ntitel: b\nid: c\ndeep:\n  - {x: 1, x: 2}\nn: 0.5\n";
        let (mut reader, node) = Reader::open("f.yaml", source);
        let node = node.expect("a tree");
        let fields = reader.fields(&node, "the point", &["id", "title", "deep", "n"]);
        assert_eq!(reader.text(fields.get("id").unwrap(), "id").as_deref(), Some("a"));
        fields.need(&mut reader, "the point", "title");
        let found: Vec<_> = reader
            .mistakes
            .iter()
            .map(|m| (m.code, m.place.line, m.place.column, m.help.join(" ")))
            .collect();
        let expect = [
            ("duplicate-key", 3, 1, "it stands on line 1 already: keep one"),
            ("duplicate-key", 5, 12, "it stands on line 5 already: keep one"),
            ("unknown-key", 2, 1, "did you mean `title`?"),
            ("missing-key", 1, 1, ""),
        ];
        assert_eq!(found, expect.map(|(code, l, c, help)| (code, l, c, help.to_owned())));
    }

    #[test]
    fn what_is_no_yaml_is_named_with_its_line() {
        let (reader, node) = Reader::open("f.yaml", "a: [1, 2\nb: }\n");
        assert!(node.is_none());
        assert_eq!(reader.mistakes[0].code, "not-yaml");
        assert!(reader.mistakes[0].place.line > 0, "{}", reader.mistakes[0]);
    }
}
