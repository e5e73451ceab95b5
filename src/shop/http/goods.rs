//! Routes of goods: stock, floors, orders that wait for their payment, bills. Knows no rule of theirs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};

use super::{Front, Made};
use crate::shop::services::bills::{self, NewBill};
use crate::shop::services::closing::{self, Closure};
use crate::shop::services::floors::{self, Floor};
use crate::shop::services::goods::{self, Restock};
use crate::shop::services::orders::{OrderMade, Purchase};
use crate::shop::socket::Body;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/items/{sku}/restock", post(restock))
        .route("/items/{sku}/floor", post(set_floor))
        .route("/reservations", post(reserve))
        .route("/orders/{order}/closures", post(close))
        .route("/bills", post(bill))
}

async fn restock(
    State(front): State<Front>,
    Path(sku): Path<String>,
    Body(body): Body<Restock>,
) -> Made<Restock> {
    Ok((StatusCode::CREATED, Json(goods::restock(&front.shop, &sku, &body).await?)))
}

async fn set_floor(
    State(front): State<Front>,
    Path(sku): Path<String>,
    Body(body): Body<Floor>,
) -> Made<Floor> {
    Ok((StatusCode::CREATED, Json(floors::set(&front.shop, &sku, &body).await?)))
}

async fn reserve(State(front): State<Front>, Body(body): Body<Purchase>) -> Made<OrderMade> {
    Ok((StatusCode::CREATED, Json(closing::reserve(&front.shop, &body).await?)))
}

async fn close(
    State(front): State<Front>,
    Path(order): Path<String>,
    Body(body): Body<Closure>,
) -> Made<Closure> {
    Ok((StatusCode::CREATED, Json(closing::close(&front.shop, &order, &body).await?)))
}

async fn bill(State(front): State<Front>, Body(body): Body<NewBill>) -> Made<OrderMade> {
    Ok((StatusCode::CREATED, Json(bills::make(&front.shop, &body).await?)))
}
