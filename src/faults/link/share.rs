//! The share of a link's connections that suffers: those that the seed draws, and no other.

use std::time::Duration;

use tokio::time::Instant;

use super::LinkFault;

pub(super) const SHARE: &str = "share";
pub(super) const ALL: u64 = 100;
/// What a spared connection is given to suffer in; only one that is to be cut makes use of it.
pub(super) const SPARED: Duration = Duration::from_millis(50);
/// So many are tried at least, so that a share is no chance of one.
const TRIED_MIN: usize = 8;
/// One in a hundred suffers among so many but for one chance in ten thousand.
const TRIED_MAX: usize = 1_000;
const TRIED_LIMIT: Duration = Duration::from_secs(30);

/// One connection after the other: each that is known by its number suffers as the seed has it.
pub(super) async fn bites(fault: &LinkFault) -> Result<String, String> {
    let start = Instant::now();
    let (mut tried, mut known, mut suffered) = (0, 0, 0);
    let mut harm = None;
    while harm.is_none() || tried < TRIED_MIN {
        if tried == TRIED_MAX || start.elapsed() > TRIED_LIMIT {
            return Err(format!("none of {tried} connections suffered; {known} are known"));
        }
        tried += 1;
        let number = fault.site.link.connections();
        let seen = fault.one_bites().await;
        // Another client's connection came between: nobody knows which of the two it was.
        if fault.site.link.connections() != number + 1 {
            continue;
        }
        known += 1;
        let drawn = fault.armed.and_then(|id| fault.site.link.touches(id, number));
        match (seen, drawn) {
            (Ok(told), Some(true)) => {
                suffered += 1;
                harm.get_or_insert(told);
            }
            (Err(_), Some(false)) => {}
            (Ok(told), _) => return Err(format!("connection {number} is to be spared: {told}")),
            (Err(why), _) => return Err(format!("connection {number} is to suffer: {why}")),
        }
    }
    let harm = harm.unwrap_or_default();
    Ok(format!("{suffered} of {known} connections suffered, those that the seed draws: {harm}"))
}
