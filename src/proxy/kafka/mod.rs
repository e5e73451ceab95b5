//! Kafka on a link. (TCP first: the filters below pass everything.)

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::link::Shared;

/// Where the nodes of a cluster are dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nodes {
    One,
    PerNode(BTreeMap<i32, String>),
}
pub(super) struct AddressBook {}
impl AddressBook {
    pub fn new(_nodes: Nodes, _addr: SocketAddr) -> AddressBook {
        AddressBook {}
    }
}
pub(super) enum Filter {
    Plain,
}
impl Filter {
    pub fn feed(&mut self, bytes: Bytes, out: &mut Vec<Bytes>) -> Result<(), String> {
        out.push(bytes);
        Ok(())
    }
    pub fn finish(&mut self) -> Bytes {
        Bytes::new()
    }
    pub fn pending(&self) -> usize {
        0
    }
}
pub(super) fn filters(_shared: &Arc<Shared>) -> (Filter, Filter) {
    (Filter::Plain, Filter::Plain)
}
