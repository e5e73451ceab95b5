//! Orders: made bare, or by a purchase that takes the cheapest open bid and one piece of stock.
//!
//! The stock row is locked first, so that of many buyers of the last piece exactly one wins. Knows
//! no Kafka and no HTTP. Try it: `tests/shop.rs`. Not covered: closing unpaid orders, several
//! pieces in one order.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::mysql::MySqlConnection;

use super::breakers::{self, SALE};
use super::{Booking, Refusal, Shop, above_zero, items, non_empty, outbox, payments};
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
    non_empty(&[
        ("order", &purchase.order),
        ("buyer", &purchase.buyer),
        ("sku", &purchase.sku),
        ("channel", &purchase.channel),
        ("request_no", &purchase.request_no),
    ])?;
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
        let Purchase { order, sku, .. } = self.purchase;
        take_piece(books, sku, order, self.now_ms).await?;
        breakers::must_be_closed(books, SALE, sku, self.now_ms).await?;
        let (bid, payable) = take_bid(books, sku, self.now_ms).await?;
        let row = OrderRow {
            order,
            buyer: &self.purchase.buyer,
            goods: Some((sku, &bid)),
            channel: &self.purchase.channel,
            payable,
            request_no: &self.purchase.request_no,
        };
        let made = row.insert(books, self.now_ms).await?;
        let (channel, request_no) = (&self.purchase.channel, &self.purchase.request_no);
        payments::open(books, order, channel, payable, request_no, self.now_ms).await?;
        Ok(made)
    }
}

async fn take_piece(
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
        return Err(Refusal::Conflict(format!("item `{sku}` is out of stock")));
    }
    sqlx::query("UPDATE stock SET available = available - 1 WHERE sku = ?")
        .bind(sku)
        .execute(&mut *books)
        .await?;
    items::move_stock(books, sku, Some(order), -1, "sold", now_ms).await
}

/// Takes one piece of the cheapest open bid; of equal prices the oldest. Currencies do not compare:
/// the first wins.
async fn take_bid(
    books: &mut MySqlConnection,
    sku: &str,
    now_ms: i64,
) -> Result<(String, Money), Refusal> {
    let bid: Option<(String, Decimal, String)> = sqlx::query_as(
        "SELECT bid_id, price, currency FROM bid
         WHERE sku = ? AND status = 'ACTIVE' AND qty > 0
         ORDER BY price, created_at_ms, bid_id LIMIT 1 FOR UPDATE",
    )
    .bind(sku)
    .fetch_optional(&mut *books)
    .await?;
    let Some((bid, price, currency)) = bid else {
        return Err(Refusal::Conflict(format!("item `{sku}` has no open bid")));
    };
    sqlx::query(
        "UPDATE bid SET status = IF(qty = 1, 'SOLD', status), qty = qty - 1, updated_at_ms = ?
         WHERE bid_id = ?",
    )
    .bind(now_ms)
    .bind(&bid)
    .execute(books)
    .await?;
    Ok((bid, money(price, &currency)?))
}

struct OrderRow<'a> {
    order: &'a str,
    buyer: &'a str,
    /// Item and bid.
    goods: Option<(&'a str, &'a str)>,
    channel: &'a str,
    payable: Money,
    request_no: &'a str,
}

impl OrderRow<'_> {
    async fn insert(&self, books: &mut MySqlConnection, now_ms: i64) -> Result<OrderMade, Refusal> {
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

/// `PENDING`, `PAID` or `CLOSED`.
pub async fn status(shop: &Shop, order: &str) -> Result<String, Refusal> {
    let status: Option<String> = sqlx::query_scalar("SELECT status FROM orders WHERE order_id = ?")
        .bind(order)
        .fetch_optional(shop.books.pool())
        .await?;
    status.ok_or_else(|| Refusal::Unknown(format!("no order `{order}`")))
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
    let row = row.ok_or_else(|| Refusal::Unknown(format!("no order `{order}`")))?;
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
