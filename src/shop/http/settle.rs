//! Routes of settlement, of merchants' bills and payees. Knows no rule of theirs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};

use super::{Front, Made};
use crate::shop::services::billing::{self, Addition, FixTicket, NewBill};
use crate::shop::services::disburse::{self, Disbursement, PayBill};
use crate::shop::services::payees::{self, NewPayee};
use crate::shop::services::settle::{self, Settle, Settled};
use crate::shop::socket::Body;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/orders/{order}/settlement", post(share))
        .route("/merchant-bills", post(open_bill))
        .route("/merchant-bills/{bill}/additions", post(add_to_bill))
        .route("/merchant-bills/{bill}/payout", post(pay_bill))
        .route("/fix-tickets", post(approve_fix))
        .route("/merchants/{merchant}/payees", post(change_payee))
}

async fn share(
    State(front): State<Front>,
    Path(order): Path<String>,
    Body(body): Body<Settle>,
) -> Made<Settled> {
    Ok((StatusCode::CREATED, Json(settle::settle(&front.shop, &order, &body).await?)))
}

async fn open_bill(State(front): State<Front>, Body(body): Body<NewBill>) -> Made<NewBill> {
    Ok((StatusCode::CREATED, Json(billing::open(&front.shop, &body).await?)))
}

async fn add_to_bill(
    State(front): State<Front>,
    Path(bill): Path<String>,
    Body(body): Body<Addition>,
) -> Made<Addition> {
    Ok((StatusCode::CREATED, Json(billing::add(&front.shop, &bill, &body).await?)))
}

async fn approve_fix(State(front): State<Front>, Body(body): Body<FixTicket>) -> Made<FixTicket> {
    Ok((StatusCode::CREATED, Json(billing::approve(&front.shop, &body).await?)))
}

async fn pay_bill(
    State(front): State<Front>,
    Path(bill): Path<String>,
    Body(body): Body<PayBill>,
) -> Made<Disbursement> {
    Ok((StatusCode::ACCEPTED, Json(disburse::order(&front.shop, &bill, &body).await?)))
}

async fn change_payee(
    State(front): State<Front>,
    Path(merchant): Path<String>,
    Body(body): Body<NewPayee>,
) -> Made<NewPayee> {
    Ok((StatusCode::CREATED, Json(payees::change(&front.shop, &merchant, &body).await?)))
}
