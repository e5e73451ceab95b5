//! The harness's side of the guardian: starts it, asks it for processes, hears of their ends.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Mutex as AsyncMutex, OwnedRwLockReadGuard, RwLock, oneshot, watch};

use super::{Cleanup, END_LIMIT, Notice, Request};
use crate::stage::state;

/// From spawning the guardian to its first word: it only takes a lock, the rest is a loaded
/// machine.
const READY_LIMIT: Duration = Duration::from_secs(10);
/// From SIGKILL to the notice of the end: a process in a slow disk's queue ends late.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// What is being made when a run ends (a copy of a data directory, a container) is made within this; after it the
/// guardian ends the run all the same, and says what it could not remove.
const MAKING_LIMIT: Duration = Duration::from_secs(10);
/// How far back [`Process::log_tail`] reads: more lines than this holds are not asked for.
const TAIL_BYTES: u64 = 256 * 1024;
/// Names another program as the guardian's; tests use it, for they are not `lossdrill` themselves.
pub const PROGRAM_ENV: &str = "LOSSDRILL_PROGRAM";

/// Why a guardian or a process below it is not there.
#[derive(Debug, thiserror::Error)]
pub enum GuardianError {
    #[error("run id `{0}`: use letters, digits, `-`, `_` and `.`, at most 64")]
    RunId(String),
    #[error("start the guardian {program}: {error}")]
    Start { program: PathBuf, error: io::Error },
    #[error("the guardian refused to guard: {0}")]
    Refused(String),
    #[error("the guardian of run `{0}` is gone, and its processes with it: end this run")]
    Gone(String),
    #[error("start {name} ({program}): {error}")]
    Spawn { name: String, program: String, error: String },
    #[error("{name} (pid {pid}) did not end within {limit:?} of SIGKILL")]
    Undead { name: String, pid: u32, limit: Duration },
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    Code(i32),
    Signal(i32),
}

/// The signals that a drill sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    Kill,
    Term,
    Int,
    Stop,
    Continue,
}

impl Signal {
    fn number(self) -> i32 {
        match self {
            Signal::Kill => libc::SIGKILL,
            Signal::Term => libc::SIGTERM,
            Signal::Int => libc::SIGINT,
            Signal::Stop => libc::SIGSTOP,
            Signal::Continue => libc::SIGCONT,
        }
    }
}

/// A process to start.
#[derive(Clone, Debug, Default)]
pub struct ProcSpec {
    /// For people, and the `pids` file: `shop-c3`.
    pub name: String,
    pub program: PathBuf,
    pub args: Vec<String>,
    /// Added to the harness's own environment.
    pub env: BTreeMap<String, String>,
    pub cwd: Option<PathBuf>,
    /// Standard output and error are appended here; the folder must exist.
    pub log: PathBuf,
    /// Another user to run as; only root may.
    pub uid: Option<u32>,
}

struct Pending {
    spawned: oneshot::Sender<Result<u32, String>>,
    exit: watch::Sender<Option<Exit>>,
}

struct Shared {
    run_id: String,
    program: PathBuf,
    pid: u32,
    next: AtomicU64,
    pipe: AsyncMutex<Option<ChildStdin>>,
    waiting: Mutex<HashMap<u64, Pending>>,
    running: Mutex<HashMap<u64, watch::Sender<Option<Exit>>>>,
    gone: watch::Sender<bool>,
    /// True once the run ends; read by all that make something of the run.
    ending: Arc<RwLock<bool>>,
    /// Kept so that the guardian is reaped when it ends.
    process: AsyncMutex<Child>,
}

/// Held while something of the run is being made that no process of the run makes: the end of the run waits for it, so
/// that nothing appears after everything was removed. Clones share it.
#[derive(Clone)]
pub struct Making {
    _guard: Arc<OwnedRwLockReadGuard<bool>>,
}

/// A handle to the run's guardian; clones share it. The guardian ends when the last clone is
/// dropped.
#[derive(Clone)]
pub struct Guardian(Arc<Shared>);

impl Guardian {
    /// Starts the guardian of `run_id` and waits until it guards.
    pub async fn start(run_id: &str) -> Result<Guardian, GuardianError> {
        let program = std::env::var_os(PROGRAM_ENV).map(PathBuf::from);
        let program = program.or_else(|| std::env::current_exe().ok()).unwrap_or_default();
        Guardian::start_with(&program, run_id).await
    }

    /// As [`Guardian::start`], with the `lossdrill` program named.
    pub async fn start_with(program: &Path, run_id: &str) -> Result<Guardian, GuardianError> {
        if !state::is_run_id(run_id) {
            return Err(GuardianError::RunId(run_id.to_owned()));
        }
        let failed = |error| GuardianError::Start { program: program.to_owned(), error };
        let mut child = Command::new(program)
            .arg("guardian")
            .arg(state::run_dir(run_id))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let pipe = child.stdin.take();
        let out = child.stdout.take().expect("invariant: stdout is piped");
        let mut notices = BufReader::new(out);
        let mut line = String::new();
        let read = tokio::time::timeout(READY_LIMIT, notices.read_line(&mut line)).await;
        read.map_err(|_| failed(io::Error::other(format!("no word within {READY_LIMIT:?}"))))?
            .map_err(failed)?;
        let pid = match serde_json::from_str(&line) {
            Ok(Notice::Ready { pid }) => pid,
            Ok(Notice::Refused { error }) => return Err(GuardianError::Refused(error)),
            _ => return Err(failed(io::Error::other(format!("unexpected first word `{line}`")))),
        };
        let shared = Arc::new(Shared {
            run_id: run_id.to_owned(),
            program: program.to_owned(),
            pid,
            next: AtomicU64::new(1),
            pipe: AsyncMutex::new(pipe),
            waiting: Mutex::default(),
            running: Mutex::default(),
            gone: watch::Sender::new(false),
            ending: Arc::default(),
            process: AsyncMutex::new(child),
        });
        tokio::spawn(listen(Arc::downgrade(&shared), notices));
        Ok(Guardian(shared))
    }

    pub fn run_id(&self) -> &str {
        &self.0.run_id
    }

    /// The program that it runs: `lossdrill`.
    pub fn program(&self) -> &Path {
        &self.0.program
    }

    /// The guardian's own pid.
    pub fn pid(&self) -> u32 {
        self.0.pid
    }

    /// The run's state directory: removed, with all in it, when the run ends.
    pub fn state_dir(&self) -> PathBuf {
        state::run_dir(&self.0.run_id)
    }

    /// Starts a process below the guardian.
    pub async fn spawn(&self, spec: ProcSpec) -> Result<Process, GuardianError> {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (spawned, told) = oneshot::channel();
        let (exit, exited) = watch::channel(None);
        lock(&self.0.waiting).insert(id, Pending { spawned, exit });
        let program = spec.program.to_string_lossy().into_owned();
        let request = Request::Spawn {
            id,
            name: spec.name.clone(),
            program: program.clone(),
            args: spec.args,
            env: spec.env,
            cwd: spec.cwd,
            log: spec.log.clone(),
            uid: spec.uid,
        };
        self.ask(&request).await?;
        let pid = told.await.map_err(|_| self.lost())?.map_err(|error| GuardianError::Spawn {
            name: spec.name.clone(),
            program,
            error,
        })?;
        Ok(Process { id, pid, name: spec.name, log: spec.log, exited, guardian: self.clone() })
    }

    /// Registers what the guardian undoes when the run ends; the number is for
    /// [`Guardian::drop_cleanup`].
    pub async fn add_cleanup(&self, cleanup: Cleanup) -> Result<u64, GuardianError> {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.ask(&Request::AddCleanup { id, cleanup }).await?;
        Ok(id)
    }

    /// Takes back a registered cleanup: it has been done.
    pub async fn drop_cleanup(&self, id: u64) -> Result<(), GuardianError> {
        self.ask(&Request::DropCleanup { id }).await
    }

    /// Returns when the guardian is gone: every process of the run is dead then, and the run is
    /// over.
    pub async fn gone(&self) {
        let mut gone = self.0.gone.subscribe();
        let _ = gone.wait_for(|gone| *gone).await;
    }

    /// To be held while files or containers of the run are made; an error once the run ends.
    pub async fn making(&self) -> Result<Making, GuardianError> {
        let guard = self.0.ending.clone().read_owned().await;
        if *guard {
            return Err(self.lost());
        }
        Ok(Making { _guard: Arc::new(guard) })
    }

    /// Ends the run: everything is killed and removed. True when nothing is left behind.
    pub async fn bye(&self) -> bool {
        if let Ok(mut ending) = tokio::time::timeout(MAKING_LIMIT, self.0.ending.write()).await {
            *ending = true;
        }
        let _ = self.ask(&Request::Bye).await;
        *self.0.pipe.lock().await = None;
        let mut process = self.0.process.lock().await;
        let ended = tokio::time::timeout(END_LIMIT + KILL_LIMIT, process.wait()).await;
        matches!(ended, Ok(Ok(status)) if status.success())
    }

    async fn ask(&self, request: &Request) -> Result<(), GuardianError> {
        let mut line = serde_json::to_vec(request).expect("invariant: a request is plain data");
        line.push(b'\n');
        let mut pipe = self.0.pipe.lock().await;
        if *self.0.gone.borrow() {
            return Err(self.lost());
        }
        let Some(pipe) = pipe.as_mut() else { return Err(self.lost()) };
        pipe.write_all(&line).await.map_err(|_| self.lost())
    }

    fn lost(&self) -> GuardianError {
        GuardianError::Gone(self.0.run_id.clone())
    }
}

/// Hands out notices until the guardian's pipe ends. Holds no strong handle, so that dropping the
/// last one ends it.
async fn listen(shared: std::sync::Weak<Shared>, mut notices: BufReader<ChildStdout>) {
    let mut line = String::new();
    while matches!(notices.read_line(&mut line).await, Ok(1..)) {
        let Some(shared) = shared.upgrade() else { return };
        let notice = serde_json::from_str(&line);
        line.clear();
        match notice {
            Ok(Notice::Spawned { id, pid }) => {
                let Some(pending) = lock(&shared.waiting).remove(&id) else { continue };
                lock(&shared.running).insert(id, pending.exit);
                let _ = pending.spawned.send(Ok(pid));
            }
            Ok(Notice::SpawnFailed { id, error }) => {
                let Some(pending) = lock(&shared.waiting).remove(&id) else { continue };
                let _ = pending.spawned.send(Err(error));
            }
            Ok(Notice::Exited { id, exit }) => {
                let Some(told) = lock(&shared.running).remove(&id) else { continue };
                told.send_replace(Some(exit));
            }
            Ok(Notice::Ready { .. } | Notice::Refused { .. }) | Err(_) => {}
        }
    }
    let Some(shared) = shared.upgrade() else { return };
    for (_, told) in lock(&shared.running).drain() {
        told.send_replace(Some(Exit::Signal(libc::SIGKILL))); // PDEATHSIG
    }
    shared.gone.send_replace(true); // from here on nothing new is asked, so nothing waits for ever
    lock(&shared.waiting).clear();
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process below the guardian.
#[derive(Clone)]
pub struct Process {
    id: u64,
    pid: u32,
    name: String,
    log: PathBuf,
    exited: watch::Receiver<Option<Exit>>,
    guardian: Guardian,
}

impl Process {
    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// How it ended; `None` while it runs (or is paused).
    pub fn exit(&self) -> Option<Exit> {
        *self.exited.borrow()
    }

    /// Returns when the process has ended and is reaped.
    pub async fn exited(&self) -> Exit {
        let mut exited = self.exited.clone();
        match exited.wait_for(Option::is_some).await {
            Ok(exit) => exit.unwrap_or(Exit::Signal(libc::SIGKILL)),
            Err(_) => Exit::Signal(libc::SIGKILL), // the guardian is gone, and the process with it
        }
    }

    /// Sends a signal; a process that has ended is left alone.
    pub async fn signal(&self, signal: Signal) -> Result<(), GuardianError> {
        if self.exit().is_some() {
            return Ok(());
        }
        self.guardian.ask(&Request::Signal { id: self.id, sig: signal.number() }).await
    }

    /// SIGKILL, and waits for the end. Works on a paused process too.
    pub async fn kill_and_wait(&self) -> Result<Exit, GuardianError> {
        self.signal(Signal::Kill).await?;
        tokio::time::timeout(KILL_LIMIT, self.exited()).await.map_err(|_| GuardianError::Undead {
            name: self.name.clone(),
            pid: self.pid,
            limit: KILL_LIMIT,
        })
    }

    /// SIGTERM, and SIGKILL when it has not ended within `limit`.
    pub async fn stop(&self, limit: Duration) -> Result<Exit, GuardianError> {
        self.signal(Signal::Term).await?;
        self.signal(Signal::Continue).await?; // a paused process would not hear it
        match tokio::time::timeout(limit, self.exited()).await {
            Ok(exit) => Ok(exit),
            Err(_) => self.kill_and_wait().await,
        }
    }

    /// The last `lines` lines of its log; empty when there is none.
    pub async fn log_tail(&self, lines: usize) -> String {
        tail(&self.log, lines).await.unwrap_or_default()
    }
}

/// The last `lines` lines of a file.
pub(in crate::stage) async fn tail(path: &Path, lines: usize) -> io::Result<String> {
    let mut file = tokio::fs::File::open(path).await?;
    let length = file.metadata().await?.len();
    file.seek(io::SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).await?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).await?;
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    Ok(all[all.len().saturating_sub(lines)..].join("\n"))
}
