//! The bytes pass, the end of a connection comes late.

use std::time::Duration;

use super::super::Params;
use super::super::haul::until_closed;
use super::super::spec::DELAY;
use super::{ANSWER_LIMIT, Site, ms};
use crate::proxy::{Direction, SlowClose, Toxic, ToxicKind};

#[derive(Clone, Copy, Debug)]
pub(super) struct SlowToClose(Duration);

impl SlowToClose {
    pub fn of(params: &Params) -> SlowToClose {
        SlowToClose(params.duration(DELAY))
    }

    pub fn toxic(self) -> Toxic {
        let slow = SlowClose { delay_ms: ms(self.0) };
        Toxic::new(ToxicKind::SlowClose(slow), Direction::Both)
    }

    /// The client says that it has no more to say; the server hears of it late, and so does the client of the server.
    pub async fn bites(self, site: &Site) -> Result<String, String> {
        let limit = ANSWER_LIMIT + 2 * self.0;
        let took = until_closed(site.link.addr(), site.speech, limit).await?;
        let told = format!("a connection that was ended ended after {} ms", took.as_millis());
        if took >= self.0 { Ok(told) } else { Err(told) }
    }
}
