//! Slow close: the bytes pass, the end of the stream comes late.

use std::time::Duration;

use serde::Serialize;

use super::{DELAY_MAX_MS, Hold};

/// The end of a stream is passed on `delay_ms` after it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SlowClose {
    pub delay_ms: u64,
}

impl SlowClose {
    pub(super) fn mistake(self) -> Option<String> {
        let delay_ms = self.delay_ms;
        (delay_ms > DELAY_MAX_MS).then(|| format!("delay {delay_ms} ms is above {DELAY_MAX_MS}"))
    }

    pub(super) fn hold(self, is_end: bool) -> Hold {
        if is_end { Hold::For(Duration::from_millis(self.delay_ms)) } else { Hold::Not }
    }
}
