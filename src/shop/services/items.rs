//! Items: what is sold, its stock, the deals made so far, and clearances that allow a low price.
//!
//! Knows neither bids nor orders. Try it: `tests/shop.rs`. Not covered: changing stock by hand.

use serde::{Deserialize, Serialize};
use sqlx::mysql::MySqlConnection;

use super::{Booking, Refusal, Shop, above_zero, non_empty};
use crate::money::Money;

/// `POST /items`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewItem {
    pub sku: String,
    pub category: String,
    pub stock: i64,
    #[serde(default)]
    pub history: Vec<Deal>,
}

/// One deal of the past.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Deal {
    pub price: Money,
    /// Cell time, Unix ms.
    pub at_ms: i64,
}

/// The answer to [`NewItem`].
#[derive(Debug, Deserialize, Serialize)]
pub struct ItemMade {
    pub sku: String,
    pub stock: i64,
}

/// One item of `GET /items`.
#[derive(Debug, Deserialize, Serialize)]
pub struct ItemView {
    pub sku: String,
    pub category: String,
    pub available: i64,
}

/// All items, by sku.
pub async fn list(shop: &Shop) -> Result<Vec<ItemView>, Refusal> {
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT sku.sku, sku.category, stock.available FROM sku JOIN stock ON stock.sku = sku.sku \
         ORDER BY sku.sku",
    )
    .fetch_all(shop.books.pool())
    .await?;
    let view = |(sku, category, available)| ItemView { sku, category, available };
    Ok(rows.into_iter().map(view).collect())
}

/// Makes an item with its stock and its past deals.
pub async fn add(shop: &Shop, item: &NewItem) -> Result<ItemMade, Refusal> {
    non_empty(&[("sku", &item.sku), ("category", &item.category)])?;
    if item.stock < 0 {
        return Err(Refusal::Invalid(format!("stock {} must not be below zero", item.stock)));
    }
    for deal in &item.history {
        above_zero("price", deal.price)?;
    }
    let booking = AddItem { item, now_ms: shop.now_ms() };
    Ok(shop.book_once("item", &item.sku, item, booking).await?.answer)
}

struct AddItem<'a> {
    item: &'a NewItem,
    now_ms: i64,
}

impl Booking for AddItem<'_> {
    type Out = ItemMade;

    async fn book(&self, books: &mut MySqlConnection) -> Result<ItemMade, Refusal> {
        let item = self.item;
        sqlx::query("INSERT INTO sku (sku, category) VALUES (?, ?)")
            .bind(&item.sku)
            .bind(&item.category)
            .execute(&mut *books)
            .await?;
        sqlx::query("INSERT INTO stock (sku, total, available, on_sale) VALUES (?, ?, ?, 1)")
            .bind(&item.sku)
            .bind(item.stock)
            .bind(item.stock)
            .execute(&mut *books)
            .await?;
        move_stock(books, &item.sku, None, item.stock, "stocked", self.now_ms).await?;
        for deal in &item.history {
            note_deal(books, &item.sku, deal.price, deal.at_ms).await?;
        }
        Ok(ItemMade { sku: item.sku.clone(), stock: item.stock })
    }
}

/// Writes one movement of stock.
pub async fn move_stock(
    books: &mut MySqlConnection,
    sku: &str,
    order: Option<&str>,
    delta: i64,
    kind: &str,
    at_ms: i64,
) -> Result<(), Refusal> {
    sqlx::query(
        "INSERT INTO inventory_flow (sku, order_id, delta, kind, at_ms) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(sku)
    .bind(order)
    .bind(delta)
    .bind(kind)
    .bind(at_ms)
    .execute(books)
    .await?;
    Ok(())
}

/// Writes one deal, of which later medians are made.
pub async fn note_deal(
    books: &mut MySqlConnection,
    sku: &str,
    price: Money,
    at_ms: i64,
) -> Result<(), Refusal> {
    sqlx::query("INSERT INTO sku_deal (sku, price, currency, at_ms) VALUES (?, ?, ?, ?)")
        .bind(sku)
        .bind(price.to_decimal())
        .bind(price.currency.code())
        .bind(at_ms)
        .execute(books)
        .await?;
    Ok(())
}

/// `POST /clearances`: from now on `sku` may be sold below the guard.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Clearance {
    pub ticket: String,
    pub sku: String,
}

/// Approves a clearance.
pub async fn approve_clearance(shop: &Shop, clearance: &Clearance) -> Result<Clearance, Refusal> {
    non_empty(&[("ticket", &clearance.ticket), ("sku", &clearance.sku)])?;
    let booking = ApproveClearance(clearance);
    Ok(shop.book_once("clearance", &clearance.ticket, clearance, booking).await?.answer)
}

struct ApproveClearance<'a>(&'a Clearance);

impl Booking for ApproveClearance<'_> {
    type Out = Clearance;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Clearance, Refusal> {
        must_exist(books, &self.0.sku).await?;
        sqlx::query("INSERT INTO clearance (ticket, sku, approved) VALUES (?, ?, 1)")
            .bind(&self.0.ticket)
            .bind(&self.0.sku)
            .execute(books)
            .await?;
        Ok(self.0.clone())
    }
}

/// Refuses an item that nobody made.
pub async fn must_exist(books: &mut MySqlConnection, sku: &str) -> Result<(), Refusal> {
    let found: Option<String> = sqlx::query_scalar("SELECT sku FROM sku WHERE sku = ?")
        .bind(sku)
        .fetch_optional(books)
        .await?;
    found.map(drop).ok_or_else(|| Refusal::Unknown(format!("no item `{sku}`")))
}
