//! Waiting until something in a folder is written, by inotify: a ledger line is seen within a
//! millisecond, and nothing is polled.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Room for a burst of events; what does not fit is read in the next round.
const BUFFER_BYTES: usize = 4096;

pub(super) struct FolderWatch {
    events: AsyncFd<OwnedFd>,
}

impl FolderWatch {
    /// Errors where the folder is not there, or the machine's inotify instances are used up.
    pub fn new(folder: &Path) -> io::Result<FolderWatch> {
        let path = CString::new(folder.as_os_str().as_bytes())?;
        // SAFETY: no pointers are passed; the result is checked.
        let fd = unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` was just opened and belongs to nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let mask = libc::IN_MODIFY | libc::IN_CREATE | libc::IN_MOVED_TO;
        // SAFETY: `path` is a NUL-ended string that outlives the call.
        let watch = unsafe { libc::inotify_add_watch(fd.as_raw_fd(), path.as_ptr(), mask) };
        if watch < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is owned by the `AsyncFd` and closed by nobody else while it
        // lives.
        let events = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?;
        Ok(FolderWatch { events })
    }

    /// Returns after something was written since the last call. Cancel safe.
    pub async fn written(&self) -> io::Result<()> {
        loop {
            let mut ready = self.events.readable().await?;
            let drained = ready.try_io(|fd| {
                let mut buffer = [0_u8; BUFFER_BYTES];
                // SAFETY: `buffer` is valid for writes of its length.
                let read =
                    unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), BUFFER_BYTES) };
                if read < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
            });
            if let Ok(done) = drained {
                return done;
            }
        }
    }
}
