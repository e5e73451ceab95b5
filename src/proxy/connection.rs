//! One connection: dial, two pipes, and the cut that a reset or the link's end makes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::net::TcpStream;

use super::filter;
use super::gauge::Waiting;
use super::link::Shared;
use super::pipe::Pipe;
use super::toxic::{Direction, Due, Stamp};

/// An upstream on the same machine or next to it that does not answer the dial by then is gone.
const DIAL_LIMIT: Duration = Duration::from_secs(5);

enum End {
    /// Both ends of stream were passed on.
    Closed,
    /// RST to both sides.
    Reset,
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
    let mut server = None;
    let end = tokio::select! {
        // A reset that is due comes first, whatever the upstream does.
        biased;
        () = cut(&shared, opened, number) => End::Reset,
        end = relay(&shared, &mut client, &mut server, upstream, number) => end,
    };
    if let End::Reset = end {
        // Closing with a zero linger is what sends RST; a socket that is gone already needs none.
        let _ = client.set_zero_linger();
        if let Some(server) = &server {
            let _ = server.set_zero_linger();
        }
    }
}

async fn relay(
    shared: &Arc<Shared>,
    client: &mut TcpStream,
    server: &mut Option<TcpStream>,
    upstream: Option<Arc<str>>,
    number: u64,
) -> End {
    let upstream = upstream.unwrap_or_else(|| shared.board.borrow().upstream.clone());
    let dialled = match tokio::time::timeout(DIAL_LIMIT, TcpStream::connect(&*upstream)).await {
        Ok(Ok(dialled)) => dialled,
        Ok(Err(error)) => {
            shared.note(&format!("cannot dial {upstream}: {error}"));
            return End::Reset;
        }
        Err(_) => {
            let limit_ms = DIAL_LIMIT.as_millis();
            shared.note(&format!("cannot dial {upstream}: no answer within {limit_ms} ms"));
            return End::Reset;
        }
    };
    let server = server.insert(dialled);
    if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
        return End::Reset;
    }
    let (up_filter, down_filter) = filter::filters(shared);
    let (client_reader, client_writer) = client.split();
    let (server_reader, server_writer) = server.split();
    let draws = |which| ChaCha8Rng::seed_from_u64(shared.seed ^ (2 * number + which));
    let up = (client_reader, server_writer);
    let down = (server_reader, client_writer);
    let up = Pipe::new(shared, number, Direction::ToUpstream, up_filter, draws(0), up);
    let down = Pipe::new(shared, number, Direction::ToClient, down_filter, draws(1), down);
    let done: io::Result<((), ())> = tokio::try_join!(up.run(), down.run());
    if done.is_ok() { End::Closed } else { End::Reset }
}

/// Returns when an armed reset or the link's end cuts the connection.
async fn cut(shared: &Shared, opened: Stamp, number: u64) {
    let mut board = shared.board.subscribe();
    loop {
        let now = board.borrow_and_update().clone();
        if now.closing {
            return;
        }
        let cut = now.cut(opened);
        let due = cut.as_ref().map(|(due, _)| *due);
        let cell_due = if let Some(Due::Cell(due)) = due { Some((due, 0)) } else { None };
        shared.gauge.wait(Waiting::Cut(number), cell_due);
        let reached = async {
            match due {
                Some(due) => due.reached(&shared.clock).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = board.changed() => if changed.is_err() { return },
            () = reached => {
                if let Some((_, armed)) = cut {
                    armed.hit();
                }
                return;
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
