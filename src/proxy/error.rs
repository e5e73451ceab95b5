//! Why a link cannot do what it was told.

use std::net::SocketAddr;

/// Mistakes and refusals of the room `proxy`.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    #[error("link `{link}` cannot listen on {listen}: {source}; choose port 0 or a free port")]
    Listen { link: String, listen: SocketAddr, source: std::io::Error },
    #[error("cannot listen on {listen}: {source}; choose another address or port")]
    Admin { listen: String, source: std::io::Error },
    #[error(
        "kafka link `{link}` cannot listen on {listen}: clients are told this address, \
         so it must be one they can reach, such as 127.0.0.1"
    )]
    Unreachable { link: String, listen: SocketAddr },
    #[error("cannot arm {toxic} on link `{link}`: {reason}")]
    Toxic { link: String, toxic: &'static str, reason: String },
    #[error("link `{link}` still has {open} connections {limit_ms} ms after it was told to close")]
    Close { link: String, open: u64, limit_ms: u64 },
}
