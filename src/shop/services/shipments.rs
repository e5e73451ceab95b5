//! Shipments: what a warehouse is to send for an order, and what it is told not to send any more.
//!
//! Refund and dispatch both lock the order's row first: where a whole refund comes first, its shipment is cancelled in
//! the same transaction and the warehouse sends nothing; where the goods left first, the refund is one of goods that
//! come back. The warehouse knows its shipment and no refund. Knows no channel. Try it: `tests/shop.rs`. Not covered:
//! parcels of several orders, goods that come back.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::mysql::MySqlConnection;

use super::breakers::{self, Kind};
use super::switches::{self, Switch};
use super::{Booking, Refusal, Shop, non_empty, orders};
use crate::shop::refusal::is_duplicate;

/// Stops what leaves one warehouse.
pub const SHIP: Kind = Kind::new("ship");

/// A warehouse does not hear that an order was refunded.
const CANCEL_LOST: Switch = Switch::new("shipment-cancel.lost");

pub(super) const SWITCHES: &[Switch] = &[CANCEL_LOST];

/// `POST /shipments`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewShipment {
    pub order: String,
    pub warehouse: String,
}

/// `POST /shipments/{order}/dispatch`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Dispatch {
    /// The warehouse that sends it.
    pub warehouse: String,
    pub request_no: String,
}

/// Plans the shipment of an order; it can be sent once the order is paid.
pub async fn plan(shop: &Shop, shipment: &NewShipment) -> Result<NewShipment, Refusal> {
    let NewShipment { order, warehouse } = shipment;
    non_empty(&[("order", order), ("warehouse", warehouse)])?;
    let booking = Plan { shipment, now_ms: shop.now_ms() };
    let planned = shop.book_once("shipment", order, shipment, booking).await?;
    if planned.is_fresh {
        shop.log("shipment_planned", &json!({"order_id": order, "warehouse": warehouse}));
    }
    Ok(planned.answer)
}

struct Plan<'a> {
    shipment: &'a NewShipment,
    now_ms: i64,
}

impl Booking for Plan<'_> {
    type Out = NewShipment;

    async fn book(&self, books: &mut MySqlConnection) -> Result<NewShipment, Refusal> {
        let NewShipment { order, warehouse } = self.shipment;
        let inserted = sqlx::query(
            "INSERT INTO shipment (order_id, warehouse, worth, currency, status, at_ms)
             SELECT order_id, ?, payable, currency, 'PLANNED', ? FROM orders WHERE order_id = ?",
        )
        .bind(warehouse)
        .bind(self.now_ms)
        .bind(order)
        .execute(books)
        .await;
        match inserted {
            Ok(done) if done.rows_affected() == 1 => Ok(self.shipment.clone()),
            Ok(_) => Err(Refusal::Unknown(format!("no order `{order}`"))),
            Err(error) if is_duplicate(&error) => {
                Err(Refusal::Conflict(format!("order `{order}` has a shipment already")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The warehouse sends the goods of an order.
pub async fn dispatch(shop: &Shop, order: &str, dispatch: &Dispatch) -> Result<Dispatch, Refusal> {
    let Dispatch { warehouse, request_no } = dispatch;
    non_empty(&[("order", order), ("warehouse", warehouse), ("request_no", request_no)])?;
    let _passing = shop.gates.pass(SHIP, warehouse).await;
    let booking = Send { order, dispatch, now_ms: shop.now_ms() };
    let sent = shop.book_once("dispatch", request_no, &(order, dispatch), booking).await;
    let mut fields = json!({"order_id": order, "warehouse": warehouse});
    match sent {
        Ok(sent) => {
            if sent.is_fresh {
                shop.log("shipment_dispatched", &fields);
            }
            Ok(sent.answer)
        }
        Err(refusal) => {
            fields["reason"] = Value::from(refusal.to_string());
            shop.log("shipment_refused", &fields);
            Err(refusal)
        }
    }
}

struct Send<'a> {
    order: &'a str,
    dispatch: &'a Dispatch,
    now_ms: i64,
}

impl Booking for Send<'_> {
    type Out = Dispatch;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Dispatch, Refusal> {
        let (order, warehouse) = (self.order, &self.dispatch.warehouse);
        let paid = orders::locked_status(books, order).await?;
        let planned: Option<String> = sqlx::query_scalar(
            "SELECT status FROM shipment WHERE order_id = ? AND warehouse = ? FOR UPDATE",
        )
        .bind(order)
        .bind(warehouse)
        .fetch_optional(&mut *books)
        .await?;
        let planned = planned.ok_or_else(|| {
            let told = format!("warehouse `{warehouse}` has no shipment of order `{order}`");
            Refusal::Unknown(told)
        })?;
        breakers::must_be_closed(books, SHIP, warehouse, self.now_ms).await?;
        if (paid.as_str(), planned.as_str()) != ("PAID", "PLANNED") {
            return Err(Refusal::Conflict(format!(
                "order `{order}` is {paid}, its shipment {planned}"
            )));
        }
        become_status(books, order, "DISPATCHED", self.now_ms).await?;
        Ok(self.dispatch.clone())
    }
}

async fn become_status(
    books: &mut MySqlConnection,
    order: &str,
    status: &str,
    now_ms: i64,
) -> Result<(), Refusal> {
    sqlx::query("UPDATE shipment SET status = ?, at_ms = ? WHERE order_id = ?")
        .bind(status)
        .bind(now_ms)
        .bind(order)
        .execute(books)
        .await?;
    Ok(())
}

/// Tells the warehouse not to send an order of which nothing is left. The order's row is locked.
pub(super) async fn cancel_refunded(
    books: &mut MySqlConnection,
    order: &str,
    now_ms: i64,
) -> Result<(), Refusal> {
    let planned: Option<String> = sqlx::query_scalar(
        "SELECT status FROM shipment WHERE order_id = ? AND status = 'PLANNED' FOR UPDATE",
    )
    .bind(order)
    .fetch_optional(&mut *books)
    .await?;
    if planned.is_none() || left_of(books, order).await? > Decimal::ZERO {
        return Ok(());
    }
    if switches::is_on(books, CANCEL_LOST).await? {
        return switches::hit(books, CANCEL_LOST).await;
    }
    become_status(books, order, "CANCELLED", now_ms).await
}

/// What was paid for an order and is not owed back.
async fn left_of(books: &mut MySqlConnection, order: &str) -> Result<Decimal, Refusal> {
    Ok(sqlx::query_scalar(
        "SELECT (SELECT COALESCE(SUM(amount), 0) FROM pay_order WHERE order_id = ?)
              - (SELECT COALESCE(SUM(amount), 0) FROM refund_order WHERE order_id = ?)",
    )
    .bind(order)
    .bind(order)
    .fetch_one(books)
    .await?)
}
