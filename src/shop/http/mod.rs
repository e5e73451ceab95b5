//! The shop's HTTP side: routes to services, nothing else.
//!
//! Money is a string, `"199.00 CNY"`; a refusal is `{"reason": …}` with the status of its kind.
//! Knows no SQL. Try it: `curl -s 127.0.0.1:PORT/healthz`. Not covered: paging, authentication of
//! callers.

mod control;
mod fulfilment;
mod goods;
mod market;
mod points;
mod promotion;
mod settle;
mod trade;
mod wallet;

use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::{Json, Router};

use super::refusal::Refusal;
use super::services::Shop;
use super::socket::count_requests;

/// What handlers share.
#[derive(Clone)]
struct Front {
    shop: Shop,
    drill_clock: bool,
}

/// Something made just now, or made before by the same request.
type Made<T> = Result<(StatusCode, Json<T>), Refusal>;

/// All routes of the shop.
pub fn router(shop: Shop, drill_clock: bool) -> Router {
    let pulse = shop.pulse.clone();
    Router::new()
        .merge(market::routes())
        .merge(goods::routes())
        .merge(trade::routes())
        .merge(wallet::routes())
        .merge(settle::routes())
        .merge(promotion::routes())
        .merge(fulfilment::routes())
        .merge(points::routes())
        .merge(control::routes())
        .layer(from_fn_with_state(pulse, count_requests))
        .with_state(Front { shop, drill_clock })
}
