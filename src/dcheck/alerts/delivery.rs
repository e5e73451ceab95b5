//! Delivery: each message posted until it is acknowledged, in order among those of one key.
//!
//! Owns the queue, the retries and the figures of what is due. Knows bodies, not their meaning.
//! Which channel a post takes is `routes`'. Retries up to a second apart are real time and count as busy; longer ones wait on cell
//! time and are `next_due`.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::routes::Routes;
use crate::clock::{CellTime, Clock};
use crate::dcheck::results::{Message, Writer};

/// Messages on their way into the task; what is stored is never lost here, only waits for room.
const QUEUE: usize = 4_096;
/// Posts at the same time, each of another key.
const POSTS: usize = 16;
/// Pauses above this wait on cell time.
const REAL_PAUSE_MS: i64 = 1_000;

/// What is still to be delivered.
#[derive(Default)]
pub struct DeliveryState {
    /// Messages taken and not yet acknowledged.
    open: AtomicU64,
    /// Keys whose first message waits for a later instant.
    later: Mutex<BTreeMap<String, CellTime>>,
    /// Messages taken, by key.
    queued: Mutex<HashMap<String, u64>>,
    pub delivered: AtomicU64,
    pub failed_posts: AtomicU64,
}

impl DeliveryState {
    /// Messages due now.
    pub fn due(&self, now: CellTime) -> u64 {
        let later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        let queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = later.iter().filter(|(_, at)| **at > now);
        let waiting: u64 = waiting.map(|(key, _)| queued.get(key).copied().unwrap_or(0)).sum();
        self.open.load(Ordering::Acquire).saturating_sub(waiting)
    }

    /// The earliest later retry.
    pub fn next_due(&self) -> Option<CellTime> {
        self.later.lock().unwrap_or_else(PoisonError::into_inner).values().min().copied()
    }

    fn took(&self, key: &str) {
        let mut queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        *queued.entry(key.to_owned()).or_default() += 1;
    }

    fn done(&self, key: &str) {
        let mut queued = self.queued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = queued.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                queued.remove(key);
            }
        }
        drop(queued);
        self.delivered.fetch_add(1, Ordering::AcqRel);
        self.open.fetch_sub(1, Ordering::AcqRel);
    }

    fn set_later(&self, key: &str, at: Option<CellTime>) {
        let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        match at {
            Some(at) => later.insert(key.to_owned(), at),
            None => later.remove(key),
        };
    }
}

/// A handle to one channel's delivery task.
#[derive(Clone)]
pub struct Delivery {
    queue: mpsc::Sender<Message>,
    pub state: Arc<DeliveryState>,
}

impl Delivery {
    /// Starts the task that posts by `routes`.
    pub fn start(routes: Arc<Routes>, clock: Clock, writer: Writer) -> Delivery {
        let (queue, inbox) = mpsc::channel(QUEUE);
        let state = Arc::new(DeliveryState::default());
        let post = Arc::new(Post { routes, clock, state: Arc::clone(&state) });
        tokio::spawn(run(inbox, post, writer));
        Delivery { queue, state }
    }

    /// Takes a message; returns when there is room for it.
    pub async fn send(&self, message: Message) {
        self.state.open.fetch_add(1, Ordering::AcqRel);
        if self.queue.send(message).await.is_err() {
            self.state.open.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

impl Delivery {
    /// Takes a message where there is room, and gives it back where there is none.
    pub fn offer(&self, message: Message) -> Result<(), Message> {
        self.state.open.fetch_add(1, Ordering::AcqRel);
        self.queue.try_send(message).map_err(|error| {
            self.state.open.fetch_sub(1, Ordering::AcqRel);
            error.into_inner()
        })
    }
}

struct Post {
    routes: Arc<Routes>,
    clock: Clock,
    state: Arc<DeliveryState>,
}

async fn run(mut inbox: mpsc::Receiver<Message>, post: Arc<Post>, writer: Writer) {
    let mut queues: HashMap<String, VecDeque<Message>> = HashMap::new();
    let mut waiting: VecDeque<String> = VecDeque::new();
    let mut posts: FuturesUnordered<BoxFuture<'static, Message>> = FuturesUnordered::new();
    loop {
        tokio::select! {
            message = inbox.recv() => {
                let Some(message) = message else { return };
                post.state.took(&message.order_key);
                let queue = queues.entry(message.order_key.clone()).or_default();
                if queue.is_empty() {
                    waiting.push_back(message.order_key.clone());
                }
                queue.push_back(message);
            }
            Some(done) = posts.next(), if !posts.is_empty() => {
                post.state.done(&done.order_key);
                writer.acknowledge(done.seq).await;
                if let Some(queue) = queues.get_mut(&done.order_key) {
                    queue.pop_front();
                    if queue.is_empty() {
                        queues.remove(&done.order_key);
                    } else {
                        waiting.push_back(done.order_key);
                    }
                }
            }
        }
        while posts.len() < POSTS {
            let Some(key) = waiting.pop_front() else { break };
            let Some(message) = queues.get(&key).and_then(VecDeque::front) else { continue };
            posts.push(Box::pin(deliver(Arc::clone(&post), message.clone())));
        }
    }
}

/// Returns when the receiver has acknowledged it.
async fn deliver(post: Arc<Post>, message: Message) -> Message {
    for attempt in 0_usize.. {
        if post.routes.post(&message.body).await.is_ok() {
            break;
        }
        post.state.failed_posts.fetch_add(1, Ordering::AcqRel);
        let pause_ms = post.routes.ladder.pause_ms(attempt);
        if pause_ms <= REAL_PAUSE_MS {
            tokio::time::sleep(Duration::from_millis(pause_ms.unsigned_abs())).await;
        } else {
            let at = post.clock.now().plus_ms(pause_ms);
            post.state.set_later(&message.order_key, Some(at));
            post.clock.sleep_until(at).await;
            post.state.set_later(&message.order_key, None);
        }
    }
    message
}
