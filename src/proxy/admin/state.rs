//! The published snapshot: proxies with their toxics, and leases. Never changed, only replaced.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::refusal::{Mistake, Title, mistake};
use super::toxics::NamedToxic;
use crate::proxy::link::Link;
use crate::proxy::toxic::{Direction, ToxicId};

/// A toxic of a proxy, and its id where it is armed.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub named: NamedToxic,
    pub id: Option<ToxicId>,
}

#[derive(Clone)]
pub(super) struct Proxy {
    pub name: String,
    pub listen: SocketAddr,
    pub upstream: String,
    /// None while it is disabled.
    pub link: Option<Link>,
    pub toxics: Vec<Placed>,
}

impl Proxy {
    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "listen": self.listen.to_string(),
            "upstream": self.upstream,
            "enabled": self.link.is_some(),
            "toxics": self.toxics_json(),
        })
    }

    /// Those of the upstream direction come first, as Toxiproxy has them.
    pub fn toxics_json(&self) -> Value {
        let of = |stream| self.toxics.iter().filter(move |placed| placed.named.stream == stream);
        of(Direction::ToUpstream)
            .chain(of(Direction::ToClient))
            .map(|placed| placed.named.json())
            .collect()
    }

    pub fn toxic(&self, name: &str) -> Result<&Placed, Mistake> {
        let found = self.toxics.iter().find(|placed| placed.named.name == name);
        found.ok_or_else(|| mistake(Title::ToxicNotFound, ""))
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub ttl: Duration,
    pub ends: Instant,
}

impl Lease {
    pub fn json(&self, name: &str) -> Value {
        let left = self.ends.saturating_duration_since(Instant::now());
        let (ttl_ms, left_ms) = (self.ttl.as_millis() as u64, left.as_millis() as u64);
        json!({"name": name, "ttl_ms": ttl_ms, "left_ms": left_ms})
    }
}

#[derive(Clone, Default)]
pub(super) struct State {
    pub proxies: BTreeMap<String, Arc<Proxy>>,
    pub leases: BTreeMap<String, Lease>,
}

impl State {
    pub fn proxy(&self, name: &str) -> Result<&Arc<Proxy>, Mistake> {
        self.proxies.get(name).ok_or_else(|| mistake(Title::ProxyNotFound, ""))
    }

    /// The leases that `toxics` name are there.
    pub fn check_leases<'a>(
        &self,
        toxics: impl Iterator<Item = &'a NamedToxic>,
    ) -> Result<(), Mistake> {
        for lease in toxics.filter_map(|toxic| toxic.lease.as_deref()) {
            if !self.leases.contains_key(lease) {
                let way_out = "take it first: POST /leases";
                return Err(mistake(Title::LeaseNotFound, format!("`{lease}`; {way_out}")));
            }
        }
        Ok(())
    }
}
