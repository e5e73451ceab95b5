//! So many bytes a second: an answer of known size takes at least so long.

use std::time::Duration;

use super::super::Params;
use super::Site;
use crate::proxy::{Bandwidth, Direction, Toxic, ToxicKind};

pub(super) const RATE: &str = "rate";
/// Above it an answer that takes a tenth of a second is larger than a proof should be.
pub(super) const RATE_MAX: u64 = 1_000;
/// An answer that takes so long is asked for. A healthy link moves it in less than a millisecond.
const SEEN_MS: u64 = 100;

#[derive(Clone, Copy, Debug)]
pub(super) struct Throttled {
    /// KB/s: as many bytes a millisecond.
    rate: u64,
}

impl Throttled {
    pub fn of(params: &Params) -> Throttled {
        Throttled { rate: params.count(RATE) }
    }

    pub fn toxic(self) -> Toxic {
        Toxic::new(ToxicKind::Bandwidth(Bandwidth { rate: self.rate }), Direction::Both)
    }

    pub async fn bites(self, site: &Site) -> Result<String, String> {
        let want = self.rate * SEEN_MS;
        let haul = site.haul(want).await?;
        let least = Duration::from_millis(haul.bytes / self.rate);
        if haul.bytes < want || haul.took < least {
            return Err(haul.describe());
        }
        Ok(format!("{}, at {} KB/s at least {} ms", haul.describe(), self.rate, least.as_millis()))
    }
}
