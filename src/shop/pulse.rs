//! What a process says of its own work: requests in progress, and a counter that grows with each
//! piece of work.
//!
//! Activity is counted *before* the work stops being counted as in progress, so that a reader who
//! sees nothing in progress sees all activity. Reads no clock. Try it: `cargo test --lib
//! shop::pulse`. Not covered: kinds of work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shared by all tasks of one process.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    in_progress: AtomicU64,
    activity: AtomicU64,
}

/// A piece of work in progress; done when dropped.
pub struct InProgress(Pulse);

impl Pulse {
    /// Begins a piece of work.
    pub fn begin(&self) -> InProgress {
        self.0.in_progress.fetch_add(1, Ordering::SeqCst);
        InProgress(self.clone())
    }

    /// Counts a piece of background work that is done.
    pub fn worked(&self) {
        self.0.activity.fetch_add(1, Ordering::SeqCst);
    }

    pub fn in_progress(&self) -> u64 {
        self.0.in_progress.load(Ordering::SeqCst)
    }

    pub fn activity(&self) -> u64 {
        self.0.activity.load(Ordering::SeqCst)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.worked();
        self.0.0.in_progress.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_in_progress_until_dropped_and_leaves_activity() {
        let pulse = Pulse::default();
        let work = pulse.begin();
        assert_eq!((pulse.in_progress(), pulse.activity()), (1, 0));
        drop(work);
        assert_eq!((pulse.in_progress(), pulse.activity()), (0, 1));
        pulse.worked();
        assert_eq!((pulse.in_progress(), pulse.activity()), (0, 2));
    }
}
