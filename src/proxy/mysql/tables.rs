//! Which tables a statement names, where the grammar says that a table stands. Knows no schema.

use super::statement::StatementKind;
use super::tokens::Token;

/// Where the names of a `FROM` list end.
const LIST_ENDS: &[&str] = &[
    "where",
    "group",
    "having",
    "order",
    "limit",
    "window",
    "union",
    "except",
    "intersect",
    "select",
    "for",
    "set",
    "into",
    "values",
    "procedure",
];
const QUERY_STARTS: &[&str] = &["select", "with", "table", "values"];
const WRITE_MODIFIERS: &[&str] = &["low_priority", "delayed", "high_priority", "ignore", "quick"];

pub(super) fn named(kind: StatementKind, words: &[Token]) -> Vec<String> {
    let hidden = with_names(words);
    let start = verb_at(words);
    let found = match kind {
        StatementKind::Select => references(words, false),
        StatementKind::Insert | StatementKind::Replace => {
            let mut at = past(words, start + 1, WRITE_MODIFIERS);
            at = past(words, at, &["into"]);
            name_at(words, at).map(|(name, _)| name).into_iter().collect()
        }
        StatementKind::Update => references(targets(words, start + 1, "set"), true),
        StatementKind::Delete => deleted(words, start + 1),
        StatementKind::Load => after_keyword(words, "table"),
        StatementKind::Ddl => ddl(words),
        _ => Vec::new(),
    };
    let mut names: Vec<String> = Vec::new();
    for name in found {
        if !hidden.contains(&name) && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The kind of a statement that begins with `WITH`.
pub(super) fn with_verb(words: &[Token]) -> StatementKind {
    match words.get(verb_at(words)) {
        Some(word) if word.is_any(&["select", "table", "values"]) => StatementKind::Select,
        Some(word) if word.is("update") => StatementKind::Update,
        Some(word) if word.is("delete") => StatementKind::Delete,
        _ => StatementKind::Other,
    }
}

/// Where the statement's own verb stands: behind its `WITH`, if it has one.
fn verb_at(words: &[Token]) -> usize {
    let verbs = ["select", "table", "values", "update", "delete"];
    if !words.first().is_some_and(|word| word.is("with")) {
        return 0;
    }
    let mut depth = 0_usize;
    for (at, word) in words.iter().enumerate() {
        match word {
            Token::Sign(b'(') => depth += 1,
            Token::Sign(b')') => depth = depth.saturating_sub(1),
            word if depth == 0 && word.is_any(&verbs) => return at,
            _ => {}
        }
    }
    words.len()
}

/// Names that a `WITH` gives to its queries: no tables.
fn with_names(words: &[Token]) -> Vec<String> {
    let mut names = Vec::new();
    let mut in_with = false;
    for (at, word) in words.iter().enumerate() {
        in_with |= word.is("with");
        let is_named = in_with
            && word.is("as")
            && words.get(at + 1).is_some_and(|next| next.is_sign(b'('))
            && words
                .get(at + 2)
                .is_some_and(|next| next.is_any(QUERY_STARTS) || next.is_sign(b'('));
        if is_named {
            names.extend(before_columns(&words[..at]));
        }
    }
    names
}

/// The name that stands last, or before a list of columns that stands last.
fn before_columns(words: &[Token]) -> Option<String> {
    let at = if words.last()?.is_sign(b')') {
        words.iter().rposition(|word| word.is_sign(b'('))?.checked_sub(1)?
    } else {
        words.len() - 1
    };
    words[at].name().map(str::to_owned)
}

fn past(words: &[Token], mut at: usize, keywords: &[&str]) -> usize {
    while words.get(at).is_some_and(|word| word.is_any(keywords)) {
        at += 1;
    }
    at
}

/// A table's name without its schema, and where it ends.
fn name_at(words: &[Token], at: usize) -> Option<(String, usize)> {
    let name = words.get(at)?.name()?;
    if words.get(at + 1).is_some_and(|word| word.is_sign(b'.')) {
        return Some((words.get(at + 2)?.name()?.to_owned(), at + 3));
    }
    Some((name.to_owned(), at + 1))
}

fn targets<'a>(words: &'a [Token], from: usize, end: &str) -> &'a [Token] {
    let from = past(words, from, WRITE_MODIFIERS).min(words.len());
    let length = words[from..].iter().position(|word| word.is(end)).unwrap_or(words.len() - from);
    &words[from..from + length]
}

/// `DELETE FROM t`, `DELETE a FROM t a JOIN u`, `DELETE FROM a USING t a JOIN u`.
fn deleted(words: &[Token], from: usize) -> Vec<String> {
    let own = targets(words, from, "where");
    for keyword in ["using", "from"] {
        // `USING (column)` joins; `USING table` names.
        let starts = own.iter().enumerate().find(|(at, word)| {
            word.is(keyword) && !own.get(at + 1).is_some_and(|next| next.is_sign(b'('))
        });
        if let Some((at, _)) = starts {
            return references(&own[at + 1..], true);
        }
    }
    Vec::new()
}

fn after_keyword(words: &[Token], keyword: &str) -> Vec<String> {
    let Some(at) = words.iter().position(|word| word.is(keyword)) else { return Vec::new() };
    let at = past(words, at + 1, &["if", "not", "exists"]);
    name_at(words, at).map(|(name, _)| name).into_iter().collect()
}

fn ddl(words: &[Token]) -> Vec<String> {
    let is = |at: usize, keyword: &str| words.get(at).is_some_and(|word| word.is(keyword));
    if is(0, "truncate") {
        let at = past(words, 1, &["table"]);
        return name_at(words, at).map(|(name, _)| name).into_iter().collect();
    }
    let object = words.iter().skip(1).find(|word| {
        word.is_any(&[
            "table",
            "index",
            "database",
            "schema",
            "view",
            "trigger",
            "procedure",
            "function",
            "event",
            "user",
            "role",
        ])
    });
    match object {
        Some(word) if word.is("index") => after_keyword(words, "on"),
        Some(word) if word.is("table") && is(0, "drop") => {
            let at = words.iter().position(|word| word.is("table")).unwrap_or_default();
            references(&words[past(words, at + 1, &["if", "exists"]).min(words.len())..], true)
        }
        Some(word) if word.is("table") => after_keyword(words, "table"),
        _ => Vec::new(),
    }
}

/// What a parenthesis holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    /// A query; in its `FROM` list or not.
    Query { in_list: bool },
    /// Tables in brackets, within a `FROM` list.
    Group,
    /// Columns, arguments, an expression.
    Plain,
}

/// Every table of every `FROM` list. `in_list`: the words begin inside one.
fn references(words: &[Token], in_list: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut levels = vec![Level::Query { in_list }];
    let mut expects = in_list;
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let level = levels.last().copied().unwrap_or(Level::Plain);
        let listing = matches!(level, Level::Query { in_list: true } | Level::Group);
        at += 1;
        match word {
            Token::Sign(b'(') => {
                let holds_query = words.get(at).is_some_and(|next| next.is_any(QUERY_STARTS));
                levels.push(match (holds_query, expects) {
                    (true, _) => Level::Query { in_list: false },
                    (false, true) => Level::Group,
                    (false, false) => Level::Plain,
                });
                expects = levels.last() == Some(&Level::Group);
            }
            Token::Sign(b')') => {
                levels.pop();
                expects = false;
            }
            Token::Sign(b',') => expects = listing,
            word if matches!(level, Level::Query { .. }) && word.is_any(&["from", "table"]) => {
                set_listing(&mut levels, true);
                expects = true;
            }
            word if listing && word.is_any(&["join", "straight_join"]) => expects = true,
            word if matches!(level, Level::Query { .. }) && word.is_any(LIST_ENDS) => {
                set_listing(&mut levels, false);
                expects = false;
            }
            word if expects && word.is("lateral") => {}
            word if expects && word.name().is_some() => {
                expects = false;
                if let Some((name, end)) = name_at(words, at - 1) {
                    // A name before a parenthesis is a function, unless that opens a table's hints.
                    let calls = words.get(end).is_some_and(|next| next.is_sign(b'('));
                    if !calls {
                        found.push(name);
                    }
                    at = end;
                }
            }
            _ => {}
        }
    }
    found
}

fn set_listing(levels: &mut [Level], on: bool) {
    if let Some(Level::Query { in_list }) = levels.last_mut() {
        *in_list = on;
    }
}
