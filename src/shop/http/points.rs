//! Routes of points. Knows no rule of theirs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;

use super::{Front, Made};
use crate::shop::refusal::Refusal;
use crate::shop::services::points::{self, Delivery, Granted};
use crate::shop::socket::Body;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/orders/{order}/points", post(take).get(view))
        .route("/orders/{order}/points/reversal", post(reverse))
}

async fn take(
    State(front): State<Front>,
    Path(order): Path<String>,
    Body(body): Body<Delivery>,
) -> Made<Granted> {
    Ok((StatusCode::CREATED, Json(points::take(&front.shop, &order, &body).await?)))
}

async fn view(
    State(front): State<Front>,
    Path(order): Path<String>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(points::view(&front.shop, &order).await?))
}

/// Idempotent by what stands; the caller's `Idempotency-Key` needs no memory here.
async fn reverse(
    State(front): State<Front>,
    Path(order): Path<String>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(points::reverse(&front.shop, &order).await?))
}
