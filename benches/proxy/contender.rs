//! Who stands between client and upstream: nobody, ours, HAProxy, Toxiproxy; each a process of its own, without logging.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

/// A program that does not listen by then does not start.
const START_LIMIT: Duration = Duration::from_secs(10);
/// One change by the API: past it nobody arms a fault in time for anything.
pub const CHANGE_LIMIT: Duration = Duration::from_secs(3);

#[derive(Clone, PartialEq, Eq)]
pub enum Contender {
    Direct,
    /// Another build of ours has another path.
    Ours(PathBuf),
    Haproxy(PathBuf),
    Toxiproxy(PathBuf),
}

impl Contender {
    pub fn name(&self) -> &'static str {
        match self {
            Contender::Direct => "direct",
            Contender::Ours(program) if program == Path::new(env!("CARGO_BIN_EXE_lossdrill")) => {
                "ours"
            }
            Contender::Ours(_) => "beside",
            Contender::Haproxy(_) => "HAProxy",
            Contender::Toxiproxy(_) => "Toxiproxy",
        }
    }

    pub fn has_api(&self) -> bool {
        matches!(self, Contender::Ours(_) | Contender::Toxiproxy(_))
    }

    /// Those that are installed, and the names of those that are not.
    pub fn all(beside: Option<PathBuf>) -> (Vec<Contender>, Vec<&'static str>) {
        let ours = Contender::Ours(env!("CARGO_BIN_EXE_lossdrill").into());
        let mut found = vec![Contender::Direct, ours];
        found.extend(beside.map(Contender::Ours));
        let mut missing = Vec::new();
        for (other, program) in [
            (Contender::Haproxy(haproxy()), haproxy()),
            (Contender::Toxiproxy(toxiproxy()), toxiproxy()),
        ] {
            if program.exists() {
                found.push(other);
            } else {
                missing.push(other.name());
            }
        }
        (found, missing)
    }

    /// Starts it before `upstream`.
    pub async fn start(&self, upstream: SocketAddr) -> Running {
        let mut running = match self {
            Contender::Direct => {
                return Running { child: None, listen: upstream, api: None, _config: None };
            }
            Contender::Ours(program) => ours(program),
            Contender::Haproxy(program) => haproxy_before(program, upstream),
            Contender::Toxiproxy(program) => toxiproxy_program(program),
        };
        if running.api.is_some() {
            let proxy = json!({
                "name": "bench", "listen": "127.0.0.1:0", "upstream": upstream.to_string(),
            });
            let made = running.call(Method::POST, "/proxies", Some(&proxy)).await;
            let made = made.expect("a proxy is made");
            running.listen = made["listen"].as_str().and_then(|text| text.parse().ok()).unwrap();
        }
        running
    }
}

fn haproxy() -> PathBuf {
    "/usr/sbin/haproxy".into()
}

/// Where `ci/setup --bench` puts it.
fn toxiproxy() -> PathBuf {
    let cache = std::env::var_os("LOSSDRILL_CACHE").map(PathBuf::from);
    let home = PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    cache.unwrap_or_else(|| home.join(".cache/lossdrill")).join("toxiproxy/bin/server")
}

fn ours(program: &Path) -> Running {
    let mut command = Command::new(program);
    command.args(["proxy", "--listen", "127.0.0.1:0", "--seed", "7", "--format", "json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("lossdrill starts");
    let mut line = String::new();
    let told = child.stdout.take().expect("piped");
    BufReader::new(told).read_line(&mut line).expect("it says where it listens");
    let told: Value = serde_json::from_str(&line).expect("it says so in JSON");
    let api = told["listening"].as_str().and_then(|text| text.parse().ok());
    Running { child: Some(child), listen: nowhere(), api, _config: None }
}

fn haproxy_before(program: &Path, upstream: SocketAddr) -> Running {
    let listen = free_port();
    let mut config = tempfile::NamedTempFile::new().expect("a temporary file");
    write!(
        config,
        "global\n  maxconn 8000\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  \
         timeout server 60s\nlisten bench\n  bind {listen}\n  server upstream {upstream}\n"
    )
    .expect("a configuration");
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(config.path());
    let child = silent(command).spawn().expect("HAProxy starts");
    wait_for(listen);
    Running { child: Some(child), listen, api: None, _config: Some(config) }
}

fn toxiproxy_program(program: &Path) -> Running {
    let api = free_port();
    let mut command = Command::new(program);
    command.args(["-host", "127.0.0.1", "-port", &api.port().to_string()]);
    command.env("LOG_LEVEL", "disabled");
    let child = silent(command).spawn().expect("Toxiproxy starts");
    wait_for(api);
    Running { child: Some(child), listen: nowhere(), api: Some(api), _config: None }
}

fn silent(mut command: Command) -> Command {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Until the proxy is made.
fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("a free port")
}

fn wait_for(addr: SocketAddr) {
    let start = Instant::now();
    while TcpStream::connect(addr).is_err() {
        assert!(start.elapsed() < START_LIMIT, "nobody listens on {addr}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A contender at work; it ends when dropped.
pub struct Running {
    child: Option<Child>,
    pub listen: SocketAddr,
    pub api: Option<SocketAddr>,
    _config: Option<tempfile::NamedTempFile>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Running {
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        Api::new(self.api.expect("it has an API")).call(method, path, body).await
    }

    /// CPU time of all its threads so far, in seconds.
    pub fn cpu_s(&self) -> f64 {
        let Some(child) = &self.child else { return 0.0 };
        let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id()));
        let stats = tasks.into_iter().flatten().flatten();
        let texts = stats.filter_map(|task| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<f64>().ok()
        });
        texts.sum::<f64>() / 1e9
    }

    /// Memory that is in RAM, MiB.
    pub fn rss_mib(&self) -> f64 {
        let Some(child) = &self.child else { return 0.0 };
        let text = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
        let text = text.unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    }
}

/// The admin API of one that has it.
pub struct Api {
    addr: SocketAddr,
    client: reqwest::Client,
}

impl Api {
    pub fn new(addr: SocketAddr) -> Api {
        let client = reqwest::Client::builder().no_proxy().timeout(CHANGE_LIMIT).build();
        Api { addr, client: client.expect("a client") }
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let mut request = self.client.request(method, format!("http://{}{path}", self.addr));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| error.to_string())?;
        if !status.is_success() {
            return Err(format!("{status}: {text}"));
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// How long that took; none where it failed or took longer than [`CHANGE_LIMIT`].
    pub async fn arm_latency(&self, latency_ms: u64) -> Option<Duration> {
        let toxic =
            json!({"name": "late", "type": "latency", "attributes": {"latency": latency_ms}});
        let start = Instant::now();
        let armed = self.call(Method::POST, "/proxies/bench/toxics", Some(&toxic)).await;
        armed.is_ok().then(|| start.elapsed())
    }

    pub async fn disarm(&self) -> Option<Duration> {
        let start = Instant::now();
        let gone = self.call(Method::DELETE, "/proxies/bench/toxics/late", None).await;
        gone.is_ok().then(|| start.elapsed())
    }
}
