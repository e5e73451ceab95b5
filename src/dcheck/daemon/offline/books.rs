//! The books of one day: where they end, and what time a row has in them. Pure.
//!
//! A row is one state, not a change: what it was before, and when it came to be what it is, nobody can tell. So a row is
//! dated by the column that the user names, and no earlier than the largest window before the end: what is older is
//! settled, whichever side of a pair came first. Lateness is online's to tell; a sweep asks whether it is there at all.

use crate::clock::{CellTime, parse_rfc3339, rfc3339};
use crate::dcheck::event::{Row, Value};

/// Unix ms from 2000 to 2100: other digits are seconds, microseconds, or a date without its strokes.
const UNIX_MS: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;

/// The end of a day, and how far before it nothing is in flight any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Books {
    /// The first instant that is no part of the books.
    pub end: CellTime,
    settled: CellTime,
    /// `+08:00`
    offset: String,
}

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dated {
    In(CellTime),
    /// It is of a later day.
    After(CellTime),
}

impl Books {
    pub fn of(day: &str, offset: &str, largest_window_ms: i64) -> Result<Books, String> {
        let is_offset = offset.len() == 6 && offset.starts_with(['+', '-']);
        let start = parse_rfc3339(&format!("{day}T00:00:00{offset}"));
        let start = start.filter(|_| is_offset && day.len() == 10).ok_or_else(|| {
            format!(
                "--day `{day}` with --utc-offset `{offset}` is no day: write 2026-01-05 and +08:00"
            )
        })?;
        let end = CellTime(start).plus_ms(86_400_000);
        let settled = end.plus_ms(-largest_window_ms - 1);
        Ok(Books { end, settled, offset: offset.to_owned() })
    }

    /// Refuses a day that is not over.
    pub fn is_over(&self, now: CellTime) -> Result<(), String> {
        if now >= self.end {
            return Ok(());
        }
        let (end, now) = (rfc3339(self.end.0), rfc3339(now.0));
        Err(format!("the day ends at {end}, and it is {now}: a sweep is of a day that is over"))
    }

    /// By `column`, of type `kind` where it is a table's.
    pub fn date(
        &self,
        row: &Row,
        column: Option<&str>,
        kind: Option<&str>,
    ) -> Result<Dated, String> {
        let Some(column) = column else { return Ok(Dated::In(self.settled)) };
        let value = row.get(column).unwrap_or(&Value::Null);
        let at = match (value, kind) {
            (Value::Null, _) => Some(self.settled.0),
            (Value::Int(_) | Value::Dec(_), Some(kind)) if kind.starts_with("timestamp") => {
                let text = value.to_string();
                let whole = text.split('.').next().and_then(|whole| whole.parse::<i64>().ok());
                whole.and_then(|seconds| seconds.checked_mul(1000))
            }
            // Some tables write 0 for nothing.
            (Value::Int(0), _) => Some(self.settled.0),
            (Value::Int(ms), _) => i64::try_from(*ms).ok().filter(|ms| UNIX_MS.contains(ms)),
            (Value::Text(text), _) => self.instant(text),
            _ => None,
        };
        let at = at.ok_or_else(|| {
            let wanted = "a date and time, or a column of integers that are Unix ms";
            format!("column `{column}`: `{value}` is no time: wanted is {wanted}")
        })?;
        match CellTime(at) {
            at if at >= self.end => Ok(Dated::After(at)),
            at => Ok(Dated::In(at.max(self.settled))),
        }
    }

    fn instant(&self, text: &str) -> Option<i64> {
        let text = text.trim();
        let local = || parse_rfc3339(&format!("{}{}", text.replacen(' ', "T", 1), self.offset));
        parse_rfc3339(text).or_else(local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_are_read_and_refused() {
        for (day, offset, end) in [
            ("2026-01-05", "+00:00", Some("2026-01-06T00:00:00.000Z")),
            ("2026-01-05", "+08:00", Some("2026-01-05T16:00:00.000Z")),
            ("2026-02-30", "+00:00", None),
            ("5 Jan", "+00:00", None),
            ("2026-01-05", "8", None),
            ("2026-01-05", "", None),
        ] {
            let books = Books::of(day, offset, 0);
            assert_eq!(
                books.ok().map(|books| rfc3339(books.end.0)).as_deref(),
                end,
                "{day} {offset}"
            );
        }
        let books = Books::of("2026-01-05", "+00:00", 0).unwrap();
        assert!(books.is_over(books.end).is_ok());
        assert!(
            books.is_over(books.end.plus_ms(-1)).unwrap_err().contains("is of a day that is over")
        );
    }

    #[test]
    fn rows_are_dated_within_the_largest_window_and_left_after_the_end() {
        let books = Books::of("2026-01-05", "+08:00", 60_000).unwrap();
        let (end, settled) = (books.end, Dated::In(books.end.plus_ms(-60_001)));
        let (near, after) = (Dated::In(end.plus_ms(-1_000)), Dated::After(end));
        for (value, kind, expect) in [
            (Value::Null, None, Some(settled)),
            (Value::Int(0), Some("bigint"), Some(settled)),
            (Value::Int((end.0 - 1_000).into()), Some("bigint"), Some(near)),
            (Value::Int(end.0.into()), Some("bigint"), Some(after)),
            (Value::Int(end.0.div_euclid(1000).into()), Some("timestamp"), Some(after)),
            (Value::decimal("1767628799.250000").unwrap(), Some("timestamp of parts"), Some(near)),
            ("2026-01-05 23:59:59".into(), Some("datetime"), Some(near)),
            ("2026-01-05T15:59:59Z".into(), None, Some(near)),
            ("2026-01-06 00:00:00".into(), Some("datetime"), Some(after)),
            ("yesterday".into(), None, None),
            (Value::Bool(true), None, None),
            // Digits that are another time than they seem, or none.
            ("20260105".into(), None, None),
            ("20260105235959".into(), None, None),
            ("1767628799000".into(), None, None),
            (Value::Int(1_767_628_799), Some("bigint"), None),
            (Value::Int(20_260_105_235_959), Some("bigint"), None),
            (Value::Int(-1), Some("bigint"), None),
        ] {
            let row = [("at".to_owned(), value.clone())].into();
            assert_eq!(books.date(&row, Some("at"), kind).ok(), expect, "{value}");
        }
        assert_eq!(books.date(&Row::new(), None, None), Ok(settled));
    }
}
