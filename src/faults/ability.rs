//! What is told of a fault beside its parameters: how it is proved and healed, and where it is possible.
//!
//! Asks this machine about what only a machine can say (control groups); starts and changes nothing that stays.

use super::{FaultSpec, Need, Params};
use super::{calls, failover, limit};
use crate::stage::{Provider, groups};

const OWNERS: &str =
    "a given server is its owner's: it is never killed, paused, limited or changed";
const CELLS_TIME: &str = "it lives by the cell's time, and has no time of day of its own";
const ENGINES: &str = "the server is a process of the engine's, and not of ours";

impl FaultSpec {
    /// How it is seen to bite, from outside of what injects it.
    pub fn proved_by(&self) -> &'static str {
        match self.needs {
            Need::Switches => "the switch reads back as on, and the shop counts a hit",
            Need::Link(_) => "a question through the link gets the harm",
            Need::Orders(_) => "the stand-in counts the orders that it has lied about",
            Need::Statements(_) => "the link counts a hit, and the server greets through it",
            Need::Records(_) => {
                "the link counts a hit, and past it the log is read, or the broker asked"
            }
            Need::Process(_) => "the process is asked for a sign of life",
            Need::Rules => "the reconciler answers the order to read its rules again",
            Need::Books => "the row reads back as edited, doubled, or gone",
            Need::Server => "another connection gets the harm",
            Need::ChangeLog(_) => "the server lists its logs",
            Need::Broker => "another client asks the broker for the topic",
            Need::Calls(_) => {
                "another connection gets the harm, and the calls that suffered are counted"
            }
            Need::Replica if self.what_happened() == failover::WHAT => {
                "another connection through each link is answered by the other server, and may write"
            }
            Need::Replica => "a change at the primary is not seen there yet",
            Need::Cluster => "another client is told who leads",
            Need::Group => "the broker's own log tells generation after generation",
            Need::Offsets(_) => "the stored position is what it was again, by reading",
            Need::Limits(_) => "the kernel counts, while many ask for a sign of life",
        }
    }

    /// What healing does; each is proved like the bite.
    pub fn healed_by(&self) -> &'static str {
        match (self.needs.clone(), self.what_happened()) {
            (Need::Switches, _) => "the switch is turned off",
            (Need::Link(_) | Need::Statements(_) | Need::Records(_), _) => {
                "the link is disarmed, and drained"
            }
            (Need::Orders(_), _) => "the link leads to the shop again",
            (Need::Process(_), "paused" | "paused-briefly") => "the process goes on",
            (Need::Process(_), _) => "the process is started again",
            (Need::Rules, _) => "the file is removed, and the rules are read again",
            (Need::Books, _) => "what was added by hand is taken off, what was there is put back",
            (Need::Server, "altered") => "the column is dropped",
            (Need::Server, "read-only") => "the old values are put back",
            (Need::Server, _) => "the connections that hold it are closed",
            (Need::ChangeLog(_), "purged") => "the reader may come again; the gap stays",
            (Need::ChangeLog(_), _) => "nothing has to be undone",
            (Need::Broker, "deleted") => "the topic is made anew, empty",
            (Need::Broker, _) => "nothing can be undone: the records are gone",
            (Need::Calls(_), _) => {
                "the order is taken back, the process started again where it ended"
            }
            (Need::Replica, failover::WHAT) => {
                "the first server is started again, catches up, and leads again"
            }
            (Need::Replica, _) => "it may apply what it is told at once",
            (Need::Cluster, _) => "the first leaders lead again",
            (Need::Group, _) => "the last member leaves, and none comes any more",
            (Need::Offsets(_), _) => "it has read on, or its position is put back",
            (Need::Limits(_), "out-of-memory") => "the group is removed, the process started again",
            (Need::Limits(_), _) => "the group is removed",
        }
    }

    /// Is it possible with servers of `provider` on this machine? Else why not.
    pub fn able(&self, provider: Provider) -> Result<(), String> {
        match (self.barred(provider), &self.needs) {
            (Some(why), _) => Err(why.to_owned()),
            (None, Need::Limits(_)) => {
                let defaults = Params::check(self, &Default::default());
                let defaults = defaults.expect("invariant: defaults are within their bounds");
                groups::able(limit::limit(self, &defaults))
            }
            (None, _) => Ok(()),
        }
    }

    /// Why no machine can do it with servers of `provider`; none where one can.
    pub fn barred(&self, provider: Provider) -> Option<&'static str> {
        match (&self.needs, provider) {
            (Need::Calls(name), _) if calls::OWN.contains(name) => Some(CELLS_TIME),
            (
                Need::Process("mysql" | "kafka")
                | Need::Limits("mysql" | "kafka")
                | Need::Calls(_)
                | Need::Server
                | Need::ChangeLog(_)
                | Need::Broker
                | Need::Group
                | Need::Cluster
                | Need::Replica,
                Provider::External,
            ) => Some(OWNERS),
            (Need::Limits("mysql" | "kafka") | Need::Calls(_), Provider::Docker) => Some(ENGINES),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::registry;
    use super::*;

    #[test]
    fn what_is_given_is_left_alone_and_the_engines_processes_are_its_own() {
        for (id, provider, why) in [
            ("process.mysql.killed", Provider::External, Some(OWNERS)),
            ("mysql.server.read-only", Provider::External, Some(OWNERS)),
            ("kafka.topic.deleted", Provider::External, Some(OWNERS)),
            ("process.mysql.starved", Provider::Docker, Some(ENGINES)),
            ("process.mysql.killed", Provider::Docker, None),
            ("mysql.locks.held", Provider::Local, None),
            ("link.binlog.stalled", Provider::External, None),
            ("process.mysql.clock-ahead", Provider::Local, None),
            ("process.dcheck.clock-ahead", Provider::Local, Some(CELLS_TIME)),
        ] {
            let able = registry::find(id).unwrap().able(provider);
            assert_eq!(able.err().as_deref(), why, "{id} {provider:?}");
        }
    }
}
