//! Same request again, same answer: the answer is written in the transaction of the effect.
//!
//! The row in `request_seen` is inserted first, so that of two equal requests at once the second
//! waits for the first and then reads its answer. A refusal leaves no row: the request may succeed
//! later. Knows no act. Try it: `tests/shop.rs`. Not covered: forgetting old requests.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::mysql::MySqlConnection;

use super::super::refusal::{Refusal, is_duplicate};
use super::Booking;

/// A booking that takes effect once for its request id.
pub struct Once<'a, B> {
    kind: &'static str,
    request_id: &'a str,
    body_sha: String,
    booking: B,
}

/// An answer, and whether the effect happened just now.
pub struct Answered<T> {
    pub answer: T,
    pub is_fresh: bool,
}

impl<'a, B> Once<'a, B> {
    /// `body` is what must be equal for a request to be the same.
    pub fn new(
        kind: &'static str,
        request_id: &'a str,
        body: &impl Serialize,
        booking: B,
    ) -> Result<Self, Refusal> {
        Ok(Once { kind, request_id, body_sha: body_sha(body)?, booking })
    }
}

impl<B: Booking> Booking for Once<'_, B>
where
    B::Out: Serialize + DeserializeOwned,
{
    type Out = Answered<B::Out>;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Self::Out, Refusal> {
        let inserted =
            sqlx::query("INSERT INTO request_seen (kind, request_id, body_sha) VALUES (?, ?, ?)")
                .bind(self.kind)
                .bind(self.request_id)
                .bind(&self.body_sha)
                .execute(&mut *books)
                .await;
        match inserted {
            Ok(_) => {
                let answer = self.booking.book(&mut *books).await?;
                let text = serde_json::to_value(&answer)
                    .map_err(|error| Refusal::unreadable("an answer", error))?;
                sqlx::query("UPDATE request_seen SET answer = ? WHERE kind = ? AND request_id = ?")
                    .bind(text)
                    .bind(self.kind)
                    .bind(self.request_id)
                    .execute(&mut *books)
                    .await?;
                Ok(Answered { answer, is_fresh: true })
            }
            Err(error) if is_duplicate(&error) => self.earlier_answer(books).await,
            Err(error) => Err(error.into()),
        }
    }
}

impl<B: Booking> Once<'_, B>
where
    B::Out: DeserializeOwned,
{
    async fn earlier_answer(
        &self,
        books: &mut MySqlConnection,
    ) -> Result<Answered<B::Out>, Refusal> {
        let (kind, id) = (self.kind, self.request_id);
        let row: Option<(String, Option<Value>)> = sqlx::query_as(
            "SELECT body_sha, answer FROM request_seen WHERE kind = ? AND request_id = ?",
        )
        .bind(kind)
        .bind(id)
        .fetch_optional(books)
        .await?;
        match row {
            Some((sha, _)) if sha != self.body_sha => Err(Refusal::Conflict(format!(
                "{kind} `{id}` was asked before with other content: take a new id"
            ))),
            Some((_, Some(answer))) => serde_json::from_value(answer)
                .map(|answer| Answered { answer, is_fresh: false })
                .map_err(|error| Refusal::unreadable("an answer", error)),
            _ => Err(Refusal::away("the earlier request of this id", "it is still in progress")),
        }
    }
}

fn body_sha(body: &impl Serialize) -> Result<String, Refusal> {
    let bytes =
        serde_json::to_vec(body).map_err(|error| Refusal::unreadable("a request", error))?;
    Ok(hex::encode(Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_bodies_are_one_request_and_others_are_not() {
        let sha = |body: Value| body_sha(&body).unwrap();
        assert_eq!(sha(json!({"amount": "1.00 CNY"})), sha(json!({"amount": "1.00 CNY"})));
        assert_ne!(sha(json!({"amount": "1.00 CNY"})), sha(json!({"amount": "1.01 CNY"})));
    }
}
