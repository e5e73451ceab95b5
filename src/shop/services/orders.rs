//! Orders: made bare, or by a purchase that takes the cheapest open bid and one piece of stock.
//!
//! Knows no Kafka and no HTTP. Try it: `tests/shop.rs`. Not covered: several pieces in one order.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::mysql::MySqlConnection;

use super::breakers::SALE;
use super::{Booking, Refusal, Shop, above_zero, closing, non_empty, outbox, payments};
use crate::money::Money;
use crate::shop::refusal::is_duplicate;
use crate::shop::schema::money;

/// `POST /orders`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    pub order: String,
    pub buyer: String,
    pub channel: String,
    pub payable: Money,
    pub request_no: String,
}

/// `POST /purchases`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Purchase {
    pub order: String,
    pub buyer: String,
    pub sku: String,
    pub channel: String,
    pub request_no: String,
}

impl Purchase {
    /// Refuses ids that do not fit the tables.
    pub fn must_read(&self) -> Result<(), Refusal> {
        non_empty(&[
            ("order", &self.order),
            ("buyer", &self.buyer),
            ("sku", &self.sku),
            ("channel", &self.channel),
            ("request_no", &self.request_no),
        ])
    }
}

/// An order that was made.
#[derive(Debug, Deserialize, Serialize)]
pub struct OrderMade {
    pub order: String,
    pub payable: Money,
    pub status: String,
}

/// Makes a bare order, to be paid later.
pub async fn make(shop: &Shop, order: &NewOrder) -> Result<OrderMade, Refusal> {
    non_empty(&[
        ("order", &order.order),
        ("buyer", &order.buyer),
        ("channel", &order.channel),
        ("request_no", &order.request_no),
    ])?;
    above_zero("payable", order.payable)?;
    let booking = MakeOrder { order, now_ms: shop.now_ms() };
    let made = shop.book_once("order", &order.order, order, booking).await?;
    if made.is_fresh {
        shop.log("order_created", &json!({"order_id": order.order, "payable": order.payable}));
    }
    Ok(made.answer)
}

/// Makes a bare order within a booking.
pub(super) struct MakeOrder<'a> {
    pub order: &'a NewOrder,
    pub now_ms: i64,
}

impl Booking for MakeOrder<'_> {
    type Out = OrderMade;

    async fn book(&self, books: &mut MySqlConnection) -> Result<OrderMade, Refusal> {
        let order = self.order;
        let row = OrderRow {
            order: &order.order,
            buyer: &order.buyer,
            goods: None,
            channel: &order.channel,
            payable: order.payable,
            request_no: &order.request_no,
        };
        row.insert(books, self.now_ms).await
    }
}

/// Buys one piece: makes the order, then has the channel charge it. Where the channel is away the
/// order stays and the same request charges it later.
pub async fn purchase(shop: &Shop, purchase: &Purchase) -> Result<OrderMade, Refusal> {
    purchase.must_read()?;
    let _passing = shop.gates.pass(SALE, &purchase.sku).await;
    let _paying = shop.gates.pass(payments::PAY, &purchase.channel).await;
    let booking = MakePurchase { purchase, now_ms: shop.now_ms() };
    let booked = shop.book_once("order", &purchase.order, purchase, booking).await;
    let made = booked.inspect_err(|refusal| {
        let reason = refusal.to_string();
        let (order, sku) = (&purchase.order, &purchase.sku);
        shop.log("purchase_refused", &json!({"order_id": order, "sku": sku, "reason": reason}));
    })?;
    let payable = made.answer.payable;
    if made.is_fresh {
        shop.log(
            "order_created",
            &json!({"order_id": purchase.order, "sku": purchase.sku, "payable": payable}),
        );
    }
    let guard = if made.is_fresh { None } else { Some(purchase.sku.as_str()) };
    payments::charge(shop, &purchase.order, guard).await?;
    let status = status(shop, &purchase.order).await?;
    Ok(OrderMade { status, ..made.answer })
}

struct MakePurchase<'a> {
    purchase: &'a Purchase,
    now_ms: i64,
}

impl Booking for MakePurchase<'_> {
    type Out = OrderMade;

    async fn book(&self, books: &mut MySqlConnection) -> Result<OrderMade, Refusal> {
        let Purchase { order, channel, request_no, .. } = self.purchase;
        let made = closing::take_goods(books, self.purchase, self.now_ms).await?;
        let payable = made.payable;
        payments::open(books, order, channel, payable, request_no, self.now_ms).await?;
        Ok(made)
    }
}

/// An order as it is made.
pub struct OrderRow<'a> {
    pub order: &'a str,
    pub buyer: &'a str,
    /// Item and bid.
    pub goods: Option<(&'a str, &'a str)>,
    pub channel: &'a str,
    pub payable: Money,
    pub request_no: &'a str,
}

impl OrderRow<'_> {
    pub async fn insert(
        &self,
        books: &mut MySqlConnection,
        now_ms: i64,
    ) -> Result<OrderMade, Refusal> {
        let inserted = sqlx::query(
            "INSERT INTO orders (order_id, buyer, sku, bid_id, channel, payable, currency, status,
               request_no, created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, 'PENDING', ?, ?)",
        )
        .bind(self.order)
        .bind(self.buyer)
        .bind(self.goods.map(|(sku, _)| sku))
        .bind(self.goods.map(|(_, bid)| bid))
        .bind(self.channel)
        .bind(self.payable.to_decimal())
        .bind(self.payable.currency.code())
        .bind(self.request_no)
        .bind(now_ms)
        .execute(&mut *books)
        .await;
        match inserted {
            Err(error) if is_duplicate(&error) => {
                return Err(Refusal::Conflict(format!(
                    "request_no `{}` made another order already",
                    self.request_no
                )));
            }
            inserted => inserted?,
        };
        note_state(books, self.order, None, "PENDING", now_ms).await?;
        let event = json!({
            "type": "order-created", "order": self.order, "payable": self.payable, "at_ms": now_ms
        });
        outbox::put(books, outbox::ORDERS, self.order, &event, false, now_ms).await?;
        let (order, payable) = (self.order.to_owned(), self.payable);
        Ok(OrderMade { order, payable, status: "PENDING".to_owned() })
    }
}

/// Writes one step in the life of an order.
pub async fn note_state(
    books: &mut MySqlConnection,
    order: &str,
    from: Option<&str>,
    to: &str,
    at_ms: i64,
) -> Result<(), Refusal> {
    sqlx::query(
        "INSERT INTO order_state_log (order_id, from_status, to_status, at_ms) VALUES (?, ?, ?, ?)",
    )
    .bind(order)
    .bind(from)
    .bind(to)
    .bind(at_ms)
    .execute(books)
    .await?;
    Ok(())
}

/// `PENDING`, `PAID` or `CLOSED`; `LATE` where a closed order was paid, `RETURNED` once that goes back.
pub async fn status(shop: &Shop, order: &str) -> Result<String, Refusal> {
    let status: Option<String> = sqlx::query_scalar("SELECT status FROM orders WHERE order_id = ?")
        .bind(order)
        .fetch_optional(shop.books.pool())
        .await?;
    status.ok_or_else(|| unknown(order))
}

/// Likewise, and nobody else changes the order before this transaction ends.
pub async fn locked_status(books: &mut MySqlConnection, order: &str) -> Result<String, Refusal> {
    let status: Option<String> =
        sqlx::query_scalar("SELECT status FROM orders WHERE order_id = ? FOR UPDATE")
            .bind(order)
            .fetch_optional(books)
            .await?;
    status.ok_or_else(|| unknown(order))
}

fn unknown(order: &str) -> Refusal {
    Refusal::Unknown(format!("no order `{order}`"))
}

/// An order with what was paid and paid back.
pub async fn view(shop: &Shop, order: &str) -> Result<Value, Refusal> {
    let row = sqlx::query(
        "SELECT buyer, sku, bid_id, channel, payable, currency, status, created_at_ms, paid_at_ms,
           (SELECT SUM(amount) FROM pay_order p WHERE p.order_id = o.order_id) AS paid,
           (SELECT SUM(amount) FROM refund_payout r WHERE r.order_id = o.order_id) AS refunded
         FROM orders o WHERE order_id = ?",
    )
    .bind(order)
    .fetch_optional(shop.books.pool())
    .await?;
    let row = row.ok_or_else(|| unknown(order))?;
    let text = |column: &str| row.try_get::<Option<String>, _>(column);
    let time = |column: &str| row.try_get::<Option<i64>, _>(column);
    let currency: String = row.try_get("currency")?;
    let amount = |column: &str| {
        let sum = row.try_get::<Option<Decimal>, _>(column)?;
        money(sum.unwrap_or_default(), &currency)
    };
    Ok(json!({
        "order": order, "buyer": text("buyer")?, "sku": text("sku")?, "bid": text("bid_id")?,
        "channel": text("channel")?, "payable": amount("payable")?, "status": text("status")?,
        "paid": amount("paid")?, "refunded": amount("refunded")?,
        "created_at_ms": time("created_at_ms")?, "paid_at_ms": time("paid_at_ms")?,
    }))
}
