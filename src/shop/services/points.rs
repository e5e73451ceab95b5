//! Points: a paid order grants its buyer some, once, however often its payment message is delivered.
//!
//! The order's row is locked before its grant is looked for, and the grant is one row under the order's own id, so that
//! of two deliveries at once the second finds what the first wrote. What was granted beyond that can be taken back.
//! Each call is noted with how long it took and how it went, on cell time; a caller that is stopped goes on without points.
//! Knows no payment. Try it: `cargo test --lib shop::services::points`, `tests/shop.rs`. Not covered: spending points,
//! taking them back with a refund, giving them later to those who went without.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::mysql::MySqlConnection;

use super::breakers::{self, Kind};
use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop, non_empty};
use crate::money::Money;
use crate::shop::schema::money;

/// Each delivery of a payment message grants points.
const NOT_IDEMPOTENT: Switch = Switch::new("points.not-idempotent");

/// Each call takes `by_ms` longer, on cell time: nobody waits for it here.
const SLOW: Switch = Switch::new("points.slow").needing("by_ms");

pub(super) const SWITCHES: &[Switch] = &[NOT_IDEMPOTENT, SLOW];

/// Calls of the points service, of one caller.
pub const POINTS: Kind = Kind::new("points");
/// Who calls where nobody says.
const CHECKOUT: &str = "checkout";

/// What an order must cost for one point, in minor units: a yuan.
const PRICE_OF_A_POINT: i64 = 100;
/// What a point buys, in minor units: a fen.
const WORTH_OF_A_POINT: i64 = 1;

/// How long a call takes where nothing is wrong.
const USUAL_MS: i64 = 3;

/// `POST /orders/{order}/points`: one delivery of the order's payment message.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    pub delivery: String,
    /// The service that calls.
    #[serde(default = "checkout")]
    pub caller: String,
}

fn checkout() -> String {
    CHECKOUT.to_owned()
}

/// What an order has granted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Granted {
    pub order: String,
    pub points: i64,
}

/// One for each whole yuan of what the order cost, and what they buy.
fn points_of(payable: Money) -> (i64, Money) {
    let points = payable.minor / PRICE_OF_A_POINT;
    (points, Money { minor: points * WORTH_OF_A_POINT, ..payable })
}

/// Takes a delivery of an order's payment message.
pub async fn take(shop: &Shop, order: &str, delivery: &Delivery) -> Result<Granted, Refusal> {
    let Delivery { delivery: id, caller } = delivery;
    non_empty(&[("order", order), ("delivery", id), ("caller", caller)])?;
    let _passing = shop.gates.pass(POINTS, caller).await;
    let booking = Take { order, delivery, now_ms: shop.now_ms() };
    let taken = shop.book_once("points", id, &(order, delivery), booking).await?;
    if taken.is_fresh {
        let fields = json!({"order_id": order, "points": taken.answer.points});
        shop.log("points_granted", &fields);
    }
    Ok(taken.answer)
}

struct Take<'a> {
    order: &'a str,
    delivery: &'a Delivery,
    now_ms: i64,
}

impl Booking for Take<'_> {
    type Out = Granted;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Granted, Refusal> {
        let order = self.order;
        let (account, payable) = locked_paid(books, order).await?;
        breakers::must_be_closed(books, POINTS, &self.delivery.caller, self.now_ms).await?;
        self.note(books).await?;
        let (points, worth) = points_of(payable);
        let granted = Granted { order: order.to_owned(), points };
        if points == 0 {
            return Ok(granted);
        }
        let earlier: Option<String> =
            sqlx::query_scalar("SELECT flow_id FROM points_flow WHERE order_id = ? LIMIT 1")
                .bind(order)
                .fetch_optional(&mut *books)
                .await?;
        if earlier.is_none() {
            self.grant(books, order, &account, points, worth).await?;
        } else if switches::is_on(books, NOT_IDEMPOTENT).await? {
            let flow_id = format!("{order}/{}", self.delivery.delivery);
            self.grant(books, &flow_id, &account, points, worth).await?;
            switches::hit(books, NOT_IDEMPOTENT).await?;
        }
        Ok(granted)
    }
}

impl Take<'_> {
    /// Who called, how long it took and how it went.
    async fn note(&self, books: &mut MySqlConnection) -> Result<(), Refusal> {
        let slow = switches::by_ms(books, SLOW).await?;
        if slow.is_some() {
            switches::hit(books, SLOW).await?;
        }
        sqlx::query(
            "INSERT INTO service_call (caller, callee, latency_ms, outcome, at_ms)
             VALUES (?, 'points', ?, 'OK', ?)",
        )
        .bind(&self.delivery.caller)
        .bind(USUAL_MS + slow.unwrap_or_default())
        .bind(self.now_ms)
        .execute(books)
        .await?;
        Ok(())
    }

    async fn grant(
        &self,
        books: &mut MySqlConnection,
        flow_id: &str,
        account: &str,
        points: i64,
        worth: Money,
    ) -> Result<(), Refusal> {
        sqlx::query(
            "INSERT INTO points_flow (flow_id, order_id, account_id, points, worth, currency, status,
               at_ms) VALUES (?, ?, ?, ?, ?, ?, 'GRANTED', ?)",
        )
        .bind(flow_id)
        .bind(self.order)
        .bind(account)
        .bind(points)
        .bind(worth.to_decimal())
        .bind(worth.currency.code())
        .bind(self.now_ms)
        .execute(&mut *books)
        .await?;
        add(books, account, points, self.now_ms).await
    }
}

async fn add(
    books: &mut MySqlConnection,
    account: &str,
    points: i64,
    now_ms: i64,
) -> Result<(), Refusal> {
    sqlx::query(
        "INSERT INTO points_account (account_id, balance, updated_at_ms) VALUES (?, ?, ?)
         ON DUPLICATE KEY UPDATE balance = balance + VALUES(balance),
           updated_at_ms = VALUES(updated_at_ms)",
    )
    .bind(account)
    .bind(points)
    .bind(now_ms)
    .execute(books)
    .await?;
    Ok(())
}

/// The buyer of a paid order and what it cost, with its row locked.
async fn locked_paid(books: &mut MySqlConnection, order: &str) -> Result<(String, Money), Refusal> {
    let row: Option<(String, Decimal, String, String)> = sqlx::query_as(
        "SELECT buyer, payable, currency, status FROM orders WHERE order_id = ? FOR UPDATE",
    )
    .bind(order)
    .fetch_optional(books)
    .await?;
    match row {
        None => Err(Refusal::Unknown(format!("no order `{order}`"))),
        Some((buyer, payable, currency, status)) if status == "PAID" => {
            Ok((buyer, money(payable, &currency)?))
        }
        Some((.., status)) => Err(Refusal::Conflict(format!("order `{order}` is {status}"))),
    }
}

/// `POST /orders/{order}/points/reversal`: takes back what an order has granted beyond its first grant. Safe to repeat.
pub async fn reverse(shop: &Shop, order: &str) -> Result<Value, Refusal> {
    let points = shop.book(&Reverse { order, now_ms: shop.now_ms() }).await?;
    if points > 0 {
        shop.log("points_reversed", &json!({"order_id": order, "points": points}));
    }
    view(shop, order).await
}

struct Reverse<'a> {
    order: &'a str,
    now_ms: i64,
}

impl Booking for Reverse<'_> {
    /// How many points were taken back.
    type Out = i64;

    async fn book(&self, books: &mut MySqlConnection) -> Result<i64, Refusal> {
        locked_paid(books, self.order).await?;
        let beyond: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT flow_id, account_id, points FROM points_flow
             WHERE order_id = ? AND flow_id <> order_id AND status = 'GRANTED'",
        )
        .bind(self.order)
        .fetch_all(&mut *books)
        .await?;
        for (flow_id, account, points) in &beyond {
            sqlx::query("UPDATE points_flow SET status = 'REVERSED' WHERE flow_id = ?")
                .bind(flow_id)
                .execute(&mut *books)
                .await?;
            add(books, account, -points, self.now_ms).await?;
        }
        Ok(beyond.iter().map(|(.., points)| points).sum())
    }
}

/// The grants of an order that stand.
pub async fn view(shop: &Shop, order: &str) -> Result<Value, Refusal> {
    let (grants, points): (i64, i64) = sqlx::query_as(
        "SELECT COUNT(*), CAST(COALESCE(SUM(points), 0) AS SIGNED) FROM points_flow
         WHERE order_id = ? AND status = 'GRANTED'",
    )
    .bind(order)
    .fetch_one(shop.books.pool())
    .await?;
    Ok(json!({"order": order, "grants": grants, "points": points}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_for_each_whole_yuan_is_worth_a_fen() {
        for (fen, points) in [(0, 0), (99, 0), (100, 1), (19_999, 199)] {
            assert_eq!(points_of(Money::cny(fen)), (points, Money::cny(points)), "{fen}");
        }
    }
}
