//! Any endpoint that takes JSON: a chat, a ticket system, a script.
//!
//! Owns the form: the whole message, or the user's own template with `${…}` in its texts. Acknowledged by a status of 2xx.
//! It is never asked for a sign of life: whoever reads there would read that too.

use serde_json::{Value, json};

use super::send;
use crate::dcheck::alerts::webhook::from_webhook;
use crate::wire::Webhook;

/// What a template may name.
pub const PLACEHOLDERS: [&str; 8] =
    ["status", "rule", "severity", "subject", "at_risk", "summary", "count", "starts_at"];

pub struct Generic {
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Value>,
    pub http: reqwest::Client,
}

impl Generic {
    pub async fn tell(&self, message: &Webhook) -> Result<(), String> {
        let body = match &self.body {
            Some(template) => filled(template, message),
            None => full(message),
        };
        let mut request = self.http.post(&self.url).header("content-type", "application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        send(request.body(body.to_string()), &self.url).await
    }
}

/// The message in full: `{status, count, summary, alerts}`, each alert as `scenarios/schemas/alert.json` has it.
pub fn full(message: &Webhook) -> Value {
    json!({
        "status": message.status,
        "count": message.alerts.len(),
        "summary": value_of("summary", message),
        "alerts": message.alerts.iter().map(from_webhook).collect::<Vec<_>>(),
    })
}

/// The template with its placeholders filled in; a name that is none stays as it is.
pub fn filled(template: &Value, message: &Webhook) -> Value {
    match template {
        Value::String(text) => Value::String(fill(text, message)),
        Value::Array(items) => items.iter().map(|item| filled(item, message)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), filled(value, message))).collect()
        }
        plain => plain.clone(),
    }
}

/// One pass from left to right: what is filled in is never read as a template.
fn fill(text: &str, message: &Webhook) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let name = rest.find('}').map(|end| &rest[2..end]);
        match name.filter(|name| PLACEHOLDERS.contains(name)) {
            Some(name) => {
                out.push_str(&value_of(name, message));
                rest = &rest[name.len() + 3..];
            }
            None => {
                out.push_str("${");
                rest = &rest[2..];
            }
        }
    }
    out + rest
}

fn value_of(name: &str, message: &Webhook) -> String {
    let alerts = &message.alerts;
    let each = |value: &dyn Fn(&crate::wire::WebhookAlert) -> Option<&String>| {
        let mut values: Vec<&str> = alerts.iter().filter_map(value).map(String::as_str).collect();
        values.dedup();
        values.join(", ")
    };
    match name {
        "status" => message.status.clone(),
        "rule" => each(&|alert| alert.labels.get("alertname")),
        "severity" => each(&|alert| alert.labels.get("severity")),
        "subject" => each(&|alert| alert.labels.get("subject")),
        "at_risk" => each(&|alert| alert.annotations.get("at_risk")),
        "starts_at" => each(&|alert| Some(&alert.starts_at)),
        "count" => alerts.len().to_string(),
        _ => {
            let lines = alerts.iter().filter_map(|alert| alert.annotations.get("summary"));
            lines.cloned().collect::<Vec<_>>().join("\n")
        }
    }
}

/// The names in a template that are no placeholders.
pub fn unknown(template: &Value) -> Vec<String> {
    match template {
        Value::String(text) => text
            .split("${")
            .skip(1)
            .filter_map(|part| part.split_once('}').map(|(name, _)| name))
            .filter(|name| !PLACEHOLDERS.contains(name))
            .map(str::to_owned)
            .collect(),
        Value::Array(items) => items.iter().flat_map(unknown).collect(),
        Value::Object(map) => map.values().flat_map(unknown).collect(),
        _ => Vec::new(),
    }
}
