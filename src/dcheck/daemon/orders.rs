//! What the console orders of the core: advances, rules, silences; each in its turn.
//!
//! What it orders of plans is `plan_orders`. Owns what becomes of an order. Who may give it was decided in the console.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::core::Core;
use crate::dcheck::alerts::Silence;
use crate::dcheck::console::Order;
use crate::dcheck::results::AuditRow;

impl Core {
    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Advanced { seq } => {
                let (now, spent_us) = (self.clock.now(), self.patience.spent_us());
                for state in self.sources.values_mut().filter(|state| state.mark < seq) {
                    state.ends.learn_mark(seq, now, spent_us);
                }
                self.tick();
            }
            Order::Rules(loaded) => self.take_rules(loaded),
            Order::Plan(order) => self.obey_plan(order),
            Order::Silence { silence, stored } => {
                let is_taken = self.silence(silence);
                self.pending.switched.extend(is_taken.then_some(stored));
            }
            Order::Unsilence { id, who, stored } => {
                let is_ended = self.unsilence(&id, &who);
                self.pending.switched.extend(is_ended.then_some(stored));
            }
            Order::RollOut { wish, who } => self.roll_out(&wish, &who),
        }
        self.activity += 1;
        self.publish();
        self.console.inbound.fetch_sub(1, Ordering::AcqRel);
    }

    fn silence(&mut self, silence: Silence) -> bool {
        let (who, body) = (silence.owner.clone(), json!(silence));
        let taken = self.router.silence(silence);
        let is_taken = taken.is_ok();
        match taken {
            Ok(()) => self.note(&who, "silence", body),
            // The console asked before; only a race for the last place comes here.
            Err(mistakes) => self.note(&who, "silence-refused", json!({"mistakes": mistakes})),
        }
        self.tell_due();
        is_taken
    }

    fn unsilence(&mut self, id: &str, who: &str) -> bool {
        let ended = self.router.unsilence(id, self.clock.now());
        let is_ended = ended.is_some();
        if let Some(silence) = ended {
            self.note(who, "silence-ended", json!(silence));
        }
        self.tell_due();
        is_ended
    }

    /// A line of the audit log, in the next commit.
    pub(super) fn note(&mut self, who: &str, what: &'static str, body: serde_json::Value) {
        let (seq, at_ms) = (self.number(), self.clock.now().0);
        let row = AuditRow { seq, who: who.to_owned(), what, body: body.to_string(), at_ms };
        self.pending.batch.audit.push(row);
    }
}
