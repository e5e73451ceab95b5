//! One fault at work: whatever was begun is brought to its end, and only then the next is begun.
//!
//! An inject that nobody awaits any more (a limit, an abort) goes on by itself, and its heal waits for it: half a request
//! to a server would be carried out after the heal, and half a conversation would be answered to whoever asks next.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::Mutex;

use super::fault::Fault;

/// Clones are the same fault.
#[derive(Clone)]
pub(super) struct Hand(Arc<Mutex<Fault>>);

impl Hand {
    pub fn of(fault: Fault) -> Hand {
        Hand(Arc::new(Mutex::new(fault)))
    }

    /// Waits for what is being done, then does `work`. Dropped before its turn it does nothing, and afterwards all.
    pub async fn does<T: Send + 'static>(
        &self,
        work: impl for<'a> FnOnce(&'a mut Fault) -> BoxFuture<'a, T> + Send + 'static,
    ) -> T {
        let mut fault = self.0.clone().lock_owned().await;
        let done = tokio::spawn(async move { work(&mut fault).await }).await;
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }
}
