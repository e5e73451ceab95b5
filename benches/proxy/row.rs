//! The rows: what is done through a contender, and the figures of it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::contender::{Api, Contender, Running};
use super::load::{Asking, Client, ask_for, ask_until, connect_all};

const KIB: u64 = 1024;
/// What a reader at 1 MB/s takes.
const SLOW_BYTES_PER_S: u64 = 1_000_000;
const ARMED_LATENCY_MS: u64 = 50;
/// Between two changes of a fault: the traffic comes to itself.
const CHANGE_PAUSE: Duration = Duration::from_millis(5);

/// How a figure stands beside the others'.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Less is better; what it adds to direct.
    Added,
    /// More is better; its share of direct.
    Share,
    /// Less is better; as it is.
    Plain,
}

pub struct Column {
    pub name: &'static str,
    pub show: Show,
}

const fn added(name: &'static str) -> Column {
    Column { name, show: Show::Added }
}

const fn share(name: &'static str) -> Column {
    Column { name, show: Show::Share }
}

const fn plain(name: &'static str) -> Column {
    Column { name, show: Show::Plain }
}

const TRIP: &[Column] = &[added("p50 µs"), added("p99 µs")];
const CHANGE: &[Column] = &[plain("arm p99 ms"), plain("disarm p99 ms")];

enum Work {
    /// Round trips of `connections`, each `every` so often; without it as fast as it can.
    Trips {
        connections: usize,
        answer_bytes: u64,
        every: Option<Duration>,
    },
    /// Requests a second, nobody waiting.
    Saturate {
        answer_bytes: u64,
    },
    Bulk,
    Connect,
    Memory,
    /// Arms and disarms while others are busy.
    Change {
        connections: usize,
        reads: Reads,
    },
    Latency,
    Cycles,
}

#[derive(Clone, Copy)]
enum Reads {
    AtOnce,
    Slowly,
}

pub struct Row {
    pub id: &'static str,
    pub title: &'static str,
    pub columns: &'static [Column],
    work: Work,
}

/// 4,000 requests a second, over 64 connections.
const PACE: Duration = Duration::from_millis(16);

pub const ROWS: &[Row] = &[
    Row {
        id: "small",
        title: "1 KiB round trip, 1 connection",
        columns: TRIP,
        work: Work::Trips { connections: 1, answer_bytes: KIB, every: None },
    },
    Row {
        id: "paced",
        title: "1 KiB round trip, 64 connections, 4,000/s",
        columns: TRIP,
        work: Work::Trips { connections: 64, answer_bytes: KIB, every: Some(PACE) },
    },
    Row {
        id: "large",
        title: "64 KiB answer, 1 connection",
        columns: TRIP,
        work: Work::Trips { connections: 1, answer_bytes: 64 * KIB, every: None },
    },
    Row {
        id: "saturated-small",
        title: "1 KiB answers, 64 connections, saturated",
        columns: &[share("requests/s"), plain("CPU µs each")],
        work: Work::Saturate { answer_bytes: KIB },
    },
    Row {
        id: "saturated-large",
        title: "64 KiB answers, 64 connections, saturated",
        columns: &[share("requests/s"), plain("CPU µs each")],
        work: Work::Saturate { answer_bytes: 64 * KIB },
    },
    Row {
        id: "bulk",
        title: "bulk one way, 1 connection",
        columns: &[share("GB/s"), plain("CPU s/GB")],
        work: Work::Bulk,
    },
    Row {
        id: "connect",
        title: "connect and first byte",
        columns: &[added("p50 µs"), added("p99 µs"), share("connections/s")],
        work: Work::Connect,
    },
    Row {
        id: "memory",
        title: "1,000 connections after a 64 KiB answer each",
        columns: &[plain("RSS MiB more"), plain("RSS MiB")],
        work: Work::Memory,
    },
    Row {
        id: "change-busy",
        title: "`latency` armed and disarmed, 1,000 busy connections",
        columns: CHANGE,
        work: Work::Change { connections: 1000, reads: Reads::AtOnce },
    },
    Row {
        id: "change-slow",
        title: "`latency` armed and disarmed, 64 readers at 1 MB/s",
        columns: CHANGE,
        work: Work::Change { connections: 64, reads: Reads::Slowly },
    },
    Row {
        id: "latency",
        title: "`latency` 50 ms, how much later",
        columns: &[plain("mean ms"), plain("p99 ms")],
        work: Work::Latency,
    },
    Row {
        id: "cycles",
        title: "`latency` on and off again and again, 64 busy connections",
        columns: &[plain("slowest ms"), plain("not done")],
        work: Work::Cycles,
    },
];

/// How long a row is measured in a round, and how much of it is done.
#[derive(Clone, Copy)]
pub struct Size {
    pub lasts: Duration,
    pub bulk_bytes: u64,
    pub connections_max: usize,
    pub cycles: usize,
}

impl Row {
    /// Rows of changes are for those that can be told to change.
    pub fn fits(&self, contender: &Contender) -> bool {
        match self.work {
            Work::Change { .. } | Work::Latency => contender.has_api(),
            Work::Cycles => matches!(contender, Contender::Ours(_)),
            Work::Memory => *contender != Contender::Direct,
            _ => true,
        }
    }

    /// Is it about how long a change takes?
    pub fn is_change(&self) -> bool {
        matches!(self.work, Work::Change { .. } | Work::Cycles)
    }

    /// Ten thousand cycles need no second round.
    pub fn rounds(&self, asked: usize) -> usize {
        if matches!(self.work, Work::Cycles) { 1 } else { asked }
    }

    /// One figure a column; infinite where it was not to be had in time.
    pub async fn measure(&self, running: &Running, size: Size) -> io::Result<Vec<f64>> {
        let listen = running.listen;
        match self.work {
            Work::Trips { connections, answer_bytes, every } => {
                let clients = connect_all(listen, connections).await?;
                let trips = ask_for(clients, Asking { answer_bytes, every }, size.lasts).await?;
                Ok(micros(trips))
            }
            Work::Saturate { answer_bytes } => {
                let clients = connect_all(listen, 64).await?;
                let (start, cpu_s) = (Instant::now(), running.cpu_s());
                let asking = Asking { answer_bytes, every: None };
                let done = ask_for(clients, asking, size.lasts).await?.len() as f64;
                let cpu_us = (running.cpu_s() - cpu_s) * 1e6;
                Ok(vec![done / start.elapsed().as_secs_f64(), cpu_us / done])
            }
            Work::Bulk => bulk(running, size.bulk_bytes).await,
            Work::Connect => connect(listen, size.lasts).await,
            Work::Memory => memory(running, size.connections_max.min(1000)).await,
            Work::Change { connections, reads } => {
                let connections = connections.min(size.connections_max);
                let lasts = size.lasts * 2;
                let (arms, disarms) = change(running, connections, reads, lasts).await?;
                Ok(vec![quantile(arms, 0.99), quantile(disarms, 0.99)])
            }
            Work::Latency => latency(running, size.lasts).await,
            Work::Cycles => cycles(running, size.cycles).await,
        }
    }
}

/// The value below which a share `q` of `values` lies; infinite where one of it has none.
pub fn quantile(mut values: Vec<f64>, q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len() as f64 * q).ceil() as usize;
    values.get(place.saturating_sub(1)).copied().unwrap_or(f64::INFINITY)
}

fn micros(trips: Vec<Duration>) -> Vec<f64> {
    let micros: Vec<_> = trips.iter().map(|trip| trip.as_secs_f64() * 1e6).collect();
    vec![quantile(micros.clone(), 0.5), quantile(micros, 0.99)]
}

async fn bulk(running: &Running, bytes: u64) -> io::Result<Vec<f64>> {
    let mut client = Client::connect(running.listen).await?;
    client.fetch(bytes / 16).await?;
    let cpu_s = running.cpu_s();
    let took = client.fetch(bytes).await?;
    let gigabytes = bytes as f64 / 1e9;
    Ok(vec![gigabytes / took.as_secs_f64(), (running.cpu_s() - cpu_s) / gigabytes])
}

async fn connect(listen: SocketAddr, lasts: Duration) -> io::Result<Vec<f64>> {
    let (start, mut trips) = (Instant::now(), Vec::new());
    while start.elapsed() < lasts {
        let dialled = Instant::now();
        let client = Client::connect(listen).await?;
        trips.push(dialled.elapsed());
        drop(client);
    }
    let rate = trips.len() as f64 / start.elapsed().as_secs_f64();
    let mut figures = micros(trips);
    figures.push(rate);
    Ok(figures)
}

async fn memory(running: &Running, connections: usize) -> io::Result<Vec<f64>> {
    let before = running.rss_mib();
    let mut clients = connect_all(running.listen, connections).await?;
    for client in &mut clients {
        client.ask(64 * KIB).await?;
    }
    let after = running.rss_mib();
    Ok(vec![after - before, after])
}

/// Times of arming and of disarming in ms, infinite where there was no answer in time.
async fn change(
    running: &Running,
    connections: usize,
    reads: Reads,
    lasts: Duration,
) -> io::Result<(Vec<f64>, Vec<f64>)> {
    let clients = connect_all(running.listen, connections).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let changes =
        apart(Api::new(running.api.expect("it fits")), stop.clone(), move |api| async move {
            let (start, mut arms, mut disarms) = (Instant::now(), Vec::new(), Vec::new());
            // The traffic first.
            tokio::time::sleep(lasts / 8).await;
            while start.elapsed() < lasts || arms.is_empty() {
                let armed = api.arm_latency(ARMED_LATENCY_MS).await;
                arms.push(millis(armed));
                tokio::time::sleep(CHANGE_PAUSE).await;
                let disarmed = api.disarm().await;
                disarms.push(millis(disarmed));
                if armed.and(disarmed).is_none() {
                    // It will not answer the next one either.
                    break;
                }
                tokio::time::sleep(CHANGE_PAUSE).await;
            }
            (arms, disarms)
        });
    match reads {
        Reads::AtOnce => {
            let asking = Asking { answer_bytes: KIB, every: None };
            // Whatever became of the traffic: this row is about the changes.
            let _ = ask_until(clients, asking, stop).await;
        }
        Reads::Slowly => {
            let readers = clients.into_iter();
            let readers = readers.map(|client| client.read_slowly(SLOW_BYTES_PER_S, stop.clone()));
            tokio::task::JoinSet::from_iter(readers).join_all().await;
        }
    }
    Ok(changes.join().expect("the changes are made"))
}

/// Runs `work` on a thread of its own, and sets `stop` at its end.
fn apart<T: Send + 'static, W: Future<Output = T>>(
    api: Api,
    stop: Arc<AtomicBool>,
    work: impl FnOnce(Api) -> W + Send + 'static,
) -> std::thread::JoinHandle<T> {
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let done = runtime.expect("a runtime").block_on(work(api));
        stop.store(true, Ordering::Relaxed);
        done
    })
}

fn millis(took: Option<Duration>) -> f64 {
    took.map_or(f64::INFINITY, |took| took.as_secs_f64() * 1e3)
}

async fn latency(running: &Running, lasts: Duration) -> io::Result<Vec<f64>> {
    let clients = connect_all(running.listen, 16).await?;
    let api = Api::new(running.api.expect("it fits"));
    api.arm_latency(ARMED_LATENCY_MS).await.ok_or(io::ErrorKind::TimedOut)?;
    let asking = Asking { answer_bytes: KIB, every: Some(Duration::from_millis(61)) };
    // The first round trips of each do not count.
    let trips = ask_for(clients, asking, lasts.max(Duration::from_millis(400))).await?;
    let late = |trip: &Duration| trip.as_secs_f64() * 1e3 - ARMED_LATENCY_MS as f64;
    let late: Vec<_> = trips.iter().map(late).collect();
    Ok(vec![late.iter().sum::<f64>() / late.len() as f64, quantile(late, 0.99)])
}

/// Arms and disarms without a pause; the slowest change, and how many of them did not get done.
async fn cycles(running: &Running, cycles: usize) -> io::Result<Vec<f64>> {
    let clients = connect_all(running.listen, 64).await?;
    let stop = Arc::new(AtomicBool::new(false));
    let changes =
        apart(Api::new(running.api.expect("it fits")), stop.clone(), move |api| async move {
            let (mut slowest, mut missed) = (0.0_f64, 0.0);
            for done in 0..cycles {
                let times = [millis(api.arm_latency(1).await), millis(api.disarm().await)];
                slowest = slowest.max(times[0]).max(times[1]);
                if slowest.is_infinite() {
                    missed = (cycles - done) as f64;
                    break;
                }
            }
            vec![slowest, missed]
        });
    ask_until(clients, Asking { answer_bytes: KIB, every: None }, stop).await?;
    Ok(changes.join().expect("the changes are made"))
}
