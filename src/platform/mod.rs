//! Business actions applied to the platform under drill: here the built-in practice shop, over its
//! public HTTP.
//!
//! Owns how an act becomes requests, and what an answer means. Goes direct, never through a link
//! that can be faulted. Must never judge anything, draw anything, or look at the shop's tables.
//! Every request id derives from the act's own ids, so that an act applied twice happened once.
//! Try it: `cargo test --lib platform`. Not covered: a user's own platform (`kind: mapped`).

mod answer;
mod builtin;
mod delivery;
mod peer;
mod request;

pub use builtin::{Builtin, Platform};
pub use peer::ClockPeer;

/// Why the platform cannot be spoken to. An act never fails so: its outcome says what is known.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    #[error("cannot make an http client: {0}")]
    Client(reqwest::Error),
    #[error("{peer}: no answer to {what}: {source}; is the process up?")]
    Silent { peer: String, what: String, source: reqwest::Error },
    #[error("{peer}: {what} was answered with http {status}: {body}")]
    Status { peer: String, what: String, status: u16, body: String },
}
