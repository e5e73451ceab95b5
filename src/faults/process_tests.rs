//! What a process does that does not do as it is told. The processes are *stand-ins of these tests*.

use std::net::{Ipv4Addr, SocketAddr};

use futures::FutureExt;
use futures::future::BoxFuture;

use super::super::{Nemesis, Speech, registry};
use super::*;
use crate::clock::Clock;
use crate::journal::{Journal, Phase};

const LIMIT: Duration = Duration::from_millis(200);
/// From an order to what comes of it.
const LATE: Duration = Duration::from_millis(100);

/// Listens to nobody; each kind obeys in its own way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Orders have no effect.
    Stubborn,
    /// It dies, and does not come again.
    Dead,
    /// It comes again as the same life: who looks sees no crash of a new one.
    Undying,
    /// It dies a while after it was told, whether or not anybody waits for it.
    Slow,
}

struct StandIn {
    kind: Kind,
    alive: Arc<AtomicBool>,
    lives: Arc<std::sync::atomic::AtomicU64>,
    at: SocketAddr,
}

impl StandIn {
    fn of(kind: Kind, at: SocketAddr) -> StandIn {
        let alive = Arc::new(AtomicBool::new(true));
        StandIn { kind, alive, lives: Arc::new(1.into()), at }
    }
}

impl Process for StandIn {
    fn kill(&self) -> BoxFuture<'_, Result<(), String>> {
        let alive = self.alive.clone();
        match self.kind {
            Kind::Stubborn => {}
            Kind::Dead | Kind::Undying => alive.store(false, Ordering::Release),
            Kind::Slow => {
                let killing = tokio::spawn(async move {
                    sleep(LATE).await;
                    alive.store(false, Ordering::Release);
                });
                return async { killing.await.map_err(|error| error.to_string()) }.boxed();
            }
        }
        async { Ok(()) }.boxed()
    }

    fn pause(&self) -> BoxFuture<'_, Result<(), String>> {
        async { Ok(()) }.boxed()
    }

    fn resume(&self) -> BoxFuture<'_, Result<(), String>> {
        async { Ok(()) }.boxed()
    }

    fn restart(&self) -> BoxFuture<'_, Result<(), String>> {
        if matches!(self.kind, Kind::Undying | Kind::Slow) {
            self.alive.store(true, Ordering::Release);
        }
        if self.kind == Kind::Slow {
            self.lives.fetch_add(1, Ordering::AcqRel);
        }
        async { Ok(()) }.boxed()
    }

    fn is_running(&self) -> BoxFuture<'_, bool> {
        async { self.alive.load(Ordering::Acquire) }.boxed()
    }

    fn address(&self) -> SocketAddr {
        self.at
    }

    fn speech(&self) -> Speech {
        Speech::Http
    }

    fn life(&self) -> u64 {
        self.lives.load(Ordering::Acquire)
    }

    fn pid(&self) -> BoxFuture<'_, Result<u32, String>> {
        async { Err("a stand-in has no process".to_owned()) }.boxed()
    }
}

fn ground(kind: Kind, at: SocketAddr) -> (Ground, Arc<StandIn>) {
    let (mut ground, process) = (Ground::default(), Arc::new(StandIn::of(kind, at)));
    ground.processes.insert("shop".to_owned(), process.clone());
    (ground, process)
}

#[tokio::test]
async fn a_crash_loop_is_seen_only_where_a_new_life_crashes_too() {
    let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let spec = registry::find("process.shop.crash-looping").unwrap();
    let given = [(UPTIME.to_owned(), "10 ms".to_owned())].into();
    let params = spec.check_params(&given).unwrap();
    for (kind, gone) in [
        (Kind::Stubborn, Some(0)),
        (Kind::Dead, Some(1)),
        (Kind::Undying, Some(1)),
        (Kind::Slow, None),
    ] {
        let (ground, _) = ground(kind, nowhere);
        let mut fault = ProcessFault::new(spec, &params, &ground, "shop").unwrap();
        fault.inject().await.unwrap();
        let seen = match gone {
            Some(_) => fault.crashes_again(LIMIT).await,
            None => fault.crashes_again(START_LIMIT).await,
        };
        let told = gone.map(|gone| format!("it was seen gone {gone} times within {LIMIT:?}"));
        assert_eq!(seen.clone().err(), told, "{seen:?}");
        if let Some(crashes) = &mut fault.crashes {
            crashes.end().await;
        }
    }
}

/// An order that nobody waits for any more is carried out all the same: the heal comes after it.
#[tokio::test]
async fn a_kill_that_was_cut_short_does_not_come_after_its_heal() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::create(&dir.path().join("journal.ndjson")).unwrap();
    let scribe = journal.scribe("s", Clock::starting_at(0));
    let (ground, process) = ground(Kind::Slow, at);
    let mut nemesis = Nemesis::new(ground);
    nemesis.arm("process.shop.killed", Default::default(), &scribe, Phase::Given).unwrap();
    let inject = nemesis.inject_all(&scribe, Phase::Inject);
    tokio::time::timeout(LATE / 10, inject).await.unwrap_err();
    assert!(process.is_running().await, "told, and not dead yet");
    let healed = nemesis.heal_all(&scribe, Phase::Heal, START_LIMIT).await;
    assert!(healed.len() == 1 && healed[0].result.is_ok(), "{healed:?}");
    sleep(LATE * 2).await;
    assert!(process.is_running().await && process.life() == 2, "it came after the heal");
}
