//! The shop's HTTP side: routes to services, nothing else.
//!
//! Money is a string, `"199.00 CNY"`; a refusal is `{"reason": …}` with the status of its kind.
//! Knows no SQL. Try it: `curl -s 127.0.0.1:PORT/healthz`. Not covered: paging, authentication of
//! callers.

mod control;
mod market;
mod trade;

use axum::Router;
use axum::middleware::from_fn_with_state;

use super::services::Shop;
use super::socket::count_requests;

/// What handlers share.
#[derive(Clone)]
struct Front {
    shop: Shop,
    drill_clock: bool,
}

/// All routes of the shop.
pub fn router(shop: Shop, drill_clock: bool) -> Router {
    let pulse = shop.pulse.clone();
    Router::new()
        .merge(market::routes())
        .merge(trade::routes())
        .merge(control::routes())
        .layer(from_fn_with_state(pulse, count_requests))
        .with_state(Front { shop, drill_clock })
}
