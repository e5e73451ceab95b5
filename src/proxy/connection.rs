//! One connection: dial, two pipes, and the cut that a toxic or the link's end makes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::chain::{Chain, Origin};
use super::filter;
use super::gauge::Waiting;
use super::link::Shared;
use super::pipe::{Pipe, Stop};
use super::toxic::{Cut, Direction, Due, Stamp};

/// An upstream on the same machine or next to it that does not answer the dial by then is gone.
const DIAL_LIMIT: Duration = Duration::from_secs(5);

/// After an orderly cut both sides may still be writing. What they write this long is read and
/// dropped: a socket closed with unread bytes sends RST, which may overtake the last bytes passed.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);
const FAREWELL_BYTES: usize = 16 * 1024;

enum End {
    /// Both ends of stream were passed on.
    Passed,
    Cut(Cut),
    /// An orderly cut by a toxic: what passed before it arrives.
    Farewell,
}

/// Serves one client until either side is done. `upstream` overrides the board's: a node of a Kafka
/// cluster.
pub(super) async fn serve(
    shared: Arc<Shared>,
    mut client: TcpStream,
    upstream: Option<Arc<str>>,
    number: u64,
) {
    let _open = Open::count(&shared, number);
    let opened = Stamp::now(&shared.clock);
    let origin = Origin { seed: shared.seed, connection: number };
    let mut server = None;
    let end = tokio::select! {
        // A cut that is due comes first, whatever the upstream does.
        biased;
        end = cut(&shared, opened, origin) => end,
        end = relay(&shared, &mut client, &mut server, upstream, (opened, origin)) => end,
    };
    match end {
        End::Passed => {}
        End::Cut(Cut::Reset) => {
            // Closing with a zero linger is what sends RST; a socket that is gone needs none.
            let _ = client.set_zero_linger();
            if let Some(server) = &server {
                let _ = server.set_zero_linger();
            }
        }
        End::Cut(Cut::Close) => drop(tokio::join!(end_of(&mut client), ended(&mut server))),
        End::Farewell => {
            let both = async { tokio::join!(farewell(&mut client), farewell_of(&mut server)) };
            let mut board = shared.board.subscribe();
            tokio::select! {
                _ = tokio::time::timeout(FAREWELL_LIMIT, both) => {}
                _ = board.wait_for(|board| board.closing.is_some()) => {}
            }
        }
    }
}

async fn end_of(stream: &mut TcpStream) {
    // The other side may be gone already.
    let _ = stream.shutdown().await;
}

async fn ended(stream: &mut Option<TcpStream>) {
    if let Some(stream) = stream {
        end_of(stream).await;
    }
}

async fn farewell(stream: &mut TcpStream) {
    end_of(stream).await;
    let mut dropped = vec![0; FAREWELL_BYTES];
    while stream.read(&mut dropped).await.is_ok_and(|read| read > 0) {}
}

async fn farewell_of(stream: &mut Option<TcpStream>) {
    if let Some(stream) = stream {
        farewell(stream).await;
    }
}

async fn relay(
    shared: &Arc<Shared>,
    client: &mut TcpStream,
    server: &mut Option<TcpStream>,
    upstream: Option<Arc<str>>,
    (opened, origin): (Stamp, Origin),
) -> End {
    time_to_dial(shared, opened, origin).await;
    let upstream = upstream.unwrap_or_else(|| shared.board.borrow().upstream.clone());
    let dialled = match tokio::time::timeout(DIAL_LIMIT, TcpStream::connect(&*upstream)).await {
        Ok(Ok(dialled)) => dialled,
        Ok(Err(error)) => {
            shared.note(&format!("cannot dial {upstream}: {error}"));
            return End::Cut(Cut::Reset);
        }
        Err(_) => {
            let limit_ms = DIAL_LIMIT.as_millis();
            shared.note(&format!("cannot dial {upstream}: no answer within {limit_ms} ms"));
            return End::Cut(Cut::Reset);
        }
    };
    let server = server.insert(dialled);
    if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
        return End::Cut(Cut::Reset);
    }
    let (up_filter, down_filter) = filter::filters(shared);
    let (client_reader, client_writer) = client.split();
    let (server_reader, server_writer) = server.split();
    let pipe = |which, flow, filter, ends| {
        let draws = ChaCha8Rng::seed_from_u64(shared.seed ^ (2 * origin.connection + which));
        Pipe::new(shared, Chain::new(flow, origin), filter, draws, ends)
    };
    let up = pipe(0, Direction::ToUpstream, up_filter, (client_reader, server_writer));
    let down = pipe(1, Direction::ToClient, down_filter, (server_reader, client_writer));
    match tokio::try_join!(up.run(), down.run()) {
        Ok(_) => End::Passed,
        Err(Stop::Close) => End::Farewell,
        Err(Stop::Broken) => End::Cut(Cut::Reset),
    }
}

/// Returns when no armed toxic delays the dial any more.
async fn time_to_dial(shared: &Shared, opened: Stamp, origin: Origin) {
    let mut board = shared.board.subscribe();
    let mut counted = false;
    loop {
        let now = board.borrow_and_update().clone();
        let Some((due, armed)) = now.dial(opened, origin) else { return };
        if !std::mem::replace(&mut counted, true) {
            armed.hit();
        }
        tokio::select! {
            changed = board.changed() => if changed.is_err() { return },
            () = due.reached(&shared.release) => return,
        }
    }
}

/// Returns when a toxic, a new upstream or the link's end cuts the connection.
async fn cut(shared: &Shared, opened: Stamp, origin: Origin) -> End {
    let mut board = shared.board.subscribe();
    let first = board.borrow().clone();
    if let Some(armed) = first.refuses(origin) {
        armed.hit();
        return End::Cut(Cut::Reset);
    }
    let mut told = None;
    loop {
        let now = board.borrow_and_update().clone();
        if let Some(how) = now.closing {
            return End::Cut(how);
        }
        if now.epoch != first.epoch {
            return End::Cut(Cut::Close);
        }
        let cut = now.cut(opened, origin);
        let due = cut.as_ref().map(|(due, ..)| *due);
        let cell_due = if let Some(Due::Cell(due)) = due { Some((due, 0)) } else { None };
        // The gauge is one for all connections, and mostly there is nothing to tell.
        if cell_due != told {
            shared.gauge.wait(Waiting::Cut(origin.connection), cell_due);
            told = cell_due;
        }
        let reached = async {
            match due {
                Some(due) => due.reached(&shared.release).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = board.changed() => if changed.is_err() { return End::Cut(Cut::Reset) },
            () = reached => {
                let Some((_, how, armed)) = cut else { continue };
                armed.hit();
                return match how {
                    Cut::Reset => End::Cut(Cut::Reset),
                    Cut::Close => End::Farewell,
                };
            }
        }
    }
}

/// Counts an open connection for as long as it lives.
struct Open<'a>(&'a Shared, u64);

impl Open<'_> {
    fn count(shared: &Shared, number: u64) -> Open<'_> {
        shared.gauge.open.fetch_add(1, Ordering::AcqRel);
        shared.gauge.total.fetch_add(1, Ordering::Relaxed);
        Open(shared, number)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.gauge.wait(Waiting::Cut(self.1), None);
        self.0.gauge.open.fetch_sub(1, Ordering::AcqRel);
    }
}
