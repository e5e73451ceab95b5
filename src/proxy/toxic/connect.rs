//! What is done to new connections: refused, or dialled late. Open ones go on.

use std::time::Duration;

use serde::Serialize;

use super::DELAY_MAX_MS;

/// Nobody listens: a connect is refused by the system. With a toxicity below 1 the connections that
/// it touches are accepted and reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Refuse {}

/// The upstream is dialled `delay_ms` after the client connected; what the client says meanwhile
/// waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SlowConnect {
    pub delay_ms: u64,
}

impl SlowConnect {
    pub(super) fn mistake(self) -> Option<String> {
        let delay_ms = self.delay_ms;
        (delay_ms > DELAY_MAX_MS).then(|| format!("delay {delay_ms} ms is above {DELAY_MAX_MS}"))
    }

    pub(in crate::proxy) fn delay(self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }
}
