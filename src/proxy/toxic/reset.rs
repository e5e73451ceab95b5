//! Reset: live connections are cut by RST, and while it is armed new ones too.

use serde::Serialize;

use super::{DELAY_MAX_MS, Direction};

/// Cuts a connection `after_ms` after it was opened, or after arming where that is later. A silent
/// connection is cut too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reset {
    pub after_ms: u64,
}

impl Reset {
    pub(super) fn mistake(&self, direction: Direction) -> Option<String> {
        if direction != Direction::Both {
            return Some("a reset cuts both sides: its direction must be `both`".into());
        }
        (self.after_ms > DELAY_MAX_MS)
            .then(|| format!("after {} ms is above {DELAY_MAX_MS} ms", self.after_ms))
    }
}
