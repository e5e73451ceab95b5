//! Orders that nobody has paid yet: goods held for a buyer, and the end of it, by the buyer or by the timer.
//!
//! The order's row is locked before its status is read: of two that close it at once the second finds it closed and
//! gives nothing back. Knows no payment. Try it: `tests/shop.rs`. Not covered: the timer itself, which calls here.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::mysql::MySqlConnection;

use super::breakers::{self, SALE};
use super::orders::{self, OrderMade, OrderRow, Purchase};
use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop, goods, non_empty};

/// An order that is closed already is closed again, with all that follows.
const CLOSE_UNGUARDED: Switch = Switch::new("order-close.unguarded");

pub(super) const SWITCHES: &[Switch] = &[CLOSE_UNGUARDED];

/// `POST /reservations`: goods for an order that is to be paid later.
pub async fn reserve(shop: &Shop, purchase: &Purchase) -> Result<OrderMade, Refusal> {
    purchase.must_read()?;
    let _passing = shop.gates.pass(SALE, &purchase.sku).await;
    let booking = Reserve { purchase, now_ms: shop.now_ms() };
    let made = shop.book_once("order", &purchase.order, purchase, booking).await?;
    if made.is_fresh {
        let payable = made.answer.payable;
        let fields = json!({"order_id": purchase.order, "sku": purchase.sku, "payable": payable});
        shop.log("order_created", &fields);
    }
    Ok(made.answer)
}

struct Reserve<'a> {
    purchase: &'a Purchase,
    now_ms: i64,
}

impl Booking for Reserve<'_> {
    type Out = OrderMade;

    async fn book(&self, books: &mut MySqlConnection) -> Result<OrderMade, Refusal> {
        take_goods(books, self.purchase, self.now_ms).await
    }
}

/// Makes the order of a purchase, with its goods.
pub async fn take_goods(
    books: &mut MySqlConnection,
    purchase: &Purchase,
    now_ms: i64,
) -> Result<OrderMade, Refusal> {
    let Purchase { order, sku, .. } = purchase;
    goods::take_piece(books, sku, order, now_ms).await?;
    breakers::must_be_closed(books, SALE, sku, now_ms).await?;
    let (bid, payable) = goods::take_bid(books, sku, now_ms).await?;
    let row = OrderRow {
        order,
        buyer: &purchase.buyer,
        goods: Some((sku, &bid)),
        channel: &purchase.channel,
        payable,
        request_no: &purchase.request_no,
    };
    let made = row.insert(books, now_ms).await?;
    goods::note_line(books, order, sku, &bid, payable, now_ms).await?;
    Ok(made)
}

/// `POST /orders/{order}/closures`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Closure {
    /// `cancelled` by the buyer, `timeout` by the timer.
    pub reason: String,
}

/// Closes an order that is not paid, and gives back its goods; one that is closed already stays as it is.
pub async fn close(shop: &Shop, order: &str, closure: &Closure) -> Result<Closure, Refusal> {
    non_empty(&[("order", order), ("reason", &closure.reason)])?;
    let booking = Close { order, reason: &closure.reason, now_ms: shop.now_ms() };
    if shop.book(&booking).await? {
        shop.log("order_closed", &json!({"order_id": order, "reason": closure.reason}));
    }
    Ok(closure.clone())
}

struct Close<'a> {
    order: &'a str,
    reason: &'a str,
    now_ms: i64,
}

impl Booking for Close<'_> {
    /// Whether this one closed it.
    type Out = bool;

    async fn book(&self, books: &mut MySqlConnection) -> Result<bool, Refusal> {
        let order = self.order;
        let status = orders::locked_status(books, order).await?;
        match status.as_str() {
            "PENDING" => {
                sqlx::query("UPDATE orders SET status = 'CLOSED' WHERE order_id = ?")
                    .bind(order)
                    .execute(&mut *books)
                    .await?;
                orders::note_state(books, order, Some("PENDING"), "CLOSED", self.now_ms).await?;
            }
            "CLOSED" => {
                if !switches::is_on(books, CLOSE_UNGUARDED).await? {
                    return Ok(false);
                }
                switches::hit(books, CLOSE_UNGUARDED).await?;
            }
            other => return Err(Refusal::Conflict(format!("order `{order}` is {other}"))),
        }
        goods::release(books, order, self.reason, self.now_ms).await?;
        Ok(true)
    }
}
