//! The kinds of channels: one message, told in the channel's own form and acknowledged in its own way.
//!
//! Owns what a channel is ([`ChannelSpec`], data) and what it does ([`Channel`]). What is told is always the text of a webhook,
//! version 4, as the outbox keeps it: a channel makes its own form of it. Must not know groups, retries or which channel
//! is the first. Not covered: TLS settings of our own, secrets other than headers.

mod alertmanager;
mod generic;
mod kafka;
mod log;
mod producer;

use std::path::PathBuf;
use std::time::Duration;

pub use alertmanager::Alertmanager;
pub use generic::{Generic, PLACEHOLDERS, unknown as unknown_placeholders};
pub use kafka::KafkaChannel;
pub use log::LogFile;
pub use producer::Producer;

use super::webhook::heartbeat;
use crate::wire::{Webhook, WebhookAlert};

/// A receiver that has not answered by then is asked again.
const POST_LIMIT: Duration = Duration::from_secs(3);

/// A channel, as the configuration says it.
#[derive(Clone, Debug, PartialEq)]
pub enum ChannelSpec {
    /// Alertmanager's webhook, version 4; acknowledged by a status of 2xx.
    WebhookV4 { url: String },
    /// `POST /api/v2/alerts` of a real Alertmanager; `url` is its base.
    Alertmanager { url: String },
    /// Any endpoint that takes JSON; `body` is a template, without it the message is told in full.
    Webhook { url: String, headers: Vec<(String, String)>, body: Option<serde_json::Value> },
    /// One record for each alert, acknowledged by all replicas in sync.
    Kafka { brokers: String, topic: String },
    /// One line for each alert, acknowledged when it is on the disk.
    Log { path: PathBuf },
}

/// A channel that can be told things.
pub enum Channel {
    WebhookV4 { url: String, http: reqwest::Client },
    Alertmanager(Alertmanager),
    Webhook(Generic),
    Kafka(KafkaChannel),
    Log(LogFile),
}

impl Channel {
    pub fn new(spec: ChannelSpec, http: reqwest::Client) -> Channel {
        match spec {
            ChannelSpec::WebhookV4 { url } => Channel::WebhookV4 { url, http },
            ChannelSpec::Alertmanager { url } => {
                Channel::Alertmanager(Alertmanager::new(&url, http))
            }
            ChannelSpec::Webhook { url, headers, body } => {
                Channel::Webhook(Generic { url, headers, body, http })
            }
            ChannelSpec::Kafka { brokers, topic } => {
                Channel::Kafka(KafkaChannel::new(&brokers, &topic))
            }
            ChannelSpec::Log { path } => Channel::Log(LogFile::new(path)),
        }
    }

    /// Tells one message; an error says why it was not acknowledged.
    pub async fn tell(&self, text: &str) -> Result<(), String> {
        // As it is stored, to the byte: plan events have another form, and pass here too.
        if let Channel::WebhookV4 { url, http } = self {
            return post(http, url, text).await;
        }
        let message: Webhook = serde_json::from_str(text)
            .map_err(|error| format!("a stored message cannot be read: {error}"))?;
        match self {
            Channel::WebhookV4 { .. } => Ok(()),
            Channel::Alertmanager(manager) => manager.tell(&message.alerts).await,
            Channel::Webhook(generic) => generic.tell(&message).await,
            Channel::Kafka(kafka) => kafka.tell(&message.alerts).await,
            Channel::Log(file) => file.tell(&message).await,
        }
    }

    /// Asks for a sign of life with nothing to tell. `open` is what fires and was told: a real Alertmanager forgets what it is
    /// not reminded of. None: this kind cannot be asked, and only what is told shows that it is dead.
    pub async fn beat(&self, open: &[WebhookAlert]) -> Option<Result<(), String>> {
        match self {
            Channel::WebhookV4 { url, http } => Some(post(http, url, &heartbeat()).await),
            Channel::Alertmanager(manager) => Some(manager.tell(open).await),
            Channel::Webhook(_) => None,
            Channel::Kafka(kafka) => Some(kafka.beat().await),
            Channel::Log(file) => Some(file.beat().await),
        }
    }

    /// True where what fires must be told again and again.
    pub fn forgets(&self) -> bool {
        matches!(self, Channel::Alertmanager(_))
    }
}

/// One post; an error says why it was not acknowledged.
pub async fn post(http: &reqwest::Client, url: &str, body: &str) -> Result<(), String> {
    send(http.post(url).header("content-type", "application/json").body(body.to_owned()), url).await
}

async fn send(request: reqwest::RequestBuilder, url: &str) -> Result<(), String> {
    let url = place(url);
    match request.timeout(POST_LIMIT).send().await {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("{url} answers {}", answer.status())),
        Err(error) if error.is_timeout() => Err(format!("{url} gives no answer")),
        Err(error) if error.is_connect() => Err(format!("{url} cannot be reached")),
        Err(_) => Err(format!("{url} cuts the connection")),
    }
}

/// Scheme, host and port: of a chat's hook the rest is its secret, and what is told of a channel is stored and told on.
fn place(url: &str) -> String {
    let parsed = reqwest::Url::parse(url);
    parsed.map_or_else(|_| "the channel".to_owned(), |url| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests;
