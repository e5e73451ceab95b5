//! Routes of what becomes of an order after its payment. Knows no rule of it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;

use super::{Front, Made};
use crate::shop::refusal::Refusal;
use crate::shop::services::late;
use crate::shop::services::shipments::{self, Dispatch, NewShipment};
use crate::shop::socket::Body;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/orders/{order}/return", post(return_kept))
        .route("/shipments", post(plan))
        .route("/shipments/{order}/dispatch", post(dispatch))
}

/// Idempotent by the order's status; the caller's `Idempotency-Key` needs no memory here.
async fn return_kept(
    State(front): State<Front>,
    Path(order): Path<String>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(late::return_kept(&front.shop, &order).await?))
}

async fn plan(State(front): State<Front>, Body(body): Body<NewShipment>) -> Made<NewShipment> {
    Ok((StatusCode::CREATED, Json(shipments::plan(&front.shop, &body).await?)))
}

async fn dispatch(
    State(front): State<Front>,
    Path(order): Path<String>,
    Body(body): Body<Dispatch>,
) -> Made<Dispatch> {
    Ok((StatusCode::CREATED, Json(shipments::dispatch(&front.shop, &order, &body).await?)))
}
