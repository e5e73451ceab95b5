//! The guardian: parent of every local process of a run, in a session of its own, started before
//! anything else.
//!
//! The harness talks to it by JSON lines over its stdin and stdout ([`Request`], [`Notice`]). When
//! that pipe ends, because the harness ended or was killed, the guardian kills every process below
//! it (children and, as their subreaper, their descendants), undoes what was registered, removes
//! the run's containers and its state directory, and exits, within [`END_LIMIT`]. Its children
//! carry PDEATHSIG, so that they die with it even when it is killed -9; what is left then,
//! [`super::sweep`] takes. Must not know what a server, a fault or a scenario is.
//! Try it: `cargo test --test stage guardian`. Not covered: descendants that outlive a guardian
//! killed -9 until the next sweep.

mod children;
mod client;
mod serve;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use client::{Exit, Guardian, GuardianError, Making, ProcSpec, Process, Signal};
pub use serve::serve;

/// All of the guardian's ending, from EOF to exit: the promise of 10 s with room for a loaded
/// machine.
pub const END_LIMIT: Duration = Duration::from_secs(9);

/// What the harness asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Request {
    Spawn {
        id: u64,
        name: String,
        program: String,
        args: Vec<String>,
        env: BTreeMap<String, String>,
        cwd: Option<PathBuf>,
        /// Standard output and error are appended here.
        log: PathBuf,
        uid: Option<u32>,
    },
    Signal {
        id: u64,
        sig: i32,
    },
    /// Something to undo when the run ends without [`Request::DropCleanup`] of the same number.
    AddCleanup {
        id: u64,
        cleanup: Cleanup,
    },
    DropCleanup {
        id: u64,
    },
    /// The orderly end: the same as EOF, and the harness waits for it.
    Bye,
}

/// What the guardian does at the end, in reverse order of registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cleanup {
    /// A directory, removed with all in it.
    Dir(PathBuf),
    /// All containers labelled [`super::state::RUN_LABEL`] with this run's id.
    Containers,
    /// A control group, removed when nothing lives in it any more.
    Group(PathBuf),
    /// A command that heals something; safe to run when there is nothing to heal.
    Undo { program: String, args: Vec<String> },
}

/// What the guardian tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "kebab-case")]
pub enum Notice {
    /// The lock is held, requests are read.
    Ready {
        pid: u32,
    },
    /// The guardian cannot guard; it exits.
    Refused {
        error: String,
    },
    Spawned {
        id: u64,
        pid: u32,
    },
    SpawnFailed {
        id: u64,
        error: String,
    },
    Exited {
        id: u64,
        exit: Exit,
    },
}
