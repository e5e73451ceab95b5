//! Ports for servers and processes: below the ephemeral range, so that a restart finds its own free
//! again.
//!
//! A port is handed out once per process of the harness, and kept from other runs for a while: the UDP port of the same
//! number, which nobody here uses, is held. Whoever else takes it between here and the bind: who starts a server tries
//! again with another, a named number of times.
//! Try it: `cargo test --lib stage::ports`.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::StageError;

/// Linux hands out ephemeral ports from 32768 on; below 20000 live well-known services.
const FIRST: u16 = 20_000;
const LAST: u16 = 31_000;
/// Coprime to the number of ports, so that stepping visits each once, and runs that start close by
/// soon part.
const STEP: u32 = 101;
/// Starts of a server whose port was taken in the meantime.
const TRIES: usize = 3;

/// Ports that are kept from other runs, the latest: by then whoever asked for an earlier one has bound it.
const HELD_MAX: usize = 64;

static NEXT: AtomicU32 = AtomicU32::new(0);
static HELD: Mutex<VecDeque<UdpSocket>> = Mutex::new(VecDeque::new());

/// A port of 127.0.0.1 that nothing listens on.
pub fn free_port() -> Result<u16, StageError> {
    let count = u32::from(LAST - FIRST) + 1;
    let start = std::process::id().wrapping_mul(37) % count;
    for _ in 0..count {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed) % count;
        let offset = (start + turn * STEP) % count;
        let port = FIRST + u16::try_from(offset).expect("invariant: below the number of ports");
        if let Ok(claim) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
        {
            let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
            held.push_back(claim);
            if held.len() > HELD_MAX {
                held.pop_front();
            }
            return Ok(port);
        }
    }
    Err(StageError::NoPort { first: FIRST, last: LAST })
}

/// Starts again on another port when somebody took the first between the choice and the bind.
pub(super) async fn on_free_port<T, Starting>(
    name: &str,
    start: impl Fn() -> Starting,
) -> Result<T, StageError>
where
    Starting: Future<Output = Result<T, StageError>>,
{
    for _ in 0..TRIES {
        match start().await {
            Err(error) if error.is_taken_port() => {}
            result => return result,
        }
    }
    Err(StageError::PortTaken { service: name.to_owned(), tries: TRIES })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_handed_out_once_and_a_taken_one_never() {
        let first = free_port().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        for _ in 0..200 {
            let port = free_port().unwrap();
            assert_ne!(port, first);
            assert!((FIRST..=LAST).contains(&port));
        }
        drop(listener);
    }

    #[test]
    fn another_run_leaves_what_was_handed_out_here() {
        let port = free_port().unwrap();
        assert!(UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_err(), "it is claimed");
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok(), "for whoever asked");
    }

    #[test]
    fn stepping_visits_every_port() {
        let count = u32::from(LAST - FIRST) + 1;
        let (mut a, mut b) = (count, STEP);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        assert_eq!(a, 1);
    }

    #[tokio::test]
    async fn a_taken_port_is_tried_again_and_then_named() {
        let ended = |log: &str| StageError::Ended {
            service: "m".to_owned(),
            how: "exit 1".to_owned(),
            log: log.to_owned(),
        };
        let tries = std::sync::atomic::AtomicUsize::new(0);
        let attempt = |log: &str| {
            tries.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Err::<(), _>(ended(log)))
        };
        let taken = on_free_port("m", || attempt("Bind on TCP/IP port: Address already in use"));
        let error = taken.await.unwrap_err().to_string();
        assert!(error.contains("found its port taken 3 times"), "{error}");
        assert_eq!(tries.load(Ordering::Relaxed), TRIES);
        let other = on_free_port("m", || attempt("no such option"));
        assert!(other.await.unwrap_err().to_string().contains("no such option"));
        assert_eq!(tries.load(Ordering::Relaxed), TRIES + 1, "tried once");
    }
}
