//! A link: a listener, its board, and the connections that come by it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::board::{ArmedToxic, Board};
use super::chain::Origin;
use super::door::Door;
use super::gauge::{Gauge, Stats};
use super::kafka::{AddressBook, Nodes, Sequences};
use super::toxic::{Cut, ToxicId};
use super::{ProxyError, connection};
use crate::clock::{CellTime, Clock};

/// Connections of one link at once; more are reset. Far above any pool of a cell, far below the
/// descriptor limit.
const CONNECTIONS_MAX: u64 = 4096;
/// After a failed accept (no descriptors left): long enough not to spin, short enough not to be
/// noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// Connections end by RST at once; this only bounds a starved machine.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// What a link understands of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Tcp,
    /// Rewrites broker addresses in answers, so that clients stay behind the link.
    Kafka(Nodes),
    /// Reads statements, so that rules can meet them; no TLS and no compression through it.
    Mysql,
}

/// What a link is made from.
#[derive(Clone)]
pub struct LinkSpec {
    /// `cdc`, `sql`, `kafka` …
    pub name: String,
    /// `host:port`
    pub upstream: String,
    pub kind: Kind,
    /// Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Delays above 1 s are counted on it.
    pub clock: Clock,
    /// They are over when it says so: `clock` itself, or one that follows it a little later.
    pub release: Clock,
    /// Source of jitter.
    pub seed: u64,
}

impl LinkSpec {
    /// A link on a free port of 127.0.0.1.
    pub fn new(
        name: impl Into<String>,
        upstream: impl Into<String>,
        kind: Kind,
        clock: Clock,
    ) -> LinkSpec {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let (name, upstream, release) = (name.into(), upstream.into(), clock.clone());
        LinkSpec { name, upstream, kind, listen, clock, release, seed: 0 }
    }
}

/// What every connection of a link shares.
pub(super) struct Shared {
    pub name: String,
    pub clock: Clock,
    pub release: Clock,
    pub seed: u64,
    pub board: watch::Sender<Arc<Board>>,
    pub gauge: Gauge,
    pub addresses: Option<AddressBook>,
    pub reads_mysql: bool,
    /// What Kafka rules did to numbered records.
    pub sequences: Sequences,
    next_connection: AtomicU64,
    listeners: Mutex<Vec<JoinHandle<()>>>,
}

impl Shared {
    pub fn note(&self, text: &str) {
        self.gauge.note(format!("link `{}`: {text}", self.name));
    }

    /// Accepts at one more door until the link closes. `upstream` overrides the board's.
    pub fn listen(self: &Arc<Self>, door: Door, upstream: Option<Arc<str>>) {
        let task = tokio::spawn(accept(self.clone(), door, upstream));
        self.listeners.lock().expect("no holder panics").push(task);
    }
}

async fn accept(shared: Arc<Shared>, mut door: Door, upstream: Option<Arc<str>>) {
    let mut board = shared.board.subscribe();
    let mut connections = JoinSet::new();
    loop {
        let now = board.borrow_and_update().clone();
        if now.closing.is_some() {
            break;
        }
        obey(&mut door, now.is_shut(), &shared).await;
        tokio::select! {
            biased;
            changed = board.changed() => if changed.is_err() { break },
            Some(_) = connections.join_next() => {}
            accepted = door.accept() => match accepted {
                Ok(client) => {
                    if let Some(number) = admit(&shared, &client) {
                        let upstream = upstream.clone();
                        let serve = connection::serve(shared.clone(), client, upstream, number);
                        connections.spawn(serve);
                    }
                }
                Err(error) => {
                    shared.note(&format!("cannot accept: {error}"));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(door);
    while connections.join_next().await.is_some() {}
}

/// Shuts or opens the door as the board says; tries again where its port cannot be had.
async fn obey(door: &mut Door, shut: bool, shared: &Shared) {
    if shut {
        door.shut();
    } else if !door.is_open()
        && let Err(error) = door.reopen()
    {
        shared.note(&format!("cannot listen on {} again: {error}", door.addr()));
        tokio::time::sleep(ACCEPT_PAUSE).await;
        // As if the board had changed: it is looked at once more.
        shared.board.send_modify(|_| {});
    }
}

fn admit(shared: &Shared, client: &TcpStream) -> Option<u64> {
    if shared.gauge.open.load(Ordering::Acquire) >= CONNECTIONS_MAX {
        shared.note(&format!("more than {CONNECTIONS_MAX} connections: one was reset"));
        let _ = client.set_zero_linger();
        return None;
    }
    Some(shared.next_connection.fetch_add(1, Ordering::Relaxed))
}

/// The last handle's end is the link's end.
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        publish(&self.0, |board| board.closing = Some(Cut::Reset));
    }
}

pub(super) fn publish<T>(shared: &Shared, change: impl FnOnce(&mut Board) -> T) -> T {
    let mut result = None;
    shared.board.send_modify(|board| {
        let mut next = Board::clone(board);
        result = Some(change(&mut next));
        *board = Arc::new(next);
    });
    result.expect("invariant: send_modify calls once")
}

/// A handle to an open link; clones share it, and it closes with the last of them.
#[derive(Clone)]
pub struct Link {
    owner: Arc<Owner>,
    addr: SocketAddr,
    pub(super) next_toxic: Arc<AtomicU64>,
}

impl Link {
    /// Listens and relays from now on. The upstream is dialled for each client, not here: it may
    /// come up later.
    pub async fn open(spec: LinkSpec) -> Result<Link, ProxyError> {
        Link::open_now(spec)
    }

    /// As [`Link::open`]; a listener needs no waiting, only a runtime.
    pub fn open_now(spec: LinkSpec) -> Result<Link, ProxyError> {
        let LinkSpec { name, upstream, kind, listen, clock, release, seed } = spec;
        let refused = |source| ProxyError::Listen { link: name.clone(), listen, source };
        if matches!(kind, Kind::Kafka(_)) && listen.ip().is_unspecified() {
            return Err(ProxyError::Unreachable { link: name, listen });
        }
        let door = Door::open(listen).map_err(refused)?;
        let addr = door.addr();
        let reads_mysql = kind == Kind::Mysql;
        let addresses = match kind {
            Kind::Tcp | Kind::Mysql => None,
            Kind::Kafka(nodes) => Some(AddressBook::new(nodes, addr)),
        };
        let board = Board::of(upstream.into());
        let shared = Arc::new(Shared {
            name,
            clock,
            release,
            seed,
            board: watch::Sender::new(Arc::new(board)),
            gauge: Gauge::default(),
            addresses,
            reads_mysql,
            sequences: Sequences::default(),
            next_connection: AtomicU64::new(0),
            listeners: Mutex::new(Vec::new()),
        });
        shared.listen(door, None);
        let owner = Arc::new(Owner(shared));
        Ok(Link { owner, addr, next_toxic: Arc::new(AtomicU64::new(1)) })
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.owner.0
    }

    pub fn name(&self) -> &str {
        &self.shared().name
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `host:port` that new connections dial.
    pub fn upstream(&self) -> String {
        self.shared().board.borrow().upstream.to_string()
    }

    /// New connections dial `upstream`; live ones keep theirs.
    pub fn set_upstream(&self, upstream: &str) {
        publish(self.shared(), |board| board.upstream = upstream.into());
    }

    /// New connections dial `upstream`; live ones are closed.
    pub fn redirect(&self, upstream: &str) {
        publish(self.shared(), |board| {
            board.upstream = upstream.into();
            board.epoch += 1;
        });
    }

    /// How many connections came so far: the next one's number.
    pub fn connections(&self) -> u64 {
        self.shared().next_connection.load(Ordering::Acquire)
    }

    /// Is the connection of this number one of an armed toxic's share? None where the toxic is not there (any more).
    pub fn touches(&self, id: ToxicId, connection: u64) -> Option<bool> {
        let board = self.shared().board.borrow();
        let armed = board.armed.iter().find(|armed| armed.id == id)?;
        Some(armed.touches(Origin { seed: self.shared().seed, connection }))
    }

    pub fn toxics(&self) -> Vec<ArmedToxic> {
        self.shared().board.borrow().toxics()
    }

    pub fn stats(&self) -> Stats {
        let gauge = &self.shared().gauge;
        Stats {
            link: self.name().to_owned(),
            connections_open: gauge.open.load(Ordering::Acquire),
            connections_total: gauge.total.load(Ordering::Relaxed),
            bytes_to_upstream: gauge.to_upstream.load(Ordering::Relaxed),
            bytes_to_client: gauge.to_client.load(Ordering::Relaxed),
            bytes_from_client: gauge.from_client.load(Ordering::Relaxed),
            bytes_from_upstream: gauge.from_upstream.load(Ordering::Relaxed),
            held_bytes: gauge.held(),
            waiting_bytes: gauge.waiting_bytes(),
            toxics: self.toxics(),
        }
    }

    /// Bytes read and not yet written on, those that wait for a later cell time included.
    pub fn held_bytes(&self) -> u64 {
        self.shared().gauge.held()
    }

    /// Bytes held that wait for nothing on cell time: while there are any, the cell is not at rest.
    pub fn busy_bytes(&self) -> u64 {
        let gauge = &self.shared().gauge;
        gauge.held().saturating_sub(gauge.waiting_bytes())
    }

    /// The earliest cell time at which a held byte is due or a connection is cut.
    pub fn next_due(&self) -> Option<CellTime> {
        self.shared().gauge.next_due()
    }

    /// Waits until no byte is held. Give it a deadline: under a stall that is never.
    pub async fn drained(&self) {
        self.shared().gauge.drained().await;
    }

    /// Waits until some byte is held.
    pub async fn holding(&self) {
        self.shared().gauge.filled().await;
    }

    /// What the link met and passed over: failed dials, frames it could not read.
    pub fn notes(&self) -> Vec<String> {
        self.shared().gauge.notes()
    }

    /// Cuts every connection by RST and stops listening; again is fine.
    pub async fn close(&self) -> Result<(), ProxyError> {
        self.end(Cut::Reset).await
    }

    /// As [`Link::close`], as a server ends that is stopped in good order: by FIN.
    pub async fn retire(&self) -> Result<(), ProxyError> {
        self.end(Cut::Close).await
    }

    async fn end(&self, how: Cut) -> Result<(), ProxyError> {
        publish(self.shared(), |board| board.closing = Some(how));
        let tasks = std::mem::take(&mut *self.shared().listeners.lock().expect("no holder panics"));
        let all = async {
            for task in tasks {
                // A listener's panic was reported by the runtime; closing goes on.
                let _ = task.await;
            }
        };
        let open = || self.shared().gauge.open.load(Ordering::Acquire);
        let limit_ms = CLOSE_LIMIT.as_millis() as u64;
        tokio::time::timeout(CLOSE_LIMIT, all).await.map_err(|_| ProxyError::Close {
            link: self.name().to_owned(),
            open: open(),
            limit_ms,
        })
    }
}
