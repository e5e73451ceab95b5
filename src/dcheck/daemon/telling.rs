//! From verdicts that alert to messages of the outbox, by what the router says.
//!
//! Owns the numbers of messages, and which go out from memory. What is told, and when, is the router's.

use super::core::Core;
use super::record::Telling;
use crate::clock::CellTime;
use crate::dcheck::alerts::{Incoming, Notice, webhook_alert, wire_alert};
use crate::dcheck::results::{Channel, Message};
use crate::wire::AlertState;

/// Who ends a silence whose time has come, in the audit log.
const NOBODY: &str = "time";

impl Core {
    pub(super) fn tell(&mut self, telling: &Telling<'_>) {
        let Telling { row, print, start, ends, blind, was_open } = *telling;
        let state = if ends { AlertState::Resolved } else { AlertState::Firing };
        let alert = wire_alert(row, start, state);
        let ends_at = ends.then_some(CellTime(row.at_ms));
        let incoming = Incoming {
            alert: webhook_alert(&alert, ends_at),
            revision: row.revision.clone(),
            was_open,
            blind,
        };
        self.console.view().keep_alert(alert);
        for notice in self.router.take(incoming, self.clock.now()) {
            let early = blind && notice.order_key == print;
            let message = self.message(notice, row.at_ms);
            if early {
                self.pending.early.insert(message.seq);
                self.outgoing.push_back(message.clone());
            }
            self.pending.batch.messages.push(message);
        }
        self.note_ended();
    }

    /// What is to be told by time alone.
    pub(super) fn tell_due(&mut self) {
        let now = self.clock.now();
        if self.router.next_due().is_none_or(|at| at > now) {
            return;
        }
        self.activity += 1;
        self.pending.dirty = true;
        for notice in self.router.due(now) {
            let message = self.message(notice, now.0);
            self.pending.batch.messages.push(message);
        }
        self.note_ended();
    }

    fn message(&self, notice: Notice, created_ms: i64) -> Message {
        let Notice { order_key, dedupe, body } = notice;
        let (seq, channel) = (self.number(), Channel::Alerts);
        Message { seq, channel, order_key, dedupe, body, created_ms }
    }

    fn note_ended(&mut self) {
        for silence in self.router.take_ended() {
            self.note(NOBODY, "silence-ended", serde_json::json!(silence));
        }
    }
}
