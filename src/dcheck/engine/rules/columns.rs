//! Which columns of which tables a rule names, and which fields of messages, by its texts.
//!
//! A word scan of what is compiled elsewhere: `after.x` and `before.x` are of the rule's own side, inside `counterpart` of the
//! other one, which the rest of the rule calls `other.x`. Not covered: columns that only the SQL of a look-up names.

use std::collections::BTreeSet;

use crate::dcheck::engine::window::Stream;

use super::rule::Side;
use super::yaml::{Node, Shape};

/// Keys whose texts are for people, or name columns of other tables.
const PLAIN: [&str; 2] = ["title", "sql"];

/// Names by the table, or topic, that has them.
pub type Named = BTreeSet<(String, String)>;

/// (table, column), of the sides that read tables, and (topic, field), of those that read topics.
pub fn columns(node: &Node, sides: &[Side]) -> (Named, Named) {
    let mut found = BTreeSet::new();
    scan(node, 0, &mut found);
    let (mut columns, mut fields) = (Named::new(), Named::new());
    for (side, name) in found {
        match sides.get(side).map(|side| &side.stream) {
            Some(Stream::Table(table)) => columns.insert((table.clone(), name)),
            Some(Stream::Topic(topic)) => fields.insert((topic.clone(), name)),
            None => false,
        };
    }
    (columns, fields)
}

/// Columns of its own row, or message, that the text of an expression names.
pub fn named_in(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    fields(text, 0, &mut found);
    found.into_iter().filter(|(side, _)| *side == 0).map(|(_, name)| name).collect()
}

fn scan(node: &Node, own: usize, found: &mut BTreeSet<(usize, String)>) {
    match &node.shape {
        Shape::Scalar { text, .. } => fields(text, own, found),
        Shape::List(nodes) => nodes.iter().for_each(|node| scan(node, own, found)),
        Shape::Map(entries) => {
            for (key, _, node) in entries {
                match (key.as_str(), &node.shape) {
                    ("counterpart", _) => scan(node, 1, found),
                    ("changed", Shape::List(names)) => {
                        found.extend(names.iter().filter_map(|name| match &name.shape {
                            Shape::Scalar { text, .. } => Some((own, text.clone())),
                            _ => None,
                        }));
                    }
                    (key, _) if PLAIN.contains(&key) => {}
                    _ => scan(node, own, found),
                }
            }
        }
    }
}

fn fields(text: &str, own: usize, found: &mut BTreeSet<(usize, String)>) {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    for word in text.split(|c: char| !is_word(c) && c != '.') {
        if let Some((root, name)) = word.split_once('.')
            && name.chars().all(is_word)
            && !name.is_empty()
        {
            match root {
                "after" | "before" => drop(found.insert((own, name.to_owned()))),
                "other" => drop(found.insert((1 - own, name.to_owned()))),
                _ => {}
            }
        }
    }
}
