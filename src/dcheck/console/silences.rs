//! Silences over HTTP: `GET`, `POST /silences` and `DELETE /silences/{id}`, the last two with a person's token.
//!
//! Owns the words of a request. The owner of a silence is the person whose token it came with. An order is answered 200 when it is
//! stored; 202 where that takes long: `GET /silences` lists a silence from then.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::http::{Console, Order, send};
use super::people::person;
use super::plans::once_stored;
use crate::clock::{CellTime, parse_rfc3339, rfc3339};
use crate::dcheck::alerts::Silence;
use crate::dcheck::alerts::reading::parse_duration_ms;

type Shared = State<Arc<Console>>;

/// What a person asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// Each `label="value"`, or with `!=`, `=~`, `!~`; all must match.
    matchers: Vec<String>,
    reason: String,
    /// `2 h`.
    #[serde(rename = "for", default)]
    lasts: Option<String>,
    /// Or the instant, RFC 3339.
    #[serde(default)]
    ends: Option<String>,
}

pub async fn list(State(console): Shared) -> Response {
    let view = console.view();
    Json(view.silences.iter().map(told).collect::<Vec<Value>>()).into_response()
}

pub async fn add(State(console): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let owner = match person(&console, &headers, "silence alerts") {
        Ok(owner) => owner,
        Err(refusal) => return *refusal,
    };
    let request: Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refused(vec![error.to_string()]),
    };
    let Some(tasks) = console.tasks() else { return starting() };
    let number = tasks.numbers.fetch_add(1, Ordering::AcqRel) + 1;
    match read(request, owner, number, console.clock.now()) {
        Ok(silence) => {
            let (body, (stored, wait)) = (Json(told(&silence)), oneshot::channel());
            order(&console, Order::Silence { silence, stored }).await;
            (once_stored(wait).await, body).into_response()
        }
        Err(mistakes) => refused(mistakes),
    }
}

pub async fn end(State(console): Shared, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let who = match person(&console, &headers, "silence alerts") {
        Ok(who) => who,
        Err(refusal) => return *refusal,
    };
    if !console.view().silences.iter().any(|silence| silence.id == id) {
        let why = format!("no silence `{id}`: GET /silences lists them");
        return (StatusCode::NOT_FOUND, why).into_response();
    }
    let (stored, wait) = oneshot::channel();
    order(&console, Order::Unsilence { id, who, stored }).await;
    once_stored(wait).await.into_response()
}

pub(super) async fn order(console: &Console, order: Order) {
    console.inbound.fetch_add(1, Ordering::AcqRel);
    send(console, order).await;
}

fn read(
    request: Request,
    owner: String,
    number: u64,
    now: CellTime,
) -> Result<Silence, Vec<String>> {
    let (mut mistakes, mut matchers) = (Vec::new(), Vec::new());
    for text in &request.matchers {
        match text.parse() {
            Ok(matcher) => matchers.push(matcher),
            Err(why) => mistakes.push(why),
        }
    }
    let ends = match (&request.lasts, &request.ends) {
        (Some(lasts), None) => parse_duration_ms(lasts).map(|ms| now.plus_ms(ms)),
        (None, Some(ends)) => parse_rfc3339(ends).map(CellTime),
        _ => None,
    };
    let Some(ends) = ends else {
        let way = "give it an end: either `for`, like 2 h, or `ends`, like 2026-01-05T10:00:00Z";
        mistakes.push(way.to_owned());
        return Err(mistakes);
    };
    let (id, reason) = (format!("silence-{number}"), request.reason);
    let silence = Silence { id, matchers, owner, reason, starts: now, ends };
    // Half-read matchers would be told of as taking everything.
    if mistakes.is_empty() {
        mistakes = silence.mistakes();
    }
    if mistakes.is_empty() { Ok(silence) } else { Err(mistakes) }
}

fn told(silence: &Silence) -> Value {
    json!({
        "id": silence.id,
        "matchers": silence.matchers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "owner": silence.owner,
        "reason": silence.reason,
        "starts": rfc3339(silence.starts.0),
        "ends": rfc3339(silence.ends.0),
    })
}

pub(super) fn refused(mistakes: Vec<String>) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"refused": mistakes}))).into_response()
}

fn starting() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "starting: try again").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_must_say() {
        for (text, mistakes) in [
            (r#"{"matchers":["severity=\"P1\""],"reason":"deploy","for":"2 h"}"#, 0),
            (r#"{"matchers":["a=b"],"reason":"x","ends":"1970-01-01T01:00:00Z"}"#, 0),
            (r#"{"matchers":["a=b"],"reason":"x","ends":"1970-01-01T00:00:00Z"}"#, 1),
            (r#"{"matchers":["a=b"],"reason":"x"}"#, 1),
            (r#"{"matchers":["a=b"],"reason":"x","for":"2 h","ends":"1970-01-01T01:00:00Z"}"#, 1),
            (r#"{"matchers":["a","b=~("],"reason":"x","for":"soon"}"#, 3),
            (r#"{"matchers":[],"reason":"","for":"31 d"}"#, 3),
        ] {
            let request = serde_json::from_str(text).expect(text);
            let silence = read(request, "anna".to_owned(), 7, CellTime(1_000));
            let found = silence.as_ref().map_or_else(Vec::len, |_| 0);
            assert_eq!(found, mistakes, "{text}: {silence:?}");
            if let Ok(silence) = silence {
                assert_eq!((silence.id.as_str(), silence.owner.as_str()), ("silence-7", "anna"));
            }
        }
    }
}
