//! Doing one step, and looking whether it had its effect.
//!
//! Owns the HTTP and SQL of plans. A step carries `Idempotency-Key: RUN:STEP`, so that a repeat
//! after a crash is the same step; an SQL action stands in one transaction with its receipt in the target's schema; a record has a
//! key by which its consumers know a repeat. Must not know states or limits of a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::spec::{
    Action, HttpAction, KafkaAction, Method, Names, Proof, SqlTemplate, Step, path_segment,
    verbatim,
};
use crate::dcheck::alerts::Producer;
use crate::dcheck::alerts::reading::scalar;
use crate::dcheck::results::Receipt;
use crate::dcheck::results::sql::{SqlClient, SqlError};

/// A target that has not answered by then is asked again.
const CALL_LIMIT: Duration = Duration::from_secs(3);
/// How much of a refusal's text is kept for people.
const REFUSAL_CHARS: usize = 160;

/// Where the actions of plans go.
pub struct Targets {
    pub http: reqwest::Client,
    /// Name -> base URL, from `--target`.
    pub urls: BTreeMap<String, String>,
    pub sql: Arc<SqlClient>,
    pub kafka: Producer,
    /// Stands before each topic's name.
    pub topic_prefix: String,
}

/// A record of a plan with everything filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub topic: String,
    pub key: String,
    /// `RUN:STEP`, in header `idempotency-key`.
    pub id: String,
    pub body: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    #[error("unknown target `{0}`: start with --target {0}=URL")]
    Target(String),
    #[error("{method} {place}: {error}")]
    Http { method: &'static str, place: String, error: reqwest::Error },
    #[error("{method} {place}: http {status} {text}")]
    Refused { method: &'static str, place: String, status: u16, text: String },
    #[error(transparent)]
    Sql(#[from] SqlError),
    #[error("{0}")]
    Kafka(String),
}

impl Targets {
    /// Does a step and returns its receipt.
    pub async fn act(&self, step: &Step, names: &Names) -> Result<String, ActionError> {
        match &step.action {
            Action::Http(http) => {
                let key = format!("{}:{}", names.run, step.name);
                let body = http.body.as_ref().map(|body| filled(body, names));
                let (status, _) = self.call(http, names, body, Some(key)).await?;
                Ok(format!("http {status}"))
            }
            Action::Sql(sql) => {
                let (params, ticket) = (params(sql, names), names.fill(&sql.ticket, verbatim));
                let receipt = Receipt {
                    run: &names.run,
                    step: &step.name,
                    ticket: if ticket.is_empty() { &names.run } else { &ticket },
                    at_ms: &names.now_ms,
                };
                let done = self.sql.once(&receipt, &sql.text, &params, CALL_LIMIT).await?;
                let before = if done.before { ", done before" } else { "" };
                Ok(format!("{} row(s){before}", done.affected))
            }
            Action::Kafka(kafka) => {
                let record = self.record(kafka, &step.name, names);
                let headers =
                    [("idempotency-key", record.id.as_str()), ("dcheck-plan", &names.plan)];
                let sent =
                    self.kafka.send(&record.topic, &record.key, &headers, &record.body).await;
                let (partition, offset) = sent.map_err(ActionError::Kafka)?;
                Ok(format!("{}/{partition}@{offset}", record.topic))
            }
        }
    }

    /// True when the effect is there.
    pub async fn is_proved(&self, proof: &Proof, names: &Names) -> Result<bool, ActionError> {
        match proof {
            Proof::Sql(sql) => Ok(!self.query(sql, names).await?.rows.is_empty()),
            Proof::Http { target, path, expect } => {
                let get = HttpAction {
                    target: target.clone(),
                    method: Method::Get,
                    path: path.clone(),
                    body: None,
                };
                let (_, text) = self.call(&get, names, None, None).await?;
                let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
                let expect: Vec<(String, String)> = expect
                    .iter()
                    .map(|(name, value)| (name.clone(), names.fill(value, verbatim)))
                    .collect();
                Ok(holds(&answer, &expect))
            }
        }
    }

    /// True when the finding still holds: the query returns a row.
    pub async fn still_holds(&self, sql: &SqlTemplate, names: &Names) -> Result<bool, ActionError> {
        Ok(!self.query(sql, names).await?.rows.is_empty())
    }

    /// Any answer will do; an error says why there was none.
    pub async fn sign_of_life(&self, target: &str) -> Result<(), String> {
        let base = self.urls.get(target).ok_or_else(|| format!("unknown target `{target}`"))?;
        let url = format!("{}/healthz", base.trim_end_matches('/'));
        let asked = self.http.get(&url).timeout(CALL_LIMIT).send().await;
        asked.map(drop).map_err(|error| match error {
            error if error.is_timeout() => format!("{url} gives no answer"),
            error if error.is_connect() => format!("{url} cannot be reached"),
            _ => format!("{url} cuts the connection"),
        })
    }

    async fn query(
        &self,
        sql: &SqlTemplate,
        names: &Names,
    ) -> Result<crate::dcheck::results::sql::Answer, ActionError> {
        Ok(self.sql.positional(&sql.text, &params(sql, names), CALL_LIMIT).await?)
    }

    fn record(&self, kafka: &KafkaAction, step: &str, names: &Names) -> Record {
        record(kafka, &self.topic_prefix, step, names)
    }

    async fn call(
        &self,
        action: &HttpAction,
        names: &Names,
        body: Option<Value>,
        idempotency_key: Option<String>,
    ) -> Result<(u16, String), ActionError> {
        let base = self
            .urls
            .get(&action.target)
            .ok_or_else(|| ActionError::Target(action.target.clone()))?;
        let path = names.fill(&action.path, path_segment);
        let url = format!("{}{path}", base.trim_end_matches('/'));
        let (word, method) = match action.method {
            Method::Get => ("GET", reqwest::Method::GET),
            Method::Put => ("PUT", reqwest::Method::PUT),
            Method::Post => ("POST", reqwest::Method::POST),
            Method::Delete => ("DELETE", reqwest::Method::DELETE),
        };
        let mut request = self.http.request(method, &url).timeout(CALL_LIMIT);
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        // By the target's name: its address may hold a secret.
        let place = format!("{}{path}", action.target);
        let failed = |error: reqwest::Error| {
            let (place, error) = (place.clone(), error.without_url());
            ActionError::Http { method: word, place, error }
        };
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let text = answer.text().await.map_err(failed)?;
        if status.is_success() {
            return Ok((status.as_u16(), text));
        }
        let text = text.chars().take(REFUSAL_CHARS).collect();
        Err(ActionError::Refused { method: word, place, status: status.as_u16(), text })
    }
}

/// The parameters of a statement, filled in.
pub fn params(sql: &SqlTemplate, names: &Names) -> Vec<String> {
    sql.params.iter().map(|param| names.fill(param, verbatim)).collect()
}

pub fn record(kafka: &KafkaAction, prefix: &str, step: &str, names: &Names) -> Record {
    let id = format!("{}:{step}", names.run);
    let key = names.fill(&kafka.key, verbatim);
    Record {
        topic: format!("{prefix}{}", kafka.topic),
        key: if key.is_empty() { id.clone() } else { key },
        id,
        body: filled(&kafka.body, names).to_string(),
    }
}

/// Fills the templates in every text of a body.
pub fn filled(body: &Value, names: &Names) -> Value {
    match body {
        Value::String(text) => Value::String(names.fill(text, verbatim)),
        Value::Array(items) => items.iter().map(|item| filled(item, names)).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, item)| (key.clone(), filled(item, names))).collect()
        }
        other => other.clone(),
    }
}

/// True where one object of the answer, at any depth, has all the fields.
fn holds(answer: &Value, expect: &[(String, String)]) -> bool {
    match answer {
        Value::Array(items) => items.iter().any(|item| holds(item, expect)),
        Value::Object(map) => {
            let matches = |(name, wanted): &(String, String)| {
                map.get(name).and_then(scalar).is_some_and(|found| found == *wanted)
            };
            expect.iter().all(matches) || map.values().any(|value| holds(value, expect))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_effect_is_proved_by_one_object_with_all_fields() {
        let expect = [("scope", "S-1"), ("active", "true")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        for (answer, proved) in [
            (json!({"scope": "S-1", "active": true}), true),
            (json!([{"scope": "S-2", "active": true}, {"scope": "S-1", "active": true}]), true),
            (json!({"breakers": [{"scope": "S-1", "active": true}]}), true),
            (json!([{"scope": "S-2", "active": true}, {"scope": "S-1", "active": false}]), false),
            (json!({"scope": "S-1"}), false),
            (json!([]), false),
            (Value::Null, false),
        ] {
            assert_eq!(holds(&answer, &expect), proved, "{answer}");
        }
    }

    #[tokio::test]
    async fn an_error_tells_the_target_by_name_and_never_its_address() {
        let targets = Targets {
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            urls: [("shop".to_owned(), "http://u:secret@127.0.0.1:1/base".to_owned())].into(),
            sql: Arc::new(SqlClient::new("mysql://nobody@127.0.0.1:1/none").unwrap()),
            kafka: Producer::new("127.0.0.1:1", "none"),
            topic_prefix: String::new(),
        };
        let (target, path) = ("shop".to_owned(), "/breakers/{scope}".to_owned());
        let http = HttpAction { target, path, method: Method::Put, body: None };
        let step = Step { name: "off".into(), action: Action::Http(http) };
        let names = Names { scope: "S-1".into(), ..Names::default() };
        let told = targets.act(&step, &names).await.unwrap_err().to_string();
        assert!(told.starts_with("PUT shop/breakers/S-1: "), "{told}");
        assert!(!told.contains("secret") && !told.contains("127.0.0.1"), "{told}");
    }

    #[test]
    fn bodies_are_filled_at_any_depth() {
        let names = Names { run: "r1".into(), scope: "S\"1".into(), ..Names::default() };
        let body = json!({"run_id": "{run}", "list": ["{scope}", 3]});
        assert_eq!(filled(&body, &names), json!({"run_id": "r1", "list": ["S\"1", 3]}));
    }

    #[test]
    fn a_record_is_known_by_its_key_or_by_its_run() {
        let names = Names { run: "r1".into(), scope: "S-1".into(), ..Names::default() };
        for (key, told) in [("{scope}", "S-1"), ("", "r1:tell")] {
            let body = json!({"sku": "{scope}"});
            let kafka = KafkaAction { topic: "risk".into(), key: key.into(), body };
            let record = record(&kafka, "cell-1.", "tell", &names);
            assert_eq!((record.topic.as_str(), record.key.as_str()), ("cell-1.risk", told));
            assert_eq!((record.id.as_str(), record.body.as_str()), ("r1:tell", r#"{"sku":"S-1"}"#));
        }
    }
}
