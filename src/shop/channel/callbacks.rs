//! Calls the shop back for each charge, signed, again and again on cell time until it answers 200.
//!
//! Knows nothing of what the shop does with it. Try it: `tests/shop.rs`. Not covered: callbacks of
//! payouts.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use reqwest::Client;
use serde_json::json;
use tokio::sync::Semaphore;

use super::ledger::{Entry, Progress};
use super::{Channel, Refusal};
use crate::clock::CellTime;
use crate::shop::business_log;
use crate::shop::signature::{SIGNATURE_HEADER, Secret};

/// How long the shop may take to answer.
const CALL_LIMIT: Duration = Duration::from_secs(3);
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
const IDLE_LIMIT: Duration = Duration::from_secs(5);
/// Callbacks in flight at once: as many as the shop has connections to its books.
const SIDE_BY_SIDE: usize = 8;

/// Where and how to call.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    url: String,
    secret: Secret,
}

impl Caller {
    pub fn new(shop: &str, secret: Secret) -> Result<Caller, Refusal> {
        let client = Client::builder()
            .timeout(CALL_LIMIT)
            .connect_timeout(CONNECT_LIMIT)
            .pool_idle_timeout(IDLE_LIMIT)
            .tcp_nodelay(true)
            .no_proxy()
            .build()
            .map_err(|error| Refusal::away("the http client", error))?;
        let url = format!("{}/callbacks/payment", shop.trim_end_matches('/'));
        Ok(Caller { client, url, secret })
    }

    async fn call(&self, entry: &Entry) -> Result<(), String> {
        let body = serde_json::to_vec(entry).map_err(|error| error.to_string())?;
        let sent = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .header(SIGNATURE_HEADER, self.secret.sign(&body))
            .body(body)
            .send()
            .await
            .map_err(|error| error.without_url().to_string())?;
        match sent.status() {
            StatusCode::OK => Ok(()),
            status => Err(format!("the shop answered {status}")),
        }
    }
}

/// Calls back for as long as the process lives.
pub async fn run(channel: Channel, caller: Caller) {
    let places = Arc::new(Semaphore::new(SIDE_BY_SIDE));
    loop {
        let due = channel.accounts().book.begin_callbacks(channel.0.clock.now());
        for entry in due {
            let place = Arc::clone(&places).acquire_owned().await;
            let (channel, caller) = (channel.clone(), caller.clone());
            tokio::spawn(async move {
                call_once(&channel, &caller, &entry).await;
                drop(place);
            });
        }
        let next = channel.accounts().book.next_callback();
        tokio::select! {
            () = channel.0.callback_bell.notified() => {}
            () = channel.0.clock.sleep_until(next.unwrap_or(CellTime(i64::MAX))) => {}
        }
    }
}

async fn call_once(channel: &Channel, caller: &Caller, entry: &Entry) {
    let outcome = caller.call(entry).await;
    channel.0.pulse.worked();
    let now = channel.0.clock.now();
    let Err(reason) = outcome else {
        answered(channel, entry);
        return;
    };
    let is_given_up = channel.accounts().book.put_off_callback(entry.seq, now);
    let event = if is_given_up { "callback_given_up" } else { "callback_failed" };
    business_log::log(event, now, &json!({"txn": entry.txn, "reason": reason}));
    if is_given_up {
        answered(channel, entry);
    }
    channel.0.callback_bell.notify_one();
}

/// Notes that this callback is over. Where the note cannot be written, a restart calls once more,
/// which is harmless.
fn answered(channel: &Channel, entry: &Entry) {
    let progress = Progress::CalledBack(entry.seq);
    let mut accounts = channel.accounts();
    drop(accounts.ledger.note(progress));
    accounts.book.note(progress);
}
