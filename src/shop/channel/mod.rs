//! The payment channel: a process of its own, whose ledger is the truth about money that moved.
//!
//! Owns the ledger file, the topic `channel.flow` and the signed callbacks. It charges, pays out
//! and transfers what it is asked, once per request, and knows nothing of orders, refunds or bills beyond their ids; it
//! must not read the shop's books. `ledger` is the file, `book` the state in memory, `flow`
//! publishes, `callbacks` call back, `http` answers. Try it: `tests/shop.rs`. Not covered: refusing
//! a payout for lack of money, the T+1 statement file.

mod book;
mod callbacks;
mod flow;
mod http;
mod ledger;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use tokio::sync::Notify;

use super::broker::Broker;
use super::business_log;
use super::pulse::Pulse;
use super::refusal::Refusal;
use super::signature::Secret;
use crate::clock::Clock;
use crate::wire::ClockReport;
use book::Book;
use ledger::{Entry, Ledger, Request};

/// The payment channel.
#[derive(Clone)]
pub struct Channel(Arc<Parts>);

struct Parts {
    clock: Clock,
    pulse: Pulse,
    /// File and memory change together under this lock, which is never held across a wait.
    accounts: Mutex<Accounts>,
    /// Rings when an entry is there to publish.
    flow_bell: Notify,
    /// Rings when a callback is there to make.
    callback_bell: Notify,
}

struct Accounts {
    ledger: Ledger,
    book: Book,
}

impl Channel {
    /// Opens the ledger, reads it back, and starts publishing and calling back where it had
    /// stopped.
    pub fn start(
        ledger: &Path,
        clock: Clock,
        secret: Secret,
        broker: &Broker,
        shop: &str,
    ) -> Result<Channel, Refusal> {
        let (ledger, book) = Ledger::open(ledger, clock.now())?;
        let channel = Channel(Arc::new(Parts {
            clock,
            pulse: Pulse::default(),
            accounts: Mutex::new(Accounts { ledger, book }),
            flow_bell: Notify::new(),
            callback_bell: Notify::new(),
        }));
        let topic = broker.topic(flow::TOPIC);
        tokio::spawn(flow::run(channel.clone(), broker.producer()?, topic));
        let caller = callbacks::Caller::new(shop, secret)?;
        tokio::spawn(callbacks::run(channel.clone(), caller));
        Ok(channel)
    }

    /// The routes of this channel.
    pub fn router(&self, drill_clock: bool) -> Router {
        http::router(self.clone(), drill_clock)
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves money once for the request: the entry is in the file before it is known to anyone.
    fn record(&self, request: &Request) -> Result<Entry, Refusal> {
        let now = self.0.clock.now();
        let (entry, is_new) = self.accounts().record(request, now.0)?;
        if is_new {
            let fields = serde_json::to_value(&entry).unwrap_or_default();
            business_log::log("channel_entry", now, &fields);
            self.0.flow_bell.notify_one();
            self.0.callback_bell.notify_one();
        }
        Ok(entry)
    }

    fn report(&self) -> ClockReport {
        let activity = self.0.pulse.activity();
        let in_progress = self.0.pulse.in_progress();
        let now = self.0.clock.now();
        let (waiting, next_due) = self.accounts().book.waiting(now);
        ClockReport {
            now: crate::clock::rfc3339(now.0),
            offset_ms: self.0.clock.offset_ms(),
            busy: in_progress + waiting,
            next_due: next_due.map(|due| crate::clock::rfc3339(due.0)),
            activity,
        }
    }
}

impl Accounts {
    fn record(&mut self, request: &Request, now_ms: i64) -> Result<(Entry, bool), Refusal> {
        if let Some(earlier) = self.book.by_request(request) {
            return earlier.answers(request).map(|()| (earlier.clone(), false));
        }
        let entry = request.entry(self.book.next_seq(), now_ms);
        self.ledger.append(&entry)?;
        self.book.add(entry.clone(), crate::clock::CellTime(now_ms));
        Ok((entry, true))
    }
}
