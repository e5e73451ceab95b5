//! A haul: one connection that draws answers of a known size, and counts what arrives; and one that waits for its end.
//!
//! A database answers at length only to who has logged in: its own client is let through a port of this file's, so that the
//! bytes are counted on their way to it. What is drawn is a health page, a list of versions, or a text of one letter.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use super::sounding::{Speech, question};

/// No answer to a question of ours is smaller: a status line and its headers, a list of versions.
const ANSWER_LEAST: u64 = 64;
const READ_BYTES: usize = 64 * 1024;

/// What came by one connection.
#[derive(Debug)]
pub(super) struct Haul {
    pub bytes: u64,
    pub reads: u64,
    /// From the connect to the last byte wanted, or to the end.
    pub took: Duration,
    /// How the connection ended, where it did before all came.
    pub end: Option<ErrorKind>,
}

impl Haul {
    pub fn describe(&self) -> String {
        let Haul { bytes, reads, took, end } = self;
        let end = end.map_or(String::new(), |kind| format!(", then its end ({kind})"));
        format!("{bytes} bytes in {reads} reads after {} ms{end}", took.as_millis())
    }
}

/// Draws `want` bytes, or as many as come before the connection's end, or while none comes for `limit`.
pub(super) async fn haul(
    addr: SocketAddr,
    speech: Speech,
    login: Option<MySqlConnectOptions>,
    want: u64,
    limit: Duration,
) -> Result<Haul, String> {
    let start = Instant::now();
    let connected = timeout(limit, TcpStream::connect(addr)).await;
    let stream = connected.map_err(|_| "a new connection was not even accepted".to_owned())?;
    let stream = stream.map_err(|error| format!("a new connection got {}", error.kind()))?;
    let (reader, writer) = stream.into_split();
    let counter = Counter { start, want, limit };
    match login {
        Some(login) => {
            let door = Door::open(login, want).await.map_err(|error| error.to_string())?;
            Ok(counter.count(reader, Some(door.answers), pass_on(door.questions, writer)).await)
        }
        None => Ok(counter.count(reader, None, ask(speech, want, writer)).await),
    }
}

/// Asks as often as the answers need to be; an end of the connection is seen by who reads.
async fn ask(speech: Speech, want: u64, mut writer: OwnedWriteHalf) {
    for number in 0..want.div_ceil(ANSWER_LEAST) {
        if writer.write_all(&question(speech, number)).await.is_err() {
            break;
        }
    }
    // Open until the answers are read: half a connection may be taken for its end.
    std::future::pending().await
}

async fn pass_on(mut questions: OwnedReadHalf, mut writer: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut questions, &mut writer).await;
    std::future::pending().await
}

struct Counter {
    start: Instant,
    want: u64,
    limit: Duration,
}

impl Counter {
    async fn count(
        &self,
        mut reader: OwnedReadHalf,
        mut to: Option<OwnedWriteHalf>,
        asking: impl Future<Output = ()>,
    ) -> Haul {
        let mut haul = Haul { bytes: 0, reads: 0, took: Duration::ZERO, end: None };
        let counting = async {
            let mut bytes = vec![0; READ_BYTES];
            while haul.bytes < self.want {
                let read = match timeout(self.limit, reader.read(&mut bytes)).await {
                    Err(_) => break,
                    Ok(Ok(0)) => Err(ErrorKind::UnexpectedEof),
                    Ok(read) => read.map_err(|error| error.kind()),
                };
                haul.took = self.start.elapsed();
                match read {
                    Err(kind) => {
                        haul.end = Some(kind);
                        break;
                    }
                    Ok(read) => {
                        haul.bytes += read as u64;
                        haul.reads += 1;
                        if let Some(to) = &mut to {
                            // Who went away asks no more, and the count goes on.
                            let _ = to.write_all(&bytes[..read]).await;
                        }
                    }
                }
            }
        };
        tokio::select! {
            biased;
            () = counting => {}
            () = asking => {}
        }
        haul
    }
}

/// A database's client, let in by a port of ours.
struct Door {
    questions: OwnedReadHalf,
    answers: OwnedWriteHalf,
}

impl Door {
    async fn open(login: MySqlConnectOptions, want: u64) -> io::Result<Door> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let at = listener.local_addr()?;
        let login = login.host(&at.ip().to_string()).port(at.port()).disable_statement_logging();
        // It ends with the port's connection, whatever it has got by then.
        tokio::spawn(async move {
            let Ok(mut client) = MySqlConnection::connect_with(&login).await else { return };
            let text = sqlx::query_scalar::<_, Vec<u8>>("SELECT CAST(REPEAT('x', ?) AS BINARY)");
            let _ = text.bind(want).fetch_one(&mut client).await;
        });
        let (client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        let (questions, answers) = client.into_split();
        Ok(Door { questions, answers })
    }
}

/// Asks, hears the first of the answer, says that there is no more to ask, and waits for the end: how long it took.
pub(super) async fn until_closed(
    addr: SocketAddr,
    speech: Speech,
    limit: Duration,
) -> Result<Duration, String> {
    let end = async {
        let mut stream = TcpStream::connect(addr).await?;
        stream.write_all(&question(speech, 0)).await?;
        let mut bytes = vec![0; READ_BYTES];
        let answered = stream.read(&mut bytes).await?;
        let start = Instant::now();
        stream.shutdown().await?;
        while stream.read(&mut bytes).await? > 0 {}
        Ok::<_, io::Error>((answered, start.elapsed()))
    };
    match timeout(limit, end).await {
        Ok(Ok((0, _))) => Err("a question got no answer but an end".to_owned()),
        Ok(Ok((_, took))) => Ok(took),
        Ok(Err(error)) => Err(format!("a question got {}", error.kind())),
        Err(_) => Err(format!("no end within {} ms", limit.as_millis())),
    }
}
