//! The shop's side of the payment channel: charges, payouts, and what the channel has charged.
//!
//! Every call is idempotent at the channel by its number, so a call without an answer may be made
//! again. Knows no books. Try it: `tests/shop.rs`. Not covered: more than one channel provider.

use std::time::Duration;

use reqwest::{Client, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Refusal;
use crate::money::Money;

/// How long the channel may take: longer, and the act is answered 503 and may be sent again.
const CALL_LIMIT: Duration = Duration::from_secs(3);
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// Idle connections are kept this long: a link that was reset meanwhile costs one more try, not a
/// refusal.
const IDLE_LIMIT: Duration = Duration::from_secs(5);
const CHANNEL: &str = "payment channel";

/// A client of the payment channel.
#[derive(Clone, Debug)]
pub struct Gateway {
    client: Client,
    base: String,
}

/// What the channel says of one charge, in its callback and when asked.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
pub struct Charge {
    pub order: String,
    pub channel: String,
    pub amount: Money,
    pub txn: String,
    pub at_ms: i64,
}

#[derive(Deserialize)]
struct Txn {
    txn: String,
}

#[derive(Deserialize)]
struct Charges {
    charges: Vec<Charge>,
}

#[derive(Deserialize)]
struct Reason {
    reason: String,
}

impl Gateway {
    pub fn new(base: &str) -> Result<Gateway, Refusal> {
        let client = Client::builder()
            .timeout(CALL_LIMIT)
            .connect_timeout(CONNECT_LIMIT)
            .pool_idle_timeout(IDLE_LIMIT)
            .tcp_nodelay(true)
            .no_proxy()
            .build()
            .map_err(|error| Refusal::away(CHANNEL, error))?;
        Ok(Gateway { client, base: base.trim_end_matches('/').to_owned() })
    }

    /// Charges an order; `request_no` makes it once.
    pub async fn charge(
        &self,
        request_no: &str,
        order: &str,
        channel: &str,
        amount: Money,
    ) -> Result<String, Refusal> {
        let body =
            json!({"order": order, "channel": channel, "amount": amount, "request_no": request_no});
        Ok(self.post::<Txn>("/charges", &body).await?.txn)
    }

    /// Pays money out; `payout_no` makes it once.
    pub async fn pay_out(&self, payout: &Value) -> Result<String, Refusal> {
        Ok(self.post::<Txn>("/payouts", payout).await?.txn)
    }

    /// Transfers to a merchant's account; `transfer_no` makes it once.
    pub async fn transfer(&self, transfer: &Value) -> Result<String, Refusal> {
        Ok(self.post::<Txn>("/transfers", transfer).await?.txn)
    }

    /// What was charged for an order.
    pub async fn charges(&self, order: &str) -> Result<Vec<Charge>, Refusal> {
        let path: String = order.bytes().map(escaped).collect();
        let sent = self.client.get(format!("{}/charges/{path}", self.base)).send().await;
        Ok(read::<Charges>(sent).await?.charges)
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Refusal> {
        let sent = self.client.post(format!("{}{path}", self.base)).json(body).send().await;
        read(sent).await
    }
}

/// A byte of an id inside a path.
fn escaped(byte: u8) -> String {
    match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

async fn read<T: DeserializeOwned>(sent: reqwest::Result<Response>) -> Result<T, Refusal> {
    let response = sent.map_err(|error| Refusal::away(CHANNEL, without_url(error)))?;
    let status = response.status();
    if status.is_success() {
        return response.json().await.map_err(|error| Refusal::away(CHANNEL, without_url(error)));
    }
    let reason = response.json::<Reason>().await.map_or_else(|_| status.to_string(), |r| r.reason);
    if status.is_server_error() {
        return Err(Refusal::away(CHANNEL, reason));
    }
    Err(Refusal::Conflict(format!("the payment channel refused: {reason}")))
}

fn without_url(error: reqwest::Error) -> String {
    let error = error.without_url();
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_path_segment() {
        for (id, expect) in [("O-1.a_b~", "O-1.a_b~"), ("a/b c", "a%2Fb%20c"), ("单", "%E5%8D%95")]
        {
            assert_eq!(id.bytes().map(escaped).collect::<String>(), expect);
        }
    }
}
