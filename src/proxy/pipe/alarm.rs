//! Waits for an instant by the kernel's own timer: the runtime counts whole milliseconds and rounds up, and a chunk would
//! go that much late.
//!
//! The timer is a descriptor; a direction has one from its first wait on. Where there is no descriptor
//! left, the runtime's timer does.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// A timer that is set to nothing is off.
const LEAST: Duration = Duration::from_nanos(1);

#[derive(Default)]
pub(super) struct Alarm {
    timer: Option<AsyncFd<OwnedFd>>,
    set_to: Option<Instant>,
}

impl Alarm {
    /// Returns at `due` or soon after it, never before. Dropped and asked again for the same instant, it goes on.
    pub async fn reached(&mut self, due: Instant) {
        if self.ring(due).await.is_err() {
            tokio::time::sleep_until(due).await;
        }
    }

    async fn ring(&mut self, due: Instant) -> io::Result<()> {
        let timer = match &mut self.timer {
            Some(timer) => timer,
            empty => empty.insert(timer()?),
        };
        if self.set_to != Some(due) {
            let left = due.saturating_duration_since(Instant::now()).max(LEAST);
            let it_value = Timespec::try_from(left).map_err(io::Error::other)?;
            let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
            timerfd_settime(
                &*timer,
                TimerfdTimerFlags::empty(),
                &Itimerspec { it_interval, it_value },
            )?;
            self.set_to = Some(due);
        }
        loop {
            let mut ready = timer.readable().await?;
            // It says how often it rang; that of an earlier instant was taken back by setting it.
            if let Ok(rang) = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0; 8])?)) {
                self.set_to = None;
                return rang.map(drop);
            }
        }
    }
}

fn timer() -> io::Result<AsyncFd<OwnedFd>> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
    // SAFETY: an `OwnedFd` is open, and stays the same descriptor, until what owns it is dropped.
    Ok(unsafe { AsyncFd::register(timer) }?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_never_early_and_goes_on_when_it_was_dropped() {
        let mut alarm = Alarm::default();
        let start = Instant::now();
        let late = start + Duration::from_secs(60);
        for wait in [Duration::from_micros(300), Duration::from_millis(7), Duration::ZERO] {
            // Asked for something else before, which never rings.
            let asked = tokio::time::timeout(Duration::from_micros(1), alarm.reached(late));
            assert!(asked.await.is_err());
            let due = Instant::now() + wait;
            while tokio::time::timeout(Duration::from_millis(2), alarm.reached(due)).await.is_err()
            {
            }
            assert!(Instant::now() >= due);
        }
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
