//! The guardian's own process: one thread, one poll loop over the pipe and its children's ends.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use super::children::{Children, below_me, kill_below_me};
use super::{Cleanup, END_LIMIT, Notice, Request};
use crate::stage::state::{StateLock, is_run_id};

/// How often the ending looks again for processes that were being born while it killed.
const KILL_ROUND: Duration = Duration::from_millis(10);
/// One undo command; a heal that takes longer is left to the next sweep.
const UNDO_LIMIT: Duration = Duration::from_secs(8);

/// Runs the guardian of the run whose state directory is `state_dir`, until its pipe ends.
/// Must be called before any thread is started.
pub fn serve(state_dir: &Path) -> ExitCode {
    match Server::start(state_dir) {
        Ok(mut server) => {
            server.run();
            server.end()
        }
        Err(error) => {
            let _ = write_notice(&Notice::Refused { error: error.to_string() });
            ExitCode::FAILURE
        }
    }
}

struct Server<'a> {
    state_dir: &'a Path,
    run_id: String,
    children: Children,
    cleanups: BTreeMap<u64, Cleanup>,
    signals: File,
    pids: File,
    report: File,
    _lock: StateLock,
}

impl<'a> Server<'a> {
    fn start(state_dir: &'a Path) -> io::Result<Server<'a>> {
        let name = state_dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !is_run_id(name) {
            return Err(io::Error::other(format!("`{}` ends in no run id", state_dir.display())));
        }
        let lock = StateLock::take(state_dir)?.ok_or_else(|| {
            io::Error::other(format!("{} is guarded by another process", state_dir.display()))
        })?;
        // SAFETY: plain system calls at the start of a single-threaded process.
        unsafe {
            libc::setsid(); // fails where this is a session leader already, which is as good
            if libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        let append =
            |name: &str| OpenOptions::new().create(true).append(true).open(state_dir.join(name));
        Ok(Server {
            state_dir,
            run_id: name.to_owned(),
            children: Children::default(),
            cleanups: BTreeMap::new(),
            signals: signal_reader()?,
            pids: append("pids")?,
            report: append("guardian.log")?,
            _lock: lock,
        })
    }

    /// Serves requests until EOF, `bye`, a terminating signal or a harness that no longer listens.
    fn run(&mut self) {
        let mut pending = Vec::new();
        if write_notice(&Notice::Ready { pid: std::process::id() }).is_err() {
            return;
        }
        loop {
            let (input, signal) = match wait_readable(&self.signals) {
                Ok(ready) => ready,
                Err(error) => return self.note(&format!("poll: {error}")),
            };
            if signal && (self.take_signal() || !self.tell_exits()) {
                return;
            }
            if input {
                let mut buffer = [0; 65536];
                match io::stdin().lock().read(&mut buffer) {
                    Ok(0) | Err(_) => return self.note("the harness's pipe ended"),
                    Ok(count) => pending.extend_from_slice(&buffer[..count]),
                }
                while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = pending.drain(..=end).collect();
                    if !self.obey(&line) {
                        return;
                    }
                }
            }
        }
    }

    /// Carries out one request; false when the run is over.
    fn obey(&mut self, line: &[u8]) -> bool {
        let request: Request = match serde_json::from_slice(line) {
            Ok(request) => request,
            Err(error) => {
                self.note(&format!("a line that is no request: {error}"));
                return false;
            }
        };
        match request {
            Request::Spawn { id, ref name, .. } => {
                let notice = match self.children.spawn(&request, &self.run_id) {
                    Ok(pid) => {
                        let _ = writeln!(self.pids, "{pid} {name}");
                        Notice::Spawned { id, pid }
                    }
                    Err(error) => Notice::SpawnFailed { id, error: error.to_string() },
                };
                return write_notice(&notice).is_ok();
            }
            // a process that has just ended is told by its exit notice
            Request::Signal { id, sig } => drop(self.children.signal(id, sig)),
            Request::AddCleanup { id, cleanup } => drop(self.cleanups.insert(id, cleanup)),
            Request::DropCleanup { id } => drop(self.cleanups.remove(&id)),
            Request::Bye => return false,
        }
        true
    }

    /// Empties the signal queue; true when one of them orders the end.
    fn take_signal(&mut self) -> bool {
        const RECORD: usize = size_of::<libc::signalfd_siginfo>();
        let mut buffer = [0_u8; RECORD * 16];
        let Ok(count) = self.signals.read(&mut buffer) else { return false };
        let numbers = buffer[..count].chunks_exact(RECORD).filter_map(|r| r.first_chunk::<4>());
        numbers.map(|number| u32::from_ne_bytes(*number)).any(|s| s != libc::SIGCHLD.unsigned_abs())
    }

    /// Reaps and tells; false when nobody listens any more.
    fn tell_exits(&mut self) -> bool {
        while let Some((id, exit)) = self.children.reap() {
            let Some(id) = id else { continue };
            if write_notice(&Notice::Exited { id, exit }).is_err() {
                return false;
            }
        }
        true
    }

    /// Kills, undoes, removes: who is dead does no more of what is undone. The state directory stays when something could
    /// not be undone: a sweep tries again.
    fn end(mut self) -> ExitCode {
        let deadline = Instant::now() + END_LIMIT;
        let mut clean = true;
        let cleanups = std::mem::take(&mut self.cleanups);
        clean &= self.kill_all(deadline);
        for cleanup in cleanups.values().rev() {
            clean &= match cleanup {
                Cleanup::Dir(dir) => self.remove_dir(dir),
                Cleanup::Containers => self.remove_containers(deadline),
                Cleanup::Group(dir) => self.remove_group(dir),
                Cleanup::Undo { program, args } => self.undo(program, args),
            };
        }
        if clean && self.remove_dir(self.state_dir) {
            return ExitCode::SUCCESS;
        }
        ExitCode::FAILURE
    }

    fn undo(&mut self, program: &str, args: &[String]) -> bool {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(self.report.try_clone().map_or_else(|_| Stdio::null(), Stdio::from));
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                self.note(&format!("undo {program} {args:?}: {error}"));
                return false;
            }
        };
        let deadline = Instant::now() + UNDO_LIMIT;
        while Instant::now() < deadline {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => return true,
                Ok(None) => std::thread::sleep(KILL_ROUND),
                ended => {
                    self.note(&format!("undo {program} {args:?}: {ended:?}"));
                    return false;
                }
            }
        }
        let _ = child.kill();
        self.note(&format!("undo {program} {args:?}: not done within {UNDO_LIMIT:?}"));
        false
    }

    /// Kills in rounds: when a child dies, its children become ours, and are next.
    fn kill_all(&mut self, deadline: Instant) -> bool {
        loop {
            kill_below_me();
            while self.children.reap().is_some() {}
            if below_me().is_empty() {
                return true;
            }
            if Instant::now() > deadline {
                self.note(&format!("processes that do not die: {:?}", below_me()));
                return false;
            }
            std::thread::sleep(KILL_ROUND);
        }
    }

    fn remove_dir(&mut self, dir: &Path) -> bool {
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                self.note(&format!("{} cannot be removed: {error}", dir.display()));
                false
            }
            _ => true,
        }
    }

    fn remove_group(&mut self, dir: &Path) -> bool {
        let removed = crate::stage::groups::remove_empty(dir);
        removed.inspect_err(|why| self.note(why)).is_ok()
    }

    fn remove_containers(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        match crate::stage::engine::remove_containers_blocking(&self.run_id, left) {
            Ok(_) => true,
            Err(error) => {
                self.note(&format!("containers of run {}: {error}", self.run_id));
                false
            }
        }
    }

    fn note(&mut self, text: &str) {
        let _ = writeln!(self.report, "{text}");
    }
}

/// SIGCHLD and the signals that end a process, as a readable descriptor; blocked otherwise.
fn signal_reader() -> io::Result<File> {
    // SAFETY: the set is initialised by sigemptyset before use; the new descriptor is owned by the
    // returned file.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            libc::sigaddset(&raw mut set, signal);
        }
        if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(File::from(OwnedFd::from_raw_fd(fd)))
    }
}

/// Waits for the pipe or a signal: (pipe readable or ended, signal there).
fn wait_readable(signals: &File) -> io::Result<(bool, bool)> {
    let poll = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    let mut fds = [poll(0), poll(signals.as_raw_fd())];
    loop {
        // SAFETY: `fds` is a valid array of two for the length of the call.
        if unsafe { libc::poll(fds.as_mut_ptr(), 2, -1) } >= 0 {
            return Ok((fds[0].revents != 0, fds[1].revents != 0));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

fn write_notice(notice: &Notice) -> io::Result<()> {
    let mut line = serde_json::to_vec(notice)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}
