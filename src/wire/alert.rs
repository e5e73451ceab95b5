//! Alerts, in the shape of Alertmanager's webhook version 4 and as the plain record that the harness judges.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::money::Money;

/// What an alert, a plan or a judgement is about: `order O-1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// `order`, `refund`, `item`, `bid`, `merchant`, `payment`, `channel`, `source` …
    pub kind: String,
    pub id: String,
}

impl Subject {
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Subject {
        Subject { kind: kind.into(), id: id.into() }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} \"{}\"", self.kind, self.id)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertState {
    Firing,
    Resolved,
}

/// One alert as the harness records and judges it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    pub rule: String,
    pub loss_point: String,
    pub subject: Subject,
    /// The business identity of the occurrence that the rule declares; never a log position.
    pub occurrence: String,
    /// `P0` … `P4`.
    pub severity: String,
    /// Money at risk, where the rule knows an amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_risk: Option<Money>,
    /// What was expected, as the rule saw it.
    #[serde(default)]
    pub expected: String,
    /// What was found instead.
    #[serde(default)]
    pub actual: String,
    /// First-observed log position, for people.
    #[serde(default)]
    pub position: String,
    /// RFC 3339, cell time.
    pub starts_at: String,
    pub state: AlertState,
    /// A hash of rule, subject and occurrence: posts with the same fingerprint and `starts_at` are one alert.
    pub fingerprint: String,
}

/// Alertmanager's webhook body, version 4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    pub version: String,
    pub group_key: String,
    pub status: String,
    pub receiver: String,
    #[serde(default)]
    pub group_labels: BTreeMap<String, String>,
    #[serde(default)]
    pub common_labels: BTreeMap<String, String>,
    #[serde(default)]
    pub common_annotations: BTreeMap<String, String>,
    #[serde(rename = "externalURL", default)]
    pub external_url: String,
    #[serde(default)]
    pub truncated_alerts: u64,
    pub alerts: Vec<WebhookAlert>,
}

/// One alert inside a [`Webhook`]. Labels: `alertname` (rule id), `loss_point`, `subject_kind`, `subject`,
/// `occurrence`, `severity`. Annotations: `at_risk` (`199.00 CNY`), `expected`, `actual`, `position`, `summary`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookAlert {
    pub status: String,
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    pub starts_at: String,
    #[serde(default)]
    pub ends_at: String,
    #[serde(rename = "generatorURL", default)]
    pub generator_url: String,
    pub fingerprint: String,
}
