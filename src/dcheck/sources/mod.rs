//! Sources: the logs that are read, MySQL's binlog and Kafka's topics.
//!
//! Owns connections, positions, decoding and the dating of events by marks. Must not know rules,
//! results or alerts. A reader runs until its receiver is gone: it reconnects with a bounded
//! back-off and goes on where it was.
//! Not covered: MariaDB's GTIDs, binlog files above 4 GB, Kafka transactions (control records count
//! as unread).

pub mod binlog;
pub mod json;
pub mod kafka;
mod position;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::CellTime;
use crate::dcheck::event::Event;
use crate::wire::Mark;

pub use position::Position;

/// The source name of the binlog.
pub const BINLOG: &str = "binlog";

/// First and last pause between two attempts to connect: quick after a blip, no storm while a
/// server is away.
pub const RECONNECT_FIRST: Duration = Duration::from_millis(50);
pub const RECONNECT_LAST: Duration = Duration::from_millis(1_000);

/// The next pause after `pause`.
pub fn backed_off(pause: Duration) -> Duration {
    (pause * 2).min(RECONNECT_LAST)
}

/// One thing read, in the order of the log.
#[derive(Clone, Debug)]
pub enum Entry {
    Event(Event),
    Mark(Mark),
}

impl Entry {
    /// Cell time at which it was written.
    pub fn at(&self) -> CellTime {
        match self {
            Entry::Event(event) => event.at,
            Entry::Mark(mark) => CellTime(mark.at),
        }
    }
}

/// What a reader tells the daemon.
#[derive(Clone, Debug)]
pub enum FromSource {
    /// Connected, and reading on from here.
    Connected { source: String, position: Position },
    /// The connection is gone; it is being made again.
    Lost { source: String, why: String },
    /// A stretch of the log. `position` is where a restart may go on; `None` inside a transaction.
    Read {
        source: String,
        entries: Vec<Entry>,
        position: Option<Position>,
        dating: Option<Dating>,
        /// Messages that could not be decoded.
        undecodable: u64,
    },
    /// The log's end, as polled at cell time `at`.
    LogEnd { source: String, end: Position, at: CellTime },
}

/// How commit times become cell times: by the last mark read on the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dating {
    /// Cell time of the mark, Unix ms.
    pub mark_at_ms: i64,
    /// The mark's own commit, wall time, Unix microseconds.
    pub mark_commit_us: i64,
}

impl Dating {
    /// Cell time of a commit; without any mark it is the wall time.
    pub fn cell_time(dating: Option<Dating>, commit_us: i64) -> CellTime {
        match dating {
            Some(Dating { mark_at_ms, mark_commit_us }) => {
                let after_us = commit_us.saturating_sub(mark_commit_us);
                CellTime(mark_at_ms.saturating_add(after_us.div_euclid(1000)))
            }
            None => CellTime(commit_us.div_euclid(1000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_dated_by_the_last_mark() {
        let dating = Some(Dating { mark_at_ms: 1_000_000, mark_commit_us: 5_000_000 });
        for (dating, commit_us, cell_ms) in [
            (dating, 5_000_000, 1_000_000),
            (dating, 5_001_999, 1_000_001),
            (dating, 4_999_500, 999_999),
            (None, 7_000_900, 7_000),
        ] {
            assert_eq!(Dating::cell_time(dating, commit_us), CellTime(cell_ms), "{commit_us}");
        }
    }

    #[test]
    fn the_back_off_is_bounded() {
        let mut pause = RECONNECT_FIRST;
        for _ in 0..10 {
            pause = backed_off(pause);
        }
        assert_eq!(pause, RECONNECT_LAST);
    }
}
