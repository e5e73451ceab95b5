//! What an HTTP answer of the shop says about the act.

use serde_json::Value;

/// Longest piece of a foreign body that is quoted in a reason.
const QUOTE_CHARS_MAX: usize = 200;

/// What is known after one request.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// It happened; the body where it was JSON.
    Done(Value),
    /// It did not happen, and will not by asking again.
    Refused(String),
    /// It did not happen yet: ask again.
    Busy(String),
    /// It may or may not have happened.
    Unclear(String),
}

/// Reads status and body.
pub(super) fn read(status: u16, body: &[u8]) -> Answer {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let reason = || {
        let given = json.as_ref().and_then(|json| json.get("reason")?.as_str().map(str::to_owned));
        given.unwrap_or_else(|| {
            let text = String::from_utf8_lossy(body);
            format!("http {status}: {}", text.chars().take(QUOTE_CHARS_MAX).collect::<String>())
        })
    };
    match status {
        200..=299 => Answer::Done(json.unwrap_or(Value::Null)),
        409 | 422 => Answer::Refused(reason()),
        503 => Answer::Busy(reason()),
        // The shop did not take the request: the act did not happen, and the status stays in the
        // reason.
        400..=499 => {
            let reason = reason();
            let status = format!("http {status}");
            let named = reason.starts_with(&status);
            Answer::Refused(if named { reason } else { format!("{status}: {reason}") })
        }
        _ => Answer::Unclear(reason()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers() {
        for (status, body, expect) in [
            (201, r#"{"txn":"T1"}"#, Answer::Done(json!({"txn": "T1"}))),
            (202, "", Answer::Done(Value::Null)),
            (409, r#"{"reason":"off sale"}"#, Answer::Refused("off sale".into())),
            (422, r#"{"reason":"price guard"}"#, Answer::Refused("price guard".into())),
            (422, "no", Answer::Refused("http 422: no".into())),
            (404, r#"{"reason":"no order"}"#, Answer::Refused("http 404: no order".into())),
            (400, "bad json", Answer::Refused("http 400: bad json".into())),
            (503, r#"{"reason":"no database"}"#, Answer::Busy("no database".into())),
            (500, "oops", Answer::Unclear("http 500: oops".into())),
            (302, "", Answer::Unclear("http 302: ".into())),
        ] {
            assert_eq!(read(status, body.as_bytes()), expect, "{status} {body}");
        }
    }
}
