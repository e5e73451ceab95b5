//! Towards the shop: what plans do and ask there.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::mode::Mode;
use crate::relay::{Passed, pass};

const CHANNELS: [&str; 3] = ["alipay", "wechat", "unionpay"];

pub struct Shop {
    mode: Mode,
    url: String,
    http: reqwest::Client,
    /// What an executor that does nothing would like to be true: `kind/scope` -> the breaker.
    pretended: Mutex<BTreeMap<String, Value>>,
}

impl Shop {
    pub fn new(mode: Mode, url: String, http: reqwest::Client) -> Shop {
        Shop { mode, url, http, pretended: Mutex::default() }
    }

    /// A plan's action or proof.
    pub async fn asked(
        &self,
        method: Method,
        path: &str,
        query: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Passed {
        if self.mode == Mode::PlanWithoutEffect {
            let answer = self.pretend(&method, path, &body);
            return (StatusCode::OK, Bytes::from(answer.to_string()));
        }
        if self.mode == Mode::PlanOutOfScope && method != Method::GET {
            for wider in self.wider(path).await {
                let url = format!("{}{wider}{query}", self.url);
                let headers = keyed(&headers, &wider);
                pass(&self.http, url, method.clone(), headers, body.clone()).await;
            }
        }
        let url = format!("{}{path}{query}", self.url);
        pass(&self.http, url, method, headers, body).await
    }

    /// Every other place where the same breaker could stand.
    async fn wider(&self, path: &str) -> Vec<String> {
        let all: Vec<String> = if path.starts_with("/breakers/refund/") {
            CHANNELS.iter().map(|channel| format!("/breakers/refund/{channel}")).collect()
        } else if path.starts_with("/breakers/sale/") {
            let items = match self.http.get(format!("{}/items", self.url)).send().await {
                Ok(answer) => answer.json::<Vec<Value>>().await.unwrap_or_default(),
                Err(_) => Vec::new(),
            };
            let skus = items.iter().filter_map(|item| item["sku"].as_str());
            skus.map(|sku| format!("/breakers/sale/{sku}")).collect()
        } else {
            Vec::new()
        };
        all.into_iter().filter(|one| one != path).collect()
    }

    /// Yes to everything, and the same yes when asked whether it is so.
    fn pretend(&self, method: &Method, path: &str, body: &Bytes) -> Value {
        let mut pretended = self.pretended.lock().unwrap_or_else(PoisonError::into_inner);
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match parts[..] {
            ["breakers"] => pretended.values().cloned().collect(),
            ["breakers", kind, scope] => {
                let order: Value = serde_json::from_slice(body).unwrap_or_default();
                let active = *method != Method::DELETE;
                let run = &order["run_id"];
                let breaker =
                    json!({"kind": kind, "scope": scope, "active": active, "run_id": run});
                pretended.insert(format!("{kind}/{scope}"), breaker.clone());
                breaker
            }
            ["orders", order, ..] => json!({"order": order, "status": "PAID"}),
            _ => json!({}),
        }
    }
}

/// The same headers under an idempotency key of its own.
fn keyed(headers: &HeaderMap, place: &str) -> HeaderMap {
    let mut headers = headers.clone();
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    if let Some(key) = key.and_then(|key| format!("{key}{place}").parse().ok()) {
        headers.insert("idempotency-key", key);
    }
    headers
}
