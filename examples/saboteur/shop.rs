//! Towards the shop: what plans do and ask there.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode};
use mysql_async::prelude::Queryable;
use serde_json::{Value, json};

use crate::mode::Mode;
use crate::relay::{Passed, pass};

const CHANNELS: [&str; 3] = ["alipay", "wechat", "unionpay"];
/// Breaker, and where its places are kept.
const KEPT: [(&str, &str, &str); 5] = [
    ("transfer", "account_id", "account WHERE kind = 'USER'"),
    ("payout", "merchant", "settle_bill"),
    ("settle", "merchant", "settle_bill"),
    ("redeem", "activity_id", "activity"),
    ("ship", "warehouse", "shipment"),
];

/// A plan's action or proof, as the reconciler asks for it.
#[derive(Clone)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    /// With its `?`, or empty.
    pub query: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

pub struct Shop {
    mode: Mode,
    url: String,
    /// URL of the shop's books.
    books: String,
    http: reqwest::Client,
    /// What an executor that does nothing would like to be true: `kind/scope` -> the breaker, `orders/order` -> the order.
    pretended: Mutex<BTreeMap<String, Value>>,
    /// Plan run -> the paths that it has put something on.
    put: Mutex<BTreeMap<String, Vec<String>>>,
}

impl Shop {
    pub fn new(mode: Mode, url: String, books: String, http: reqwest::Client) -> Shop {
        Shop { mode, url, books, http, pretended: Mutex::default(), put: Mutex::default() }
    }

    pub async fn asked(&self, asked: Asked) -> Passed {
        match self.mode {
            Mode::PlanWithoutEffect | Mode::PlanLate => {
                let answer = self.pretend(&asked);
                return (StatusCode::OK, Bytes::from(answer.to_string()));
            }
            Mode::PlanNeverReverts if asked.method == Method::DELETE => {
                return (StatusCode::OK, Bytes::from_static(b"{}"));
            }
            Mode::PlanOutOfScope if asked.method != Method::GET => self.widen(&asked).await,
            Mode::PlanUndoneAtOnce | Mode::PlanWearsOff if asked.method == Method::PUT => {
                self.remember(&asked);
            }
            _ => {}
        }
        self.pass(&asked).await
    }

    pub async fn pass(&self, asked: &Asked) -> Passed {
        let Asked { method, path, query, headers, body } = asked.clone();
        pass(&self.http, format!("{}{path}{query}", self.url), method, headers, body).await
    }

    fn remember(&self, asked: &Asked) {
        let order: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let Some(run) = order["run_id"].as_str() else { return };
        let mut put = lock(&self.put);
        put.entry(run.to_owned()).or_default().push(asked.path.clone());
    }

    /// Takes back whatever a plan run has put on something.
    pub async fn undo(&self, run: &str) {
        let paths = lock(&self.put).remove(run).unwrap_or_default();
        for path in paths {
            let url = format!("{}{path}?run_id={run}", self.url);
            pass(&self.http, url, Method::DELETE, HeaderMap::new(), Bytes::new()).await;
        }
    }

    /// The same at every other place where the same breaker could stand.
    async fn widen(&self, asked: &Asked) {
        for path in self.wider(&asked.path).await {
            let headers = keyed(&asked.headers, &path);
            self.pass(&Asked { path, headers, ..asked.clone() }).await;
        }
    }

    async fn wider(&self, path: &str) -> Vec<String> {
        let of_channel = ["/breakers/refund/", "/breakers/pay/"];
        let of_channel = of_channel.into_iter().find(|kind| path.starts_with(kind));
        let all: Vec<String> = if let Some(kind) = of_channel {
            CHANNELS.iter().map(|channel| format!("{kind}{channel}")).collect()
        } else if path.starts_with("/breakers/sale/") {
            let items = match self.http.get(format!("{}/items", self.url)).send().await {
                Ok(answer) => answer.json::<Vec<Value>>().await.unwrap_or_default(),
                Err(_) => Vec::new(),
            };
            let skus = items.iter().filter_map(|item| item["sku"].as_str());
            skus.map(|sku| format!("/breakers/sale/{sku}")).collect()
        } else {
            self.kept(path).await.unwrap_or_default()
        };
        all.into_iter().filter(|one| one != path).collect()
    }

    /// The places of the same kind that are in the shop's books.
    async fn kept(&self, path: &str) -> Option<Vec<String>> {
        let (kind, _) = path.strip_prefix("/breakers/")?.split_once('/')?;
        let (_, column, table) = KEPT.iter().find(|(of, ..)| *of == kind)?;
        let opts = mysql_async::Opts::from_url(&self.books).ok()?;
        let mut books = mysql_async::Conn::new(opts).await.ok()?;
        let query = format!("SELECT DISTINCT {column} FROM {table}");
        let places: Vec<String> = books.query(query).await.ok()?;
        books.disconnect().await.ok()?;
        Some(places.into_iter().map(|place| format!("/breakers/{kind}/{place}")).collect())
    }

    /// Yes to everything, and the same yes when asked whether it is so.
    fn pretend(&self, asked: &Asked) -> Value {
        let mut pretended = lock(&self.pretended);
        let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
        match parts[..] {
            ["breakers"] => pretended.values().cloned().collect(),
            ["breakers", kind, scope] => {
                let order: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
                let active = asked.method != Method::DELETE;
                let run = &order["run_id"];
                let breaker =
                    json!({"kind": kind, "scope": scope, "active": active, "run_id": run});
                pretended.insert(format!("{kind}/{scope}"), breaker.clone());
                breaker
            }
            ["orders", _, "points"] => json!({"grants": "1"}),
            ["orders", order, act] => {
                let status = match act {
                    "strike-out" => "PENDING",
                    "return" => "RETURNED",
                    _ => "PAID",
                };
                let said = json!({"order": order, "status": status});
                pretended.insert(format!("orders/{order}"), said.clone());
                said
            }
            ["orders", order] => {
                let paid = || json!({"order": order, "status": "PAID"});
                pretended.get(&format!("orders/{order}")).cloned().unwrap_or_else(paid)
            }
            _ => json!({}),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
