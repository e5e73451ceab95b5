//! Stall: nothing passes, connections stay open, ends of streams are held too; disarmed, all of it
//! flows on in order.

use serde::Serialize;

use super::Hold;

/// A black hole that forgets nothing. What does not fit into the link's buffer waits in the sender
/// by back-pressure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stall {}

impl Stall {
    pub(super) fn hold(self) -> Hold {
        Hold::Forever
    }
}
