//! Why a fault cannot be named, armed, injected, proved or healed.

use crate::proxy::ProxyError;

#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    #[error("unknown fault `{id}`; the nearest are {}", nearest.join(", "))]
    Unknown { id: String, nearest: Vec<String> },
    #[error("fault `{fault}` has no parameter `{param}`; {known}")]
    UnknownParam { fault: String, param: String, known: String },
    #[error("fault `{fault}`: {param} `{value}` {reason}")]
    BadParam { fault: String, param: String, value: String, reason: String },
    #[error("fault `{fault}`: {reason}")]
    BadParams { fault: String, reason: String },
    #[error("fault `{fault}` needs {need}, which this cell does not have")]
    Missing { fault: String, need: String },
    #[error("fault `{fault}` is armed already, and not healed yet")]
    Twice { fault: String },
    #[error("cannot inject `{fault}`: {reason}")]
    Inject { fault: String, reason: String },
    #[error("`{fault}` was not seen to bite: {reason}")]
    NoBite { fault: String, reason: String },
    #[error("cannot heal `{fault}`: {reason}")]
    Heal { fault: String, reason: String },
    #[error("`{fault}` was not seen to be healed: {reason}")]
    NotHealed { fault: String, reason: String },
    #[error(transparent)]
    Link(#[from] ProxyError),
}
