//! Faults in the practice shop: a switch is put on, read back, and its hits are counted by the
//! shop.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::link::ASK_AGAIN;
use super::{FaultError, FaultSpec, Ground, Params};

/// The shop answers in milliseconds; this only bounds a starved machine.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// A shop whose database has come back refuses once for each connection that it had: over within milliseconds.
const AGAIN_LIMIT: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, Deserialize)]
struct Switch {
    name: String,
    on: bool,
    #[serde(default)]
    params: Value,
    hits: u64,
}

pub(super) struct AppFault {
    spec: &'static FaultSpec,
    client: reqwest::Client,
    url: String,
    switch: String,
    params: Value,
    /// Hits that are not this scenario's; none before the switch was touched.
    hits_before: Option<u64>,
}

impl AppFault {
    pub fn new(
        spec: &'static FaultSpec,
        params: &Params,
        ground: &Ground,
    ) -> Result<AppFault, FaultError> {
        let url = ground.shop_url(spec)?.trim_end_matches('/').to_owned();
        let switch = spec.id.trim_start_matches("app.").to_owned();
        let client = reqwest::Client::builder().no_proxy().timeout(REQUEST_LIMIT).build();
        let client = client.map_err(|error| FaultError::Inject {
            fault: spec.id.clone(),
            reason: format!("no HTTP client: {error}"),
        })?;
        let params = params.to_json();
        Ok(AppFault { spec, client, url, switch, params, hits_before: None })
    }

    async fn read(&self) -> Result<Switch, String> {
        let url = format!("{}/switches", self.url);
        let failed = |error: reqwest::Error| format!("GET {url}: {error}");
        let answer = self.client.get(&url).send().await.map_err(failed)?;
        let answer = answer.error_for_status().map_err(failed)?;
        let switches: Vec<Switch> = answer.json().await.map_err(failed)?;
        let own = switches.into_iter().find(|switch| switch.name == self.switch);
        own.ok_or_else(|| format!("GET {url} lists no switch `{}`", self.switch))
    }

    async fn put(&self, on: bool, params: &Value) -> Result<(), String> {
        let url = format!("{}/switches/{}", self.url, self.switch);
        let failed = |error: reqwest::Error| format!("PUT {url}: {error}");
        let body = json!({"on": on, "params": params});
        let answer = self.client.put(&url).json(&body).send().await.map_err(failed)?;
        answer.error_for_status().map(drop).map_err(failed)
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        self.put_on().await.map_err(|reason| {
            let fault = self.spec.id.clone();
            FaultError::Inject { fault, reason }
        })
    }

    async fn put_on(&mut self) -> Result<String, String> {
        if self.hits_before.is_none() {
            self.hits_before = Some(self.read().await?.hits);
        }
        self.put(true, &self.params).await?;
        let now = self.read().await?;
        if !now.on {
            return Err(format!("switch `{}` reads back as off", self.switch));
        }
        let given = self.params.as_object().into_iter().flatten();
        for (name, value) in given {
            if now.params.get(name) != Some(value) {
                let got = now.params.get(name).unwrap_or(&Value::Null);
                return Err(format!("switch `{}` has {name} {got}, not {value}", self.switch));
            }
        }
        // A shop may count from 0 again at each switching on.
        self.hits_before = self.hits_before.map(|before| before.min(now.hits));
        Ok(format!("switch `{}` reads back as on, {}", self.switch, now.params))
    }

    /// None while no traffic has met the defect.
    pub async fn bites(&mut self) -> Result<Option<String>, FaultError> {
        let no_bite = |reason| FaultError::NoBite { fault: self.spec.id.clone(), reason };
        let now = self.read().await.map_err(no_bite)?;
        let hits = now.hits.saturating_sub(self.hits_before.unwrap_or_default());
        Ok((hits > 0).then(|| format!("switch `{}` acted {hits} times", self.switch)))
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        let failed = |reason| FaultError::Heal { fault: self.spec.id.clone(), reason };
        let off = json!({});
        let start = Instant::now();
        while let Err(reason) = self.put(false, &off).await {
            if start.elapsed() > AGAIN_LIMIT {
                return Err(failed(reason));
            }
            sleep(ASK_AGAIN).await;
        }
        Ok(())
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let unproved = |reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason };
        let start = Instant::now();
        let now = loop {
            match self.read().await {
                Err(_) if start.elapsed() < AGAIN_LIMIT => sleep(ASK_AGAIN).await,
                read => break read.map_err(unproved)?,
            }
        };
        if now.on {
            return Err(unproved(format!("switch `{}` reads back as on", self.switch)));
        }
        Ok(format!("switch `{}` reads back as off", self.switch))
    }
}
