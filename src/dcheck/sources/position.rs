//! Where in a log: file and offset of a binlog, or an offset of a topic's partition.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::gtid::GtidSet;

/// A place in a log, from which a reader can go on. Places of one source are ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// `binlog.000003:4711`
    Log {
        file: String,
        pos: u64,
        /// None where the server numbers no transactions, or a person wrote the place.
        origin: Option<Origin>,
    },
    /// The next offset to read.
    Offset(i64),
}

/// Whose file it is, and what stands in the log up to the place: where another server takes over, its files are other
/// ones, and the transactions are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The server's UUID.
    pub server: String,
    pub gtids: GtidSet,
}

impl Position {
    /// A place that a person may have written.
    pub fn log(file: impl Into<String>, pos: u64) -> Position {
        Position::Log { file: file.into(), pos, origin: None }
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Position) -> Option<Ordering> {
        match (self, other) {
            (Position::Log { origin: Some(a), .. }, Position::Log { origin: Some(b), .. })
                if a.server != b.server =>
            {
                match (a.gtids.holds(&b.gtids), b.gtids.holds(&a.gtids)) {
                    (true, true) => Some(Ordering::Equal),
                    (true, false) => Some(Ordering::Greater),
                    (false, true) => Some(Ordering::Less),
                    (false, false) => None,
                }
            }
            (Position::Log { file: a, pos: p, .. }, Position::Log { file: b, pos: q, .. }) => {
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
            Position::Log { file, pos, origin: None } => write!(f, "{file}:{pos}"),
            Position::Log { file, pos, origin: Some(Origin { server, gtids }) } => {
                write!(f, "{file}:{pos} {server} {gtids}")
            }
            Position::Offset(offset) => write!(f, "{offset}"),
        }
    }
}

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Position, String> {
        let bad = || format!("position `{text}` is neither FILE:POS nor an offset");
        let mut words = text.splitn(3, ' ');
        let place = words.next().unwrap_or_default();
        let origin = match (words.next(), words.next()) {
            (None, _) => None,
            (Some(server), gtids) => {
                let gtids = gtids.unwrap_or_default().parse()?;
                Some(Origin { server: server.to_owned(), gtids })
            }
        };
        match place.rsplit_once(':') {
            Some((file, pos)) if !file.is_empty() => {
                let pos = pos.parse().map_err(|_| bad())?;
                Ok(Position::Log { file: file.to_owned(), pos, origin })
            }
            _ if origin.is_none() => place.parse().map(Position::Offset).map_err(|_| bad()),
            _ => Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4350f323-7565-4e59-8763-4b1b83a0ce0e";

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
        for bad in ["", ":4", "binlog.000003:", "x", "17 x", "binlog.000003:4 x y"] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }

    #[test]
    fn places_on_two_servers_are_ordered_by_their_transactions() {
        let place = |file: &str, server: &str, gtids: String| {
            let text = format!("{file} {server} {gtids}");
            let place: Position = text.parse().unwrap();
            assert_eq!(place.to_string(), text);
            place
        };
        let old = place("binlog.000007:4711", A, format!("{A}:1-50"));
        for (gtids, order) in [
            (format!("{A}:1-49"), Some(Ordering::Less)),
            (format!("{A}:1-50"), Some(Ordering::Equal)),
            (format!("{A}:1-50,{B}:1"), Some(Ordering::Greater)),
            (format!("{A}:1-49,{B}:1"), None),
            (String::new(), Some(Ordering::Less)),
        ] {
            let new = place("binlog.000001:99", B, gtids.clone());
            assert_eq!(new.partial_cmp(&old), order, "{gtids}");
        }
        let same = place("binlog.000007:4712", A, format!("{A}:1-50"));
        assert!(same > old, "on one server the place decides");
    }
}
