//! What faults may touch in one cell. The one who leases the cell fills it in.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use futures::future::BoxFuture;
use sqlx::mysql::MySqlConnectOptions;

use super::broker::Broker;
use super::{FaultError, FaultSpec, Need, Rules, Speech};
use crate::proxy::Link;
use crate::stage::{Guardian, Service};

/// A process that can be killed, paused and restarted. Each call may be repeated.
pub trait Process: Send + Sync {
    fn kill(&self) -> BoxFuture<'_, Result<(), String>>;
    fn pause(&self) -> BoxFuture<'_, Result<(), String>>;
    fn resume(&self) -> BoxFuture<'_, Result<(), String>>;
    /// Starts it anew where it is dead, kills and starts it where it lives; returns when it was
    /// started.
    fn restart(&self) -> BoxFuture<'_, Result<(), String>>;
    /// Does it exist (paused counts)?
    fn is_running(&self) -> BoxFuture<'_, bool>;
    /// Where it listens itself, not a link before it; may change with a restart.
    fn address(&self) -> SocketAddr;
    /// What can be asked of it there.
    fn speech(&self) -> Speech;
    /// Tells this life of the process from the one before: its pid, or a count of starts.
    fn life(&self) -> u64;
    /// Its process on this machine, or why it cannot be touched there.
    fn pid(&self) -> BoxFuture<'_, Result<u32, String>>;
}

/// The cell's own database and the replica that follows it.
#[derive(Clone, Debug)]
pub struct Pair {
    pub primary: Service,
    pub replica: Service,
}

/// Links by name (`cdc`, `sql`, `kafka`, `alerts`, `plans`, `shop-sql`, `shop-kafka`,
/// `shop-channel`, `channel-shop`), processes by name (`shop`, `channel`, `dcheck`, `mysql`; `kafka` where the broker is the
/// cell's own).
#[derive(Clone, Default)]
pub struct Ground {
    /// All that faults draw, they draw from it: the scenario's seed.
    pub seed: u64,
    pub links: BTreeMap<String, Link>,
    /// The practice shop itself, past every link: `http://127.0.0.1:…`.
    pub shop_url: Option<String>,
    pub processes: BTreeMap<String, Arc<dyn Process>>,
    /// The reconciler's own copy of its rule files, and its console, past every link.
    pub rules: Option<Rules>,
    /// The shop's schema, past every link, as the shop is let in.
    pub books: Option<MySqlConnectOptions>,
    /// The cell's own MySQL server as its administrator, to be changed as a whole; none where it is given.
    pub server: Option<MySqlConnectOptions>,
    /// That server and a replica of it, where there is one.
    pub pair: Option<Pair>,
    /// The broker with the cell's own topics; none where it is given.
    pub broker: Option<Broker>,
    /// Told of what is changed on this machine before it is changed, and the names of the processes that are ours there.
    pub limits: Option<(Guardian, BTreeSet<String>)>,
}

impl Ground {
    fn missing(spec: &FaultSpec, need: String) -> FaultError {
        FaultError::Missing { fault: spec.id.clone(), need }
    }

    pub(super) fn link(&self, spec: &FaultSpec, name: &str) -> Result<Link, FaultError> {
        let missing = || Ground::missing(spec, format!("a link `{name}`"));
        self.links.get(name).cloned().ok_or_else(missing)
    }

    pub(super) fn shop_url(&self, spec: &FaultSpec) -> Result<String, FaultError> {
        let missing = || Ground::missing(spec, "the practice shop's switches".to_owned());
        self.shop_url.clone().ok_or_else(missing)
    }

    pub(super) fn process(
        &self,
        spec: &FaultSpec,
        name: &str,
    ) -> Result<Arc<dyn Process>, FaultError> {
        let missing = || Ground::missing(spec, format!("a process `{name}`"));
        self.processes.get(name).cloned().ok_or_else(missing)
    }

    pub(super) fn rules(&self, spec: &FaultSpec) -> Result<Rules, FaultError> {
        let missing = || Ground::missing(spec, "rule files of the reconciler's own".to_owned());
        self.rules.clone().ok_or_else(missing)
    }

    pub(super) fn books(&self, spec: &FaultSpec) -> Result<MySqlConnectOptions, FaultError> {
        let missing = || Ground::missing(spec, "the practice shop's schema".to_owned());
        self.books.clone().ok_or_else(missing)
    }

    pub(super) fn server(&self, spec: &FaultSpec) -> Result<MySqlConnectOptions, FaultError> {
        let missing = || Ground::missing(spec, "a MySQL server of its own".to_owned());
        self.server.clone().ok_or_else(missing)
    }

    pub(super) fn broker(&self, spec: &FaultSpec) -> Result<Broker, FaultError> {
        let missing = || Ground::missing(spec, "topics of its own on a broker of ours".to_owned());
        self.broker.clone().ok_or_else(missing)
    }

    pub(super) fn pair(&self, spec: &FaultSpec) -> Result<Pair, FaultError> {
        let missing = || Ground::missing(spec, "a replica of its MySQL server".to_owned());
        self.pair.clone().ok_or_else(missing)
    }

    pub(super) fn cluster(&self, spec: &FaultSpec) -> Result<Broker, FaultError> {
        let missing = || Ground::missing(spec, "more than one broker of its own".to_owned());
        self.broker.clone().filter(|broker| broker.brokers > 1).ok_or_else(missing)
    }

    /// Whom to tell before process `name` is limited.
    pub(super) fn limits(&self, spec: &FaultSpec, name: &str) -> Result<Guardian, FaultError> {
        let missing = || Ground::missing(spec, format!("`{name}` as a process of this machine"));
        let (guardian, ours) = self.limits.as_ref().ok_or_else(missing)?;
        ours.contains(name).then(|| guardian.clone()).ok_or_else(missing)
    }

    /// Can this fault be injected here?
    pub fn allows(&self, spec: &FaultSpec) -> Result<(), FaultError> {
        match spec.needs {
            Need::Switches => self.shop_url(spec).map(drop),
            Need::Link(name)
            | Need::Orders(name)
            | Need::Statements(name)
            | Need::Records(name) => self.link(spec, name).map(drop),
            Need::Process(name) => self.process(spec, name).map(drop),
            Need::Rules => self.rules(spec).map(drop),
            Need::Books => self.books(spec).map(drop),
            Need::Server => self.server(spec).and_then(|_| self.books(spec)).map(drop),
            Need::ChangeLog(name) => {
                self.server(spec).and_then(|_| self.link(spec, name)).map(drop)
            }
            Need::Replica => self.pair(spec).map(drop),
            Need::Cluster => self.cluster(spec).map(drop),
            Need::Broker | Need::Group => self.broker(spec).map(drop),
            Need::Offsets(name) => {
                self.books(spec).and_then(|_| self.process(spec, name)).map(drop)
            }
            Need::Limits(name) | Need::Calls(name) => self.limits(spec, name).map(drop),
        }
    }
}
