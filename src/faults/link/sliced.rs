//! In small pieces, a pause between two: an answer of known size takes many reads, and all their pauses.

use std::time::Duration;

use super::super::Params;
use super::{Site, ms};
use crate::proxy::{Direction, Slicer, Toxic, ToxicKind};

pub(super) const SIZE: &str = "size";
pub(super) const PAUSE: &str = "pause";
/// Larger pieces than most of what is said are none.
pub(super) const SIZE_MAX: u64 = 4_096;
/// So many pieces are asked for: their pauses are longer than a healthy link's answer takes.
const PIECES: u64 = 20;
/// A reader that has to wait for a processor finds so many together.
const READ_AT_ONCE: u64 = 4;
const TRIES: usize = 3;

#[derive(Clone, Copy, Debug)]
pub(super) struct Sliced {
    size: u64,
    pause: Duration,
}

impl Sliced {
    pub fn of(params: &Params) -> Sliced {
        Sliced { size: params.count(SIZE), pause: params.duration(PAUSE) }
    }

    pub fn toxic(self) -> Toxic {
        let delay_us = ms(self.pause) * 1_000;
        let slicer = Slicer { average_size: self.size, size_variation: 0, delay_us };
        Toxic::new(ToxicKind::Slicer(slicer), Direction::Both)
    }

    /// A read may find several pieces where the reader is late: then it is tried again.
    pub async fn bites(self, site: &Site) -> Result<String, String> {
        let mut seen = Err(String::new());
        for _ in 0..TRIES {
            seen = self.is_seen(site).await;
            if seen.is_ok() {
                break;
            }
        }
        seen
    }

    async fn is_seen(self, site: &Site) -> Result<String, String> {
        let want = self.size * PIECES;
        let haul = site.haul(want).await?;
        let pieces = haul.bytes.div_ceil(self.size);
        let least = self.pause * u32::try_from(pieces.saturating_sub(1)).unwrap_or(u32::MAX);
        if haul.bytes < want || haul.reads * READ_AT_ONCE < pieces || haul.took < least {
            return Err(haul.describe());
        }
        Ok(format!("{}: {pieces} pieces at least", haul.describe()))
    }
}
