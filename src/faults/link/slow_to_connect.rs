//! The server is dialled late: a connection is there at once, and nobody at its other end.

use std::time::Duration;

use super::super::Params;
use super::super::sounding::{Sounding, sound};
use super::super::spec::DELAY;
use super::{ANSWER_LIMIT, Site, ms};
use crate::proxy::{Direction, SlowConnect, Toxic, ToxicKind};

#[derive(Clone, Copy, Debug)]
pub(super) struct SlowToConnect(Duration);

impl SlowToConnect {
    pub fn of(params: &Params) -> SlowToConnect {
        SlowToConnect(params.duration(DELAY))
    }

    pub fn toxic(self) -> Toxic {
        let slow = SlowConnect { delay_ms: ms(self.0) };
        Toxic::new(ToxicKind::SlowConnect(slow), Direction::Both)
    }

    pub async fn bites(self, site: &Site) -> Result<String, String> {
        match sound(site.link.addr(), site.speech, ANSWER_LIMIT + self.0).await {
            Sounding::Answer(took) if took >= self.0 => {
                Ok(format!("a new connection's first answer after {} ms", took.as_millis()))
            }
            other => Err(format!("a new connection got {}", other.describe())),
        }
    }
}
