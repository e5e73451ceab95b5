//! Routes of operators and drills: health, clock, breakers, switches. Knows no rule of theirs.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::Value;

use super::Front;
use crate::shop::refusal::Refusal;
use crate::shop::services::breakers::{self, Breaker, Order};
use crate::shop::services::rest;
use crate::shop::services::switches::{self, Setting};
use crate::shop::socket::{self, Body};
use crate::wire::{Advance, ClockReport, Health};

const KEY_HEADER: &str = "idempotency-key";

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/clock", get(clock))
        .route("/clock/advance", post(advance))
        .route("/breakers", get(list_breakers))
        .route("/breakers/{kind}/{scope}", put(set_breaker).delete(release_breaker))
        .route("/switches", get(list_switches))
        .route("/switches/{name}", put(set_switch))
}

async fn healthz(State(front): State<Front>) -> (StatusCode, Json<Health>) {
    let health = rest::health(&front.shop).await;
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health))
}

async fn clock(State(front): State<Front>) -> Json<ClockReport> {
    Json(rest::report(&front.shop).await)
}

async fn advance(
    State(front): State<Front>,
    Body(order): Body<Advance>,
) -> Result<Response, Refusal> {
    socket::advance(&front.shop.clock, front.drill_clock, order)
}

async fn list_breakers(State(front): State<Front>) -> Result<Json<Vec<Breaker>>, Refusal> {
    Ok(Json(breakers::list(&front.shop).await?))
}

async fn set_breaker(
    State(front): State<Front>,
    Path((kind, scope)): Path<(String, String)>,
    headers: HeaderMap,
    Body(order): Body<Order>,
) -> Result<Json<Breaker>, Refusal> {
    let key = headers.get(KEY_HEADER).and_then(|value| value.to_str().ok());
    Ok(Json(breakers::set(&front.shop, kind.parse()?, &scope, &order, key).await?))
}

#[derive(Deserialize)]
struct Release {
    run_id: Option<String>,
}

async fn release_breaker(
    State(front): State<Front>,
    Path((kind, scope)): Path<(String, String)>,
    Query(release): Query<Release>,
) -> Result<Json<Breaker>, Refusal> {
    let run_id = release
        .run_id
        .ok_or_else(|| Refusal::invalid("name the run that set the breaker: ?run_id=…"))?;
    Ok(Json(breakers::release(&front.shop, kind.parse()?, &scope, &run_id).await?))
}

async fn list_switches(State(front): State<Front>) -> Result<Json<Vec<Value>>, Refusal> {
    Ok(Json(switches::list(&front.shop).await?))
}

async fn set_switch(
    State(front): State<Front>,
    Path(name): Path<String>,
    Body(setting): Body<Setting>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(switches::set(&front.shop, &name, &setting).await?))
}
