//! A sounding: one connection that asks for a sign of life, from outside whatever injects.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// What a server says, or answers, without being harmed by the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// The server greets first.
    Mysql,
    Http,
    Kafka,
}

/// ApiVersions v0, correlation id 0x6c64, no client id.
const KAFKA_QUESTION: &[u8] = &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0x6c, 0x64, 0xff, 0xff];
const HTTP_QUESTION: &[u8] =
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

const HTTP_QUESTION_OF_MANY: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// One of many questions on one connection; nothing where the server speaks first.
pub(super) fn question(speech: Speech, number: u64) -> Vec<u8> {
    match speech {
        Speech::Mysql => Vec::new(),
        Speech::Http => HTTP_QUESTION_OF_MANY.to_vec(),
        Speech::Kafka => {
            let mut question = KAFKA_QUESTION.to_vec();
            // Each under a correlation id of its own.
            question[8..12].copy_from_slice(&(number as u32).to_be_bytes());
            question
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(super) enum Sounding {
    /// The first byte of an answer, after so long.
    Answer(Duration),
    /// Connected, and nothing until the limit.
    Silence,
    /// Reset, refused, or ended without a word.
    Cut(io::ErrorKind),
}

impl Sounding {
    pub fn describe(&self) -> String {
        match self {
            Sounding::Answer(took) => format!("an answer after {} ms", took.as_millis()),
            Sounding::Silence => "no answer".to_owned(),
            Sounding::Cut(kind) => format!("cut: {kind}"),
        }
    }
}

/// A connection that has asked. Kept open until dropped, so that what it asked stays where it is.
pub(super) struct Asked {
    stream: TcpStream,
    start: Instant,
}

/// Connects and asks. An error is the cut itself.
pub(super) async fn ask(addr: SocketAddr, speech: Speech) -> Result<Asked, Sounding> {
    let start = Instant::now();
    let connect = async {
        let mut stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        match speech {
            Speech::Mysql => {}
            Speech::Http => stream.write_all(HTTP_QUESTION).await?,
            Speech::Kafka => stream.write_all(KAFKA_QUESTION).await?,
        }
        Ok::<_, io::Error>(stream)
    };
    match connect.await {
        Ok(stream) => Ok(Asked { stream, start }),
        Err(error) => Err(Sounding::Cut(error.kind())),
    }
}

impl Asked {
    /// Waits for the first byte until `limit` after the question.
    pub async fn answer(&mut self, limit: Duration) -> Sounding {
        let mut byte = [0];
        let left = limit.saturating_sub(self.start.elapsed());
        match timeout(left, self.stream.read(&mut byte)).await {
            Err(_) => Sounding::Silence,
            Ok(Ok(0)) => Sounding::Cut(io::ErrorKind::UnexpectedEof),
            Ok(Ok(_)) => Sounding::Answer(self.start.elapsed()),
            Ok(Err(error)) => Sounding::Cut(error.kind()),
        }
    }
}

/// A packet of a client that nobody knows: what it can (4.1, a proof by length, its method by name), how large packets are,
/// its letters, room, name, no proof, method. It is refused, which is an answer.
fn mysql_hello() -> Vec<u8> {
    let can: &[u8] = &[0x00, 0x82, 0x08, 0x00];
    let hello =
        [can, &[0, 0, 0, 1, 45], &[0; 23], b"drill\0", b"\0", b"caching_sha2_password\0"].concat();
    [&[hello.len() as u8, 0, 0, 1], &hello[..]].concat()
}

/// Reads a server's greeting, within `limit`, and says hello: how many bytes it greeted with, and what came within `wait`.
pub(super) async fn asks_on(
    asked: Asked,
    limit: Duration,
    wait: Duration,
) -> Result<(usize, Sounding), String> {
    let Asked { mut stream, .. } = asked;
    let greeting = async {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        let mut greeting = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
        stream.read_exact(&mut greeting).await.map(|read| read + head.len())
    };
    let Ok(Ok(greeted)) = timeout(limit, greeting).await else {
        return Err("a new connection got no greeting".to_owned());
    };
    let said = stream.write_all(&mysql_hello()).await;
    said.map_err(|error| format!("hello got {}", error.kind()))?;
    Ok((greeted, Asked { stream, start: Instant::now() }.answer(wait).await))
}

/// One question and its answer within `limit`.
pub(super) async fn sound(addr: SocketAddr, speech: Speech, limit: Duration) -> Sounding {
    match timeout(limit, ask(addr, speech)).await {
        Err(_) => Sounding::Silence,
        Ok(Err(cut)) => cut,
        Ok(Ok(mut asked)) => asked.answer(limit).await,
    }
}

/// Connects, asks nothing, and waits for the cut.
pub(super) async fn until_cut(addr: SocketAddr, limit: Duration) -> Sounding {
    let cut = async {
        let mut stream = TcpStream::connect(addr).await?;
        let mut bytes = [0; 256];
        // A server that greets is read past.
        while stream.read(&mut bytes).await? > 0 {}
        Ok::<_, io::Error>(io::ErrorKind::UnexpectedEof)
    };
    match timeout(limit, cut).await {
        Err(_) => Sounding::Silence,
        Ok(Ok(kind)) => Sounding::Cut(kind),
        Ok(Err(error)) => Sounding::Cut(error.kind()),
    }
}
