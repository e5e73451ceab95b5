//! Routes of activities, coupons, promotions, and of the checkout that takes them. Knows no rule of theirs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};

use super::{Front, Made};
use crate::shop::services::activities::{self, NewActivity, NewBudget, NewCoupon, NewPromotion};
use crate::shop::services::checkouts::{self, Checkout};
use crate::shop::services::orders::OrderMade;
use crate::shop::socket::Body;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/activities", post(open))
        .route("/activities/{activity}/budget", post(set_budget))
        .route("/coupons", post(issue))
        .route("/promotions", post(offer))
        .route("/checkouts", post(checkout))
}

async fn open(State(front): State<Front>, Body(body): Body<NewActivity>) -> Made<NewActivity> {
    Ok((StatusCode::CREATED, Json(activities::open(&front.shop, &body).await?)))
}

async fn set_budget(
    State(front): State<Front>,
    Path(activity): Path<String>,
    Body(body): Body<NewBudget>,
) -> Made<NewBudget> {
    Ok((StatusCode::OK, Json(activities::set_budget(&front.shop, &activity, &body).await?)))
}

async fn issue(State(front): State<Front>, Body(body): Body<NewCoupon>) -> Made<NewCoupon> {
    Ok((StatusCode::CREATED, Json(activities::issue(&front.shop, &body).await?)))
}

async fn offer(State(front): State<Front>, Body(body): Body<NewPromotion>) -> Made<NewPromotion> {
    Ok((StatusCode::CREATED, Json(activities::offer(&front.shop, &body).await?)))
}

async fn checkout(State(front): State<Front>, Body(body): Body<Checkout>) -> Made<OrderMade> {
    Ok((StatusCode::CREATED, Json(checkouts::checkout(&front.shop, &body).await?)))
}
