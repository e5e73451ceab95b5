//! A map's fields, taken one by one: every mistake is collected, none ends the reading.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use crate::dcheck::engine::expr::{Allowed, Expr, Kind, Template, nearest};

use super::RuleError;
use super::fit::Use;
use super::yaml::{Node, Shape};

/// Collects the mistakes of one file.
#[derive(Debug)]
pub struct Mistakes {
    pub file: PathBuf,
    pub list: RefCell<Vec<RuleError>>,
    /// What can be read, and cannot be meant.
    pub advice: RefCell<Vec<RuleError>>,
    /// What the rule that is read demands of columns.
    pub uses: RefCell<Vec<Use>>,
}

impl Mistakes {
    pub fn of(file: &Path) -> Mistakes {
        let (list, advice, uses) = Default::default();
        Mistakes { file: file.to_owned(), list, advice, uses }
    }

    fn advise(&self, line: usize, message: String) {
        let file = self.file.clone();
        self.advice.borrow_mut().push(RuleError { file, line, message });
    }

    pub fn add(&self, line: usize, message: impl Into<String>) {
        let (file, message) = (self.file.clone(), message.into());
        self.list.borrow_mut().push(RuleError { file, line, message });
    }
}

/// A text and its line.
type Placed<'a> = (&'a str, usize);

/// Milliseconds of the units of a duration.
const UNITS: [(&str, i64); 5] =
    [("ms", 1), ("s", 1_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// A map that is being read. Every name that was asked for is known; [`Fields::finish`] tells of
/// the others.
pub struct Fields<'a> {
    what: String,
    line: usize,
    entries: &'a [(String, usize, Node)],
    known: RefCell<Vec<&'static str>>,
    mistakes: &'a Mistakes,
}

impl<'a> Fields<'a> {
    /// None where `node` is no map.
    pub fn of(what: &str, node: &'a Node, mistakes: &'a Mistakes) -> Option<Fields<'a>> {
        let Shape::Map(entries) = &node.shape else {
            mistakes.add(node.line, format!("{what} must be a map of `key: value` lines"));
            return None;
        };
        let known = RefCell::default();
        Some(Fields { what: what.to_owned(), line: node.line, entries, known, mistakes })
    }

    /// A line of this map's own, for mistakes about the whole.
    pub fn line(&self) -> usize {
        self.line
    }

    pub fn mistake(&self, line: usize, message: impl Into<String>) {
        self.mistakes.add(line, message);
    }

    pub fn node(&self, name: &'static str) -> Option<&'a Node> {
        self.known.borrow_mut().push(name);
        self.entries.iter().find(|(key, ..)| key == name).map(|(_, _, node)| node)
    }

    fn required(&self, name: &'static str) -> Option<&'a Node> {
        let node = self.node(name);
        if node.is_none() {
            self.mistake(self.line, format!("{} needs `{name}`", self.what));
        }
        node
    }

    pub fn map(&self, name: &'static str) -> Option<Fields<'a>> {
        Fields::of(&format!("`{name}`"), self.required(name)?, self.mistakes)
    }

    pub fn optional_map(&self, name: &'static str) -> Option<Fields<'a>> {
        Fields::of(&format!("`{name}`"), self.node(name)?, self.mistakes)
    }

    /// A text with its line.
    pub fn text(&self, name: &'static str) -> Option<(&'a str, usize)> {
        self.scalar(name, self.required(name)?)
    }

    pub fn optional_text(&self, name: &'static str) -> Option<(&'a str, usize)> {
        self.scalar(name, self.node(name)?)
    }

    fn scalar(&self, name: &str, node: &'a Node) -> Option<(&'a str, usize)> {
        match &node.shape {
            Shape::Scalar { text, .. } if !text.trim().is_empty() => Some((text.trim(), node.line)),
            _ => {
                self.mistake(node.line, format!("`{name}` must be a text"));
                None
            }
        }
    }

    /// One of the given words.
    pub fn choice<T: Copy>(&self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let (text, line) = self.text(name)?;
        let found = choices.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let hint = nearest(text, choices.iter().map(|(word, _)| *word));
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let message =
                format!("`{name}: {text}` is not known{hint}: write {}", words.join(", "));
            self.mistake(line, message);
        }
        found.map(|(_, value)| *value)
    }

    /// A duration in milliseconds: `30 s`.
    pub fn duration_ms(&self, name: &'static str) -> Option<i64> {
        let (text, line) = self.text(name)?;
        self.to_ms(name, text, line)
    }

    pub fn optional_duration_ms(&self, name: &'static str) -> Option<i64> {
        let (text, line) = self.optional_text(name)?;
        self.to_ms(name, text, line)
    }

    /// None where the text is no duration.
    pub fn duration_of(&self, text: &str) -> Option<i64> {
        let (number, unit) = text.split_once(' ')?;
        let (_, ms) = UNITS.iter().find(|(known, _)| *known == unit.trim())?;
        number.parse::<u32>().ok().map(|count| i64::from(count) * ms)
    }

    /// A map of free names to texts.
    pub fn plain(&self, name: &'static str) -> Vec<(String, String)> {
        let Some(map) = self.map(name) else { return Vec::new() };
        let text = |(key, _, node): &'a (String, usize, Node)| {
            Some((key.clone(), map.scalar(key, node)?.0.to_owned()))
        };
        map.entries.iter().filter_map(text).collect()
    }

    fn to_ms(&self, name: &str, text: &str, line: usize) -> Option<i64> {
        let parsed = self.duration_of(text);
        if parsed.is_none() {
            let message =
                format!("`{name}: {text}` is no duration: write one like `30 s` or `7 d`");
            self.mistake(line, message);
        }
        parsed
    }

    /// The texts of a list, or a single text; empty where the field is not there.
    pub fn texts(&self, name: &'static str) -> Vec<(&'a str, usize)> {
        match self.node(name) {
            None => Vec::new(),
            Some(Node { shape: Shape::List(items), .. }) => {
                items.iter().filter_map(|item| self.scalar(name, item)).collect()
            }
            Some(node) => self.scalar(name, node).into_iter().collect(),
        }
    }

    /// A map of free names to lists of texts, each text with its line.
    pub fn text_lists(&self, name: &'static str) -> Option<Vec<(String, Vec<Placed<'a>>)>> {
        let map = self.map(name)?;
        let texts = |(key, line, node): &'a (String, usize, Node)| match &node.shape {
            Shape::List(items) => {
                Some((key.clone(), items.iter().filter_map(|i| map.scalar(key, i)).collect()))
            }
            _ => {
                self.mistake(*line, format!("`{key}` must be a list, such as `[A, B]`"));
                None
            }
        };
        Some(map.entries.iter().filter_map(texts).collect())
    }

    pub fn durations_ms(&self, name: &'static str) -> Vec<i64> {
        let texts = self.texts(name);
        texts.into_iter().filter_map(|(text, line)| self.to_ms(name, text, line)).collect()
    }

    /// What can be read, and cannot be meant.
    pub fn advise(&self, message: impl Into<String>) {
        self.mistakes.advise(self.line, message.into());
    }

    /// A condition that cannot be meant is told of.
    fn weighed(&self, name: &str, line: usize, kind: Kind, expr: Option<Expr>) -> Option<Expr> {
        let expr = expr?;
        if kind == Kind::Bool {
            let doubts = expr.doubts().into_iter();
            doubts.for_each(|doubt| self.mistakes.advise(line, format!("`{name}` {doubt}")));
        }
        Some(expr)
    }

    pub fn expr(&self, name: &'static str, kind: Kind, allowed: Allowed<'_>) -> Option<Expr> {
        let (text, line) = self.text(name)?;
        let expr = self.compiled_expr(name, line, text, kind, allowed);
        self.weighed(name, line, kind, expr)
    }

    pub fn optional_expr(
        &self,
        name: &'static str,
        kind: Kind,
        allowed: Allowed<'_>,
    ) -> Option<Expr> {
        let (text, line) = self.optional_text(name)?;
        let expr = self.compiled_expr(name, line, text, kind, allowed);
        self.weighed(name, line, kind, expr)
    }

    pub fn template(&self, name: &'static str, allowed: Allowed<'_>) -> Option<Template> {
        let (text, line) = self.text(name)?;
        self.compiled(name, line, Template::compile(text, allowed))
    }

    pub fn optional_template(&self, name: &'static str, allowed: Allowed<'_>) -> Option<Template> {
        let (text, line) = self.optional_text(name)?;
        self.compiled(name, line, Template::compile(text, allowed))
    }

    /// A map of free names to expressions.
    pub fn exprs(&self, name: &'static str, allowed: Allowed<'_>) -> Vec<(String, Expr)> {
        let Some(node) = self.node(name) else { return Vec::new() };
        let Some(map) = Fields::of(&format!("`{name}`"), node, self.mistakes) else {
            return Vec::new();
        };
        let compile = |(key, _, value): &'a (String, usize, Node)| {
            let (text, line) = self.scalar(key, value)?;
            let expr = self.compiled_expr(key, line, text, Kind::Any, allowed)?;
            Some((key.clone(), expr))
        };
        map.entries.iter().filter_map(compile).collect()
    }

    fn compiled_expr(
        &self,
        name: &str,
        line: usize,
        text: &str,
        kind: Kind,
        allowed: Allowed<'_>,
    ) -> Option<Expr> {
        let expr = self.compiled(name, line, Expr::compile(text, kind, allowed))?;
        let (of_counterpart, demands) = (self.what == "`counterpart`", expr.demands());
        self.mistakes.uses.borrow_mut().push(Use { line, of_counterpart, demands });
        Some(expr)
    }

    fn compiled<T, E: std::fmt::Display>(
        &self,
        name: &str,
        line: usize,
        result: Result<T, E>,
    ) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.mistake(line, format!("in `{name}`: {error}"));
                None
            }
        }
    }

    /// Tells of every key that nobody asked for.
    pub fn finish(self) {
        let known = self.known.borrow();
        for (key, line, _) in self.entries {
            if !known.contains(&key.as_str()) {
                let hint = nearest(key, known.iter().copied());
                self.mistake(*line, format!("{} has no key `{key}`{hint}", self.what));
            }
        }
    }
}
