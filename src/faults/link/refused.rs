//! Nobody listens: new connections are refused by the system, open ones go on.

use std::io::ErrorKind::ConnectionRefused;

use super::super::sounding::Sounding;
use super::{Site, sound_until};
use crate::proxy::{Direction, Refuse, Toxic, ToxicKind};

pub(super) fn toxic() -> Toxic {
    Toxic::new(ToxicKind::Refuse(Refuse {}), Direction::Both)
}

pub(super) async fn bites(site: &Site) -> Result<String, String> {
    let asked = sound_until(&site.link, site.speech, |sounding| {
        matches!(sounding, Sounding::Cut(ConnectionRefused))
    });
    match asked.await {
        Sounding::Cut(ConnectionRefused) => Ok("connection refused".to_owned()),
        other => Err(format!("a new connection got {}", other.describe())),
    }
}
