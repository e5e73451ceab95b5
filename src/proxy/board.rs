//! The board: what connections must obey, as one immutable snapshot behind a watch channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::mysql::ArmedRule;
use super::toxic::{Direction, Due, Hold, Stamp, Toxic, ToxicId};

/// A toxic on the board.
#[derive(Debug)]
pub(super) struct Armed {
    pub id: ToxicId,
    pub toxic: Toxic,
    pub since: Stamp,
    pub hits: AtomicU64,
}

impl Armed {
    pub fn hit(&self) {
        self.hits.fetch_add(1, Ordering::Relaxed);
    }
}

/// An armed toxic as a list shows it.
#[derive(Clone, Debug, Serialize)]
pub struct ArmedToxic {
    pub id: ToxicId,
    #[serde(flatten)]
    pub toxic: Toxic,
    /// Chunks held or connections cut so far.
    pub hits: u64,
}

/// One published state of a link. Never changed, only replaced.
#[derive(Clone, Debug)]
pub(super) struct Board {
    /// `host:port` that new connections dial.
    pub upstream: Arc<str>,
    pub armed: Vec<Arc<Armed>>,
    /// What single statements must obey, on a MySQL link.
    pub rules: Vec<Arc<ArmedRule>>,
    /// The link ends: every connection is cut.
    pub closing: bool,
}

impl Board {
    pub fn toxics(&self) -> Vec<ArmedToxic> {
        let view = |armed: &Arc<Armed>| ArmedToxic {
            id: armed.id,
            toxic: armed.toxic,
            hits: armed.hits.load(Ordering::Relaxed),
        };
        self.armed.iter().map(view).collect()
    }

    /// How long a chunk is held by all toxics together: delays add up.
    pub fn hold(&self, flow: Direction, draw: u64) -> Hold {
        let mut sum = Hold::Not;
        for armed in &self.armed {
            sum = match (sum, armed.toxic.hold(flow, draw.rotate_left(armed.id.0 as u32 % 64))) {
                (Hold::Forever, _) | (_, Hold::Forever) => return Hold::Forever,
                (known, Hold::Not) => known,
                (Hold::Not, more) => more,
                (Hold::For(known), Hold::For(more)) => Hold::For(known.saturating_add(more)),
            };
        }
        sum
    }

    /// Is the rule still armed?
    pub fn has_rule(&self, id: ToxicId) -> bool {
        self.rules.iter().any(|rule| rule.id == id)
    }

    /// Counts a chunk that arrived for every toxic that holds it.
    pub fn count_hits(&self, flow: Direction, draw: u64) {
        for armed in &self.armed {
            if armed.toxic.hold(flow, draw) != Hold::Not {
                armed.hit();
            }
        }
    }

    /// When a connection opened at `opened` is cut, and by which toxic: the earliest where there
    /// are several.
    pub fn cut(&self, opened: Stamp) -> Option<(Due, Arc<Armed>)> {
        let cuts = self.armed.iter().filter_map(|armed| {
            let after = armed.toxic.cut_after()?;
            Some((after, opened.later(armed.since), armed))
        });
        cuts.min_by_key(|(after, since, _)| since.real + *after)
            .map(|(after, since, armed)| (since.plus(after), armed.clone()))
    }
}
