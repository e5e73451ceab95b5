//! The board: what connections must obey, as one immutable snapshot behind a watch channel.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::chain::Origin;
use super::kafka;
use super::mysql::ArmedRule;
use super::toxic::{Cut, Due, Stamp, Toxic, ToxicId, ToxicKind, Toxicity};

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

    /// Is the connection of `origin` one of its share?
    pub fn touches(&self, origin: Origin) -> bool {
        let Toxic { toxicity, salt, .. } = self.toxic;
        toxicity.touches(origin.seed ^ salt, origin.connection, self.id.0)
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
    /// What single records and answers must obey, on a Kafka link.
    pub kafka_rules: Vec<Arc<kafka::ArmedRule>>,
    /// Connections of an earlier epoch are closed: their upstream is no longer the link's.
    pub epoch: u64,
    /// The link ends: every connection is cut so.
    pub closing: Option<Cut>,
}

impl Board {
    /// Nothing is armed.
    pub fn of(upstream: Arc<str>) -> Board {
        let (armed, rules, kafka_rules) = (Vec::new(), Vec::new(), Vec::new());
        Board { upstream, armed, rules, kafka_rules, epoch: 0, closing: None }
    }

    pub fn toxics(&self) -> Vec<ArmedToxic> {
        let view = |armed: &Arc<Armed>| ArmedToxic {
            id: armed.id,
            toxic: armed.toxic,
            hits: armed.hits.load(Ordering::Relaxed),
        };
        self.armed.iter().map(view).collect()
    }

    /// Is a new connection refused?
    pub fn refuses(&self, origin: Origin) -> Option<&Arc<Armed>> {
        let refuse = |armed: &&Arc<Armed>| matches!(armed.toxic.kind, ToxicKind::Refuse(_));
        self.armed.iter().filter(refuse).find(|armed| armed.touches(origin))
    }

    /// Is every new connection refused?
    pub fn is_shut(&self) -> bool {
        self.armed.iter().any(|armed| {
            matches!(armed.toxic.kind, ToxicKind::Refuse(_))
                && armed.toxic.toxicity == Toxicity::ALL
        })
    }

    /// Is the rule still armed?
    pub fn has_rule(&self, id: ToxicId) -> bool {
        self.rules.iter().any(|rule| rule.id == id)
            || self.kafka_rules.iter().any(|rule| rule.id == id)
    }

    /// When the upstream is dialled for a client that came at `opened`; none: at once.
    pub fn dial(&self, opened: Stamp, origin: Origin) -> Option<(Due, Arc<Armed>)> {
        let delays = self.armed.iter().filter_map(|armed| match armed.toxic.kind {
            ToxicKind::SlowConnect(slow) if armed.touches(origin) => Some((slow.delay(), armed)),
            _ => None,
        });
        let longest = delays.max_by_key(|(delay, _)| *delay);
        longest.map(|(delay, armed)| (opened.plus(delay), armed.clone()))
    }

    /// When a connection opened at `opened` is cut, how, and by which toxic: the earliest where there
    /// are several.
    pub fn cut(&self, opened: Stamp, origin: Origin) -> Option<(Due, Cut, Arc<Armed>)> {
        let touching = self.armed.iter().filter(|armed| armed.touches(origin));
        let cuts = touching.filter_map(|armed| {
            let (after, how) = armed.toxic.cut_after()?;
            Some((after, how, opened.later(armed.since), armed))
        });
        cuts.min_by_key(|(after, _, since, _)| since.real + *after)
            .map(|(after, how, since, armed)| (since.plus(after), how, armed.clone()))
    }
}
