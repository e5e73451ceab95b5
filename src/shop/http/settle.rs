//! Routes of settlement. Knows no rule of it.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};

use super::{Front, Made};
use crate::shop::services::settle::{self, Settle, Settled};
use crate::shop::socket::Body;

pub(super) fn routes() -> Router<Front> {
    Router::new().route("/orders/{order}/settlement", post(share))
}

async fn share(
    State(front): State<Front>,
    Path(order): Path<String>,
    Body(body): Body<Settle>,
) -> Made<Settled> {
    Ok((StatusCode::CREATED, Json(settle::settle(&front.shop, &order, &body).await?)))
}
