//! One change in the world, whatever source it came from.
//!
//! Owns [`Event`], [`Row`] and [`Value`]: exact, typed, NULL distinct from missing. Knows no source
//! and no rule. Try it: `cargo test --lib dcheck::event`. Not covered: nested JSON documents (a
//! nested value is kept as its text).

mod value;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::CellTime;

pub use value::Value;

/// Column or field name -> value. A name that is not there is *missing*, which is not the same as
/// [`Value::Null`].
pub type Row = BTreeMap<String, Value>;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    Insert,
    Update,
    Delete,
    /// A message of a topic: its fields are `after`.
    Message,
}

/// A row's change or a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The log that it was read from: `binlog`, or logical topic and partition, `channel.flow/0`.
    pub source: String,
    /// The table (`orders`) or the logical topic (`channel.flow`).
    pub stream: String,
    pub op: Op,
    /// The row before: updates and deletes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Row>,
    /// The row after, or the message: all but deletes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Row>,
    /// Names of the columns that an update changed; empty for the other operations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// The transaction, where the source has one (GTID or a number of the source's own).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txn: Option<String>,
    /// Where in the source, for people and for restart: `binlog.000003:4711`, `17`.
    pub position: String,
    /// Cell time of its commit.
    pub at: CellTime,
}

impl Event {
    /// The columns in which `before` and `after` differ, in order.
    pub fn changed_columns(before: &Row, after: &Row) -> Vec<String> {
        let gone = before.keys().filter(|name| !after.contains_key(*name));
        let other = after.iter().filter(|(name, value)| before.get(*name) != Some(*value));
        let mut names: Vec<String> = gone.chain(other.map(|(name, _)| name)).cloned().collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_columns_tell_null_from_missing() {
        let row = |fields: &[(&str, Value)]| -> Row {
            fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let before = row(&[("a", Value::Int(1)), ("b", Value::Null), ("c", Value::Int(3))]);
        let after = row(&[("a", Value::Int(1)), ("c", Value::Int(4)), ("d", Value::Null)]);
        assert_eq!(Event::changed_columns(&before, &after), ["b", "c", "d"]);
        assert!(Event::changed_columns(&after, &after).is_empty());
    }
}
