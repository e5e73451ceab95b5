//! Where reading begins that no checkpoint knows, and what is told of it.
//!
//! Owns what the engine hears of a source that is read for the first time: where it began. A rule has its sides in several
//! sources: were topics read from their oldest record and the change log from its end, every payment of before the start would
//! be one without an order. So all begin alike ([`crate::dcheck::sources::Start`]), and what lies before is a gap. A place that
//! a person named (`--binlog-from`, `--kafka-from`) begins at the first thing that is read there. A source that is new beside
//! others that are known (another topic) begins in the same way.
//! Not covered: what two logs hold of one instant. They are not cut at the same one; findings about pairs that may straddle
//! the cut are held back instead.

use std::collections::BTreeMap;

use super::core::{Core, SourceState};
use super::options::RunOptions;
use super::record::Checkpoint;
use crate::clock::CellTime;
use crate::dcheck::engine::{Engine, Input};
use crate::dcheck::log;
use crate::dcheck::sources::{BINLOG, Start};

/// How a source begins that was never read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// At its present end.
    Here,
    /// Where what is read first was written.
    Seen,
}

fn beginning(options: &RunOptions, source: &str) -> Option<Beginning> {
    let is_named = match source {
        BINLOG => options.binlog_from.is_some(),
        _ => options.kafka_from.iter().any(|(named, _)| named == source),
    };
    match options.start {
        Start::New => None,
        Start::Latest if !is_named => Some(Beginning::Here),
        _ => Some(Beginning::Seen),
    }
}

/// All sources as they were at the last commit.
pub fn sources(
    options: &RunOptions,
    names: Vec<String>,
    engine: &Engine,
    checkpoint: Option<&Checkpoint>,
) -> BTreeMap<String, SourceState> {
    let read = engine.read();
    let state = |name: String| {
        let place = checkpoint.and_then(|checkpoint| checkpoint.places.get(&name));
        let position = place.and_then(|place| place.position.parse().ok());
        let state = SourceState {
            begins: beginning(options, &name).filter(|_| position.is_none()),
            position,
            dating: place.and_then(|place| place.dating),
            topic_id: place.and_then(|place| place.topic_id.clone()),
            mark: read.get(&name).copied().unwrap_or(0),
            ..SourceState::default()
        };
        (name, state)
    };
    names.into_iter().map(state).collect()
}

impl Core {
    /// Before anything is read.
    pub(super) fn begin_sources(&mut self) {
        let new = self.sources.iter().filter(|(_, state)| state.begins.is_some());
        let new: Vec<String> = new.map(|(source, _)| source.clone()).collect();
        if new.is_empty() {
            return;
        }
        let what = "what was written before is not known, and what would be found because something is missing there is \
                    unknown for as long as a rule looks back";
        log::info("sources", &format!("read for the first time: {}; {what}", new.join(", ")));
        for source in new {
            self.step(Input::Begins { source, at: None });
        }
    }

    /// `source` has its place.
    pub(super) fn begins_here(&mut self, source: &str) {
        let begins = self.sources.get(source).and_then(|state| state.begins);
        let now = self.clock.now();
        self.begins_at(source, (begins == Some(Beginning::Here)).then_some(now));
    }

    /// What is known of `source` from now on was written at this instant, or later.
    pub(super) fn begins_at(&mut self, source: &str, at: Option<CellTime>) {
        if at.is_some() && self.engine.awaits(source) {
            self.step(Input::Begins { source: source.to_owned(), at });
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::options::{Cli, Command};
    use super::*;

    #[test]
    fn all_sources_begin_alike_and_what_a_person_named_where_it_says() {
        use Beginning::{Here, Seen};
        for (more, log, zero, one) in [
            ("", Some(Here), Some(Here), Some(Here)),
            ("--start latest", Some(Here), Some(Here), Some(Here)),
            ("--start earliest", Some(Seen), Some(Seen), Some(Seen)),
            ("--start new", None, None, None),
            ("--binlog-from b.000002:157", Some(Seen), Some(Here), Some(Here)),
            ("--kafka-from a/0=17", Some(Here), Some(Seen), Some(Here)),
        ] {
            let words = format!(
                "dcheck run --rules r --plans p --cdc mysql://h:1/s --sql mysql://h:1/s --kafka h:9 --topics a \
                 --group g --alerts http://h/a --plan-events http://h/p --listen 127.0.0.1:0 {more}"
            );
            let Ok(Cli { command: Command::Run(options), .. }) =
                Cli::try_parse_from(words.split_whitespace())
            else {
                panic!("{words}");
            };
            let begins = [BINLOG, "a/0", "a/1"].map(|source| beginning(&options, source));
            assert_eq!(begins, [log, zero, one], "{more}");
        }
    }
}
