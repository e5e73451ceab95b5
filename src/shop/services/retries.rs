//! Asking the channel again for a charge whose answer did not come: the defects of such a retry.
//!
//! A sound retry repeats the number of the first request, so that the channel answers it with the same transaction.
//! Knows no order's state. Try it: `tests/shop.rs`. Not covered: waiting before a retry.

use sqlx::mysql::MySqlConnection;

use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop};
use crate::money::Money;

/// The next charge (or the next `times`) is asked for again under a number of its own.
const RENUMBERED: Switch = Switch::next("payment-retry.renumbered");
/// The next charge (or the next `times`) is asked for again under the same number.
const REPEATED: Switch = Switch::next("payment-retry.repeated");

pub(super) const SWITCHES: &[Switch] = &[RENUMBERED, REPEATED];

/// Asks again for the charge `number`, where a defect has taken its answer for lost.
pub async fn again(
    shop: &Shop,
    number: &str,
    order: &str,
    channel: &str,
    amount: Money,
) -> Result<(), Refusal> {
    match shop.book(&Retry { number }).await? {
        Some(number) => shop.gateway.charge(&number, order, channel, amount).await.map(drop),
        None => Ok(()),
    }
}

struct Retry<'a> {
    number: &'a str,
}

impl Booking for Retry<'_> {
    /// The number to ask again with.
    type Out = Option<String>;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Option<String>, Refusal> {
        if switches::takes_next(books, RENUMBERED).await? {
            switches::hit(books, RENUMBERED).await?;
            return Ok(Some(format!("{}:again", self.number)));
        }
        if switches::takes_next(books, REPEATED).await? {
            switches::hit(books, REPEATED).await?;
            return Ok(Some(self.number.to_owned()));
        }
        Ok(None)
    }
}
