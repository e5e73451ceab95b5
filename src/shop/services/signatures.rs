//! Who may tell the shop of a payment: the channel, by its signature over the callback's very bytes.
//!
//! Knows no order. Try it: `tests/shop.rs`. Not covered: changing the secret.

use sqlx::mysql::MySqlConnection;

use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop};

/// A callback that nobody signed is believed.
const UNCHECKED: Switch = Switch::new("callback-signature.unchecked");

pub(super) const SWITCHES: &[Switch] = &[UNCHECKED];

/// Refuses a body that `signature` does not sign.
pub async fn must_sign(shop: &Shop, body: &[u8], signature: Option<&str>) -> Result<(), Refusal> {
    if signature.is_some_and(|text| shop.secret.verifies(body, text))
        || shop.book(&Unsigned).await?
    {
        return Ok(());
    }
    Err(Refusal::Unsigned("the signature does not sign this body".to_owned()))
}

/// Asks whether the defect lets an unsigned callback through.
struct Unsigned;

impl Booking for Unsigned {
    type Out = bool;

    async fn book(&self, books: &mut MySqlConnection) -> Result<bool, Refusal> {
        let unchecked = switches::is_on(books, UNCHECKED).await?;
        if unchecked {
            switches::hit(books, UNCHECKED).await?;
        }
        Ok(unchecked)
    }
}
