//! Where in a log: file and offset of a binlog, or an offset of a topic's partition.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A place in a log, from which a reader can go on. Places of one source are ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// `binlog.000003:4711`
    Log { file: String, pos: u64 },
    /// The next offset to read.
    Offset(i64),
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Position) -> Option<Ordering> {
        match (self, other) {
            (Position::Log { file: a, pos: p }, Position::Log { file: b, pos: q }) => {
                // The number grows past six digits: the longer name is the later file.
                Some((a.len(), a, p).cmp(&(b.len(), b, q)))
            }
            (Position::Offset(a), Position::Offset(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Log { file, pos } => write!(f, "{file}:{pos}"),
            Position::Offset(offset) => write!(f, "{offset}"),
        }
    }
}

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Position, String> {
        let bad = || format!("position `{text}` is neither FILE:POS nor an offset");
        match text.rsplit_once(':') {
            Some((file, pos)) if !file.is_empty() => {
                let pos = pos.parse().map_err(|_| bad())?;
                Ok(Position::Log { file: file.to_owned(), pos })
            }
            _ => text.parse().map(Position::Offset).map_err(|_| bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_ordered_and_survive_text() {
        for (earlier, later) in [
            ("binlog.000003:4711", "binlog.000003:4712"),
            ("binlog.000003:4711", "binlog.000004:4"),
            ("binlog.999999:4711", "binlog.1000000:4"),
            ("17", "18"),
        ] {
            let (a, b): (Position, Position) = (earlier.parse().unwrap(), later.parse().unwrap());
            assert!(a < b, "{earlier} {later}");
            assert_eq!(a.to_string(), earlier);
        }
        for bad in ["", ":4", "binlog.000003:", "x"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }
}
