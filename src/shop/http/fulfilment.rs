//! Routes of what becomes of an order after its payment. Knows no rule of it.

use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;

use super::Front;
use crate::shop::refusal::Refusal;
use crate::shop::services::late;

pub(super) fn routes() -> Router<Front> {
    Router::new().route("/orders/{order}/return", post(return_kept))
}

/// Idempotent by the order's status; the caller's `Idempotency-Key` needs no memory here.
async fn return_kept(
    State(front): State<Front>,
    Path(order): Path<String>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(late::return_kept(&front.shop, &order).await?))
}
