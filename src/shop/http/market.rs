//! Routes of sellers: items, clearances, bids. Knows no rule of theirs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};

use super::{Front, Made};
use crate::shop::refusal::Refusal;
use crate::shop::services::bids::{self, BidView, NewBid, NewPrice};
use crate::shop::services::items::{self, Clearance, ItemMade, ItemView, NewItem};
use crate::shop::socket::Body;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/items", post(add_item).get(list_items))
        .route("/clearances", post(approve_clearance))
        .route("/bids", post(place_bid))
        .route("/bids/{bid}/price", post(mend_bid))
}

async fn add_item(State(front): State<Front>, Body(item): Body<NewItem>) -> Made<ItemMade> {
    Ok((StatusCode::CREATED, Json(items::add(&front.shop, &item).await?)))
}

async fn list_items(State(front): State<Front>) -> Result<Json<Vec<ItemView>>, Refusal> {
    Ok(Json(items::list(&front.shop).await?))
}

async fn approve_clearance(
    State(front): State<Front>,
    Body(clearance): Body<Clearance>,
) -> Made<Clearance> {
    let approved = items::approve_clearance(&front.shop, &clearance).await?;
    Ok((StatusCode::CREATED, Json(approved)))
}

async fn place_bid(State(front): State<Front>, Body(bid): Body<NewBid>) -> Made<BidView> {
    Ok((StatusCode::CREATED, Json(bids::place(&front.shop, &bid).await?)))
}

async fn mend_bid(
    State(front): State<Front>,
    Path(bid): Path<String>,
    Body(new): Body<NewPrice>,
) -> Result<Json<BidView>, Refusal> {
    Ok(Json(bids::mend(&front.shop, &bid, new.price).await?))
}
