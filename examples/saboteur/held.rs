//! What is held back, on cell time: counted as work while it is due, as a timer before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lossdrill::clock::{CellTime, Clock};

/// Everything that is on its way, by the instant at which each is let go.
pub struct Held {
    clock: Clock,
    due: Mutex<Vec<CellTime>>,
    /// Grows with each that was let go.
    pub activity: AtomicU64,
}

impl Held {
    pub fn new(clock: Clock) -> Arc<Held> {
        Arc::new(Held { clock, due: Mutex::default(), activity: AtomicU64::new(0) })
    }

    /// Does `deed` `ms` later. It counts as held before this returns.
    pub fn hold(self: &Arc<Held>, ms: i64, deed: impl Future<Output = ()> + Send + 'static) {
        let due = self.clock.now().plus_ms(ms);
        self.due().push(due);
        let held = Arc::clone(self);
        tokio::spawn(async move {
            held.clock.sleep_until(due).await;
            deed.await;
            held.activity.fetch_add(1, Ordering::SeqCst);
            let mut left = held.due();
            if let Some(at) = left.iter().position(|at| *at == due) {
                left.swap_remove(at);
            }
        });
    }

    /// How many are due now, and the earliest later one.
    pub fn outlook(&self) -> (u64, Option<CellTime>) {
        let (now, due) = (self.clock.now(), self.due());
        let overdue = due.iter().filter(|at| **at <= now).count() as u64;
        (overdue, due.iter().copied().filter(|at| *at > now).min())
    }

    fn due(&self) -> MutexGuard<'_, Vec<CellTime>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
