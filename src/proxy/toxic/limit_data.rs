//! Limit data: after so many bytes the connection is closed, and what passed before arrives.

use serde::Serialize;

/// Bytes that pass on one connection, counted from arming; with the last of them it is closed, with
/// 0 at the first that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LimitData {
    pub bytes: u64,
}

impl LimitData {
    /// How many of `bytes` may still pass after `passed`.
    pub(in crate::proxy) fn piece(self, passed: u64, bytes: usize) -> usize {
        bytes.min(usize::try_from(self.bytes.saturating_sub(passed)).unwrap_or(usize::MAX))
    }
}
