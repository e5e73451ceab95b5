//! Which servers a scenario's faults need beside the usual ones of a cell.
//!
//! Worked out from the faults that the steps name, so that nobody writes it down. A cell with more is made for its
//! scenario alone, never ahead of need.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::faults::{FaultSpec, Need, registry};
use crate::steps::Scenario;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct More {
    /// A MySQL server as a process that can be hurt: none of a warm stage's.
    pub server: bool,
    /// A broker of its own, likewise.
    pub broker: bool,
    /// Brokers of its own, which are one cluster.
    pub cluster: bool,
    /// A replica of its MySQL server, for look-ups.
    pub replica: bool,
}

impl More {
    /// Of a scenario and of its canary, which is one of `all` and lives in the same cell.
    pub fn of_scenario(scenario: &Scenario, all: &BTreeMap<String, Arc<Scenario>>) -> More {
        let canary = scenario.canary.as_ref().and_then(|id| all.get(id));
        let both = std::iter::once(scenario).chain(canary.map(Arc::as_ref));
        More::of(both.flat_map(Scenario::faults).filter_map(|(id, _)| registry::find(id).ok()))
    }

    pub fn of<'a>(faults: impl IntoIterator<Item = &'a FaultSpec>) -> More {
        let add = |more: More, spec: &FaultSpec| More {
            server: more.server || is_hurt("mysql", &spec.needs),
            broker: more.broker || needs_broker(&spec.needs),
            cluster: more.cluster || spec.needs == Need::Cluster,
            replica: more.replica || spec.needs == Need::Replica,
        };
        faults.into_iter().fold(More::default(), add)
    }

    pub fn is_nothing(self) -> bool {
        self == More::default()
    }
}

/// The broker that cells share is nobody's to kill.
fn needs_broker(need: &Need) -> bool {
    matches!(need, Need::Process("kafka")) || is_hurt("kafka", need)
}

/// Its process is limited, or its calls are spoilt.
fn is_hurt(server: &str, need: &Need) -> bool {
    matches!(need, Need::Limits(name) | Need::Calls(name) if *name == server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fault_that_needs_more_gets_more() {
        let nothing = More::default();
        for (ids, more) in [
            (&[][..], nothing),
            (&["kafka.topic.deleted", "kafka.group.rebalancing"], nothing),
            (&["link.kafka.slow", "kafka.leader.moved"], More { cluster: true, ..nothing }),
            (&["mysql.replica.lagging", "mysql.table.altered"], More { replica: true, ..nothing }),
            (&["mysql.server.failed-over"], More { replica: true, ..nothing }),
            (&["process.kafka.paused"], More { broker: true, ..nothing }),
            (
                &["disk.kafka.slow", "disk.mysql.slow"],
                More { server: true, broker: true, ..nothing },
            ),
            (&["process.mysql.starved"], More { server: true, ..nothing }),
            (&["process.mysql.paused"], nothing),
        ] {
            let found = More::of(ids.iter().map(|id| registry::find(id).unwrap()));
            assert_eq!(found, more, "{ids:?}");
            assert_eq!(found.is_nothing(), more == nothing, "{ids:?}");
        }
    }
}
