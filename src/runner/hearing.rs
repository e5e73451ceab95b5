//! How the system under test is heard and asked, as the configuration says: inbox, feeds, health, watermark, clock.
//!
//! Owns the way from `lossdrill.yaml` to the probes of one cell. Must not start anything.

use std::net::SocketAddr;

use crate::config::{Call, Feed, FeedFrom, SystemKind, SystemUnderTest};
use crate::probe::{
    FeedAt, FeedSource, InboxSpec, Reading, ReconcilerAt, RuleNames, Servers, Topic,
};
use crate::stage::cell::Cell;

/// What is told of the system under test beside its command.
#[derive(Clone, Debug, Default)]
pub struct Hearing {
    pub system: SystemUnderTest,
    pub rules: RuleNames,
}

/// Why a configured address cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HearingError {
    #[error("`{0}` is no address to listen at: write it like `http://127.0.0.1:9911/alerts`")]
    Listen(String),
    #[error(
        "alerts and plans by webhook of an external system go to one address: `{0}` and `{1}` are two"
    )]
    TwoPlaces(SocketAddr, SocketAddr),
}

impl Hearing {
    pub fn is_builtin(&self) -> bool {
        self.system.kind == SystemKind::Builtin
    }

    /// How far it has read is told; else that is judged by what it does.
    pub fn has_watermark(&self) -> bool {
        self.is_builtin() || self.system.watermark.is_some()
    }

    /// Its time can be advanced; else everything in its cell lives in real time.
    pub fn advances(&self) -> bool {
        self.is_builtin() || self.system.clock.is_some()
    }

    /// Where the inbox listens, and how it reads.
    pub fn inbox(&self) -> Result<InboxSpec, HearingError> {
        let mut spec = InboxSpec::default();
        let mut told = None;
        for (feed, topic) in self.feeds() {
            let reading = Reading::of(topic, feed, self.rules.clone());
            let path = match topic {
                Topic::Alerts => {
                    spec.alerts = reading;
                    &mut spec.alerts_path
                }
                Topic::Plans => {
                    spec.plans = reading;
                    &mut spec.plans_path
                }
            };
            let Some(url) = feed.url.as_ref().filter(|_| feed.from == FeedFrom::Webhook) else {
                continue;
            };
            let (listen, wanted) = listen_at(url)?;
            *path = wanted;
            match told.replace(listen) {
                Some(other) if other != listen => {
                    return Err(HearingError::TwoPlaces(other, listen));
                }
                _ => spec.listen = listen,
            }
        }
        Ok(spec)
    }

    /// What has to be followed in this cell, since nobody posts it.
    pub fn followed(&self, cell: &Cell, servers: &Servers) -> Vec<FeedAt> {
        let at = |(feed, topic): (&Feed, Topic)| {
            let text = |text: &Option<String>| cell.fill(text.as_deref().unwrap_or_default());
            let source = match feed.from {
                FeedFrom::Webhook => return None,
                FeedFrom::Poll => FeedSource::Poll { url: text(&feed.url) },
                FeedFrom::Sql => FeedSource::Sql {
                    options: servers
                        .login
                        .mysql_async(&servers.mysql.0, servers.mysql.1)
                        .db_name(Some(servers.schema.clone())),
                    query: text(&feed.query),
                },
                FeedFrom::Kafka => FeedSource::Kafka {
                    bootstrap: servers.bootstrap.clone(),
                    topic: text(&feed.topic),
                },
            };
            Some(FeedAt { source, reading: Reading::of(topic, feed, self.rules.clone()) })
        };
        self.feeds().filter_map(at).collect()
    }

    /// Where it is asked in this cell.
    pub fn reconciler_at(&self, cell: &Cell) -> ReconcilerAt {
        if self.is_builtin() {
            return ReconcilerAt::builtin(&cell.reconciler_url(), &cell.spec.people_token());
        }
        let system = &self.system;
        let watermark = system
            .watermark
            .as_ref()
            .map(|feed| (cell.fill(feed.url.as_deref().unwrap_or_default()), feed.map.clone()));
        let advance = system
            .clock
            .as_ref()
            .map(|call| Call { method: call.method.clone(), url: cell.fill(&call.url) });
        ReconcilerAt {
            health: system.ready.as_deref().map(|url| cell.fill(url)),
            watermark,
            judged: None,
            advance,
            approve: None,
        }
    }

    fn feeds(&self) -> impl Iterator<Item = (&Feed, Topic)> {
        let alerts = self.system.alerts.iter().map(|feed| (feed, Topic::Alerts));
        alerts.chain(self.system.plans.iter().map(|feed| (feed, Topic::Plans)))
    }
}

/// `http://ADDRESS/PATH`
fn listen_at(url: &str) -> Result<(SocketAddr, String), HearingError> {
    let bad = || HearingError::Listen(url.to_owned());
    let rest = url.strip_prefix("http://").ok_or_else(bad)?;
    let (address, path) = rest.split_once('/').ok_or_else(bad)?;
    Ok((address.parse().map_err(|_| bad())?, format!("/{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn hearing(text: &str) -> Hearing {
        let source = format!("system_under_test: {{{text}}}\n");
        let system = Settings::parse("f.yaml", &source).expect("no mistakes").system_under_test;
        Hearing { system, rules: RuleNames::default() }
    }

    #[test]
    fn what_is_not_told_is_not_there() {
        let own = hearing("kind: builtin");
        assert!(own.has_watermark() && own.advances());
        let foreign = hearing("kind: process, command: [x]");
        assert!(!foreign.has_watermark() && !foreign.advances());
        let clock = hearing("kind: process, command: [x], clock: {advance: {url: u}}");
        assert!(clock.advances() && !clock.has_watermark());
    }

    #[test]
    fn the_inbox_is_where_an_external_system_posts() {
        let at = |alerts: &str, plans: &str| {
            hearing(&format!(
                "kind: external, alerts: {{from: webhook, url: '{alerts}'}}, \
                 plans: {{from: webhook, url: '{plans}'}}"
            ))
            .inbox()
        };
        let spec = at("http://127.0.0.1:9911/a", "http://127.0.0.1:9911/p").unwrap();
        assert_eq!((spec.listen.port(), spec.alerts_path.as_str()), (9911, "/a"));
        assert_eq!(spec.plans_path, "/p");
        let error = at("http://127.0.0.1:1/a", "http://127.0.0.1:2/p").unwrap_err();
        assert!(matches!(error, HearingError::TwoPlaces(..)), "{error}");
        for bad in ["https://h/a", "http://somewhere:1/a", "http://127.0.0.1:1"] {
            assert!(matches!(at(bad, bad), Err(HearingError::Listen(_))), "{bad}");
        }
        assert_eq!(hearing("kind: builtin").inbox().unwrap(), InboxSpec::default());
    }
}
