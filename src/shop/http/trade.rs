//! Routes of buyers and of the payment channel: purchases, orders, payments, refunds, callbacks.
//! Knows no rule of theirs.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Front, Made};
use crate::shop::refusal::Refusal;
use crate::shop::services::forgeries;
use crate::shop::services::gateway::Charge;
use crate::shop::services::orders::{self, NewOrder, OrderMade, Purchase};
use crate::shop::services::payments::{self, Charged, Payment};
use crate::shop::services::refunds::{self, Approved, NewRefund};
use crate::shop::services::signatures;
use crate::shop::signature::SIGNATURE_HEADER;
use crate::shop::socket::Body;

type Read = Result<Json<Value>, Refusal>;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/purchases", post(purchase))
        .route("/orders", post(make_order))
        .route("/orders/{order}", get(view_order))
        .route("/orders/{order}/payments", post(pay))
        .route("/orders/{order}/backfill", post(backfill))
        .route("/orders/{order}/strike-out", post(strike_out))
        .route("/callbacks/payment", post(callback))
        .route("/refunds", post(approve_refund))
        .route("/refunds/{refund}", get(view_refund))
        .route("/refunds/{refund}/message", get(refund_message))
}

async fn purchase(State(front): State<Front>, Body(body): Body<Purchase>) -> Made<OrderMade> {
    Ok((StatusCode::CREATED, Json(orders::purchase(&front.shop, &body).await?)))
}

async fn make_order(State(front): State<Front>, Body(body): Body<NewOrder>) -> Made<OrderMade> {
    Ok((StatusCode::CREATED, Json(orders::make(&front.shop, &body).await?)))
}

async fn view_order(State(front): State<Front>, Path(order): Path<String>) -> Read {
    Ok(Json(orders::view(&front.shop, &order).await?))
}

async fn pay(
    State(front): State<Front>,
    Path(order): Path<String>,
    Body(payment): Body<Payment>,
) -> Made<Charged> {
    Ok((StatusCode::ACCEPTED, Json(payments::pay(&front.shop, &order, &payment).await?)))
}

/// Idempotent by what the channel charged; the caller's `Idempotency-Key` needs no memory here.
async fn backfill(State(front): State<Front>, Path(order): Path<String>) -> Read {
    Ok(Json(payments::backfill(&front.shop, &order).await?))
}

/// Idempotent by what is booked and what the channel charged.
async fn strike_out(State(front): State<Front>, Path(order): Path<String>) -> Read {
    Ok(Json(forgeries::strike_out(&front.shop, &order).await?))
}

async fn callback(State(front): State<Front>, headers: HeaderMap, body: Bytes) -> Read {
    let signature = headers.get(SIGNATURE_HEADER).and_then(|value| value.to_str().ok());
    signatures::must_sign(&front.shop, &body, signature).await?;
    let charge: Charge = serde_json::from_slice(&body)
        .map_err(|error| Refusal::invalid(format!("the callback does not read: {error}")))?;
    payments::take_callback(&front.shop, &charge).await?;
    Ok(Json(json!({"txn": charge.txn})))
}

async fn approve_refund(
    State(front): State<Front>,
    Body(refund): Body<NewRefund>,
) -> Made<Approved> {
    Ok((StatusCode::CREATED, Json(refunds::approve(&front.shop, &refund).await?)))
}

async fn view_refund(State(front): State<Front>, Path(refund): Path<String>) -> Read {
    Ok(Json(refunds::view(&front.shop, &refund).await?))
}

async fn refund_message(State(front): State<Front>, Path(refund): Path<String>) -> Read {
    Ok(Json(refunds::message(&front.shop, &refund).await?))
}
