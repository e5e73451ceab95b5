//! Nothing passes in a direction, and nothing of it is lost.

use std::time::Duration;

use tokio::time::timeout;

use super::super::sounding::{Sounding, Speech, ask, asks_on};
use super::{ANSWER_LIMIT, Site};
use crate::proxy::{Direction, Toxic};

/// A link that holds the bytes *and* stays silent this long after is stalled: the held bytes prove
/// it, the silence shows that it reaches the client.
const SILENCE: Duration = Duration::from_millis(150);

#[derive(Clone, Copy, Debug)]
pub(super) struct Stalled(pub Direction);

impl Stalled {
    pub fn toxic(self) -> Toxic {
        Toxic::stall(self.0)
    }

    pub async fn bites(self, site: &Site) -> Result<String, String> {
        match (self.0, site.speech) {
            // Who greets first is heard: only what is said to it waits.
            (Direction::ToUpstream, Speech::Mysql) => unheard_question(site).await,
            _ => held_question(site).await,
        }
    }
}

/// A question whose bytes, or whose answer's, the link holds; and the silence after it.
pub(super) async fn held_question(site: &Site) -> Result<String, String> {
    let asked = timeout(ANSWER_LIMIT, ask(site.link.addr(), site.speech)).await;
    let mut asked = match asked {
        Ok(Ok(asked)) => asked,
        Ok(Err(cut)) => return Err(format!("a new connection was {}", cut.describe())),
        Err(_) => return Err("a new connection was not even accepted".to_owned()),
    };
    if timeout(ANSWER_LIMIT, site.link.holding()).await.is_err() {
        return Err("nothing is held though a question was asked".to_owned());
    }
    match asked.answer(SILENCE).await {
        Sounding::Silence => Ok(format!("no answer, {} bytes held", site.link.held_bytes())),
        other => Err(format!("a question got {}", other.describe())),
    }
}

/// The server greets, and is not told what the client says to it.
async fn unheard_question(site: &Site) -> Result<String, String> {
    let asked = timeout(ANSWER_LIMIT, ask(site.link.addr(), site.speech)).await;
    let Ok(Ok(asked)) = asked else { return Err("nobody greeted".to_owned()) };
    let (greeted, silent) = asks_on(asked, ANSWER_LIMIT, SILENCE).await?;
    let held = site.link.held_bytes();
    match silent {
        Sounding::Silence if held > 0 => {
            Ok(format!("{greeted} bytes of a greeting, then no answer, {held} bytes held"))
        }
        other => Err(format!("what was said after a greeting got {}", other.describe())),
    }
}
