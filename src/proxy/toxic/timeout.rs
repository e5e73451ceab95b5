//! Timeout: nothing passes, what comes is thrown away, and the connection is closed after a time.

use std::time::Duration;

use serde::Serialize;

use super::DELAY_MAX_MS;

/// Closes a connection `after_ms` after it was opened, or after arming where that is later, whoever
/// still talks; 0 never closes it. A stream that lost bytes cannot go on: disarming closes its
/// connection, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Timeout {
    pub after_ms: u64,
}

impl Timeout {
    pub(super) fn mistake(self) -> Option<String> {
        let after_ms = self.after_ms;
        (after_ms > DELAY_MAX_MS).then(|| format!("timeout {after_ms} ms is above {DELAY_MAX_MS}"))
    }

    pub(super) fn after(self) -> Option<Duration> {
        (self.after_ms > 0).then(|| Duration::from_millis(self.after_ms))
    }
}
