//! Each connection ends after so many bytes of its answers, and those arrive.

use super::super::Params;
use super::Site;
use crate::proxy::{Direction, LimitData, Toxic, ToxicKind};

pub(super) const BYTES: &str = "bytes";
/// All of them are asked for by the proof.
pub(super) const BYTES_MAX: u64 = 1_000_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Limited {
    bytes: u64,
}

impl Limited {
    pub fn of(params: &Params) -> Limited {
        Limited { bytes: params.count(BYTES) }
    }

    /// Of the answers alone: which direction ends a connection first would be anybody's guess.
    pub fn toxic(self) -> Toxic {
        Toxic::new(ToxicKind::LimitData(LimitData { bytes: self.bytes }), Direction::ToClient)
    }

    pub async fn bites(self, site: &Site) -> Result<String, String> {
        let haul = site.haul(self.bytes + 1).await?;
        match haul.end {
            Some(_) if haul.bytes == self.bytes => Ok(haul.describe()),
            _ => Err(haul.describe()),
        }
    }
}
