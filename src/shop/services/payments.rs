//! Payments: one charge an order through the channel, booked when the channel's signed callback
//! comes.
//!
//! What the channel charged is booked with its true amount; an order becomes PAID only by exactly
//! its payable, and what comes for a closed order goes back (`late`). The same transaction is booked
//! once, whether it comes by callback, late, or by a backfill. Knows no HTTP. Try it:
//! `tests/shop.rs`. Not covered: sending back money that was charged above the payable.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::mysql::MySqlConnection;

use super::breakers::{self, Kind, SALE};
use super::due::{self, Work};
use super::gateway::Charge;
use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop, above_zero, items, late, non_empty, orders, outbox, retries};
use crate::money::Money;
use crate::shop::schema::money;

/// Stops new charges through one channel.
pub const PAY: Kind = Kind::new("pay");

/// The next payment callback (or the next `times`) is answered 200 and thrown away.
const CALLBACK_DROPPED: Switch = Switch::next("payment-callback.dropped");
/// The next payment callback (or the next `times`) is answered 200 and booked `delay_ms` later, on cell time.
const CALLBACK_DELAYED: Switch = Switch::next("payment-callback.delayed").needing("delay_ms");

/// Orders are paid by whatever the buyer pays.
const AMOUNT_UNCHECKED: Switch = Switch::new("payment-amount.unchecked");

pub(super) const SWITCHES: &[Switch] = &[CALLBACK_DROPPED, CALLBACK_DELAYED, AMOUNT_UNCHECKED];

/// `POST /orders/{order}/payments`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    pub channel: String,
    pub amount: Money,
    pub request_no: String,
}

/// The channel's transaction of a payment.
#[derive(Debug, Deserialize, Serialize)]
pub struct Charged {
    pub txn: String,
}

/// Has the channel charge an order; it becomes PAID by the callback.
pub async fn pay(shop: &Shop, order: &str, payment: &Payment) -> Result<Charged, Refusal> {
    non_empty(&[
        ("order", order),
        ("channel", &payment.channel),
        ("request_no", &payment.request_no),
    ])?;
    above_zero("amount", payment.amount)?;
    let _passing = shop.gates.pass(PAY, &payment.channel).await;
    shop.book(&OpenPayment { order, payment, now_ms: shop.now_ms() }).await?;
    charge(shop, order, None).await
}

struct OpenPayment<'a> {
    order: &'a str,
    payment: &'a Payment,
    now_ms: i64,
}

impl Booking for OpenPayment<'_> {
    type Out = ();

    async fn book(&self, books: &mut MySqlConnection) -> Result<(), Refusal> {
        let (order, payment) = (self.order, self.payment);
        let locked = lock_order(books, order).await?;
        let earlier: Option<(String, String, Decimal, String)> = sqlx::query_as(
            "SELECT request_no, channel, amount, currency FROM pay_request WHERE order_id = ?",
        )
        .bind(order)
        .fetch_optional(&mut *books)
        .await?;
        if let Some((request_no, channel, amount, currency)) = earlier {
            let amount = money(amount, &currency)?;
            let same = (request_no.as_str(), channel.as_str(), amount)
                == (&payment.request_no, &payment.channel, payment.amount);
            return if same {
                Ok(())
            } else {
                Err(Refusal::Conflict(format!(
                    "order `{order}` is being paid by request `{request_no}` already"
                )))
            };
        }
        if locked.status != "PENDING" {
            return Err(Refusal::Conflict(format!("order `{order}` is {}", locked.status)));
        }
        if payment.amount != locked.payable && !switches::is_on(books, AMOUNT_UNCHECKED).await? {
            return Err(Refusal::Invalid(format!(
                "order `{order}` costs {}, not {}",
                locked.payable, payment.amount
            )));
        }
        let (channel, request_no) = (&payment.channel, &payment.request_no);
        open(books, order, channel, payment.amount, request_no, self.now_ms).await?;
        sqlx::query("UPDATE orders SET channel = ? WHERE order_id = ? AND channel <> ?")
            .bind(channel)
            .bind(order)
            .bind(channel)
            .execute(books)
            .await?;
        Ok(())
    }
}

/// Notes what will be asked of the channel, before it is asked.
pub async fn open(
    books: &mut MySqlConnection,
    order: &str,
    channel: &str,
    amount: Money,
    request_no: &str,
    now_ms: i64,
) -> Result<(), Refusal> {
    breakers::must_be_closed(books, PAY, channel, now_ms).await?;
    sqlx::query(
        "INSERT INTO pay_request (order_id, request_no, channel, amount, currency, at_ms)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(order)
    .bind(request_no)
    .bind(channel)
    .bind(amount.to_decimal())
    .bind(amount.currency.code())
    .bind(now_ms)
    .execute(books)
    .await?;
    Ok(())
}

/// Asks the channel for the charge that was noted, unless its transaction is known. For an item's
/// order that was made earlier, `sku` names what a breaker may have stopped since.
pub async fn charge(shop: &Shop, order: &str, sku: Option<&str>) -> Result<Charged, Refusal> {
    let row: Option<(String, Decimal, String, Option<String>)> =
        sqlx::query_as("SELECT channel, amount, currency, txn FROM pay_request WHERE order_id = ?")
            .bind(order)
            .fetch_optional(shop.books.pool())
            .await?;
    let Some((channel, amount, currency, txn)) = row else {
        return Err(Refusal::Unknown(format!("order `{order}` has no payment")));
    };
    if let Some(txn) = txn {
        return Ok(Charged { txn });
    }
    let mut connection = shop.books.pool().acquire().await?;
    breakers::must_be_closed(&mut connection, PAY, &channel, shop.now_ms()).await?;
    if let Some(sku) = sku {
        breakers::must_be_closed(&mut connection, SALE, sku, shop.now_ms()).await?;
    }
    drop(connection);
    let amount = money(amount, &currency)?;
    // The order is the number: whoever asks, and however often, it is charged once.
    let number = format!("pay:{order}");
    let txn = shop.gateway.charge(&number, order, &channel, amount).await?;
    retries::again(shop, &number, order, &channel, amount).await?;
    sqlx::query("UPDATE pay_request SET txn = ? WHERE order_id = ?")
        .bind(&txn)
        .bind(order)
        .execute(shop.books.pool())
        .await?;
    Ok(Charged { txn })
}

/// Takes the channel's callback, whose signature was verified.
pub async fn take_callback(shop: &Shop, charge: &Charge) -> Result<(), Refusal> {
    let now_ms = shop.now_ms();
    match shop.book(&TakeCallback { charge, now_ms }).await? {
        Some(became) => {
            log_booked(shop, charge, became, "callback");
            Ok(())
        }
        None => Ok(()),
    }
}

struct TakeCallback<'a> {
    charge: &'a Charge,
    now_ms: i64,
}

impl Booking for TakeCallback<'_> {
    /// What became of the order; nothing where a defect kept the callback from it.
    type Out = Option<Became>;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Option<Became>, Refusal> {
        if switches::takes_next(books, CALLBACK_DROPPED).await? {
            switches::hit(books, CALLBACK_DROPPED).await?;
            return Ok(None);
        }
        if let Some(delay_ms) = switches::takes_next_by_ms(books, CALLBACK_DELAYED).await? {
            let work = Work::Callback(self.charge.clone());
            let due_ms = self.now_ms.saturating_add(delay_ms);
            if due::add(books, &callback_work_id(self.charge), &work, due_ms).await? {
                switches::hit(books, CALLBACK_DELAYED).await?;
            }
            return Ok(None);
        }
        book_charge(books, self.charge, self.now_ms).await.map(Some)
    }
}

fn callback_work_id(charge: &Charge) -> String {
    format!("callback:{}", charge.txn)
}

/// Books a callback that was held back.
pub async fn book_late(shop: &Shop, work_id: &str, charge: &Charge) -> Result<(), Refusal> {
    let booking = BookCharge { charge, work_id: Some(work_id), now_ms: shop.now_ms() };
    let became = shop.book(&booking).await?;
    log_booked(shop, charge, became, "late-callback");
    Ok(())
}

/// Asks the channel what it charged for an order and books it as the callback would have. Safe to
/// repeat.
pub async fn backfill(shop: &Shop, order: &str) -> Result<Value, Refusal> {
    orders::status(shop, order).await?;
    for charge in shop.gateway.charges(order).await? {
        let booking = BookCharge { charge: &charge, work_id: None, now_ms: shop.now_ms() };
        let became = shop.book(&booking).await?;
        log_booked(shop, &charge, became, "backfill");
    }
    Ok(json!({"order": order, "status": orders::status(shop, order).await?}))
}

struct BookCharge<'a> {
    charge: &'a Charge,
    work_id: Option<&'a str>,
    now_ms: i64,
}

impl Booking for BookCharge<'_> {
    type Out = Became;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Became, Refusal> {
        let became = book_charge(books, self.charge, self.now_ms).await?;
        if let Some(work_id) = self.work_id {
            due::done(books, work_id, self.now_ms).await?;
        }
        Ok(became)
    }
}

/// What a booked charge made of its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// The transaction was booked before.
    Known,
    Paid,
    /// The order was closed before.
    Late,
    /// Money came, but the order does not become PAID by it.
    Unsettled,
}

/// The effect of a charge on an order in `status`.
fn effect(status: &str, payable: Money, amount: Money) -> Became {
    match status {
        "PENDING" if payable == amount => Became::Paid,
        "CLOSED" => Became::Late,
        _ => Became::Unsettled,
    }
}

async fn book_charge(
    books: &mut MySqlConnection,
    charge: &Charge,
    now_ms: i64,
) -> Result<Became, Refusal> {
    let order = lock_order(books, &charge.order).await?;
    let known: Option<String> =
        sqlx::query_scalar("SELECT pay_id FROM pay_order WHERE channel_txn = ?")
            .bind(&charge.txn)
            .fetch_optional(&mut *books)
            .await?;
    if known.is_some() {
        return Ok(Became::Known);
    }
    sqlx::query(
        "INSERT INTO pay_order (pay_id, order_id, channel, channel_txn, amount, currency, status,
           at_ms) VALUES (?, ?, ?, ?, ?, ?, 'SUCCESS', ?)",
    )
    .bind(format!("PAY-{}", charge.txn))
    .bind(&charge.order)
    .bind(&charge.channel)
    .bind(&charge.txn)
    .bind(charge.amount.to_decimal())
    .bind(charge.amount.currency.code())
    .bind(now_ms)
    .execute(&mut *books)
    .await?;
    let mut became = effect(&order.status, order.payable, charge.amount);
    let is_off = order.status == "PENDING" && became == Became::Unsettled;
    if is_off && switches::is_on(books, AMOUNT_UNCHECKED).await? {
        switches::hit(books, AMOUNT_UNCHECKED).await?;
        became = Became::Paid;
    }
    match became {
        Became::Paid => become_paid(books, charge, &order, now_ms).await?,
        Became::Late => late::take(books, charge, now_ms).await?,
        Became::Known | Became::Unsettled => {}
    }
    Ok(became)
}

async fn become_paid(
    books: &mut MySqlConnection,
    charge: &Charge,
    order: &LockedOrder,
    now_ms: i64,
) -> Result<(), Refusal> {
    sqlx::query("UPDATE orders SET status = 'PAID', paid_at_ms = ? WHERE order_id = ?")
        .bind(now_ms)
        .bind(&charge.order)
        .execute(&mut *books)
        .await?;
    orders::note_state(books, &charge.order, Some("PENDING"), "PAID", now_ms).await?;
    if let Some(sku) = &order.sku {
        items::note_deal(books, sku, order.payable, now_ms).await?;
    }
    let event = json!({
        "type": "order-paid", "order": charge.order, "payable": order.payable, "at_ms": now_ms
    });
    outbox::put(books, outbox::ORDERS, &charge.order, &event, false, now_ms).await
}

struct LockedOrder {
    payable: Money,
    status: String,
    sku: Option<String>,
}

async fn lock_order(books: &mut MySqlConnection, order: &str) -> Result<LockedOrder, Refusal> {
    let row: Option<(Decimal, String, String, Option<String>)> = sqlx::query_as(
        "SELECT payable, currency, status, sku FROM orders WHERE order_id = ? FOR UPDATE",
    )
    .bind(order)
    .fetch_optional(books)
    .await?;
    let Some((payable, currency, status, sku)) = row else {
        return Err(Refusal::Unknown(format!("no order `{order}`")));
    };
    Ok(LockedOrder { payable: money(payable, &currency)?, status, sku })
}

fn log_booked(shop: &Shop, charge: &Charge, became: Became, by: &str) {
    let event = match became {
        Became::Known => return,
        Became::Paid => "order_paid",
        Became::Late => "late_payment",
        Became::Unsettled => "payment_unsettled",
    };
    shop.log(
        event,
        &json!({"order_id": charge.order, "txn": charge.txn, "amount": charge.amount, "by": by}),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pending_order_becomes_paid_and_only_by_its_payable() {
        let check = |status: &str, amount: Money, expect: Became| {
            assert_eq!(effect(status, Money::cny(19_900), amount), expect, "{status} {amount}");
        };
        check("PENDING", Money::cny(19_900), Became::Paid);
        check("PENDING", Money::cny(19_899), Became::Unsettled);
        check("PENDING", Money::cny(19_901), Became::Unsettled);
        check("PENDING", Money::new(19_900, crate::money::Currency::Usd), Became::Unsettled);
        check("PAID", Money::cny(19_900), Became::Unsettled);
        check("CLOSED", Money::cny(19_900), Became::Late);
        check("RETURNED", Money::cny(19_900), Became::Unsettled);
    }
}
