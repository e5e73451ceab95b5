//! A scenario's own history, kept up to date from the journal as it is written.

use std::sync::Arc;

use tokio::sync::broadcast::{Receiver, error::TryRecvError};

use crate::journal::{Entry, History, Journal, read_journal};

/// Follows the journal for one scenario. Must be made before the scenario's first entry.
pub struct Feed {
    journal: Journal,
    entries: Receiver<Arc<Entry>>,
    scenario: String,
    history: History,
}

impl Feed {
    pub fn new(journal: &Journal, scenario: &str) -> Feed {
        Feed {
            journal: journal.clone(),
            entries: journal.subscribe(),
            scenario: scenario.to_owned(),
            history: History::default(),
        }
    }

    /// The history up to the entry written last.
    pub fn history(&mut self) -> &History {
        loop {
            match self.entries.try_recv() {
                Ok(entry) if entry.scenario.as_deref() == Some(&self.scenario) => {
                    self.history.push(entry);
                }
                Ok(_) => {}
                Err(TryRecvError::Lagged(_)) => self.read_again(),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return &self.history,
            }
        }
    }

    /// Behind the backlog: the file has everything.
    fn read_again(&mut self) {
        self.entries = self.journal.subscribe();
        let entries = read_journal(self.journal.path()).unwrap_or_default();
        self.history = History::of(&self.scenario, entries.into_iter().map(Arc::new));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::journal::{Event, Phase};

    #[test]
    fn it_holds_its_own_entries_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::create(&dir.path().join("journal.ndjson")).unwrap();
        let mut feed = Feed::new(&journal, "own");
        journal.scribe("own", Clock::starting_at(0)).write(Phase::Given, Event::Steady);
        journal.scribe("other", Clock::starting_at(0)).write(Phase::Given, Event::Steady);
        assert_eq!(feed.history().entries().len(), 1);
        journal.scribe("own", Clock::starting_at(0)).write(Phase::Given, Event::Tick);
        assert_eq!(feed.history().entries().len(), 2);
        feed.read_again();
        assert_eq!(feed.history().entries().len(), 2, "the file tells the same");
    }
}
