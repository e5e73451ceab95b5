//! What is put on a link and taken off: toxics for its bytes, rules for single statements, records and answers.
//!
//! Each change publishes one snapshot and returns; no connection is waited for, and none sees half of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ProxyError;
use super::board::{Armed, Board};
use super::kafka::{self, KafkaRule, KafkaRuleView};
use super::link::{Link, publish};
use super::mysql::{ArmedRule, RuleView, StatementRule};
use super::toxic::{Stamp, Toxic, ToxicId};

/// Toxics of one link at once: more is a leak of the one who arms.
pub(super) const TOXICS_MAX: usize = 64;

impl Link {
    /// Publishes `toxic` to every connection, live and new, and returns at once.
    pub fn arm(&self, toxic: Toxic) -> Result<ToxicId, ProxyError> {
        self.swap(&[], &[toxic]).map(|ids| ids[0])
    }

    /// Takes `off` off and puts `on` on, as one change: no connection sees a part of it. Refused
    /// whole where one of `on` is wrong.
    pub fn swap(&self, off: &[ToxicId], on: &[Toxic]) -> Result<Vec<ToxicId>, ProxyError> {
        let refuse = |toxic: &Toxic, reason| {
            let link = self.name().to_owned();
            Err(ProxyError::Toxic { link, toxic: toxic.name(), reason })
        };
        for toxic in on {
            if let Some(reason) = toxic.mistake() {
                return refuse(toxic, reason);
            }
        }
        let fresh: Vec<_> = on.iter().map(|toxic| self.armed(self.next_id(), *toxic)).collect();
        let ids = fresh.iter().map(|armed| armed.id).collect();
        let fits = publish(self.shared(), |board| {
            let kept = board.armed.iter().filter(|armed| !off.contains(&armed.id)).count();
            let fits = kept + fresh.len() <= TOXICS_MAX;
            if fits {
                board.armed.retain(|armed| !off.contains(&armed.id));
                board.armed.extend(fresh);
            }
            fits
        });
        match on.last() {
            Some(toxic) if !fits => refuse(toxic, format!("{TOXICS_MAX} toxics are armed already")),
            _ => Ok(ids),
        }
    }

    /// Gives an armed toxic other values, in its place and under its id: the connections that it
    /// touches stay the same. False where it is not there (any more).
    pub fn change(&self, id: ToxicId, toxic: Toxic) -> Result<bool, ProxyError> {
        if let Some(reason) = toxic.mistake() {
            let (link, toxic) = (self.name().to_owned(), toxic.name());
            return Err(ProxyError::Toxic { link, toxic, reason });
        }
        let fresh = self.armed(id, toxic);
        Ok(publish(self.shared(), |board| {
            let place = board.armed.iter_mut().find(|armed| armed.id == id);
            place.is_some_and(|place| {
                fresh.hits.store(place.hits.load(Ordering::Relaxed), Ordering::Relaxed);
                *place = fresh;
                true
            })
        }))
    }

    fn next_id(&self) -> ToxicId {
        ToxicId(self.next_toxic.fetch_add(1, Ordering::Relaxed))
    }

    fn armed(&self, id: ToxicId, toxic: Toxic) -> Arc<Armed> {
        let since = Stamp::now(&self.shared().clock);
        Arc::new(Armed { id, toxic, since, hits: AtomicU64::new(0) })
    }

    /// Publishes a rule for single statements to every connection, live and new, and returns at once.
    pub fn arm_rule(&self, rule: StatementRule) -> Result<ToxicId, ProxyError> {
        let mistake = if self.shared().reads_mysql {
            rule.mistake()
        } else {
            Some("the link does not read MySQL's packets".to_owned())
        };
        let (name, id) = (rule.name(), self.next_id());
        let armed = Arc::new(ArmedRule::new(id, rule));
        self.arm_one(name, mistake, |board| {
            let fits = board.rules.len() < TOXICS_MAX;
            if fits {
                board.rules.push(armed);
            }
            fits
        })?;
        Ok(id)
    }

    /// As [`Link::arm_rule`], for single records and answers of Kafka.
    pub fn arm_kafka_rule(&self, rule: KafkaRule) -> Result<ToxicId, ProxyError> {
        let mistake = if self.shared().addresses.is_some() {
            rule.mistake()
        } else {
            Some("the link does not read Kafka's frames".to_owned())
        };
        let (name, id) = (rule.name(), self.next_id());
        let armed = Arc::new(kafka::ArmedRule::new(id, rule));
        self.arm_one(name, mistake, |board| {
            let fits = board.kafka_rules.len() < TOXICS_MAX;
            if fits {
                board.kafka_rules.push(armed);
            }
            fits
        })?;
        Ok(id)
    }

    /// Puts one rule on the board by `add`, which says whether it had room.
    fn arm_one(
        &self,
        toxic: &'static str,
        mistake: Option<String>,
        add: impl FnOnce(&mut Board) -> bool,
    ) -> Result<(), ProxyError> {
        let refuse =
            |reason| Err(ProxyError::Toxic { link: self.name().to_owned(), toxic, reason });
        match mistake {
            Some(reason) => refuse(reason),
            None if publish(self.shared(), add) => Ok(()),
            None => refuse(format!("{TOXICS_MAX} rules are armed already")),
        }
    }

    pub fn kafka_rules(&self) -> Vec<KafkaRuleView> {
        let board = self.shared().board.borrow();
        board.kafka_rules.iter().map(|rule| KafkaRuleView::of(rule)).collect()
    }

    pub fn rules(&self) -> Vec<RuleView> {
        self.shared().board.borrow().rules.iter().map(|rule| RuleView::of(rule)).collect()
    }

    /// Takes a toxic or a rule off; false where it was not there (any more).
    pub fn disarm(&self, id: ToxicId) -> bool {
        publish(self.shared(), |board| {
            let count =
                |board: &Board| board.armed.len() + board.rules.len() + board.kafka_rules.len();
            let before = count(board);
            board.armed.retain(|armed| armed.id != id);
            board.rules.retain(|rule| rule.id != id);
            board.kafka_rules.retain(|rule| rule.id != id);
            count(board) < before
        })
    }
}
