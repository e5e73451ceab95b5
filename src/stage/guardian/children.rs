//! Processes as the guardian sees them: spawning so that they die with it, finding and killing all
//! below it.
//!
//! Only for a single-threaded process: PDEATHSIG fires when the *thread* that forked ends. Not
//! covered: children that gain privileges by a set-uid program, which clears PDEATHSIG.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};

use super::{Exit, Request};
use crate::stage::state::RUN_ENV;

/// The guardian's own children that have not been reaped, by the harness's number.
#[derive(Default)]
pub(super) struct Children {
    pid_of: BTreeMap<u64, libc::pid_t>,
}

impl Children {
    /// Spawns what `request` says (a [`Request::Spawn`]) and returns its pid.
    pub(super) fn spawn(&mut self, request: &Request, run_id: &str) -> io::Result<u32> {
        let Request::Spawn { id, program, args, env, cwd, log, uid, .. } = request else {
            return Err(io::Error::other("not a spawn request"));
        };
        let out = OpenOptions::new().create(true).append(true).open(log).map_err(|error| {
            io::Error::new(error.kind(), format!("its log {}: {error}", log.display()))
        })?;
        let mut command = Command::new(program);
        command.args(args).envs(env).env(RUN_ENV, run_id);
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        command.process_group(0);
        if let Some(dir) = cwd {
            command.current_dir(dir);
        }
        if let Some(uid) = uid {
            command.uid(*uid);
        }
        let guardian = std::process::id();
        // SAFETY: prctl, getppid, sigprocmask and _exit are async-signal-safe, and nothing is allocated.
        unsafe {
            command.pre_exec(move || {
                unblock_all()?;
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                    return Err(io::Error::last_os_error());
                }
                if libc::getppid().unsigned_abs() != guardian {
                    libc::_exit(127); // the guardian died before the prctl could bind us to it
                }
                Ok(())
            });
        }
        let child = command.spawn()?;
        let pid = child.id();
        self.pid_of.insert(*id, pid.cast_signed());
        Ok(pid) // `child` is dropped: reaping is done for all children alike, by `reap`
    }

    /// Sends `sig`. Errors when the process has ended: its pid may be somebody else's by now.
    pub(super) fn signal(&self, id: u64, sig: i32) -> io::Result<()> {
        let Some(pid) = self.pid_of.get(&id) else {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        };
        // SAFETY: a plain system call on a child that is not reaped yet.
        if unsafe { libc::kill(*pid, sig) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Reaps one ended child or adopted orphan; `None` when none has ended. The number is that of a
    /// spawned child.
    pub(super) fn reap(&mut self) -> Option<(Option<u64>, Exit)> {
        let mut status = 0;
        // SAFETY: `status` is a valid pointer for the length of the call.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if pid <= 0 {
            return None;
        }
        let id = self.pid_of.iter().find(|(_, known)| **known == pid).map(|(id, _)| *id);
        if let Some(id) = id {
            self.pid_of.remove(&id);
        }
        Some((id, exit_of(ExitStatus::from_raw(status))))
    }
}

/// The guardian reads its signals from a descriptor and blocks them; a child that inherited that would never hear SIGTERM.
fn unblock_all() -> io::Result<()> {
    // SAFETY: a set on the stack, initialised before it is used.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        match libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}

/// Pids whose parent is this process: children, and orphans that it adopted as their subreaper.
/// Zombies too.
pub(super) fn below_me() -> Vec<libc::pid_t> {
    let me = std::process::id();
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<libc::pid_t>().ok())
        .filter(|pid| parent_of(*pid) == Some(me))
        .collect()
}

fn parent_of(pid: libc::pid_t) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // after the program's name, which may hold spaces and brackets: state, then the parent
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// SIGKILL to everything right below this process.
pub(super) fn kill_below_me() {
    for pid in below_me() {
        // SAFETY: a plain system call on a child that is not reaped yet.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}
