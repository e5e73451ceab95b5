//! Where a cell's observations go: the journal of the scenario that leases the cell now.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::clock::{CellTime, Clock};
use crate::journal::{Event, Phase, Scribe};

struct Lease {
    scribe: Option<Scribe>,
    phase: Phase,
    /// Observations that no scenario claimed.
    unclaimed: u64,
}

/// Shared by all probes of a cell; the runner binds it to one scenario after the other. Clones are
/// the same recorder.
#[derive(Clone)]
pub struct Recorder {
    clock: Clock,
    lease: Arc<Mutex<Lease>>,
}

impl Recorder {
    /// Bound to no scenario yet. `clock` is the cell's.
    pub fn new(clock: Clock) -> Recorder {
        let lease = Lease { scribe: None, phase: Phase::Start, unclaimed: 0 };
        Recorder { clock, lease: Arc::new(Mutex::new(lease)) }
    }

    /// From now on observations belong to this scenario, or to none. A clean cut: nothing is being
    /// written then.
    pub fn set_scribe(&self, scribe: Option<Scribe>) {
        self.lease().scribe = scribe;
    }

    pub fn set_phase(&self, phase: Phase) {
        self.lease().phase = phase;
    }

    pub fn phase(&self) -> Phase {
        self.lease().phase
    }

    pub fn is_bound(&self) -> bool {
        self.lease().scribe.is_some()
    }

    /// Observations so far that no scenario claimed.
    pub fn unclaimed(&self) -> u64 {
        self.lease().unclaimed
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Appends `event`, observed at `at`. False where no scenario is bound.
    pub(super) fn record(&self, at: CellTime, event: Event) -> bool {
        let mut lease = self.lease();
        let phase = lease.phase;
        match &lease.scribe {
            Some(scribe) => {
                scribe.write_at(phase, Some(at.0), event);
                true
            }
            None => {
                lease.unclaimed += 1;
                false
            }
        }
    }

    fn lease(&self) -> MutexGuard<'_, Lease> {
        self.lease.lock().expect("invariant: no holder panics")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::journal::{Entry, Journal, read_journal};

    /// A recorder bound to a scenario, and what it wrote.
    pub struct Recording {
        pub recorder: Recorder,
        journal: Journal,
        _dir: tempfile::TempDir,
    }

    impl Recording {
        pub fn start() -> Recording {
            let dir = tempfile::tempdir().unwrap();
            let journal = Journal::create(&dir.path().join("journal.ndjson")).unwrap();
            let recorder = Recorder::new(Clock::starting_at(1_000_000));
            recorder.set_scribe(Some(journal.scribe("s", recorder.clock().clone())));
            Recording { recorder, journal, _dir: dir }
        }

        pub fn entries(&self) -> Vec<Entry> {
            read_journal(self.journal.path()).unwrap()
        }

        pub fn events(&self) -> Vec<Event> {
            self.entries().into_iter().map(|entry| entry.event).collect()
        }

        pub fn subscribe(&self) -> tokio::sync::broadcast::Receiver<Arc<Entry>> {
            self.journal.subscribe()
        }
    }

    #[test]
    fn what_no_scenario_claims_is_counted() {
        let recording = Recording::start();
        let recorder = &recording.recorder;
        recorder.set_phase(Phase::When);
        assert!(recorder.record(CellTime(7), Event::Tick));
        recorder.set_scribe(None);
        assert!(!recorder.record(CellTime(8), Event::Tick));
        assert_eq!((recorder.unclaimed(), recorder.is_bound()), (1, false));
        let entries = recording.entries();
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].phase, entries[0].cell_ms), (Phase::When, Some(7)));
    }
}
