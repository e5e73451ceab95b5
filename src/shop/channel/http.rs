//! The channel's HTTP side: charges, payouts, transfers, what was charged, health and clock.
//!
//! Knows no file. Try it: `curl -s 127.0.0.1:PORT/clock`. Not covered: authentication of the shop.

use axum::extract::{Path, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ledger::{Kind, Payee, Request};
use super::{Channel, Refusal};
use crate::money::Money;
use crate::shop::socket::{self, Body, count_requests};
use crate::wire::{Advance, ClockReport, Health};

#[derive(Clone)]
struct Counter {
    channel: Channel,
    drill_clock: bool,
}

pub(super) fn router(channel: Channel, drill_clock: bool) -> Router {
    let pulse = channel.0.pulse.clone();
    Router::new()
        .route("/healthz", get(healthz))
        .route("/clock", get(clock))
        .route("/clock/advance", post(advance))
        .route("/charges", post(charge))
        .route("/charges/{order}", get(charges))
        .route("/payouts", post(pay_out))
        .route("/transfers", post(transfer))
        .layer(from_fn_with_state(pulse, count_requests))
        .with_state(Counter { channel, drill_clock })
}

async fn healthz() -> Json<Health> {
    Json(Health { ready: true, reasons: Vec::new() })
}

async fn clock(State(counter): State<Counter>) -> Json<ClockReport> {
    Json(counter.channel.report())
}

async fn advance(
    State(counter): State<Counter>,
    Body(order): Body<Advance>,
) -> Result<Response, Refusal> {
    socket::advance(&counter.channel.0.clock, counter.drill_clock, order)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChargeBody {
    order: String,
    channel: String,
    amount: Money,
    request_no: String,
}

async fn charge(
    State(counter): State<Counter>,
    Body(body): Body<ChargeBody>,
) -> Result<Json<Value>, Refusal> {
    let ChargeBody { order, channel, amount, request_no } = body;
    let kind = Kind::Collected;
    let (refund, payee) = (None, None);
    record(&counter, Request { kind, request_no, order, refund, payee, channel, amount })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PayoutBody {
    payout_no: String,
    refund: String,
    order: String,
    channel: String,
    amount: Money,
}

async fn pay_out(
    State(counter): State<Counter>,
    Body(body): Body<PayoutBody>,
) -> Result<Json<Value>, Refusal> {
    let PayoutBody { payout_no, refund, order, channel, amount } = body;
    let (kind, request_no, refund) = (Kind::PaidOut, payout_no, Some(refund));
    record(&counter, Request { kind, request_no, order, refund, payee: None, channel, amount })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TransferBody {
    transfer_no: String,
    bill: String,
    merchant: String,
    payee: String,
    channel: String,
    amount: Money,
}

async fn transfer(
    State(counter): State<Counter>,
    Body(body): Body<TransferBody>,
) -> Result<Json<Value>, Refusal> {
    let TransferBody { transfer_no, bill, merchant, payee, channel, amount } = body;
    let (order, refund) = (String::new(), None);
    let (kind, request_no) = (Kind::Transferred, transfer_no);
    let payee = Some(Payee { bill, merchant, payee });
    record(&counter, Request { kind, request_no, order, refund, payee, channel, amount })
}

fn record(counter: &Counter, request: Request) -> Result<Json<Value>, Refusal> {
    if request.amount.minor <= 0 {
        return Err(Refusal::Invalid(format!("amount {} must be above zero", request.amount)));
    }
    let mut ids = vec![&request.request_no, &request.channel];
    match &request.payee {
        Some(Payee { bill, merchant, payee }) => ids.extend([bill, merchant, payee]),
        None => ids.push(&request.order),
    }
    if ids.iter().any(|id| id.is_empty()) {
        return Err(Refusal::invalid("number, channel and whom it is for must not be empty"));
    }
    let entry = counter.channel.record(&request)?;
    Ok(Json(json!({"txn": entry.txn, "at_ms": entry.at_ms})))
}

async fn charges(State(counter): State<Counter>, Path(order): Path<String>) -> Json<Value> {
    let accounts = counter.channel.accounts();
    let charges: Vec<_> = accounts.book.charges(&order).collect();
    Json(json!({"order": order, "charges": charges}))
}
