//! A process of the cell that lives by the cell's clock: shop, payment channel.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::PlatformError;
use crate::wire::{Advance, ClockReport, Health};

/// `GET /clock` and the like answer from memory; beyond this the process hangs.
const CLOCK_LIMIT: Duration = Duration::from_secs(2);

/// Reads and advances the clock of one process, direct.
#[derive(Clone, Debug)]
pub struct ClockPeer {
    pub name: String,
    pub base_url: String,
    http: reqwest::Client,
}

impl ClockPeer {
    /// `base_url` without a slash at its end, like `http://127.0.0.1:8080`.
    pub fn new(
        name: impl Into<String>,
        base_url: impl Into<String>,
    ) -> Result<ClockPeer, PlatformError> {
        let base_url = base_url.into().trim_end_matches('/').to_owned();
        Ok(ClockPeer { name: name.into(), base_url, http: direct_client()? })
    }

    /// `GET /healthz`. Not ready is an answer; no answer is an error.
    pub async fn ready(&self) -> Result<Health, PlatformError> {
        let (status, body) = self.call(self.http.get(self.url("/healthz")), "GET /healthz").await?;
        let told: Option<Health> = serde_json::from_slice(&body).ok();
        match told {
            Some(health) => Ok(health),
            // A bare 200 is ready too.
            None => Ok(Health {
                ready: status == 200,
                reasons: vec![String::from_utf8_lossy(&body).into_owned()],
            }),
        }
    }

    /// `GET /clock`.
    pub async fn clock(&self) -> Result<ClockReport, PlatformError> {
        self.get_json("/clock").await
    }

    /// `POST /clock/advance`: the same `seq` again changes nothing.
    pub async fn advance(&self, advance: Advance) -> Result<(), PlatformError> {
        let what = "POST /clock/advance";
        let request = self.http.post(self.url("/clock/advance")).json(&advance);
        let (status, body) = self.call(request, what).await?;
        self.expect_ok(what, status, &body)
    }

    pub(super) async fn get_json<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<T, PlatformError> {
        let what = format!("GET {path}");
        let (status, body) = self.call(self.http.get(self.url(path)), &what).await?;
        self.expect_ok(&what, status, &body)?;
        serde_json::from_slice(&body).map_err(|_| self.status(&what, status, &body))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    async fn call(
        &self,
        request: reqwest::RequestBuilder,
        what: &str,
    ) -> Result<(u16, Vec<u8>), PlatformError> {
        let silent = |source| PlatformError::Silent {
            peer: self.name.clone(),
            what: what.to_owned(),
            source,
        };
        let answer = request.timeout(CLOCK_LIMIT).send().await.map_err(silent)?;
        let status = answer.status().as_u16();
        Ok((status, answer.bytes().await.map_err(silent)?.to_vec()))
    }

    fn expect_ok(&self, what: &str, status: u16, body: &[u8]) -> Result<(), PlatformError> {
        match status {
            200..=299 => Ok(()),
            _ => Err(self.status(what, status, body)),
        }
    }

    fn status(&self, what: &str, status: u16, body: &[u8]) -> PlatformError {
        PlatformError::Status {
            peer: self.name.clone(),
            what: what.to_owned(),
            status,
            body: String::from_utf8_lossy(body).into_owned(),
        }
    }
}

/// A client that no `http_proxy` variable leads astray.
pub(super) fn direct_client() -> Result<reqwest::Client, PlatformError> {
    reqwest::Client::builder().no_proxy().build().map_err(PlatformError::Client)
}
