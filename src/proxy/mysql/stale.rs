//! What selects were answered: kept while a rule makes reads stale, and given again.
//!
//! An answer is given to the same question only: the same text and parameters, asked by a session with the same
//! schema, the same settings and the same dialect. Bounded: past the limits an answer is not kept, and that read
//! stays fresh. What is kept goes with the rule.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

/// One answer: more rows than a service reads of what it decides by.
pub(super) const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// All answers of one rule.
const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Questions of one rule.
const QUESTIONS_MAX: usize = 10_000;

/// A question, with all that its answer depends on but the rows.
pub(super) type Question = [u8; 32];

/// Each part with its length, so that none runs into the next.
pub(super) fn question(parts: &[&[u8]]) -> Question {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A result set as it came, and where in it the session's status flags stand.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub packets: Vec<u8>,
    pub status_at: Vec<usize>,
}

impl Answer {
    /// The packets for a session whose status flags are `status`; the flags of the result itself stay.
    pub fn for_session(&self, status: u16, session: u16) -> Vec<u8> {
        let mut packets = self.packets.clone();
        for at in &self.status_at {
            let own = u16::from_le_bytes([packets[*at], packets[at + 1]]);
            let flags = own & !session | status & session;
            packets[*at..at + 2].copy_from_slice(&flags.to_le_bytes());
        }
        packets
    }
}

#[derive(Debug, Default)]
pub(super) struct Answers {
    kept: HashMap<Question, Arc<Answer>>,
    bytes: usize,
}

impl Answers {
    pub fn of(&self, question: &Question) -> Option<Arc<Answer>> {
        self.kept.get(question).cloned()
    }

    /// The first answer stays. False where there is no room.
    pub fn keep(&mut self, question: Question, answer: Answer) -> bool {
        if self.kept.contains_key(&question) {
            return true;
        }
        let bytes = self.bytes + answer.packets.len();
        if bytes > KEPT_BYTES_MAX || self.kept.len() == QUESTIONS_MAX {
            return false;
        }
        self.bytes = bytes;
        self.kept.insert(question, Arc::new(answer));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_answer_stays_within_the_limits() {
        let answer =
            |size: usize, byte: u8| Answer { packets: vec![byte; size], status_at: vec![] };
        let mut answers = Answers::default();
        let first = question(&[b"a", b"b"]);
        assert_ne!(first, question(&[b"ab", b""]));
        assert!(answers.keep(first, answer(8, 1)) && answers.keep(first, answer(8, 2)));
        assert_eq!(answers.of(&first).unwrap().packets, [1; 8]);
        for number in 0..15_u8 {
            assert!(answers.keep(question(&[&[number]]), answer(ANSWER_BYTES_MAX, 0)));
        }
        assert!(!answers.keep(question(&[b"x"]), answer(ANSWER_BYTES_MAX, 0)), "no room");
        assert!(answers.keep(question(&[b"y"]), answer(8, 0)), "but for a small one");
    }

    #[test]
    fn flags_of_the_session_are_its_own() {
        let answer = Answer { packets: vec![9, 0b0010_0001, 0, 9], status_at: vec![1] };
        assert_eq!(answer.for_session(0b10, 0b11), [9, 0b0010_0010, 0, 9]);
    }
}
