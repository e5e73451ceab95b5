//! Cut by RST, again and again.

use std::io::ErrorKind;
use std::time::Duration;

use super::super::Params;
use super::super::sounding::{Sounding, until_cut};
use super::rows::AFTER;
use super::{Site, ms};
use crate::proxy::{Toxic, ToxicId};

#[derive(Clone, Copy, Debug)]
pub(super) struct Reset(Duration);

impl Reset {
    pub fn of(params: &Params) -> Reset {
        Reset(params.duration(AFTER))
    }

    pub fn toxic(self) -> Toxic {
        Toxic::reset(ms(self.0))
    }

    pub async fn bites(self, site: &Site, armed: Option<ToxicId>) -> Result<String, String> {
        match until_cut(site.link.addr(), site.patience + self.0).await {
            Sounding::Cut(ErrorKind::ConnectionReset) => {
                let hit =
                    |toxic: &crate::proxy::ArmedToxic| Some(toxic.id) == armed && toxic.hits > 0;
                if site.link.toxics().iter().any(hit) {
                    Ok("connection reset".to_owned())
                } else {
                    Err("a connection was reset, but not by this fault".to_owned())
                }
            }
            other => Err(format!("a new connection got {}", other.describe())),
        }
    }
}
