//! Why an act was not done: the one error of shop and channel, and the HTTP status that each kind
//! answers with.
//!
//! Knows no route. A refusal is an answer of the business; `Away` and `Books` say that a server is
//! away and that the same request may be sent again. Try it: `cargo test --lib shop::refusal`. Not
//! covered: translations.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use sqlx::mysql::MySqlDatabaseError;

/// MySQL: duplicate key.
const DUPLICATE_KEY: u16 = 1062;
/// MySQL: deadlock found; lock wait timeout. The transaction did nothing and may run again.
const TRY_AGAIN: [u16; 2] = [1213, 1205];
/// MySQL: too many connections, out of memory, shutting down, read-only, table or disk full,
/// interrupted.
const SERVER_AWAY: [u16; 11] = [1040, 1041, 1053, 1080, 1077, 1114, 1021, 1290, 1792, 1836, 1317];

/// Why an act was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The books or a breaker forbid it: 409.
    #[error("{0}")]
    Conflict(String),
    /// The request can never be right: 422.
    #[error("{0}")]
    Invalid(String),
    /// What it names does not exist: 404.
    #[error("{0}")]
    Unknown(String),
    /// A signature is missing or wrong: 401.
    #[error("{0}")]
    Unsigned(String),
    /// This process does not do that: 403.
    #[error("{0}")]
    Forbidden(String),
    /// A server is away: 503.
    #[error("{what} is away ({why}): the same request may be sent again")]
    Away { what: &'static str, why: String },
    /// MySQL answered with an error, or did not answer: 503 where the server is away, else 500.
    #[error("mysql did not carry out the request ({0}): the same request may be sent again")]
    Books(#[from] sqlx::Error),
    /// A row or file that this program wrote does not read back: 500.
    #[error("the books hold {what} that does not read: {why}")]
    Unreadable { what: &'static str, why: String },
}

impl Refusal {
    pub fn invalid(reason: impl Into<String>) -> Refusal {
        Refusal::Invalid(reason.into())
    }

    pub fn away(what: &'static str, why: impl ToString) -> Refusal {
        Refusal::Away { what, why: why.to_string() }
    }

    pub fn unreadable(what: &'static str, why: impl ToString) -> Refusal {
        Refusal::Unreadable { what, why: why.to_string() }
    }

    /// Whether the transaction was undone by a deadlock or a lock wait and may run again.
    pub fn may_run_again(&self) -> bool {
        let Refusal::Books(error) = self else { return false };
        number(error).is_some_and(|number| TRY_AGAIN.contains(&number))
    }

    fn status(&self) -> StatusCode {
        match self {
            Refusal::Conflict(_) => StatusCode::CONFLICT,
            Refusal::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::Unknown(_) => StatusCode::NOT_FOUND,
            Refusal::Unsigned(_) => StatusCode::UNAUTHORIZED,
            Refusal::Forbidden(_) => StatusCode::FORBIDDEN,
            Refusal::Away { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Books(error) if is_away(error) => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Books(_) | Refusal::Unreadable { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status(), Json(json!({"reason": self.to_string()}))).into_response()
    }
}

/// Whether `error` is a violated unique key.
pub fn is_duplicate(error: &sqlx::Error) -> bool {
    number(error) == Some(DUPLICATE_KEY)
}

fn number(error: &sqlx::Error) -> Option<u16> {
    let sqlx::Error::Database(database) = error else { return None };
    database.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number)
}

fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(_) => {
            number(error).is_some_and(|n| SERVER_AWAY.contains(&n) || TRY_AGAIN.contains(&n))
        }
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_status() {
        let check = |refusal: Refusal, status: u16| {
            assert_eq!(refusal.status().as_u16(), status, "{refusal}");
        };
        check(Refusal::Conflict("no stock".into()), 409);
        check(Refusal::invalid("below half the median"), 422);
        check(Refusal::Unknown("no order".into()), 404);
        check(Refusal::Unsigned("no signature".into()), 401);
        check(Refusal::Forbidden("no drill clock".into()), 403);
        check(Refusal::away("payment channel", "timed out"), 503);
        check(Refusal::Books(sqlx::Error::PoolTimedOut), 503);
        check(Refusal::Books(sqlx::Error::RowNotFound), 500);
        check(Refusal::unreadable("an amount", "x"), 500);
    }
}
