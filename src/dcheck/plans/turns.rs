//! Whose turn it is on a subject: two plans never work on one subject at the same time.
//!
//! Owns the lines: who works on a subject, and who waits for it, first come first served. A run holds its turn while it acts and
//! proves, and while it reverts; not while its effect is in force. Must not know what a run does. Lines live in memory: after a
//! crash the runs that are under way ask for their turns again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::executor::{RunsState, Working};
use crate::wire::Subject;

/// The turn, and the work that is due with it: it counts as busy before the run that waited awakes.
type Handover = (Turn, Working);

#[derive(Default)]
struct Line {
    holder: String,
    waiting: VecDeque<(String, oneshot::Sender<Handover>)>,
}

#[derive(Default)]
pub struct Turns(Mutex<HashMap<Subject, Line>>);

/// What is answered to a run that asks.
pub enum Asked {
    Now(Turn),
    /// Another run works on the subject.
    Behind {
        holder: String,
        turn: oneshot::Receiver<Handover>,
    },
}

/// Held while a run works on its subject; the next one's when it is dropped.
pub struct Turn {
    turns: Arc<Turns>,
    state: Arc<RunsState>,
    subject: Subject,
}

impl Turns {
    pub fn ask(self: &Arc<Self>, state: &Arc<RunsState>, subject: &Subject, run: &str) -> Asked {
        let mut lines = self.lock();
        if let Some(line) = lines.get_mut(subject) {
            let (hand, turn) = oneshot::channel();
            line.waiting.push_back((run.to_owned(), hand));
            return Asked::Behind { holder: line.holder.clone(), turn };
        }
        let line = Line { holder: run.to_owned(), waiting: VecDeque::new() };
        lines.insert(subject.clone(), line);
        drop(lines);
        Asked::Now(self.turn(state, subject))
    }

    /// Who works on the subject now.
    pub fn holder(&self, subject: &Subject) -> Option<String> {
        self.lock().get(subject).map(|line| line.holder.clone())
    }

    fn turn(self: &Arc<Self>, state: &Arc<RunsState>, subject: &Subject) -> Turn {
        Turn { turns: Arc::clone(self), state: Arc::clone(state), subject: subject.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Subject, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who comes next; none: nobody waits, and the line is gone.
    fn next(&self, subject: &Subject) -> Option<oneshot::Sender<Handover>> {
        let mut lines = self.lock();
        let line = lines.get_mut(subject)?;
        match line.waiting.pop_front() {
            Some((run, hand)) => {
                line.holder = run;
                Some(hand)
            }
            None => {
                lines.remove(subject);
                None
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(hand) = self.turns.next(&self.subject) else { return };
        let turn = self.turns.turn(&self.state, &self.subject);
        // One that waits no more gives the turn back by dropping it.
        let _ = hand.send((turn, self.state.working()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(asked: Asked) -> Turn {
        match asked {
            Asked::Now(turn) => turn,
            Asked::Behind { holder, .. } => panic!("behind {holder}"),
        }
    }

    fn behind(asked: Asked) -> (String, oneshot::Receiver<Handover>) {
        match asked {
            Asked::Now(_) => panic!("nobody waits"),
            Asked::Behind { holder, turn } => (holder, turn),
        }
    }

    #[test]
    fn one_works_on_a_subject_and_the_others_follow_in_order() {
        let (turns, state) = (Arc::new(Turns::default()), Arc::new(RunsState::default()));
        let (sku, other) = (Subject::new("item", "S-1"), Subject::new("item", "S-2"));
        let first = now(turns.ask(&state, &sku, "a"));
        let elsewhere = now(turns.ask(&state, &other, "b"));
        let (holder, mut second) = behind(turns.ask(&state, &sku, "c"));
        assert_eq!(holder, "a");
        let (_, gone) = behind(turns.ask(&state, &sku, "d"));
        let (_, mut last) = behind(turns.ask(&state, &sku, "e"));
        drop(elsewhere);
        assert!(second.try_recv().is_err(), "another subject's end is nobody's turn here");
        drop(first);
        assert_eq!(state.busy(), 1, "its work is due before it awakes");
        let turn = second.try_recv().expect("its turn");
        drop(gone);
        assert!(last.try_recv().is_err());
        drop(turn);
        drop(last.try_recv().expect("past the one that is gone"));
        assert!(turns.lock().is_empty());
        assert_eq!(state.busy(), 0);
        drop(now(turns.ask(&state, &sku, "f")));
    }
}
