//! How exactly the toxics of a link do what they say: never early, to the byte, the same share by the same seed.
//!
//! Upper bounds are those of a busy machine; `benches/proxy` has the sharp figures. Not covered: the jitter's
//! distributions (`cargo test --lib proxy::toxic`), what Kafka and MySQL links do to records and statements.
#![cfg(feature = "harness")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lossdrill::clock::Clock;
use lossdrill::proxy::{
    Bandwidth, Direction, Kind, LimitData, Link, LinkSpec, Reset, Toxic, ToxicKind, Toxicity,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Any wait: far above what a loaded machine needs.
const LIMIT: Duration = Duration::from_secs(30);
/// How late the mean may be where others keep the processors busy.
const LATE_MAX_MS: f64 = 60.0;
/// More than what any limit below lets pass.
const PLENTY: usize = 3 << 20;

async fn upstream<W>(serve: impl Fn(TcpStream) -> W + Send + 'static) -> String
where
    W: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    addr.to_string()
}

async fn echo(mut stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = stream.split();
    let _ = tokio::io::copy(&mut reader, &mut writer).await;
    let _ = writer.shutdown().await;
}

async fn talk(mut stream: TcpStream) {
    let _ = stream.write_all(&vec![b'x'; PLENTY]).await;
    let _ = stream.shutdown().await;
}

async fn count(mut stream: TcpStream, tell: UnboundedSender<usize>) {
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    tell.send(heard.len()).unwrap();
}

async fn link_to(upstream: &str, seed: u64) -> Link {
    let spec = LinkSpec::new("exact", upstream, Kind::Tcp, Clock::starting_at(0));
    Link::open(LinkSpec { seed, ..spec }).await.unwrap()
}

async fn dial(link: &Link) -> TcpStream {
    let stream = timeout(LIMIT, TcpStream::connect(link.addr())).await.unwrap().unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

async fn round_trip(stream: &mut TcpStream, bytes: usize) -> std::io::Result<Duration> {
    let (sent, mut answer) = (vec![b'y'; bytes], vec![0; bytes]);
    let start = Instant::now();
    stream.write_all(&sent).await?;
    timeout(LIMIT, stream.read_exact(&mut answer)).await.expect("an answer in time")?;
    Ok(start.elapsed())
}

fn limit(bytes: u64, direction: Direction) -> Toxic {
    Toxic::new(ToxicKind::LimitData(LimitData { bytes }), direction)
}

#[tokio::test]
async fn limit_data_is_exact_to_the_byte_both_ways() {
    let (tell, mut counted) = unbounded_channel();
    let counter = upstream(move |stream| count(stream, tell.clone())).await;
    let talker = upstream(talk).await;
    let (down, up) = (link_to(&talker, 1).await, link_to(&counter, 1).await);
    for bytes in [1, 1000, 65_536, 65_537, 1_000_003] {
        let id = down.arm(limit(bytes, Direction::ToClient)).unwrap();
        let mut heard = Vec::new();
        timeout(LIMIT, dial(&down).await.read_to_end(&mut heard)).await.unwrap().unwrap();
        assert_eq!(heard.len() as u64, bytes, "to the client");
        down.disarm(id);

        let id = up.arm(limit(bytes, Direction::ToUpstream)).unwrap();
        let mut stream = dial(&up).await;
        // It is cut off in the midst of it.
        let _ = timeout(LIMIT, stream.write_all(&vec![b'x'; PLENTY])).await.unwrap();
        let heard = timeout(LIMIT, counted.recv()).await.unwrap().unwrap();
        assert_eq!(heard as u64, bytes, "to the upstream");
        up.disarm(id);
    }
    let mut whole = Vec::new();
    timeout(LIMIT, dial(&down).await.read_to_end(&mut whole)).await.unwrap().unwrap();
    assert_eq!(whole.len(), PLENTY, "and all of it where nothing is armed");
}

/// Which of 1,000 connections a toxicity of 0.3 touches.
async fn touched(seed: u64) -> Vec<bool> {
    let link = link_to(&upstream(echo).await, seed).await;
    let kind = ToxicKind::Reset(Reset { after_ms: 0 });
    let toxicity = Toxicity::of(0.3).unwrap();
    link.arm(Toxic { toxicity, ..Toxic::new(kind, Direction::Both) }).unwrap();
    let mut touched = Vec::new();
    for _ in 0..1000 {
        // The dial itself may meet the reset.
        let reset = match TcpStream::connect(link.addr()).await {
            Ok(mut stream) => round_trip(&mut stream, 1).await.is_err(),
            Err(_) => true,
        };
        touched.push(reset);
    }
    assert_eq!(link.stats().connections_total, 1000);
    touched
}

#[tokio::test]
async fn a_toxicity_touches_the_same_share_by_the_same_seed() {
    let (first, again, other) = (touched(11).await, touched(11).await, touched(12).await);
    assert_eq!(first, again, "one seed, one choice");
    assert_ne!(first, other, "another seed, another choice");
    for choice in [first, other] {
        let hits = choice.iter().filter(|hit| **hit).count();
        // Five standard deviations of 14.5 about 300.
        assert!((228..=372).contains(&hits), "{hits} of 1,000 at 0.3");
    }
}

#[tokio::test]
async fn a_reset_is_econnreset_whether_the_client_reads_or_writes() {
    let link = link_to(&upstream(echo).await, 1).await;
    let (mut reading, mut writing) = (dial(&link).await, dial(&link).await);
    for stream in [&mut reading, &mut writing] {
        round_trip(stream, 1).await.unwrap();
    }
    link.arm(Toxic::reset(0)).unwrap();
    let read = timeout(LIMIT, reading.read(&mut [0])).await.unwrap().unwrap_err();
    assert_eq!(read.raw_os_error(), Some(libc::ECONNRESET), "{read}");
    let start = Instant::now();
    let wrote = loop {
        assert!(start.elapsed() < LIMIT, "a write fails");
        if let Err(error) = writing.write_all(b"x").await {
            break error;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert_eq!(wrote.raw_os_error(), Some(libc::ECONNRESET), "{wrote}");
}

/// 20 connections, 10 round trips each, in ms.
async fn trips(link: &Link) -> Vec<f64> {
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let mut stream = dial(link).await;
        tasks.spawn(async move {
            let mut trips = Vec::new();
            for _ in 0..10 {
                let trip = round_trip(&mut stream, 100).await.unwrap();
                trips.push(trip.as_secs_f64() * 1e3);
            }
            trips
        });
    }
    tasks.join_all().await.concat()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[tokio::test]
async fn latency_is_never_early_and_meets_its_mean() {
    let link = link_to(&upstream(echo).await, 5).await;
    for (jitter_ms, earliest) in [(0, 50.0), (10, 40.0)] {
        let id = link.arm(Toxic::latency(50, jitter_ms, Direction::ToClient)).unwrap();
        let trips = trips(&link).await;
        let early: Vec<_> = trips.iter().filter(|trip| **trip < earliest).collect();
        assert!(early.is_empty(), "before {earliest} ms: {early:?}");
        let mean = mean(&trips);
        let least = if jitter_ms == 0 { 50.0 } else { 47.0 };
        assert!((least..50.0 + LATE_MAX_MS).contains(&mean), "±{jitter_ms}: mean {mean} ms");
        if jitter_ms > 0 {
            // Of 200 even draws from 40..=60 some lie in the lowest quarter.
            assert!(trips.iter().any(|trip| *trip < 50.0), "the jitter goes both ways");
        }
        link.disarm(id);
    }
    let fastest = trips(&link).await.into_iter().fold(f64::INFINITY, f64::min);
    assert!(fastest < 40.0, "and none where nothing is armed: {fastest} ms");
}

#[tokio::test]
async fn bandwidth_keeps_its_rate() {
    const BYTES: usize = 1_000_000;
    let link = link_to(&upstream(echo).await, 1).await;
    let mut stream = dial(&link).await;
    let kind = ToxicKind::Bandwidth(Bandwidth { rate: 1000 });
    let id = link.arm(Toxic::new(kind, Direction::ToClient)).unwrap();
    let (mut reader, mut writer) = stream.split();
    let start = Instant::now();
    let write = async { writer.write_all(&vec![1; BYTES]).await.unwrap() };
    let read = async {
        let mut heard = vec![0; BYTES];
        reader.read_exact(&mut heard).await.unwrap();
        start.elapsed()
    };
    let ((), took) = timeout(LIMIT, async { tokio::join!(write, read) }).await.unwrap();
    // 50 ms is what a direction may catch up.
    let bounds = Duration::from_millis(945)..Duration::from_millis(2500);
    assert!(bounds.contains(&took), "1 MB at 1,000 KB/s took {took:?}");
    link.disarm(id);
    let free = round_trip(&mut stream, 100_000).await.unwrap();
    assert!(free < Duration::from_millis(945), "and no rate where nothing is armed: {free:?}");
}

/// A slice of the ten thousand cycles of `benches/proxy`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_changes_under_load_and_none_hangs() {
    let link = link_to(&upstream(echo).await, 3).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..32 {
        let (mut stream, stop) = (dial(&link).await, stop.clone());
        clients.spawn(async move {
            let mut done = 0;
            while !stop.load(Ordering::Relaxed) {
                round_trip(&mut stream, 1000).await.unwrap();
                done += 1;
            }
            done
        });
    }
    for cycle in 0..1000_u64 {
        let start = Instant::now();
        let toxic = match cycle % 3 {
            0 => Toxic::latency(1, 0, Direction::Both),
            1 => Toxic::stall(Direction::ToClient),
            _ => Toxic::new(ToxicKind::Bandwidth(Bandwidth { rate: 0 }), Direction::ToUpstream),
        };
        let id = link.arm(toxic).unwrap();
        if cycle % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(link.disarm(id));
        assert!(start.elapsed() < LIMIT, "cycle {cycle}");
    }
    stop.store(true, Ordering::Relaxed);
    let done = timeout(LIMIT, clients.join_all()).await.expect("no client hangs");
    assert!(done.iter().all(|trips| *trips > 0), "{done:?}");
}
