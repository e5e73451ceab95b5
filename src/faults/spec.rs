//! `FaultSpec`: all that is known of a fault without touching anything.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{FaultError, Param, Params, kafka, link, mysql};
use crate::journal::FaultUse;

/// The first part of an id, and what is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// A defect of the practice shop, behind a switch.
    App,
    /// A link between two processes of a cell.
    Link,
    /// Single statements, on a link that reads MySQL's packets, and the server itself.
    Mysql,
    /// Single records and answers, on a link that reads Kafka's frames; and the broker itself.
    Kafka,
    Process,
    /// What a server asks of the kernel for its files.
    Disk,
    /// Rows that somebody changes past the shop.
    Data,
    /// What the reconciler itself lives by.
    Watcher,
}

/// What a cell must have for a fault to be possible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "need", content = "of", rename_all = "kebab-case")]
pub enum Need {
    /// `GET`/`PUT /switches` of the practice shop.
    Switches,
    /// The link of this name.
    Link(&'static str),
    /// The link of this name, by which orders go to the shop.
    Orders(&'static str),
    /// The link of this name, which reads MySQL's packets.
    Statements(&'static str),
    /// The link of this name, which reads Kafka's frames.
    Records(&'static str),
    /// The process of this name.
    Process(&'static str),
    /// The reconciler's rule files, and its console to have them read again.
    Rules,
    /// The shop's schema, by SQL past the shop.
    Books,
    /// The cell's own MySQL server, by an administrator's SQL.
    Server,
    /// A replica of that server, which look-ups are asked of.
    Replica,
    /// That server's change log, and the link of this name to its reader.
    ChangeLog(&'static str),
    /// The broker, by an administrator's orders about the cell's own topics.
    Broker,
    /// Brokers of the cell's own that are one cluster.
    Cluster,
    /// A consumer group of the reconciler's own, at a broker of ours.
    Group,
    /// The position that the process of this name keeps in its database, and the process.
    Offsets(&'static str),
    /// The process of this name as one of this machine, and its control groups.
    Limits(&'static str),
    /// The process of this name as one of this machine, and the library before its C library.
    Calls(&'static str),
}

/// How far a fault reaches: what may not be shared while it is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blast {
    Link,
    Cell,
    /// The Kafka server itself: a broker of its own is needed.
    Broker,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultSpec {
    /// `layer.thing.what-happened`
    pub id: String,
    /// One sentence for `faults list`.
    pub doc: String,
    pub layer: Layer,
    pub params: Vec<Param>,
    pub needs: Need,
    pub blast: Blast,
    /// Excused from rest while it bites: sources as the watermark names them, processes, links.
    pub withholds: Vec<&'static str>,
    /// Blind alerts that it may raise.
    pub raises: Vec<&'static str>,
    /// Proved by its first hit, which needs traffic.
    pub waits_for_traffic: bool,
    /// Excused, and what may be raised, while a delay holds things up to a later cell time.
    pub late: Late,
}

/// What a link withholds, and may raise, where its delay is on cell time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Late {
    pub withholds: &'static [&'static str],
    pub raises: &'static [&'static str],
}

/// The parameter of a fault that delays.
pub(super) const DELAY: &str = "delay";
/// Delays above it are on cell time, so that they cannot be measured by waiting.
pub(super) const REAL_DELAY_MAX: Duration = Duration::from_secs(1);

impl FaultSpec {
    /// The last part of the id: what a twin varies.
    pub fn what_happened(&self) -> &str {
        self.id.rsplit('.').next().unwrap_or_default()
    }

    pub fn check_params(&self, given: &BTreeMap<String, String>) -> Result<Params, FaultError> {
        let params = Params::check(self, given)?;
        match self.needs {
            Need::Link(_) => link::check(self, &params)?,
            Need::Statements(_) => mysql::check(self, &params)?,
            Need::Records(_) => kafka::check(self, &params)?,
            _ => {}
        }
        Ok(params)
    }

    /// This fault as the journal names it; `checked` are the values of `params`.
    pub fn used(&self, params: BTreeMap<String, String>, checked: &Params) -> FaultUse {
        let has_delay = self.params.iter().any(|param| param.name == DELAY);
        let is_late = has_delay && checked.duration(DELAY) > REAL_DELAY_MAX;
        let late = if is_late { self.late } else { Late::default() };
        let owned = |names: &[&str], late: &[&str]| {
            names.iter().chain(late).map(|name| (*name).to_owned()).collect()
        };
        FaultUse {
            fault: self.id.clone(),
            params,
            withholds: owned(&self.withholds, late.withholds),
            raises: owned(&self.raises, late.raises),
            waits_for_traffic: self.waits_for_traffic,
        }
    }
}
