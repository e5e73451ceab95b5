//! The channel's state in memory: entries, what is published, which callbacks are due.
//!
//! Pure: it reads no clock, file or socket. Try it: `cargo test --lib shop::channel::book`.
//! Not covered: forgetting old entries.

use std::collections::{BTreeMap, HashMap};

use super::ledger::{Entry, Kind, Progress, Request};
use crate::clock::CellTime;

/// Pauses between the attempts of one callback, on cell time; the last repeats.
const CALLBACK_PAUSES_MS: [i64; 4] = [5_000, 15_000, 30_000, 60_000];
/// A callback that nobody answered so often is given up: an hour and a half of minutes.
const CALLBACK_ATTEMPTS_MAX: u32 = 90;
/// What is due later than this is `next_due`; what is due sooner is waited for.
const DUE_SOON_MS: i64 = 1000;

/// All that the channel knows.
#[derive(Debug, Default)]
pub struct Book {
    entries: Vec<Entry>,
    by_request: HashMap<(Kind, String), usize>,
    published: u64,
    callbacks: BTreeMap<u64, Callback>,
}

#[derive(Debug)]
struct Callback {
    due: CellTime,
    attempts: u32,
    in_progress: bool,
}

impl Book {
    pub fn next_seq(&self) -> u64 {
        self.entries.len() as u64 + 1
    }

    /// Adds an entry; money that was collected is to be called back at once.
    pub fn add(&mut self, entry: Entry, now: CellTime) {
        let is_collected = entry.kind == Kind::Collected;
        if is_collected {
            let callback = Callback { due: now, attempts: 0, in_progress: false };
            self.callbacks.insert(entry.seq, callback);
        }
        let key = (entry.kind, entry.request_no.clone());
        self.by_request.insert(key, self.entries.len());
        self.entries.push(entry);
    }

    /// The entry that a request with this number made.
    pub fn by_request(&self, request: &Request) -> Option<&Entry> {
        let key = (request.kind, request.request_no.clone());
        self.by_request.get(&key).map(|index| &self.entries[*index])
    }

    /// What was charged for an order.
    pub fn charges<'a>(&'a self, order: &'a str) -> impl Iterator<Item = &'a Entry> {
        self.entries
            .iter()
            .filter(move |entry| entry.kind == Kind::Collected && entry.order == order)
    }

    /// The first entry that is not on the topic yet.
    pub fn next_unpublished(&self) -> Option<&Entry> {
        self.entries.get(usize::try_from(self.published).ok()?)
    }

    /// Takes note of progress, now or when reading back.
    pub fn note(&mut self, progress: Progress) {
        match progress {
            Progress::Published(seq) => self.published = self.published.max(seq),
            Progress::CalledBack(seq) => drop(self.callbacks.remove(&seq)),
        }
    }

    /// Callbacks that are due, marked as in progress.
    pub fn begin_callbacks(&mut self, now: CellTime) -> Vec<Entry> {
        let mut due = Vec::new();
        for (seq, callback) in &mut self.callbacks {
            if !callback.in_progress && callback.due <= now {
                callback.in_progress = true;
                let index = usize::try_from(seq - 1).unwrap_or(usize::MAX);
                due.extend(self.entries.get(index).cloned());
            }
        }
        due
    }

    /// A callback failed: it is due again later, or given up (then true).
    pub fn put_off_callback(&mut self, seq: u64, now: CellTime) -> bool {
        let Some(callback) = self.callbacks.get_mut(&seq) else { return false };
        callback.in_progress = false;
        callback.attempts += 1;
        match pause_ms(callback.attempts) {
            Some(pause_ms) => {
                callback.due = now.plus_ms(pause_ms);
                false
            }
            None => true,
        }
    }

    /// When to look for callbacks again.
    pub fn next_callback(&self) -> Option<CellTime> {
        let waiting = self.callbacks.values().filter(|callback| !callback.in_progress);
        waiting.map(|callback| callback.due).min()
    }

    /// How much is to be done now, and when the next thing after that is due.
    pub fn waiting(&self, now: CellTime) -> (u64, Option<CellTime>) {
        let soon = now.plus_ms(DUE_SOON_MS);
        let unpublished = self.entries.len() as u64 - self.published;
        let is_due = |callback: &&Callback| callback.in_progress || callback.due <= soon;
        let due = self.callbacks.values().filter(is_due).count() as u64;
        let later = self.callbacks.values().filter(|callback| !is_due(callback));
        (unpublished + due, later.map(|callback| callback.due).min())
    }
}

/// The pause after the `attempts`th failure; none when that was the last.
fn pause_ms(attempts: u32) -> Option<i64> {
    if attempts >= CALLBACK_ATTEMPTS_MAX {
        return None;
    }
    let index = (attempts as usize).clamp(1, CALLBACK_PAUSES_MS.len()) - 1;
    Some(CALLBACK_PAUSES_MS[index])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Money;

    fn request(kind: Kind, request_no: &str) -> Request {
        Request {
            kind,
            request_no: request_no.to_owned(),
            order: "O-1".to_owned(),
            refund: None,
            payee: None,
            channel: "alipay".to_owned(),
            amount: Money::cny(19_900),
        }
    }

    fn book() -> Book {
        let mut book = Book::default();
        for (kind, request_no) in [(Kind::Collected, "a"), (Kind::PaidOut, "a")] {
            let entry = request(kind, request_no).entry(book.next_seq(), 0);
            book.add(entry, CellTime(0));
        }
        book
    }

    #[test]
    fn a_number_counts_once_for_charges_and_once_for_payouts() {
        let book = book();
        for (kind, seq) in [(Kind::Collected, 1), (Kind::PaidOut, 2)] {
            assert_eq!(book.by_request(&request(kind, "a")).unwrap().seq, seq);
            assert_eq!(book.by_request(&request(kind, "b")), None);
        }
        assert_eq!(book.charges("O-1").count(), 1);
        assert_eq!(book.charges("O-2").count(), 0);
    }

    #[test]
    fn work_waits_until_published_and_called_back() {
        let mut book = book();
        assert_eq!(book.waiting(CellTime(0)), (3, None), "two to publish, one to call back");
        book.note(Progress::Published(1));
        assert_eq!(book.next_unpublished().map(|entry| entry.seq), Some(2));
        book.note(Progress::Published(2));
        assert_eq!(book.begin_callbacks(CellTime(0)).len(), 1);
        assert!(book.begin_callbacks(CellTime(0)).is_empty(), "not twice at once");
        assert_eq!(book.waiting(CellTime(0)), (1, None), "in progress is busy");
        assert!(!book.put_off_callback(1, CellTime(0)));
        assert_eq!(book.waiting(CellTime(0)), (0, Some(CellTime(5_000))));
        assert_eq!(book.waiting(CellTime(4_000)), (1, None), "due within a second is busy");
        book.note(Progress::CalledBack(1));
        assert_eq!(book.waiting(CellTime(9_999)), (0, None));
    }

    #[test]
    fn pauses_grow_to_a_minute_and_end() {
        for (attempts, expect) in [
            (1, Some(5_000)),
            (2, Some(15_000)),
            (3, Some(30_000)),
            (4, Some(60_000)),
            (89, Some(60_000)),
            (90, None),
        ] {
            assert_eq!(pause_ms(attempts), expect, "{attempts}");
        }
    }
}
