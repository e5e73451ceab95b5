//! Late payments: what was charged for an order that was closed before the shop heard of it goes back to its buyer.
//!
//! The order becomes LATE, and its refund is approved, in the transaction that books the charge and under the order's
//! row lock: it is given back once, whoever reports the charge, and however often. Knows no channel: `payouts` acts on
//! the approval. Try it: `tests/shop.rs`. Not covered: a second late charge of the same order.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use sqlx::mysql::MySqlConnection;

use super::due::{self, Work};
use super::gateway::Charge;
use super::refunds::{self, NewRefund};
use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop, orders};
use crate::shop::schema::money;

/// What comes late for a closed order stays with the shop.
const KEPT: Switch = Switch::new("late-payment.kept");
/// What comes late for a closed order goes back a while later, in a transaction of its own.
const PUT_OFF: Switch = Switch::new("late-payment.put-off");

pub(super) const SWITCHES: &[Switch] = &[KEPT, PUT_OFF];

/// How much later, on cell time: well within what a buyer is told to wait.
const PUT_OFF_MS: i64 = 5_000;
/// Of the refund, so that an order has one at most.
const REQUEST_NO: &str = "late";

/// Takes a charge that was just booked for a closed order, whose row is locked.
pub(super) async fn take(
    books: &mut MySqlConnection,
    charge: &Charge,
    now_ms: i64,
) -> Result<(), Refusal> {
    become_status(books, &charge.order, "CLOSED", "LATE", now_ms).await?;
    if switches::is_on(books, KEPT).await? {
        return switches::hit(books, KEPT).await;
    }
    if switches::is_on(books, PUT_OFF).await? {
        let work_id = format!("give-back:{}", charge.order);
        let due_ms = now_ms.saturating_add(PUT_OFF_MS);
        due::add(books, &work_id, &Work::GiveBack(charge.clone()), due_ms).await?;
        return switches::hit(books, PUT_OFF).await;
    }
    give_back(books, charge, now_ms).await
}

async fn give_back(
    books: &mut MySqlConnection,
    charge: &Charge,
    now_ms: i64,
) -> Result<(), Refusal> {
    let refund = NewRefund {
        refund: format!("late-{}", charge.order),
        order: charge.order.clone(),
        channel: charge.channel.clone(),
        amount: charge.amount,
        request_no: REQUEST_NO.to_owned(),
        hold: false,
    };
    refunds::put(books, &refund, now_ms).await?;
    become_status(books, &charge.order, "LATE", "RETURNED", now_ms).await
}

async fn become_status(
    books: &mut MySqlConnection,
    order: &str,
    from: &str,
    to: &str,
    now_ms: i64,
) -> Result<(), Refusal> {
    sqlx::query("UPDATE orders SET status = ? WHERE order_id = ? AND status = ?")
        .bind(to)
        .bind(order)
        .bind(from)
        .execute(&mut *books)
        .await?;
    orders::note_state(books, order, Some(from), to, now_ms).await
}

/// `POST /orders/{order}/return`: gives back what came late and was kept. Safe to repeat.
pub async fn return_kept(shop: &Shop, order: &str) -> Result<Value, Refusal> {
    let booking = ReturnKept { order, work_id: None, now_ms: shop.now_ms() };
    if shop.book(&booking).await? {
        shop.log("late_payment_returned", &json!({"order_id": order}));
    }
    Ok(json!({"order": order, "status": orders::status(shop, order).await?}))
}

/// Gives back what was put off.
pub async fn return_put_off(shop: &Shop, work_id: &str, charge: &Charge) -> Result<(), Refusal> {
    let booking =
        ReturnKept { order: &charge.order, work_id: Some(work_id), now_ms: shop.now_ms() };
    shop.book(&booking).await.map(drop)
}

struct ReturnKept<'a> {
    order: &'a str,
    work_id: Option<&'a str>,
    now_ms: i64,
}

impl Booking for ReturnKept<'_> {
    /// Whether this one gave it back.
    type Out = bool;

    async fn book(&self, books: &mut MySqlConnection) -> Result<bool, Refusal> {
        let order = self.order;
        let is_kept = match orders::locked_status(books, order).await?.as_str() {
            "LATE" => true,
            "RETURNED" => false,
            other => return Err(Refusal::Conflict(format!("order `{order}` is {other}"))),
        };
        if is_kept {
            let charge = charge_of(books, order).await?;
            give_back(books, &charge, self.now_ms).await?;
        }
        if let Some(work_id) = self.work_id {
            due::done(books, work_id, self.now_ms).await?;
        }
        Ok(is_kept)
    }
}

/// The charge that was booked for an order.
async fn charge_of(books: &mut MySqlConnection, order: &str) -> Result<Charge, Refusal> {
    let (channel, amount, currency, txn, at_ms): (String, Decimal, String, String, i64) =
        sqlx::query_as(
            "SELECT channel, amount, currency, channel_txn, at_ms FROM pay_order
             WHERE order_id = ? ORDER BY at_ms, pay_id LIMIT 1",
        )
        .bind(order)
        .fetch_one(books)
        .await?;
    let (order, amount) = (order.to_owned(), money(amount, &currency)?);
    Ok(Charge { order, channel, amount, txn, at_ms })
}
