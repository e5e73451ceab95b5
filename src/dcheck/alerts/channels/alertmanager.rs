//! A real Alertmanager: `POST /api/v2/alerts`.
//!
//! Owns the form of that call. Firing alerts go without an end: Alertmanager then ends them by itself after its `resolve_timeout`
//! (5 min by default) unless they are told again, which `routes` does once a minute. Resolved ones carry their end.
//! Not covered: an Alertmanager whose wall clock is not our cell time; it takes no start that lies in its future.

use std::collections::BTreeMap;

use serde::Serialize;

use super::post;
use crate::wire::WebhookAlert;

/// Alerts in one post: far below what a server takes in one body.
const POST_ALERTS: usize = 500;

/// `postableAlert` of its published API.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Postable<'a> {
    labels: &'a BTreeMap<String, String>,
    annotations: &'a BTreeMap<String, String>,
    starts_at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<&'a str>,
}

pub struct Alertmanager {
    url: String,
    http: reqwest::Client,
}

impl Alertmanager {
    pub fn new(base: &str, http: reqwest::Client) -> Alertmanager {
        Alertmanager { url: format!("{}/api/v2/alerts", base.trim_end_matches('/')), http }
    }

    /// No alerts at all are a question whether it lives.
    pub async fn tell(&self, alerts: &[WebhookAlert]) -> Result<(), String> {
        if alerts.is_empty() {
            return post(&self.http, &self.url, "[]").await;
        }
        for some in alerts.chunks(POST_ALERTS) {
            post(&self.http, &self.url, &body(some)).await?;
        }
        Ok(())
    }
}

pub fn body(alerts: &[WebhookAlert]) -> String {
    let postable: Vec<Postable<'_>> = alerts
        .iter()
        .map(|alert| Postable {
            labels: &alert.labels,
            annotations: &alert.annotations,
            starts_at: &alert.starts_at,
            ends_at: (alert.status == "resolved").then_some(alert.ends_at.as_str()),
        })
        .collect();
    serde_json::to_string(&postable).expect("invariant: alerts are plain data")
}
