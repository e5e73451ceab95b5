//! The goods of an order: one piece of stock, one of the cheapest open bid, and the line that says so.
//!
//! The stock row is locked first, so that of many buyers of the last piece exactly one wins; what an order gives back
//! it gives back once. Knows no payment. Try it: `tests/shop.rs`. Not covered: several pieces in one order.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::mysql::MySqlConnection;

use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop, items, non_empty};
use crate::money::Money;
use crate::shop::schema::money;

/// Purchases are not held against the stock.
const STOCK_UNCHECKED: Switch = Switch::new("stock.unchecked");
/// Where an item has no open bid, the one that was sold out last is sold again.
const SOLD_BID_OFFERED: Switch = Switch::new("sold-bid.offered");
/// The next purchase (or the next `times`) takes the bid's yuan for fen.
const UNIT_MISTAKEN: Switch = Switch::next("order-price.unit-mistaken");
/// The next purchase (or the next `times`) carries the bid's price in fen, and turns it back.
const UNIT_CONVERTED: Switch = Switch::next("order-price.unit-converted");

pub(super) const SWITCHES: &[Switch] =
    &[STOCK_UNCHECKED, SOLD_BID_OFFERED, UNIT_MISTAKEN, UNIT_CONVERTED];

/// Fen in a yuan.
const FEN: i64 = 100;

/// Locks the item and takes one piece of its stock.
pub async fn take_piece(
    books: &mut MySqlConnection,
    sku: &str,
    order: &str,
    now_ms: i64,
) -> Result<(), Refusal> {
    let stock: Option<(i64, bool)> =
        sqlx::query_as("SELECT available, on_sale FROM stock WHERE sku = ? FOR UPDATE")
            .bind(sku)
            .fetch_optional(&mut *books)
            .await?;
    let Some((available, on_sale)) = stock else {
        return Err(Refusal::Unknown(format!("no item `{sku}`")));
    };
    if !on_sale {
        return Err(Refusal::Conflict(format!("item `{sku}` is off sale")));
    }
    if available < 1 {
        if !switches::is_on(books, STOCK_UNCHECKED).await? {
            return Err(Refusal::Conflict(format!("item `{sku}` is out of stock")));
        }
        switches::hit(books, STOCK_UNCHECKED).await?;
    }
    add_pieces(books, sku, -1).await?;
    items::move_stock(books, sku, Some(order), -1, "sold", now_ms).await
}

async fn add_pieces(books: &mut MySqlConnection, sku: &str, pieces: i64) -> Result<(), Refusal> {
    sqlx::query("UPDATE stock SET available = available + ? WHERE sku = ?")
        .bind(pieces)
        .bind(sku)
        .execute(books)
        .await?;
    Ok(())
}

/// Takes one piece of the cheapest open bid and says what it costs; of equal prices the oldest. Currencies do not
/// compare: the first wins.
pub async fn take_bid(
    books: &mut MySqlConnection,
    sku: &str,
    now_ms: i64,
) -> Result<(String, Money), Refusal> {
    let (bid, price) = match open_bid(books, sku).await? {
        Some(bid) => bid,
        None => sold_bid(books, sku)
            .await?
            .ok_or_else(|| Refusal::Conflict(format!("item `{sku}` has no open bid")))?,
    };
    sqlx::query(
        "UPDATE bid SET status = IF(qty <= 1, 'SOLD', status), qty = GREATEST(qty - 1, 0),
           updated_at_ms = ? WHERE bid_id = ?",
    )
    .bind(now_ms)
    .bind(&bid)
    .execute(&mut *books)
    .await?;
    Ok((bid, unit_price(books, price).await?))
}

async fn open_bid(
    books: &mut MySqlConnection,
    sku: &str,
) -> Result<Option<(String, Money)>, Refusal> {
    let bid: Option<(String, Decimal, String)> = sqlx::query_as(
        "SELECT bid_id, price, currency FROM bid
         WHERE sku = ? AND status = 'ACTIVE' AND qty > 0
         ORDER BY price, created_at_ms, bid_id LIMIT 1 FOR UPDATE",
    )
    .bind(sku)
    .fetch_optional(books)
    .await?;
    bid.map(|(bid, price, currency)| Ok((bid, money(price, &currency)?))).transpose()
}

/// Only by a defect: the bid that was sold out last.
async fn sold_bid(
    books: &mut MySqlConnection,
    sku: &str,
) -> Result<Option<(String, Money)>, Refusal> {
    if !switches::is_on(books, SOLD_BID_OFFERED).await? {
        return Ok(None);
    }
    let bid: Option<(String, Decimal, String)> = sqlx::query_as(
        "SELECT bid_id, price, currency FROM bid WHERE sku = ? AND status = 'SOLD'
         ORDER BY updated_at_ms DESC, bid_id LIMIT 1 FOR UPDATE",
    )
    .bind(sku)
    .fetch_optional(&mut *books)
    .await?;
    let Some((bid, price, currency)) = bid else { return Ok(None) };
    switches::hit(books, SOLD_BID_OFFERED).await?;
    Ok(Some((bid, money(price, &currency)?)))
}

/// What the order takes the bid's price for.
async fn unit_price(books: &mut MySqlConnection, price: Money) -> Result<Money, Refusal> {
    if switches::takes_next(books, UNIT_MISTAKEN).await? {
        switches::hit(books, UNIT_MISTAKEN).await?;
        return Ok(Money { minor: (price.minor / FEN).max(1), ..price });
    }
    if switches::takes_next(books, UNIT_CONVERTED).await? {
        switches::hit(books, UNIT_CONVERTED).await?;
        let carried = Money { minor: price.minor.saturating_mul(FEN), ..price };
        return Ok(Money { minor: carried.minor / FEN, ..carried });
    }
    Ok(price)
}

/// Writes the line of an order.
pub async fn note_line(
    books: &mut MySqlConnection,
    order: &str,
    sku: &str,
    bid: &str,
    price: Money,
    now_ms: i64,
) -> Result<(), Refusal> {
    sqlx::query(
        "INSERT INTO order_item (order_id, sku, bid_id, qty, unit_price, currency, status, at_ms)
         VALUES (?, ?, ?, 1, ?, ?, 'SOLD', ?)",
    )
    .bind(order)
    .bind(sku)
    .bind(bid)
    .bind(price.to_decimal())
    .bind(price.currency.code())
    .bind(now_ms)
    .execute(books)
    .await?;
    Ok(())
}

/// Gives back what the order took, to its item and its bid. An order without goods gives nothing back.
pub async fn release(
    books: &mut MySqlConnection,
    order: &str,
    reason: &str,
    now_ms: i64,
) -> Result<(), Refusal> {
    let line: Option<(String, String, i64, Decimal, String)> = sqlx::query_as(
        "SELECT sku, bid_id, qty, unit_price, currency FROM order_item WHERE order_id = ?",
    )
    .bind(order)
    .fetch_optional(&mut *books)
    .await?;
    let Some((sku, bid, qty, price, currency)) = line else { return Ok(()) };
    add_pieces(books, &sku, qty).await?;
    items::move_stock(books, &sku, Some(order), qty, "released", now_ms).await?;
    sqlx::query(
        "UPDATE bid SET status = 'ACTIVE', qty = qty + ?, updated_at_ms = ? WHERE bid_id = ?",
    )
    .bind(qty)
    .bind(now_ms)
    .bind(&bid)
    .execute(&mut *books)
    .await?;
    sqlx::query("UPDATE order_item SET status = 'RELEASED', at_ms = ? WHERE order_id = ?")
        .bind(now_ms)
        .bind(order)
        .execute(&mut *books)
        .await?;
    sqlx::query(
        "INSERT INTO stock_release (order_id, sku, qty, unit_price, currency, reason, at_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(order)
    .bind(&sku)
    .bind(qty)
    .bind(price)
    .bind(&currency)
    .bind(reason)
    .bind(now_ms)
    .execute(books)
    .await?;
    Ok(())
}

/// `POST /items/{sku}/restock`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Restock {
    pub request_no: String,
    pub pieces: i64,
}

/// More pieces of an item have come in.
pub async fn restock(shop: &Shop, sku: &str, restock: &Restock) -> Result<Restock, Refusal> {
    non_empty(&[("sku", sku), ("request_no", &restock.request_no)])?;
    if restock.pieces < 1 {
        return Err(Refusal::Invalid(format!("pieces {} must be above zero", restock.pieces)));
    }
    let booking = AddPieces { sku, restock, now_ms: shop.now_ms() };
    let booked = shop.book_once("restock", &restock.request_no, &(sku, restock), booking).await?;
    if booked.is_fresh {
        shop.log("item_restocked", &json!({"sku": sku, "pieces": restock.pieces}));
    }
    Ok(booked.answer)
}

struct AddPieces<'a> {
    sku: &'a str,
    restock: &'a Restock,
    now_ms: i64,
}

impl Booking for AddPieces<'_> {
    type Out = Restock;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Restock, Refusal> {
        let (sku, pieces) = (self.sku, self.restock.pieces);
        items::must_exist(books, sku).await?;
        sqlx::query("UPDATE stock SET total = total + ? WHERE sku = ?")
            .bind(pieces)
            .bind(sku)
            .execute(&mut *books)
            .await?;
        add_pieces(books, sku, pieces).await?;
        items::move_stock(books, sku, None, pieces, "stocked", self.now_ms).await?;
        Ok(self.restock.clone())
    }
}
