//! Panics anywhere in this process while scenarios run: none may leave a scenario green.
//!
//! The cucumber crate silences the panic hook while it runs, and a task of tokio keeps its panic to itself; so the hook is
//! set again when scenarios open, and every scenario that was open when something broke is inconclusive: whose task it
//! was is not knowable. Must not judge. Try it: `cargo test --lib runner::panics`. Not covered: aborts and stack overflows,
//! which end the run.

use std::panic::{self, PanicHookInfo};
use std::sync::{Mutex, PoisonError};

/// More panics than anyone reads; further ones only count.
const KEPT_MAX: usize = 100;

static SEEN: Mutex<(usize, Vec<String>)> = Mutex::new((0, Vec::new()));

/// Records every panic from now on, until somebody sets another hook. Doing it again changes nothing.
pub fn watch() {
    panic::set_hook(Box::new(record));
}

fn record(info: &PanicHookInfo<'_>) {
    let text = info.payload_as_str().unwrap_or("no text");
    let at = info.location().map(|at| format!(" at {}:{}", at.file(), at.line()));
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.0 += 1;
    if seen.1.len() < KEPT_MAX {
        seen.1.push(format!("{text}{}", at.unwrap_or_default()));
    }
}

/// How many there have been: for [`since`].
pub fn mark() -> usize {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner).0
}

/// The first panic after `mark`.
pub fn since(mark: usize) -> Option<String> {
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let text = || seen.1.get(mark).cloned().unwrap_or_else(|| "one of very many".to_owned());
    (seen.0 > mark).then(text)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The hook is the whole process's: one test at a time sets it.
    pub static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    #[test]
    fn a_panic_of_any_thread_is_seen_with_its_place() {
        let _alone = ALONE.blocking_lock();
        let usual = panic::take_hook();
        watch();
        let before = mark();
        std::thread::spawn(|| panic!("no such order")).join().unwrap_err();
        panic::set_hook(usual);
        let seen: Vec<String> = (before..mark()).filter_map(since).collect();
        assert!(seen.iter().any(|text| text.starts_with("no such order at src/runner/panics.rs")));
        assert_eq!(since(mark() + 1), None);
    }
}
