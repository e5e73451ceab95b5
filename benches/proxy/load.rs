//! The upstream and its clients.
//!
//! The upstream greets with one byte (a server that speaks first, as MySQL does). A request is 1 KiB and names the
//! length of its answer. Each side is one thread, so that the machine's processors are left to who stands between.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub const REQUEST_BYTES: usize = 1024;
/// One write of the upstream, one read of a client.
const BLOCK_BYTES: usize = 256 * 1024;
/// A connection, and the greeting; past it a row has no figure.
const GREETING_LIMIT: Duration = Duration::from_secs(30);
/// For an answer that is under way when all is over.
const LAST_LIMIT: Duration = Duration::from_secs(5);

/// Serves for as long as the process lives.
pub fn upstream() -> SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
            socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
            let listener = socket.listen(4096).expect("a listener");
            tell.send(listener.local_addr().expect("an address")).expect("who waits");
            serve(listener).await;
        });
    });
    told.recv().expect("the upstream listens")
}

async fn serve(listener: TcpListener) {
    let block: Arc<[u8]> = vec![b'x'; BLOCK_BYTES].into();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, block.clone()));
        }
    }
}

async fn answer(mut stream: TcpStream, block: Arc<[u8]>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(b"!").await?;
    let mut request = [0; REQUEST_BYTES];
    loop {
        stream.read_exact(&mut request).await?;
        let mut left = u64::from_le_bytes(request[..8].try_into().expect("eight bytes")) as usize;
        while left > 0 {
            left -= stream.write(&block[..left.min(BLOCK_BYTES)]).await?;
        }
    }
}

pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connected, and greeted by the upstream itself.
    pub async fn connect(addr: SocketAddr) -> io::Result<Client> {
        let greeted = async {
            let mut stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            stream.read_exact(&mut [0]).await?;
            Ok(Client { stream, buffer: vec![0; 16 * 1024] })
        };
        tokio::time::timeout(GREETING_LIMIT, greeted).await?
    }

    /// One request and its answer of `bytes`; how long that took.
    pub async fn ask(&mut self, bytes: u64) -> io::Result<Duration> {
        let start = Instant::now();
        self.send(bytes).await?;
        let mut left = bytes as usize;
        while left > 0 {
            let most = left.min(self.buffer.len());
            match self.stream.read(&mut self.buffer[..most]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => left -= read,
            }
        }
        Ok(start.elapsed())
    }

    async fn send(&mut self, bytes: u64) -> io::Result<()> {
        let mut request = [0; REQUEST_BYTES];
        request[..8].copy_from_slice(&bytes.to_le_bytes());
        self.stream.write_all(&request).await
    }

    /// As many bytes in one go, with the large reads that a bulk reader makes.
    pub async fn fetch(&mut self, bytes: u64) -> io::Result<Duration> {
        self.buffer.resize(BLOCK_BYTES, 0);
        self.ask(bytes).await
    }

    /// Reads a stream without end at `rate` bytes a second, until `stop`.
    pub async fn read_slowly(mut self, rate: u64, stop: Arc<AtomicBool>) {
        const TICK: Duration = Duration::from_millis(10);
        let part = (rate / 100) as usize;
        self.buffer.resize(part, 0);
        if self.send(u64::MAX >> 8).await.is_err() {
            return;
        }
        let mut tick = tokio::time::interval(TICK);
        while !stop.load(Ordering::Relaxed) {
            tick.tick().await;
            // A fault may starve it for a while.
            let read = self.stream.read(&mut self.buffer);
            if matches!(tokio::time::timeout(TICK, read).await, Ok(Ok(0) | Err(_))) {
                return;
            }
        }
    }
}

pub async fn connect_all(addr: SocketAddr, count: usize) -> io::Result<Vec<Client>> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(Client::connect(addr).await?);
    }
    Ok(clients)
}

/// What many clients ask for, each after its own last answer; `every` apart where that is given.
#[derive(Clone, Copy)]
pub struct Asking {
    pub answer_bytes: u64,
    pub every: Option<Duration>,
}

/// Round trips of a client that are not counted: buffers grow, caches fill.
const WARM_UP: u32 = 3;

/// Asks until `stop` is set; all round trips. Who has no answer [`LAST_LIMIT`] after that gets none.
pub async fn ask_until(
    clients: Vec<Client>,
    asking: Asking,
    stop: Arc<AtomicBool>,
) -> io::Result<Vec<Duration>> {
    let (count, mut tasks) = (clients.len().max(1) as u32, JoinSet::new());
    for (number, client) in (0..).zip(clients) {
        let first = asking.every.map(|every| every * number / count);
        tasks.spawn(ask_on(client, asking, first.unwrap_or_default(), stop.clone()));
    }
    let overdue = async {
        while !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(LAST_LIMIT / 100).await;
        }
        tokio::time::sleep(LAST_LIMIT).await;
    };
    tokio::select! {
        trips = tasks.join_all() => Ok(trips.into_iter().collect::<io::Result<Vec<_>>>()?.concat()),
        () = overdue => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn ask_on(
    mut client: Client,
    asking: Asking,
    first: Duration,
    stop: Arc<AtomicBool>,
) -> io::Result<Vec<Duration>> {
    let (mut trips, mut cold) = (Vec::new(), WARM_UP);
    let mut next = tokio::time::Instant::now() + first;
    while !stop.load(Ordering::Relaxed) {
        if let Some(every) = asking.every {
            tokio::time::sleep_until(next).await;
            next += every;
        }
        let trip = client.ask(asking.answer_bytes).await?;
        if cold > 0 {
            cold -= 1;
        } else {
            trips.push(trip);
        }
    }
    Ok(trips)
}

/// As [`ask_until`], for as long as `lasts`.
pub async fn ask_for(
    clients: Vec<Client>,
    asking: Asking,
    lasts: Duration,
) -> io::Result<Vec<Duration>> {
    let stop = Arc::new(AtomicBool::new(false));
    let end = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(lasts).await;
        end.store(true, Ordering::Relaxed);
    });
    ask_until(clients, asking, stop).await
}
