//! A saboteur around the real `dcheck`: the harness must go red, with the right word, in each of its modes.
//!
//! `saboteur MODE dcheck run …` starts the real reconciler behind itself, and lets its other commands (`dcheck reconcile`) be.
//! Alerts, plan runs, plan actions, watermark, clock and change capture pass through; each mode changes one thing. It is told no
//! scenario's name.

mod forgery;
mod held;
mod mode;
mod relay;
mod shop;
mod tunnel;

use std::net::SocketAddr;
use std::process::ExitCode;

use lossdrill::clock::Clock;
use mode::Mode;
use relay::{Ends, Relay};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let mode = match words.next().unwrap_or_default().parse::<Mode>() {
        Ok(mode) => mode,
        Err(error) => return complain(&error),
    };
    if mode == Mode::DeadFromTheStart {
        return complain("dead from the start");
    }
    let Some(program) = words.next() else { return complain("name the reconciler's command") };
    let words: Vec<String> = words.collect();
    let served = match words.first().map(String::as_str) {
        Some("run") => serve(mode, &program, words).await,
        _ => alone(&program, &words).await,
    };
    match served {
        Ok(code) => code,
        Err(error) => complain(&error),
    }
}

fn complain(why: &str) -> ExitCode {
    eprintln!("saboteur: {why}");
    ExitCode::from(2)
}

/// Starts the reconciler with its addresses turned to us, and relays until it ends.
async fn serve(mode: Mode, program: &str, args: Vec<String>) -> Result<ExitCode, String> {
    let clock = Clock::from_env()?;
    let mut args = Args(args);
    let listen: SocketAddr =
        args.get("--listen").and_then(|a| a.parse().ok()).ok_or("no --listen")?;
    let behind = port_behind(listen).await?;
    args.set("--listen", &behind.to_string());
    let need = |name: &str| args.get(name).ok_or_else(|| format!("no {name}"));
    let (alerts, plans) = (need("--alerts")?, need("--plan-events")?);
    let second = args.get("--second-alerts").unwrap_or_else(|| alerts.clone());
    let target = need("--target")?;
    let shop = target.strip_prefix("shop=").ok_or("--target is not shop=URL")?.to_owned();
    let cdc = need("--cdc")?;
    let (mysql, rest) = tunnel::split(&cdc).ok_or("--cdc is no mysql://user@host:port/schema")?;
    let cut_after = match mode {
        Mode::DeafAfterAReconnect => Some(tunnel::SOON_BYTES),
        Mode::DeafAndLying => Some(0),
        _ => None,
    };
    let tunnel = tunnel::open(mysql, cut_after).await?;
    let side = TcpListener::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
    let beside = side.local_addr().map_err(|e| e.to_string())?;
    args.set("--alerts", &format!("http://{beside}/alerts"));
    args.set("--second-alerts", &format!("http://{beside}/second-alerts"));
    args.set("--plan-events", &format!("http://{beside}/plans"));
    args.set("--target", &format!("shop=http://{beside}/shop"));
    args.set("--cdc", &rest.replace("{}", &tunnel.to_string()));
    let console = format!("http://{behind}");
    let ends = Ends { console, alerts, second, plans, shop, books: cdc };
    Relay::new(mode, clock, ends)?.listen(listen, side).await?;
    let mut child = reconciler(program, &args.0)?;
    let status = child.wait().await.map_err(|error| error.to_string())?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A command that reads books and relays nothing: with its own exit code, and its own words.
async fn alone(program: &str, args: &[String]) -> Result<ExitCode, String> {
    let status = reconciler(program, args)?.wait().await.map_err(|error| error.to_string())?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The real one; it dies with us, whatever kills us.
fn reconciler(program: &str, args: &[String]) -> Result<tokio::process::Child, String> {
    let mut command = tokio::process::Command::new(program);
    command.args(args).kill_on_drop(true);
    // SAFETY: prctl is async-signal-safe, and nothing is allocated.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    command.spawn().map_err(|error| format!("start {program}: {error}"))
}

/// A command line whose options may be read and replaced, as `--name value` or `--name=value`.
struct Args(Vec<String>);

impl Args {
    fn get(&self, name: &str) -> Option<String> {
        let prefix = format!("{name}=");
        let joined = self.0.iter().find_map(|word| word.strip_prefix(&prefix));
        let next = || self.0.iter().position(|word| word == name).and_then(|at| self.0.get(at + 1));
        joined.map(str::to_owned).or_else(|| next().cloned())
    }

    fn set(&mut self, name: &str, value: &str) {
        let prefix = format!("{name}=");
        if let Some(word) = self.0.iter_mut().find(|word| word.starts_with(&prefix)) {
            *word = format!("{name}={value}");
        } else if let Some(at) = self.0.iter().position(|word| word == name)
            && let Some(word) = self.0.get_mut(at + 1)
        {
            *word = value.to_owned();
        }
    }
}

/// Below the range of clients' own ports, and this far from our own: no other of the run's processes is there.
const PORT_BELOW: u16 = 11_000;

/// A port for the reconciler behind us.
async fn port_behind(listen: SocketAddr) -> Result<SocketAddr, String> {
    let near = SocketAddr::new(listen.ip(), listen.port().saturating_sub(PORT_BELOW));
    let any = SocketAddr::new(listen.ip(), 0);
    let listener = match TcpListener::bind(near).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind(any).await.map_err(|e| e.to_string())?,
    };
    listener.local_addr().map_err(|e| e.to_string())
}
