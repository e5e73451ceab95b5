//! The task that owns the results database: commits in order, again until they are durable.
//!
//! Owns the retries. While the database is away the commit at the head is tried again with a
//! bounded back-off, and the callers wait; nothing is dropped and nothing overtakes. Must not know
//! what a batch means.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::{Batch, Store};
use crate::clock::Clock;
use crate::dcheck::log;

/// Commits and acknowledgements that wait for the database.
const WAITING: usize = 1_024;
/// First and last pause between two attempts: the database is local, and its return is to be
/// noticed at once.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LAST: Duration = Duration::from_millis(1_000);

enum Command {
    Commit(Box<Batch>, oneshot::Sender<()>),
    Acknowledge(u64),
}

/// A handle to the writer; clones share it.
#[derive(Clone)]
pub struct Writer {
    commands: mpsc::Sender<Command>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    away: AtomicBool,
    waiting: AtomicU64,
}

impl Writer {
    /// `unsent` are the numbers of the stored messages that are not delivered yet.
    pub fn start(store: Store, unsent: BTreeSet<u64>, clock: Clock) -> Writer {
        let (commands, inbox) = mpsc::channel(WAITING);
        let state = Arc::new(State::default());
        tokio::spawn(run(store, unsent, clock, inbox, Arc::clone(&state)));
        Writer { commands, state }
    }

    /// Returns when the batch is durable; false only when the writer has ended.
    pub async fn commit(&self, batch: Batch) -> bool {
        let (done, wait) = oneshot::channel();
        self.state.waiting.fetch_add(1, Ordering::AcqRel);
        let sent = self.commands.send(Command::Commit(Box::new(batch), done)).await.is_ok();
        let durable = sent && wait.await.is_ok();
        self.state.waiting.fetch_sub(1, Ordering::AcqRel);
        durable
    }

    /// Notes a message as delivered; lost in a crash, in which case it is delivered again.
    pub async fn acknowledge(&self, seq: u64) {
        let _ = self.commands.send(Command::Acknowledge(seq)).await;
    }

    /// True while the database does not take commits.
    pub fn is_away(&self) -> bool {
        self.state.away.load(Ordering::Acquire)
    }

    /// Commits under way.
    pub fn waiting(&self) -> u64 {
        self.state.waiting.load(Ordering::Acquire)
    }
}

async fn run(
    mut store: Store,
    mut unsent: BTreeSet<u64>,
    clock: Clock,
    mut inbox: mpsc::Receiver<Command>,
    state: Arc<State>,
) {
    // Delivered from memory before the row was stored: noted as soon as it is.
    let mut early = BTreeSet::new();
    while let Some(first) = inbox.recv().await {
        let (mut delivered, mut next) = (Vec::new(), Some(first));
        while let Some(command) = next.take() {
            match command {
                Command::Commit(batch, done) => {
                    persist(&mut store, &batch, &state).await;
                    let _ = done.send(());
                    for message in &batch.messages {
                        if early.remove(&message.seq) {
                            delivered.push(message.seq);
                        } else {
                            unsent.insert(message.seq);
                        }
                    }
                }
                Command::Acknowledge(seq) if unsent.remove(&seq) => delivered.push(seq),
                Command::Acknowledge(seq) => {
                    early.insert(seq);
                }
            }
            next = inbox.try_recv().ok();
        }
        if let Err(error) = store.acknowledge(&delivered, clock.now().0).await {
            let told = "the alerts may be delivered again after a restart";
            log::warn("results", &format!("{error}; {told}"));
        }
    }
}

async fn persist(store: &mut Store, batch: &Batch, state: &State) {
    let mut pause = RETRY_FIRST;
    while let Err(error) = store.commit(batch).await {
        if !state.away.swap(true, Ordering::AcqRel) {
            log::warn("results", &format!("{error}; trying again until it is stored"));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_LAST);
    }
    state.away.store(false, Ordering::Release);
}

/// What a test that stands in for the results database is given: a batch, and whom to tell that it is durable.
#[cfg(test)]
pub type MockCommit = (Box<Batch>, oneshot::Sender<()>);

#[cfg(test)]
impl Writer {
    /// A writer whose results database is a mock, the test's own.
    pub fn mocked() -> (Writer, mpsc::Receiver<MockCommit>) {
        let (commands, mut inbox) = mpsc::channel(WAITING);
        let (given, commits) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            while let Some(command) = inbox.recv().await {
                if let Command::Commit(batch, done) = command {
                    let _ = given.send((batch, done)).await;
                }
            }
        });
        (Writer { commands, state: Arc::default() }, commits)
    }
}
