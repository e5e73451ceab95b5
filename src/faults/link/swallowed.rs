//! What is said is lost, in both directions, and the connection ends.

use std::time::Duration;

use super::super::Params;
use super::rows::AFTER;
use super::{Site, ms};
use crate::proxy::{Direction, Timeout, Toxic, ToxicKind};

#[derive(Clone, Copy, Debug)]
pub(super) struct Swallowed {
    after: Duration,
}

impl Swallowed {
    pub fn of(params: &Params) -> Swallowed {
        Swallowed { after: params.duration(AFTER) }
    }

    pub fn toxic(self) -> Toxic {
        let timeout = Timeout { after_ms: ms(self.after) };
        Toxic::new(ToxicKind::Timeout(timeout), Direction::Both)
    }

    pub async fn bites(self, site: &Site) -> Result<String, String> {
        let haul = site.haul(1).await?;
        match haul.end {
            Some(_) if haul.bytes == 0 && haul.took >= self.after => Ok(haul.describe()),
            _ => Err(haul.describe()),
        }
    }
}
