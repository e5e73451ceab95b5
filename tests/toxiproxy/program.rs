//! The running program, an upstream behind it, and what a client sees.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Any wait: far above what a loaded machine needs.
pub const LIMIT: Duration = Duration::from_secs(30);
/// What must not come does not come for this long.
pub const SILENCE: Duration = Duration::from_millis(150);

pub struct Program {
    child: Child,
    pub addr: String,
    client: Client,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn lossdrill(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lossdrill"));
    command.arg("proxy").args(args);
    command
}

impl Program {
    pub fn start(args: &[&str]) -> Program {
        let mut command =
            lossdrill(&["--listen", "127.0.0.1:0", "--seed", "7", "--format", "json"]);
        let mut child = command.args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).expect("the program says where it listens");
        let addr = told["listening"].as_str().unwrap().to_owned();
        Program { child, addr, client: Client::new() }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Waits for its end; the exit code.
    pub async fn ended(&mut self) -> Option<i32> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(start.elapsed() < LIMIT, "it does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn text(&self, method: Method, path: &str, body: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.addr);
        let request = self.client.request(method, url).body(body.to_owned());
        let answer = timeout(LIMIT, request.send()).await.expect("an answer in time").unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub async fn ask(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, text) = self.text(method, path, &body).await;
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, value) = self.ask(Method::GET, path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    /// A change that must be taken.
    pub async fn done(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, value) = self.ask(method, path, body.clone()).await;
        assert!(status < 300, "{path} {body}: {status} {value}");
        value
    }

    /// A request that must be refused so, word for word.
    pub async fn refused(&self, method: Method, path: &str, body: Value, status: u16, error: &str) {
        let (got, value) = self.ask(method, path, body.clone()).await;
        assert_eq!((got, value["error"].as_str()), (status, Some(error)), "{path} {body}: {value}");
        assert_eq!(value["status"], json!(status));
    }

    /// A proxy `p` to `upstream`; the address that clients dial.
    pub async fn proxy(&self, upstream: &str) -> String {
        let body = json!({"name": "p", "listen": "127.0.0.1:0", "upstream": upstream});
        self.done(Method::POST, "/proxies", body).await["listen"].as_str().unwrap().to_owned()
    }

    pub async fn toxic(&self, toxic: Value) -> Value {
        self.done(Method::POST, "/proxies/p/toxics", toxic).await
    }

    pub async fn remove(&self, toxic: &str) {
        self.done(Method::DELETE, &format!("/proxies/p/toxics/{toxic}"), Value::Null).await;
    }
}

/// Answers every byte with itself, and an end with an end.
pub async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
                let _ = writer.shutdown().await;
            });
        }
    });
    addr.to_string()
}

/// Writes without end, and never reads.
pub async fn talker() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { while stream.write_all(&[7; 4096]).await.is_ok() {} });
        }
    });
    addr.to_string()
}

/// Connects; a reset that is due at once may already end that.
pub async fn try_dial(addr: &str) -> std::io::Result<TcpStream> {
    let stream = timeout(LIMIT, TcpStream::connect(addr)).await.expect("a connect in time")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

pub async fn dial(addr: &str) -> TcpStream {
    try_dial(addr).await.unwrap()
}

/// Sends `text` and reads as much back; the time that took.
pub async fn round_trip(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Duration> {
    let start = Instant::now();
    stream.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    timeout(LIMIT, stream.read_exact(&mut answer)).await.expect("an answer in time")?;
    assert_eq!(answer, text);
    Ok(start.elapsed())
}

pub async fn silent(stream: &mut TcpStream) {
    let read = timeout(SILENCE, stream.read(&mut [0])).await;
    assert!(read.is_err(), "something came: {read:?}");
}

/// How a connection ends: with which bytes before it, and by RST or not.
pub async fn end(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let ended = timeout(LIMIT, stream.read_to_end(&mut bytes)).await.expect("an end in time");
    (bytes, ended.is_err())
}

/// A port that nobody has now.
pub async fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}
