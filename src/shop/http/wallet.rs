//! Routes of the wallet: accounts, top-ups, transfers. Knows no rule of theirs.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::Value;

use super::{Front, Made};
use crate::shop::refusal::Refusal;
use crate::shop::services::wallet::{self, NewAccount, TopUp, Transfer};
use crate::shop::socket::Body;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/accounts", post(open))
        .route("/accounts/{account}", get(view))
        .route("/accounts/{account}/top-ups", post(top_up))
        .route("/transfers", post(transfer))
}

async fn open(State(front): State<Front>, Body(body): Body<NewAccount>) -> Made<NewAccount> {
    Ok((StatusCode::CREATED, Json(wallet::open(&front.shop, &body).await?)))
}

async fn view(
    State(front): State<Front>,
    Path(account): Path<String>,
) -> Result<Json<Value>, Refusal> {
    Ok(Json(wallet::view(&front.shop, &account).await?))
}

async fn top_up(
    State(front): State<Front>,
    Path(account): Path<String>,
    Body(body): Body<TopUp>,
) -> Made<TopUp> {
    Ok((StatusCode::CREATED, Json(wallet::top_up(&front.shop, &account, &body).await?)))
}

async fn transfer(State(front): State<Front>, Body(body): Body<Transfer>) -> Made<Transfer> {
    Ok((StatusCode::CREATED, Json(wallet::transfer(&front.shop, &body).await?)))
}
