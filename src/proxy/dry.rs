//! A connection of a link without sockets: the same readers of both directions, fed by hand.
//!
//! For fuzzing and its corpus: what a client or a server sends is taken as it comes, and passes, is changed or ends
//! the connection.

use bytes::Bytes;

use super::filter::{Filter, Piece, filters};
use super::link::Link;

/// Both directions of one connection.
pub struct Dry {
    to_upstream: Filter,
    to_client: Filter,
}

impl Link {
    /// One more connection as this link understands it, its rules included; nothing is dialled.
    pub fn dry(&self) -> Dry {
        let (to_upstream, to_client) = filters(self.shared());
        Dry { to_upstream, to_client }
    }
}

impl Dry {
    /// The client sends `bytes`: what the upstream gets, or why the connection ends.
    pub fn request(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        fed(&mut self.to_upstream, bytes)
    }

    /// The upstream sends `bytes`: what the client gets, or why the connection ends.
    pub fn answer(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        fed(&mut self.to_client, bytes)
    }

    /// Both ends are closed: what was gathered goes on as it came, (to the upstream, to the client).
    pub fn finish(&mut self) -> (Bytes, Bytes) {
        (self.to_upstream.finish(), self.to_client.finish())
    }

    /// Bytes gathered and not given out, in both directions.
    pub fn pending(&self) -> usize {
        self.to_upstream.pending() + self.to_client.pending()
    }

    /// The link itself has ended the connection.
    pub fn is_over(&self) -> bool {
        self.to_client.is_over()
    }
}

fn fed(filter: &mut Filter, bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut pieces: Vec<Piece> = Vec::new();
    filter.feed(Bytes::copy_from_slice(bytes), &mut pieces)?;
    Ok(pieces.iter().flat_map(|piece| &piece.bytes[..]).copied().collect())
}
