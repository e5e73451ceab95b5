//! Links on real sockets: each toxic bites, heals, heals twice, and leaves other connections alone.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use super::*;
use crate::clock::{CellTime, Clock};

/// Any wait in these tests: far above what a loaded machine needs.
const LIMIT: Duration = Duration::from_secs(20);
/// A stalled link must stay silent this long.
const SILENCE: Duration = Duration::from_millis(120);

/// Answers every byte with itself, and an end with an end.
async fn echo() -> String {
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

async fn link_to(upstream: &str) -> Link {
    let spec = LinkSpec::new("test", upstream, Kind::Tcp, Clock::starting_at(0));
    Link::open(spec).await.unwrap()
}

async fn dial(link: &Link) -> TcpStream {
    let stream = timeout(LIMIT, TcpStream::connect(link.addr())).await.unwrap().unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Sends `text` and reads as much back; the time that took.
async fn round_trip(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Duration> {
    let start = Instant::now();
    stream.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    timeout(LIMIT, stream.read_exact(&mut answer)).await.expect("an answer in time")?;
    assert_eq!(answer, text);
    Ok(start.elapsed())
}

async fn silent(stream: &mut TcpStream) {
    let mut byte = [0];
    assert!(timeout(SILENCE, stream.read(&mut byte)).await.is_err(), "nothing passes");
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < LIMIT, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + i / 251) as u8).collect()
}

#[tokio::test]
async fn latency_shifts_a_stream_in_order_without_adding_up() {
    let link = link_to(&echo().await).await;
    let mut stream = dial(&link).await;
    assert!(round_trip(&mut stream, b"before").await.unwrap() < Duration::from_millis(150));
    let id = link.arm(Toxic::latency(200, 50, Direction::ToUpstream)).unwrap();
    let one = round_trip(&mut stream, b"one").await.unwrap();
    assert!(one >= Duration::from_millis(149), "held: {one:?}");
    let (mut reader, mut writer) = stream.split();
    let sent = pattern(20_000);
    let write = async {
        for piece in sent.chunks(500) {
            writer.write_all(piece).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let read = async {
        let mut answer = vec![0; sent.len()];
        reader.read_exact(&mut answer).await.unwrap();
        answer
    };
    let start = Instant::now();
    let ((), answer) = timeout(LIMIT, async { tokio::join!(write, read) }).await.unwrap();
    assert_eq!(answer, sent, "in order, nothing lost");
    let took = start.elapsed();
    assert!(took < Duration::from_millis(200 * 10), "40 chunks are not 40 delays: {took:?}");
    assert!(link.stats().toxics[0].hits > 1);
    assert!(link.disarm(id));
    assert!(!link.disarm(id), "again changes nothing");
    assert!(round_trip(&mut stream, b"after").await.unwrap() < Duration::from_millis(150));
    timeout(LIMIT, link.drained()).await.unwrap();
}

#[tokio::test]
async fn a_delay_above_a_second_waits_on_cell_time() {
    let clock = Clock::starting_at(1_000_000);
    let spec = LinkSpec::new("late", echo().await, Kind::Tcp, clock.clone());
    let link = Link::open(spec).await.unwrap();
    let mut stream = dial(&link).await;
    link.arm(Toxic::latency(60_000, 0, Direction::ToClient)).unwrap();
    stream.write_all(b"x").await.unwrap();
    eventually("a due time", || link.next_due().is_some()).await;
    let due = link.next_due().unwrap();
    assert!(due >= CellTime(1_060_000), "{due:?}");
    eventually("the byte waits", || link.held_bytes() == 1 && link.busy_bytes() == 0).await;
    silent(&mut stream).await;
    clock.advance(1, 61_000);
    let mut byte = [0];
    timeout(LIMIT, stream.read_exact(&mut byte)).await.unwrap().unwrap();
    eventually("nothing due", || link.next_due().is_none() && link.held_bytes() == 0).await;
}

/// What comes while the one clock is ahead of the other is due by the first, and let go by the second.
#[tokio::test]
async fn a_delay_is_counted_on_one_clock_and_over_on_the_one_that_follows_it() {
    let clock = Clock::starting_at(1_000_000);
    let told = Clock::from_origin(clock.origin());
    let mut spec = LinkSpec::new("late", echo().await, Kind::Tcp, clock.clone());
    spec.release = told.clone();
    let link = Link::open(spec).await.unwrap();
    let mut stream = dial(&link).await;
    link.arm(Toxic::latency(60_000, 0, Direction::ToClient)).unwrap();
    clock.advance(1, 61_000);
    stream.write_all(b"x").await.unwrap();
    eventually("a due time", || link.next_due() >= Some(CellTime(1_121_000))).await;
    clock.advance(2, 122_000);
    silent(&mut stream).await;
    told.advance(2, 122_000);
    timeout(LIMIT, stream.read_exact(&mut [0])).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stall_loses_nothing_and_stands_back_pressure() {
    let link = link_to(&echo().await).await;
    let mut stream = dial(&link).await;
    round_trip(&mut stream, b"before").await.unwrap();
    let id = link.arm(Toxic::stall(Direction::Both)).unwrap();
    let sent = pattern(16 * 1024 * 1024);
    let (mut reader, mut writer) = stream.into_split();
    let copy = sent.clone();
    let write = tokio::spawn(async move {
        writer.write_all(&copy).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let full = pipe::HELD_BYTES_MAX as u64;
    eventually("the buffer is full", || link.held_bytes() >= full).await;
    assert!(link.held_bytes() <= full + 64 * 1024, "and bounded");
    assert!(link.busy_bytes() > 0);
    assert!(!write.is_finished(), "the sender feels it");
    assert!(link.disarm(id));
    let mut answer = Vec::new();
    timeout(LIMIT, reader.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer == sent, "all of it, in order, and then the end");
    timeout(LIMIT, link.drained()).await.unwrap();
}

#[tokio::test]
async fn a_stall_of_one_direction_lets_the_other_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = link_to(&listener.local_addr().unwrap().to_string()).await;
    link.arm(Toxic::stall(Direction::ToUpstream)).unwrap();
    let mut client = dial(&link).await;
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(b"hello").await.unwrap();
    let mut greeting = [0; 5];
    timeout(LIMIT, client.read_exact(&mut greeting)).await.unwrap().unwrap();
    client.write_all(b"x").await.unwrap();
    silent(&mut server).await;
    assert_eq!(link.held_bytes(), 1);
}

#[tokio::test]
async fn a_sender_that_dies_under_a_stall_loses_no_byte() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = link_to(&listener.local_addr().unwrap().to_string()).await;
    let id = link.arm(Toxic::stall(Direction::Both)).unwrap();
    let mut client = dial(&link).await;
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b"last words").await.unwrap();
    eventually("held", || link.held_bytes() == 10).await;
    client.set_zero_linger().unwrap();
    drop(client);
    silent(&mut server).await;
    link.disarm(id);
    let mut words = [0; 10];
    timeout(LIMIT, server.read_exact(&mut words)).await.unwrap().unwrap();
    assert_eq!(&words, b"last words");
    let end = timeout(LIMIT, server.read(&mut words)).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_reset_is_rst_on_live_silent_and_new_connections() {
    let link = link_to(&echo().await).await;
    let other = link_to(&echo().await).await;
    let (mut live, mut silent) = (dial(&link).await, dial(&link).await);
    let mut bystander = dial(&other).await;
    round_trip(&mut live, b"before").await.unwrap();
    round_trip(&mut silent, b"before").await.unwrap();
    let id = link.arm(Toxic::reset(0)).unwrap();
    for stream in [&mut live, &mut silent] {
        let end = timeout(LIMIT, stream.read(&mut [0])).await.unwrap();
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    }
    let mut new = dial(&link).await;
    let end = timeout(LIMIT, new.read(&mut [0])).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(link.stats().toxics[0].hits, 3);
    round_trip(&mut bystander, b"untouched").await.unwrap();
    assert!(link.disarm(id) && !link.disarm(id));
    round_trip(&mut dial(&link).await, b"healed").await.unwrap();
}

#[tokio::test]
async fn a_late_reset_waits_for_its_time() {
    let clock = Clock::starting_at(0);
    let spec = LinkSpec::new("late", echo().await, Kind::Tcp, clock.clone());
    let link = Link::open(spec).await.unwrap();
    let mut stream = dial(&link).await;
    link.arm(Toxic::reset(30_000)).unwrap();
    eventually("due", || link.next_due().is_some()).await;
    round_trip(&mut stream, b"not yet").await.unwrap();
    clock.advance(1, 31_000);
    let end = timeout(LIMIT, stream.read(&mut [0])).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    eventually("nothing due", || link.next_due().is_none()).await;
}

#[tokio::test]
async fn a_half_closed_client_gets_its_answer() {
    let link = link_to(&echo().await).await;
    let mut stream = dial(&link).await;
    stream.write_all(b"all of it").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"all of it");
    eventually("closed", || link.stats().connections_open == 0).await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_blocks_nobody() {
    let link = link_to(&echo().await).await;
    let deaf = dial(&link).await;
    let (_reader, mut writer) = deaf.into_split();
    let flood = tokio::spawn(async move {
        let block = pattern(1024 * 1024);
        while writer.write_all(&block).await.is_ok() {}
    });
    eventually("it is stuck", || link.held_bytes() >= pipe::HELD_BYTES_MAX as u64).await;
    let start = Instant::now();
    for _ in 0..50 {
        let id = link.arm(Toxic::latency(1, 0, Direction::Both)).unwrap();
        assert_eq!(link.toxics().len(), 1);
        round_trip(&mut dial(&link).await, b"others go on").await.unwrap();
        assert!(link.disarm(id));
    }
    assert!(start.elapsed() < Duration::from_secs(5), "arming waits for nobody");
    timeout(LIMIT, link.close()).await.unwrap().unwrap();
    timeout(LIMIT, flood).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_cycles_under_traffic_never_hang() {
    let link = link_to(&echo().await).await;
    let clients: Vec<_> = (0..4_u8)
        .map(|n| {
            let link = link.clone();
            tokio::spawn(async move {
                let mut stream = dial(&link).await;
                let (mut done, text) = (0, pattern(3000 + usize::from(n)));
                while done < 100_000 && link.toxics().len() < 2 {
                    if round_trip(&mut stream, &text).await.is_err() {
                        // The dial itself may be reset.
                        if let Ok(fresh) = TcpStream::connect(link.addr()).await {
                            stream = fresh;
                        }
                    }
                    done += 1;
                }
                done
            })
        })
        .collect();
    let cycles = async {
        for cycle in 0..200 {
            let toxic = match cycle % 4 {
                0 => Toxic::latency(2, 1, Direction::Both),
                1 => Toxic::stall(Direction::ToUpstream),
                2 => Toxic::stall(Direction::Both),
                _ => Toxic::reset(0),
            };
            let id = link.arm(toxic).unwrap();
            tokio::time::sleep(Duration::from_millis(cycle % 7)).await;
            assert!(link.disarm(id));
            tokio::time::sleep(Duration::from_millis(cycle % 3)).await;
        }
    };
    timeout(LIMIT, cycles).await.expect("no hang");
    // Two toxics at once are the sign to stop.
    for _ in 0..2 {
        link.arm(Toxic::latency(1, 0, Direction::Both)).unwrap();
    }
    for client in clients {
        assert!(timeout(LIMIT, client).await.expect("no hang").unwrap() > 0);
    }
    eventually("empty", || link.held_bytes() == 0 && link.stats().connections_open == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_arrives_whole_whatever_is_armed_meanwhile() {
    let link = link_to(&echo().await).await;
    let sent = pattern(48 * 1024 * 1024);
    let (mut reader, mut writer) = dial(&link).await.into_split();
    let copy = sent.clone();
    tokio::spawn(async move {
        writer.write_all(&copy).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let arming = link.clone();
    let changes = tokio::spawn(async move {
        for cycle in 0_u64.. {
            let toxic = match cycle % 3 {
                0 => Toxic::latency(3, 2, Direction::Both),
                1 => Toxic::stall(Direction::ToUpstream),
                _ => Toxic::stall(Direction::ToClient),
            };
            let id = arming.arm(toxic).unwrap();
            tokio::time::sleep(Duration::from_millis(cycle % 5)).await;
            arming.disarm(id);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let mut answer = Vec::new();
    timeout(LIMIT, reader.read_to_end(&mut answer)).await.unwrap().unwrap();
    changes.abort();
    assert!(answer == sent, "all of it, in order, and then the end");
    let stats = link.stats();
    let whole = sent.len() as u64;
    let counted = [stats.bytes_from_client, stats.bytes_to_upstream];
    assert_eq!(counted, [whole; 2]);
    assert_eq!([stats.bytes_from_upstream, stats.bytes_to_client], [whole; 2]);
    timeout(LIMIT, link.drained()).await.unwrap();
}

#[tokio::test]
async fn the_upstream_may_be_away_and_may_change() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = link_to(&free.local_addr().unwrap().to_string()).await;
    drop(free);
    let mut stream = dial(&link).await;
    let end = timeout(LIMIT, stream.read(&mut [0])).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(link.notes()[0].contains("cannot dial 127.0.0.1:"), "{:?}", link.notes());
    let upstream = echo().await;
    link.set_upstream(&upstream);
    assert_eq!(link.upstream(), upstream);
    round_trip(&mut dial(&link).await, b"found").await.unwrap();
}

#[tokio::test]
async fn closing_ends_all_and_a_taken_port_is_named() {
    let link = link_to(&echo().await).await;
    let mut stream = dial(&link).await;
    round_trip(&mut stream, b"x").await.unwrap();
    let mut spec = LinkSpec::new("second", "127.0.0.1:1", Kind::Tcp, Clock::starting_at(0));
    spec.listen = link.addr();
    let error = Link::open(spec).await.err().unwrap().to_string();
    assert!(error.contains("link `second` cannot listen on 127.0.0.1:"), "{error}");
    timeout(LIMIT, link.close()).await.unwrap().unwrap();
    link.close().await.unwrap();
    let end = timeout(LIMIT, stream.read(&mut [0])).await.unwrap();
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    assert!(TcpStream::connect(link.addr()).await.is_err());
}

#[tokio::test]
async fn bad_toxics_are_refused_and_change_nothing() {
    let link = link_to("127.0.0.1:1").await;
    let one_sided = Toxic { direction: Direction::ToClient, ..Toxic::reset(0) };
    for (toxic, word) in [
        (Toxic::latency(0, 0, Direction::Both), "delay 0 ms"),
        (Toxic::latency(10, 11, Direction::Both), "jitter 11 ms"),
        (Toxic::reset(u64::MAX), "after "),
        (one_sided, "must be `both`"),
    ] {
        let error = link.arm(toxic).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    assert!(link.toxics().is_empty());
}
