//! When a window may close: how far each source has been read, and until when it was read to an
//! end.
//!
//! A window closes only when its deadline has passed *and* every source that could hold the
//! counterpart was read past an end whose own time is after the deadline. Until then it stays open:
//! it waits for the source, not for time. Knows no rule. Try it: `cargo test --lib engine::window`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::CellTime;

/// Where a rule's events come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// A table, in the change log: the source without a partition.
    Table(String),
    /// A topic: sources `topic/partition`.
    Topic(String),
}

impl Stream {
    pub fn name(&self) -> &str {
        match self {
            Stream::Table(name) | Stream::Topic(name) => name,
        }
    }

    /// True where `source` may carry it.
    pub fn is_in(&self, source: &str) -> bool {
        match (self, source.rsplit_once('/')) {
            (Stream::Table(_), None) => true,
            (Stream::Topic(topic), Some((logical, _))) => logical == topic,
            _ => false,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Reach {
    mark: u64,
    /// Everything written before this instant has been given.
    end: Option<CellTime>,
    position: String,
}

/// How far each source has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress(BTreeMap<String, Reach>);

impl Progress {
    pub fn of(sources: &[String]) -> Progress {
        Progress(sources.iter().map(|source| (source.clone(), Reach::default())).collect())
    }

    /// Adds sources that are new; those that are known keep their reach.
    pub fn add(&mut self, sources: &[String]) {
        for source in sources {
            self.0.entry(source.clone()).or_default();
        }
    }

    /// A repeated or older mark changes nothing.
    pub fn mark(&mut self, source: &str, seq: u64, at: CellTime) {
        let reach = self.0.entry(source.to_owned()).or_default();
        reach.mark = reach.mark.max(seq);
        reach.end = reach.end.max(Some(at));
    }

    pub fn end(&mut self, source: &str, at: CellTime) {
        let reach = self.0.entry(source.to_owned()).or_default();
        reach.end = reach.end.max(Some(at));
    }

    pub fn took(&mut self, source: &str, position: &str) {
        let reach = self.0.entry(source.to_owned()).or_default();
        position.clone_into(&mut reach.position);
    }

    /// Everything written to `source` before this instant has been given.
    pub fn end_of(&self, source: &str) -> Option<CellTime> {
        self.0.get(source).and_then(|reach| reach.end)
    }

    /// Last mark read on `source`.
    pub fn mark_of(&self, source: &str) -> u64 {
        self.0.get(source).map_or(0, |reach| reach.mark)
    }

    /// Last mark read on every source.
    pub fn common_mark(&self) -> u64 {
        self.0.values().map(|reach| reach.mark).min().unwrap_or(0)
    }

    pub fn marks(&self) -> BTreeMap<String, u64> {
        self.0.iter().map(|(source, reach)| (source.clone(), reach.mark)).collect()
    }

    pub fn positions(&self) -> BTreeMap<String, String> {
        let taken = self.0.iter().filter(|(_, reach)| !reach.position.is_empty());
        taken.map(|(source, reach)| (source.clone(), reach.position.clone())).collect()
    }

    /// True where nothing of `stream` dated `deadline` or earlier can still come. A stream that no
    /// source carries never gets there: its silence proves nothing.
    pub fn is_past(&self, stream: &Stream, deadline: CellTime) -> bool {
        let mut carriers = self.0.iter().filter(|(source, _)| stream.is_in(source)).peekable();
        carriers.peek().is_some() && carriers.all(|(_, reach)| reach.end > Some(deadline))
    }

    /// The earliest end of all sources that may carry `stream`; none where one has none, or none carries it.
    pub fn reach(&self, stream: &Stream) -> Option<CellTime> {
        let carriers = self.0.iter().filter(|(source, _)| stream.is_in(source));
        carriers.map(|(_, reach)| reach.end).min().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_only_when_every_carrier_is() {
        let sources = ["binlog".to_owned(), "flow/0".to_owned(), "flow/1".to_owned()];
        let mut progress = Progress::of(&sources);
        let (table, topic) = (Stream::Table("orders".into()), Stream::Topic("flow".into()));
        assert!(!progress.is_past(&table, CellTime(10)));
        progress.mark("binlog", 3, CellTime(10));
        assert!(!progress.is_past(&table, CellTime(10)), "an end at the deadline is not after it");
        progress.end("binlog", CellTime(11));
        assert!(progress.is_past(&table, CellTime(10)));
        progress.mark("flow/0", 4, CellTime(20));
        assert!(!progress.is_past(&topic, CellTime(10)), "partition 1 is silent");
        assert_eq!(progress.reach(&topic), None);
        progress.mark("flow/1", 5, CellTime(20));
        assert_eq!(progress.reach(&topic), Some(CellTime(20)));
        assert!(progress.is_past(&topic, CellTime(10)));
        assert!(!progress.is_past(&Stream::Topic("elsewhere".into()), CellTime(0)));
        progress.mark("flow/1", 2, CellTime(1));
        assert_eq!((progress.common_mark(), progress.mark_of("flow/1")), (3, 5));
    }
}
