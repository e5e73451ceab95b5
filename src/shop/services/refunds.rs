//! Refunds: approved under the order's row lock, so that their sum never exceeds what was paid.
//!
//! The approval leaves as a message; `payouts` acts on it. Knows no channel call. Try it: `cargo
//! test --lib shop::services::refunds`, `tests/shop.rs`. Not covered: after-sale cases, rejecting a
//! refund.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::mysql::MySqlConnection;

use super::breakers::{self, REFUND};
use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop, above_zero, non_empty, outbox, shipments};
use crate::money::Money;
use crate::shop::refusal::is_duplicate;
use crate::shop::schema::money;

/// Refunds are approved above what was paid.
const GUARD_BYPASSED: Switch = Switch::new("refund-guard.bypassed");

pub(super) const SWITCHES: &[Switch] = &[GUARD_BYPASSED];

/// `POST /refunds`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewRefund {
    pub refund: String,
    pub order: String,
    pub channel: String,
    pub amount: Money,
    pub request_no: String,
    /// Keeps the message of the approval back, for whoever delivers it by hand.
    #[serde(default)]
    pub hold: bool,
}

/// A refund as it was approved.
#[derive(Debug, Deserialize, Serialize)]
pub struct Approved {
    pub refund: String,
    pub order: String,
    pub amount: Money,
    pub status: String,
}

/// Approves a refund, or says why not.
pub async fn approve(shop: &Shop, refund: &NewRefund) -> Result<Approved, Refusal> {
    non_empty(&[
        ("refund", &refund.refund),
        ("order", &refund.order),
        ("channel", &refund.channel),
        ("request_no", &refund.request_no),
    ])?;
    above_zero("amount", refund.amount)?;
    let _passing = shop.gates.pass(REFUND, &refund.channel).await;
    let booking = Approve { refund, now_ms: shop.now_ms() };
    let booked = shop.book_once("refund", &refund.refund, refund, booking).await;
    let mut fields = json!({
        "order_id": refund.order, "refund_id": refund.refund, "amount": refund.amount
    });
    match booked {
        Ok(booked) => {
            if booked.is_fresh {
                shop.log("refund_approved", &fields);
            }
            Ok(booked.answer)
        }
        Err(refusal) => {
            fields["reason"] = Value::from(refusal.to_string());
            shop.log("refund_refused", &fields);
            Err(refusal)
        }
    }
}

struct Approve<'a> {
    refund: &'a NewRefund,
    now_ms: i64,
}

impl Booking for Approve<'_> {
    type Out = Approved;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Approved, Refusal> {
        let refund = self.refund;
        lock_order(books, &refund.order).await?;
        breakers::must_be_closed(books, REFUND, &refund.channel, self.now_ms).await?;
        if self.goes_over(books).await? {
            if !switches::is_on(books, GUARD_BYPASSED).await? {
                return Err(Refusal::Conflict(format!(
                    "refund of {} would exceed what is left of the payment of order `{}`",
                    refund.amount, refund.order
                )));
            }
            switches::hit(books, GUARD_BYPASSED).await?;
        }
        let approved = put(books, refund, self.now_ms).await?;
        shipments::cancel_refunded(books, &refund.order, self.now_ms).await?;
        Ok(approved)
    }
}

/// Books an approval, with its message. The order's row is locked.
pub(super) async fn put(
    books: &mut MySqlConnection,
    refund: &NewRefund,
    now_ms: i64,
) -> Result<Approved, Refusal> {
    insert(books, refund, now_ms).await?;
    let message = json!({
        "type": "refund-approved", "refund": refund.refund, "order": refund.order,
        "channel": refund.channel, "amount": refund.amount, "at_ms": now_ms
    });
    outbox::put(books, outbox::REFUNDS, &refund.order, &message, refund.hold, now_ms).await?;
    Ok(Approved {
        refund: refund.refund.clone(),
        order: refund.order.clone(),
        amount: refund.amount,
        status: "APPROVED".to_owned(),
    })
}

impl Approve<'_> {
    /// Whether all refunds of the order, this one included, are more than was paid through this
    /// channel's order.
    async fn goes_over(&self, books: &mut MySqlConnection) -> Result<bool, Refusal> {
        let (order, code) = (&self.refund.order, self.refund.amount.currency.code());
        let paid: Option<Decimal> = sqlx::query_scalar(
            "SELECT SUM(amount) FROM pay_order WHERE order_id = ? AND currency = ? AND channel = ?",
        )
        .bind(order)
        .bind(code)
        .bind(&self.refund.channel)
        .fetch_one(&mut *books)
        .await?;
        let Some(paid) = paid else {
            return Err(Refusal::Conflict(format!(
                "order `{order}` was not paid in {code} through channel `{}`",
                self.refund.channel
            )));
        };
        let refunded: Option<Decimal> = sqlx::query_scalar(
            "SELECT SUM(amount) FROM refund_order
             WHERE order_id = ? AND currency = ? AND channel = ?",
        )
        .bind(order)
        .bind(code)
        .bind(&self.refund.channel)
        .fetch_one(books)
        .await?;
        Ok(exceeds(paid, refunded.unwrap_or_default(), self.refund.amount))
    }
}

async fn insert(
    books: &mut MySqlConnection,
    refund: &NewRefund,
    now_ms: i64,
) -> Result<(), Refusal> {
    let inserted = sqlx::query(
        "INSERT INTO refund_order (refund_id, order_id, channel, amount, currency, status,
           request_no, created_at_ms) VALUES (?, ?, ?, ?, ?, 'APPROVED', ?, ?)",
    )
    .bind(&refund.refund)
    .bind(&refund.order)
    .bind(&refund.channel)
    .bind(refund.amount.to_decimal())
    .bind(refund.amount.currency.code())
    .bind(&refund.request_no)
    .bind(now_ms)
    .execute(books)
    .await;
    match inserted {
        Ok(_) => Ok(()),
        Err(error) if is_duplicate(&error) => Err(Refusal::Conflict(format!(
            "request_no `{}` made another refund of order `{}` already",
            refund.request_no, refund.order
        ))),
        Err(error) => Err(error.into()),
    }
}

/// Whether `refunded` and `amount` together are more than `paid`.
fn exceeds(paid: Decimal, refunded: Decimal, amount: Money) -> bool {
    refunded.checked_add(amount.to_decimal()).is_none_or(|sum| sum > paid)
}

async fn lock_order(books: &mut MySqlConnection, order: &str) -> Result<(), Refusal> {
    let locked: Option<String> =
        sqlx::query_scalar("SELECT order_id FROM orders WHERE order_id = ? FOR UPDATE")
            .bind(order)
            .fetch_optional(books)
            .await?;
    locked.map(drop).ok_or_else(|| Refusal::Unknown(format!("no order `{order}`")))
}

/// A refund and its payouts.
pub async fn view(shop: &Shop, refund: &str) -> Result<Value, Refusal> {
    let row: Option<(String, String, Decimal, String, String)> = sqlx::query_as(
        "SELECT order_id, channel, amount, currency, status FROM refund_order WHERE refund_id = ?",
    )
    .bind(refund)
    .fetch_optional(shop.books.pool())
    .await?;
    let Some((order, channel, amount, currency, status)) = row else {
        return Err(Refusal::Unknown(format!("no refund `{refund}`")));
    };
    let rows: Vec<(String, Decimal, String, String, i64)> = sqlx::query_as(
        "SELECT payout_no, amount, currency, channel_txn, at_ms FROM refund_payout
         WHERE refund_id = ? ORDER BY at_ms, payout_no",
    )
    .bind(refund)
    .fetch_all(shop.books.pool())
    .await?;
    let mut payouts = Vec::new();
    for (payout_no, amount, currency, txn, at_ms) in rows {
        let amount = money(amount, &currency)?;
        payouts.push(json!({"payout_no": payout_no, "amount": amount, "txn": txn, "at_ms": at_ms}));
    }
    Ok(json!({
        "refund": refund, "order": order, "channel": channel,
        "amount": money(amount, &currency)?, "status": status, "payouts": payouts,
    }))
}

/// The message of an approval, held or not: logical topic, key, payload.
pub async fn message(shop: &Shop, refund: &str) -> Result<Value, Refusal> {
    let order: Option<String> =
        sqlx::query_scalar("SELECT order_id FROM refund_order WHERE refund_id = ?")
            .bind(refund)
            .fetch_optional(shop.books.pool())
            .await?;
    let order = order.ok_or_else(|| Refusal::Unknown(format!("no refund `{refund}`")))?;
    let messages: Vec<Value> = sqlx::query_scalar(
        "SELECT payload FROM outbox WHERE topic = ? AND msg_key = ? ORDER BY id",
    )
    .bind(outbox::REFUNDS)
    .bind(&order)
    .fetch_all(shop.books.pool())
    .await?;
    let payload = messages.into_iter().find(|message| message["refund"] == refund);
    let payload = payload.ok_or_else(|| Refusal::Unknown(format!("no message of `{refund}`")))?;
    Ok(json!({"topic": outbox::REFUNDS, "key": order, "payload": payload}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refunds_may_reach_the_payment_and_not_pass_it() {
        let check = |paid: &str, refunded: &str, fen: i64, over: bool| {
            let (paid, refunded) = (paid.parse().unwrap(), refunded.parse().unwrap());
            assert_eq!(exceeds(paid, refunded, Money::cny(fen)), over, "{paid} {refunded} {fen}");
        };
        check("199.00", "0", 19_900, false);
        check("199.00", "0", 19_901, true);
        check("199.00", "100.00", 9_900, false);
        check("199.00", "100.00", 10_000, true);
        check("0", "0", 1, true);
    }
}
