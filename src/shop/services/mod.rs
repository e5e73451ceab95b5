//! What the shop does, one file for each matter, and the state that they share.
//!
//! Knows no HTTP. Every act is one [`Booking`](super::schema::Booking); what must reach Kafka goes
//! through the outbox, what must happen later through `due_work`, both in the same transaction. Try
//! it: `cargo test --lib shop::services`, `tests/shop.rs`. Not covered: see `shop`.

pub mod activities;
pub mod bids;
pub mod billing;
pub mod bills;
pub mod breakers;
pub mod checkouts;
pub mod closing;
pub mod disburse;
pub mod due;
pub mod floors;
pub mod forgeries;
pub mod gateway;
pub mod goods;
pub mod intake;
pub mod items;
pub mod late;
pub mod orders;
pub mod outbox;
pub mod payees;
pub mod payments;
pub mod payouts;
pub mod points;
pub mod refunds;
pub mod rest;
pub mod retries;
pub mod settle;
pub mod shipments;
pub mod signatures;
pub mod switches;
pub mod wallet;

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Notify;

use super::broker::{Broker, Producer};
use super::business_log;
use super::pulse::Pulse;
use super::refusal::Refusal;
use super::schema::{Answered, Booking, Books, Once};
use super::signature::Secret;
use crate::clock::Clock;
use crate::money::Money;
use breakers::Gates;
use gateway::Gateway;
use intake::Intake;

/// The shop: what every service needs.
#[derive(Clone)]
pub struct Shop(Arc<Parts>);

/// The parts of a [`Shop`].
pub struct Parts {
    pub books: Books,
    pub clock: Clock,
    pub pulse: Pulse,
    pub secret: Secret,
    gateway: Gateway,
    gates: Gates,
    producer: Producer,
    broker: Broker,
    intake: Intake,
    /// Rings when an outbox row may be there to send.
    outbox_bell: Notify,
    /// Rings when work may have become due.
    due_bell: Notify,
}

impl std::ops::Deref for Shop {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Shop {
    /// Opens a shop; nothing is connected yet.
    pub fn open(
        books: Books,
        clock: Clock,
        secret: Secret,
        broker: Broker,
        channel_url: &str,
    ) -> Result<Shop, Refusal> {
        let producer = broker.producer()?;
        Ok(Shop(Arc::new(Parts {
            books,
            clock,
            pulse: Pulse::default(),
            secret,
            gateway: Gateway::new(channel_url)?,
            gates: Gates::default(),
            intake: Intake::new(&broker, producer.clone())?,
            producer,
            broker,
            outbox_bell: Notify::new(),
            due_bell: Notify::new(),
        })))
    }

    /// Starts the loops that outlive any server: outbox, intake of refund events, due work.
    pub fn start(&self) {
        tokio::spawn(outbox::run(self.clone()));
        tokio::spawn(intake::run(self.clone()));
        tokio::spawn(due::run(self.clone()));
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().0
    }

    fn log(&self, event: &str, fields: &Value) {
        business_log::log(event, self.clock.now(), fields);
    }

    /// Books an act once for its request id, then wakes the loops that may have work from it.
    async fn book_once<B>(
        &self,
        kind: &'static str,
        request_id: &str,
        body: &impl Serialize,
        booking: B,
    ) -> Result<Answered<B::Out>, Refusal>
    where
        B: Booking,
        B::Out: Serialize + DeserializeOwned,
    {
        non_empty(&[(kind, request_id)])?;
        let booked = self.books.book(&Once::new(kind, request_id, body, booking)?).await;
        self.ring();
        booked
    }

    /// Books an act that is idempotent by itself, then wakes the loops.
    async fn book<B: Booking>(&self, booking: &B) -> Result<B::Out, Refusal> {
        let booked = self.books.book(booking).await;
        self.ring();
        booked
    }

    fn ring(&self) {
        self.outbox_bell.notify_one();
        self.due_bell.notify_one();
    }
}

/// Longest id that the tables hold.
const ID_BYTES_MAX: usize = 80;

/// Refuses ids that are empty or do not fit the tables.
fn non_empty(ids: &[(&str, &str)]) -> Result<(), Refusal> {
    for (name, id) in ids {
        if id.is_empty() || id.len() > ID_BYTES_MAX {
            return Err(Refusal::Invalid(format!(
                "{name} `{id}` must have 1 to {ID_BYTES_MAX} bytes"
            )));
        }
    }
    Ok(())
}

fn above_zero(name: &str, amount: Money) -> Result<(), Refusal> {
    if amount.minor <= 0 {
        return Err(Refusal::Invalid(format!("{name} {amount} must be above zero")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_must_fit_and_amounts_be_above_zero() {
        let long = "x".repeat(81);
        for (id, fits) in [("O-1", true), ("", false), (long.as_str(), false)] {
            assert_eq!(non_empty(&[("order", id)]).is_ok(), fits, "{id}");
        }
        for (minor, fits) in [(1, true), (0, false), (-1, false)] {
            assert_eq!(above_zero("price", Money::cny(minor)).is_ok(), fits, "{minor}");
        }
    }
}
