//! Which address clients are told for which node, and where that address leads.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use crate::proxy::door::Door;
use crate::proxy::link::Shared;

/// Nodes of one cluster that get a listener: more is an answer that lies.
const NODES_MAX: usize = 64;

/// Where the nodes of a cluster are dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// One broker: every node is the link's own upstream, and its address the link's own.
    One,
    /// One listener a node, made on first sight. Leads to where the map says, else to the
    /// advertised address.
    PerNode(BTreeMap<i32, String>),
}

pub(in crate::proxy) struct AddressBook {
    nodes: Nodes,
    main: SocketAddr,
    known: Mutex<HashMap<i32, SocketAddr>>,
}

impl AddressBook {
    pub fn new(nodes: Nodes, main: SocketAddr) -> AddressBook {
        AddressBook { nodes, main, known: Mutex::new(HashMap::new()) }
    }

    /// The address that clients are told for `node`, which its broker advertises as `host:port`.
    pub fn place(
        &self,
        shared: &Arc<Shared>,
        node: i32,
        host: &str,
        port: i32,
    ) -> Result<SocketAddr, String> {
        let upstreams = match &self.nodes {
            Nodes::One => return Ok(self.main),
            Nodes::PerNode(upstreams) => upstreams,
        };
        let mut known = self.known.lock().expect("no holder panics");
        if let Some(addr) = known.get(&node) {
            return Ok(*addr);
        }
        if known.len() == NODES_MAX {
            return Err(format!("no listener for node {node}: {NODES_MAX} nodes have one: closed"));
        }
        let upstream = upstreams.get(&node).cloned().unwrap_or_else(|| format!("{host}:{port}"));
        let door = Door::open((self.main.ip(), 0).into())
            .map_err(|error| format!("no listener for node {node}: {error}: closed"))?;
        let addr = door.addr();
        shared.listen(door, Some(upstream.into()));
        known.insert(node, addr);
        Ok(addr)
    }
}
