//! Sources: the logs that are read, MySQL's binlog and Kafka's topics.
//!
//! Owns connections, positions, decoding and the dating of events by marks. Must not know rules,
//! results or alerts. A reader runs until its receiver is gone: it reconnects with a bounded
//! back-off and goes on where it was. Where it goes without a checkpoint is [`Start`]: the same for all of them.
//! Not covered: MariaDB's GTIDs, binlog files above 4 GB, Kafka transactions (control records count
//! as unread).

pub mod binlog;
pub mod csv;
mod gtid;
pub mod json;
pub mod kafka;
mod position;
pub mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::CellTime;
use crate::dcheck::event::Event;
use crate::wire::Mark;

pub use gtid::GtidSet;
pub use position::{Origin, Position};

/// Where reading begins when no checkpoint knows it: all sources alike, for a rule has one side here and one there, and what only
/// one of them was read for would look like a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Start {
    /// At the present end of every log. What lies before is not known: what would be found because something is *missing* there
    /// is unknown.
    Latest,
    /// At the oldest that each log still has; so it is with what lies before that.
    Earliest,
    /// Nothing has happened on this platform yet (a test's, a stage's): the change log from its present end, topics from their
    /// beginning, and nothing is held back.
    New,
}

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

/// By table and column: its type, in the server's words.
pub type Tables = BTreeMap<String, BTreeMap<String, String>>;

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

/// A message that is none of any rule's, because nobody can read it.
#[derive(Clone, Debug)]
pub struct Undecodable {
    /// One word: what it is counted by.
    pub reason: &'static str,
    /// Why it is not among the dead letters either, where it is not.
    pub lost: Option<String>,
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
        /// A message that could not be decoded.
        undecodable: Option<Undecodable>,
    },
    /// What stood between what was read last and `position` is gone: reading goes on there. `case` is the same for the same
    /// gap.
    Missed { source: String, position: Position, case: String, what: String },
    /// The topic that is read, by the broker's own id of it: one of the same name that is made anew has another.
    Topic { source: String, id: String },
    /// The tables of the schema as they are now, and the statement in the log that made them so, where there was one.
    Tables { tables: Tables, ddl: Option<String> },
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
    /// Cell time of a commit that is read `now`; without any mark it is the wall time.
    ///
    /// Nothing is read before it happened: a server whose clock is ahead does not carry windows into the future. (The last
    /// mark may be ahead of `now`, while an advance is on its way.)
    pub fn cell_time(dating: Option<Dating>, commit_us: i64, now: CellTime) -> CellTime {
        let (dated, latest) = match dating {
            Some(Dating { mark_at_ms, mark_commit_us }) => {
                let after_us = commit_us.saturating_sub(mark_commit_us);
                let dated = mark_at_ms.saturating_add(after_us.div_euclid(1000));
                (CellTime(dated), now.max(CellTime(mark_at_ms)))
            }
            None => (CellTime(commit_us.div_euclid(1000)), now),
        };
        dated.min(latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_dated_by_the_last_mark() {
        let dating = Some(Dating { mark_at_ms: 1_000_000, mark_commit_us: 5_000_000 });
        for (dating, commit_us, now_ms, cell_ms) in [
            (dating, 5_000_000, 1_000_000, 1_000_000),
            (dating, 5_001_999, 1_000_009, 1_000_001),
            (dating, 4_999_500, 1_000_009, 999_999),
            (None, 7_000_900, 7_001, 7_000),
            // The server's clock jumps an hour ahead, or back.
            (dating, 3_605_000_000, 1_000_009, 1_000_009),
            (dating, -3_595_000_000, 1_000_009, -2_600_000),
            (None, 3_607_000_000, 7_001, 7_001),
            // The advance that the mark tells of is on its way here.
            (dating, 5_002_000, 400_000, 1_000_000),
        ] {
            let dated = Dating::cell_time(dating, commit_us, CellTime(now_ms));
            assert_eq!(dated, CellTime(cell_ms), "{commit_us} read at {now_ms}");
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
