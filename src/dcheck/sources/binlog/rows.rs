//! Rows of the log as events and marks: pure.

use crate::clock::CellTime;
use crate::dcheck::event::{Event, Op, Row, Value};
use crate::dcheck::sources::BINLOG;
use crate::wire::{Mark, MarkKind};

/// What a row's images say.
pub(super) fn row_event(
    table: String,
    before: Option<Row>,
    after: Option<Row>,
    txn: Option<String>,
    position: String,
    at: CellTime,
) -> Event {
    let (op, changed) = match (&before, &after) {
        (Some(before), Some(after)) => (Op::Update, Event::changed_columns(before, after)),
        (Some(_), None) => (Op::Delete, Vec::new()),
        _ => (Op::Insert, Vec::new()),
    };
    Event { source: BINLOG.into(), stream: table, op, before, after, changed, txn, position, at }
}

/// A mark by its row; none where the row is no mark.
pub(super) fn mark_of(row: &Row) -> Option<Mark> {
    let int = |name: &str| match row.get(name) {
        Some(Value::Int(int)) => i64::try_from(*int).ok(),
        _ => None,
    };
    let kind = match row.get("kind") {
        Some(Value::Text(kind)) => match kind.as_str() {
            "a" | "A" => MarkKind::A,
            "b" | "B" => MarkKind::B,
            _ => MarkKind::Beat,
        },
        _ => return None,
    };
    let seq = u64::try_from(int("seq")?).ok()?;
    Some(Mark { seq, kind, offset_ms: int("offset_ms")?, at: int("at")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_from_its_row() {
        let row = |seq: Value| -> Row {
            [
                ("seq", seq),
                ("kind", "b".into()),
                ("offset_ms", Value::Int(30_000)),
                ("at", Value::Int(1_767_578_400_000)),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into()
        };
        let mark = mark_of(&row(Value::Int(7))).unwrap();
        assert_eq!((mark.seq, mark.kind, mark.offset_ms), (7, MarkKind::B, 30_000));
        assert_eq!(mark_of(&row(Value::Null)), None);
        assert_eq!(mark_of(&row(Value::Int(-1))), None);
    }
}
