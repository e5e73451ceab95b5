//! What people say to a run: an approval, a refusal, a revert.
//!
//! Owns that no word is lost between the console and the run: the first of each kind is kept until the run takes it, whatever else
//! waits for the run. So there is never more than one of a kind. Must not know what a run makes of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::executor::Word;

/// In the order in which they win: who refuses is heard before who approves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Refuse,
    Revert,
    Approve,
}

/// Of one run, which alone takes them.
#[derive(Default)]
pub struct Words {
    said: Mutex<BTreeMap<Kind, Word>>,
    heard: Notify,
}

impl Words {
    pub fn say(&self, kind: Kind, word: Word) {
        self.lock().entry(kind).or_insert(word);
        self.heard.notify_one();
    }

    pub fn take(&self, kind: Kind) -> Option<Word> {
        self.lock().remove(&kind)
    }

    /// The first of these kinds, as soon as one is said.
    pub async fn next(&self, kinds: &[Kind]) -> (Kind, Word) {
        loop {
            let said = kinds.iter().find_map(|kind| Some((*kind, self.take(*kind)?)));
            match said {
                Some(said) => return said,
                None => self.heard.notified().await,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Kind, Word>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
