//! Whether a channel is dead, by what came of its posts.
//!
//! Owns the counting. A heartbeat that is acknowledged says nothing of messages that are not: a channel that takes heartbeats alone
//! dies by its messages, and is tried again by one message after each heartbeat, and in earnest after [`WELL_BEATS`] of them. Pure.

/// Posts without acknowledgement after which a channel counts as dead: one lost post is a blip.
pub const DEATH_ATTEMPTS: usize = 3;
/// Heartbeats in a row that are acknowledged after which a channel is tried again in earnest though it took no message: it may
/// acknowledge heartbeats alone.
const WELL_BEATS: usize = 3;

/// What came of a channel's posts, each in a row. A heartbeat that is acknowledged says nothing of messages that are not.
#[derive(Default)]
pub struct Signs {
    failed_messages: usize,
    failed_beats: usize,
    /// Acknowledged since the channel was dead.
    beats: usize,
}

impl Signs {
    pub fn failures(&self) -> usize {
        self.failed_messages.max(self.failed_beats)
    }

    pub fn is_dead(&self) -> bool {
        self.failures() >= DEATH_ATTEMPTS
    }

    /// True where the next message is to try a dead channel.
    pub fn count(&mut self, is_beat: bool, is_well: bool) -> bool {
        match (is_beat, is_well) {
            (false, true) => *self = Signs::default(),
            (false, false) => (self.failed_messages, self.beats) = (self.failed_messages + 1, 0),
            (true, false) => (self.failed_beats, self.beats) = (self.failed_beats + 1, 0),
            (true, true) if !self.is_dead() => self.failed_beats = 0,
            // It was away altogether, and is back.
            (true, true) if self.failed_beats > 0 => *self = Signs::default(),
            (true, true) => {
                self.beats += 1;
                if self.beats < WELL_BEATS {
                    return true;
                }
                *self = Signs::default();
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_channel_shows() {
        // `m` a message, `b` a heartbeat, in capitals where it is not acknowledged; `t` after one that lets a message try.
        for (posts, dead) in [
            ("MM", false),
            ("MMM", true),
            ("MMmM", false),
            ("BBB", true),
            ("BBbB", false),
            // Heartbeats between messages that fail hide nothing.
            ("MbMbM", true),
            ("MMMbtb", true),
            ("MMMbtbtb", false),
            ("MMMbtMbtbt", true),
            ("MMMbtm", false),
            // Away altogether, and back.
            ("MMMBb", false),
            ("BBBb", false),
        ] {
            let mut signs = Signs::default();
            let mut tries = false;
            for sign in posts.chars() {
                match sign {
                    't' => assert!(tries, "{posts}"),
                    sign => {
                        let is_beat = sign.eq_ignore_ascii_case(&'b');
                        tries = signs.count(is_beat, sign.is_lowercase());
                    }
                }
            }
            assert_eq!(signs.is_dead(), dead, "{posts}");
        }
    }
}
