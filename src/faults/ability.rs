//! What is told of a fault beside its parameters: how it is proved and healed, and where it is possible.
//!
//! Asks this machine about what only a machine can say (control groups); starts and changes nothing that stays.

use super::limit;
use super::{FaultSpec, Need, Params};
use crate::stage::{Provider, groups};

const OWNERS: &str =
    "a given server is its owner's: it is never killed, paused, limited or changed";
const ENGINES: &str = "the server is a process of the engine's, and not of ours";

impl FaultSpec {
    /// How it is seen to bite, from outside of what injects it.
    pub fn proved_by(&self) -> &'static str {
        match self.needs {
            Need::Switches => "the switch reads back as on, and the shop counts a hit",
            Need::Link(_) => "a question through the link gets the harm",
            Need::Statements(_) => "the link counts a hit, and the server greets through it",
            Need::Records(_) => {
                "the link counts a hit, and past it the log is read, or the broker asked"
            }
            Need::Process(_) => "the process is asked for a sign of life",
            Need::Rules => "the reconciler answers the order to read its rules again",
            Need::Books => "the row reads back as edited",
            Need::Server => "another connection gets the harm",
            Need::ChangeLog(_) => "the server lists its logs",
            Need::Broker => "another client asks the broker for the topic",
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
            (Need::Process(_), "paused" | "paused-briefly") => "the process goes on",
            (Need::Process(_), _) => "the process is started again",
            (Need::Rules, _) => "the file is removed, and the rules are read again",
            (Need::Books, _) => "what was added by hand is taken off",
            (Need::Server, "altered") => "the column is dropped",
            (Need::Server, "read-only") => "the old values are put back",
            (Need::Server, _) => "the connections that hold it are closed",
            (Need::ChangeLog(_), "purged") => "the reader may come again; the gap stays",
            (Need::ChangeLog(_), _) => "nothing has to be undone",
            (Need::Broker, "deleted") => "the topic is made anew, empty",
            (Need::Broker, _) => "nothing can be undone: the records are gone",
            (Need::Limits(_), "out-of-memory") => "the group is removed, the process started again",
            (Need::Limits(_), _) => "the group is removed",
        }
    }

    /// Is it possible with servers of `provider` on this machine? Else why not.
    pub fn able(&self, provider: Provider) -> Result<(), String> {
        match (&self.needs, provider) {
            (
                Need::Process("mysql")
                | Need::Limits("mysql")
                | Need::Server
                | Need::ChangeLog(_)
                | Need::Broker,
                Provider::External,
            ) => Err(OWNERS.to_owned()),
            (Need::Limits("mysql"), Provider::Docker) => Err(ENGINES.to_owned()),
            (Need::Limits(_), _) => {
                let defaults = Params::check(self, &Default::default());
                let defaults = defaults.expect("invariant: defaults are within their bounds");
                groups::able(limit::limit(self, &defaults))
            }
            _ => Ok(()),
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
        ] {
            let able = registry::find(id).unwrap().able(provider);
            assert_eq!(able.err().as_deref(), why, "{id} {provider:?}");
        }
    }
}
