//! Bids: sellers' offers, and the price guard that refuses what looks like a lost digit.
//!
//! The guard compares with the median of the last seven days' deals, exactly. Knows no breaker.
//! Try it: `cargo test --lib shop::services::bids`. Not covered: withdrawing a bid, deposits.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::mysql::MySqlConnection;

use super::items::must_exist;
use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop, above_zero, floors, non_empty};
use crate::money::{Currency, Money};

/// Bids are taken at any price.
const GUARD_BYPASSED: Switch = Switch::new("price-guard.bypassed");

pub(super) const SWITCHES: &[Switch] = &[GUARD_BYPASSED];

/// How far back deals count for the median.
const MEDIAN_WINDOW_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// `POST /bids`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewBid {
    pub bid: String,
    pub seller: String,
    pub sku: String,
    pub qty: i64,
    pub price: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clearance: Option<String>,
}

/// A bid as it stands.
#[derive(Debug, Deserialize, Serialize)]
pub struct BidView {
    pub bid: String,
    pub sku: String,
    pub price: Money,
    pub status: String,
}

/// Takes a bid, unless the guard refuses its price.
pub async fn place(shop: &Shop, bid: &NewBid) -> Result<BidView, Refusal> {
    non_empty(&[("bid", &bid.bid), ("seller", &bid.seller), ("sku", &bid.sku)])?;
    above_zero("price", bid.price)?;
    if bid.qty <= 0 {
        return Err(Refusal::Invalid(format!("qty {} must be above zero", bid.qty)));
    }
    let booked =
        shop.book_once("bid", &bid.bid, bid, PlaceBid { bid, now_ms: shop.now_ms() }).await;
    match booked {
        Ok(booked) => {
            if booked.is_fresh {
                shop.log(
                    "bid_placed",
                    &json!({"bid_id": bid.bid, "sku": bid.sku, "price": bid.price}),
                );
            }
            Ok(booked.answer)
        }
        Err(refusal) => {
            let reason = refusal.to_string();
            shop.log("bid_refused", &json!({"bid_id": bid.bid, "sku": bid.sku, "reason": reason}));
            Err(refusal)
        }
    }
}

struct PlaceBid<'a> {
    bid: &'a NewBid,
    now_ms: i64,
}

impl Booking for PlaceBid<'_> {
    type Out = BidView;

    async fn book(&self, books: &mut MySqlConnection) -> Result<BidView, Refusal> {
        let bid = self.bid;
        must_exist(books, &bid.sku).await?;
        if let Some(ticket) = &bid.clearance {
            let approved = clearance_of(books, &bid.sku, Some(ticket)).await?;
            approved.ok_or_else(|| {
                Refusal::Invalid(format!("no approved clearance `{ticket}` for item `{}`", bid.sku))
            })?;
        }
        let ticket = guard(books, &bid.sku, bid.price, self.now_ms).await?;
        sqlx::query(
            "INSERT INTO bid (bid_id, seller, sku, price, currency, qty, offered, status,
               clearance_ticket, created_at_ms, updated_at_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, 'ACTIVE', ?, ?, ?)",
        )
        .bind(&bid.bid)
        .bind(&bid.seller)
        .bind(&bid.sku)
        .bind(bid.price.to_decimal())
        .bind(bid.price.currency.code())
        .bind(bid.qty)
        .bind(bid.qty)
        .bind(bid.clearance.as_ref().or(ticket.as_ref()))
        .bind(self.now_ms)
        .bind(self.now_ms)
        .execute(books)
        .await?;
        let (bid_id, sku) = (bid.bid.clone(), bid.sku.clone());
        Ok(BidView { bid: bid_id, sku, price: bid.price, status: "ACTIVE".to_owned() })
    }
}

/// `POST /bids/{bid}/price`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewPrice {
    pub price: Money,
}

/// The seller mends the price of an open bid, under the same guard. The price it has already is no
/// change.
pub async fn mend(shop: &Shop, bid: &str, price: Money) -> Result<BidView, Refusal> {
    above_zero("price", price)?;
    let view = shop.book(&MendBid { bid, price, now_ms: shop.now_ms() }).await?;
    shop.log("bid_mended", &json!({"bid_id": bid, "sku": view.sku, "price": price}));
    Ok(view)
}

struct MendBid<'a> {
    bid: &'a str,
    price: Money,
    now_ms: i64,
}

impl Booking for MendBid<'_> {
    type Out = BidView;

    async fn book(&self, books: &mut MySqlConnection) -> Result<BidView, Refusal> {
        let row: Option<(String, Decimal, String, String)> = sqlx::query_as(
            "SELECT sku, price, currency, status FROM bid WHERE bid_id = ? FOR UPDATE",
        )
        .bind(self.bid)
        .fetch_optional(&mut *books)
        .await?;
        let Some((sku, price, currency, status)) = row else {
            return Err(Refusal::Unknown(format!("no bid `{}`", self.bid)));
        };
        let view = BidView { bid: self.bid.to_owned(), sku, price: self.price, status };
        let old = super::super::schema::money(price, &currency)?;
        if old == self.price {
            return Ok(view);
        }
        if view.status != "ACTIVE" {
            return Err(Refusal::Conflict(format!(
                "bid `{}` is {}: only an ACTIVE bid has a price to mend",
                self.bid, view.status
            )));
        }
        let ticket = guard(books, &view.sku, self.price, self.now_ms).await?;
        floors::brake(books, self.bid, &view.sku, self.price, self.now_ms).await?;
        sqlx::query(
            "UPDATE bid SET price = ?, currency = ?, updated_at_ms = ?,
               clearance_ticket = COALESCE(clearance_ticket, ?) WHERE bid_id = ?",
        )
        .bind(self.price.to_decimal())
        .bind(self.price.currency.code())
        .bind(self.now_ms)
        .bind(ticket)
        .bind(self.bid)
        .execute(&mut *books)
        .await?;
        sqlx::query(
            "INSERT INTO price_change_log (bid_id, sku, old_price, new_price, currency, at_ms)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(self.bid)
        .bind(&view.sku)
        .bind(old.to_decimal())
        .bind(self.price.to_decimal())
        .bind(self.price.currency.code())
        .bind(self.now_ms)
        .execute(books)
        .await?;
        Ok(view)
    }
}

/// Refuses a price below half the median or below the item's floor, unless a clearance allows it (then its ticket is
/// returned) or the guard is bypassed by a defect.
async fn guard(
    books: &mut MySqlConnection,
    sku: &str,
    price: Money,
    now_ms: i64,
) -> Result<Option<String>, Refusal> {
    let deals: Vec<Decimal> = sqlx::query_scalar(
        "SELECT price FROM sku_deal WHERE sku = ? AND currency = ? AND at_ms >= ? ORDER BY price",
    )
    .bind(sku)
    .bind(price.currency.code())
    .bind(now_ms - MEDIAN_WINDOW_MS)
    .fetch_all(&mut *books)
    .await?;
    let bound = match median(&deals).filter(|median| is_below_half(price, *median)) {
        Some(median) => {
            format!("half of {}, the 7-day median", median_text(median, price.currency))
        }
        None => match floors::above(books, sku, price).await? {
            Some(floor) => format!("{floor}, the floor"),
            None => return Ok(None),
        },
    };
    if let Some(ticket) = clearance_of(books, sku, None).await? {
        return Ok(Some(ticket));
    }
    if switches::is_on(books, GUARD_BYPASSED).await? {
        switches::hit(books, GUARD_BYPASSED).await?;
        return Ok(None);
    }
    Err(Refusal::Invalid(format!(
        "price {price} is below {bound} of item `{sku}`, and no clearance allows it"
    )))
}

/// An approved clearance of the item: the one with this ticket, or any.
async fn clearance_of(
    books: &mut MySqlConnection,
    sku: &str,
    ticket: Option<&str>,
) -> Result<Option<String>, Refusal> {
    Ok(sqlx::query_scalar(
        "SELECT ticket FROM clearance WHERE sku = ? AND approved = 1
           AND ticket = COALESCE(?, ticket)
         ORDER BY ticket LIMIT 1",
    )
    .bind(sku)
    .bind(ticket)
    .fetch_optional(books)
    .await?)
}

/// The middle of sorted prices, or the exact mean of the two middles.
fn median(sorted: &[Decimal]) -> Option<Decimal> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => sorted[middle - 1].checked_add(sorted[middle])?.checked_div(Decimal::TWO),
    }
}

fn is_below_half(price: Money, median: Decimal) -> bool {
    price.to_decimal().checked_mul(Decimal::TWO).is_some_and(|doubled| doubled < median)
}

fn median_text(median: Decimal, currency: Currency) -> String {
    format!("{} {currency}", median.normalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_exact() {
        let check = |fen: &[i64], expect: Option<&str>| {
            let deals: Vec<Decimal> = fen.iter().map(|fen| Decimal::new(*fen, 2)).collect();
            assert_eq!(median(&deals), expect.map(|text| text.parse().unwrap()), "{fen:?}");
        };
        check(&[], None);
        check(&[19_990], Some("199.90"));
        check(&[100, 300], Some("2.00"));
        check(&[100, 301], Some("2.005"));
        check(&[1, 500, 900], Some("5.00"));
    }

    #[test]
    fn half_the_median_itself_is_allowed() {
        for (price, median, below) in [
            (99_950, "1999.00", false),
            (99_949, "1999.00", true),
            (19_990, "1999.00", true),
            (100, "2.005", true),
            (101, "2.005", false),
        ] {
            let median = median.parse().unwrap();
            assert_eq!(is_below_half(Money::cny(price), median), below, "{price} of {median}");
        }
    }
}
