//! Floor prices: below which an item is never to be sold, and to which no bid is cut without a stop.
//!
//! Knows no bid. Try it: `tests/shop.rs`. Not covered: floors by season or seller.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::mysql::MySqlConnection;

use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop, above_zero, items, non_empty};
use crate::money::Money;
use crate::shop::schema::money;

/// Bids are cut down to the floor without a stop.
const BRAKE_RELEASED: Switch = Switch::new("repricer-brake.released");

pub(super) const SWITCHES: &[Switch] = &[BRAKE_RELEASED];

/// That many cuts within the window may not end at the floor.
const CUTS_MAX: i64 = 5;
const CUTS_WINDOW_MS: i64 = 60 * 60 * 1000;

/// `POST /items/{sku}/floor`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    pub floor: Money,
}

/// Sets the floor price of an item.
pub async fn set(shop: &Shop, sku: &str, floor: &Floor) -> Result<Floor, Refusal> {
    non_empty(&[("sku", sku)])?;
    above_zero("floor", floor.floor)?;
    shop.book(&SetFloor { sku, floor: floor.floor }).await?;
    Ok(floor.clone())
}

struct SetFloor<'a> {
    sku: &'a str,
    floor: Money,
}

impl Booking for SetFloor<'_> {
    type Out = ();

    async fn book(&self, books: &mut MySqlConnection) -> Result<(), Refusal> {
        items::must_exist(books, self.sku).await?;
        sqlx::query(
            "INSERT INTO sku_floor (sku, floor, currency) VALUES (?, ?, ?)
             ON DUPLICATE KEY UPDATE floor = VALUES(floor), currency = VALUES(currency)",
        )
        .bind(self.sku)
        .bind(self.floor.to_decimal())
        .bind(self.floor.currency.code())
        .execute(books)
        .await?;
        Ok(())
    }
}

/// The item's floor, where `price` is below it.
pub async fn above(
    books: &mut MySqlConnection,
    sku: &str,
    price: Money,
) -> Result<Option<Money>, Refusal> {
    let row: Option<(Decimal, String)> =
        sqlx::query_as("SELECT floor, currency FROM sku_floor WHERE sku = ?")
            .bind(sku)
            .fetch_optional(books)
            .await?;
    let floor = row.map(|(floor, currency)| money(floor, &currency)).transpose()?;
    Ok(floor.filter(|floor| floor.currency == price.currency && price.minor < floor.minor))
}

/// Refuses the last of many cuts that bring a bid to its floor within an hour, without one rise between them.
pub async fn brake(
    books: &mut MySqlConnection,
    bid: &str,
    sku: &str,
    price: Money,
    now_ms: i64,
) -> Result<(), Refusal> {
    // At the floor is as far as a bid may go: one fen less would be below.
    let one_less = Money { minor: price.minor - 1, ..price };
    let Some(floor) = above(books, sku, one_less).await? else { return Ok(()) };
    let (cuts, rises): (i64, i64) = sqlx::query_as(
        "SELECT COUNT(IF(new_price < old_price, 1, NULL)), COUNT(IF(new_price >= old_price, 1, NULL))
         FROM price_change_log WHERE bid_id = ? AND at_ms > ?",
    )
    .bind(bid)
    .bind(now_ms - CUTS_WINDOW_MS)
    .fetch_one(&mut *books)
    .await?;
    if rises > 0 || cuts + 1 < CUTS_MAX {
        return Ok(());
    }
    if switches::is_on(books, BRAKE_RELEASED).await? {
        switches::hit(books, BRAKE_RELEASED).await?;
        return Ok(());
    }
    Err(Refusal::Conflict(format!(
        "bid `{bid}` was cut {cuts} times within the hour: {price} would bring it to {floor}, \
         the floor of item `{sku}`"
    )))
}
