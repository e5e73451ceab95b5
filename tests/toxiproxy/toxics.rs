//! Each toxic's effect, armed on a live connection and taken off again.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::program::{Program, dial, echo, end, round_trip, silent, talker, try_dial};

#[tokio::test]
async fn latency_both_ways_and_none_after() {
    let program = Program::start(&[]);
    let mut stream = dial(&program.proxy(&echo().await).await).await;
    for stream in ["upstream", "downstream"] {
        let attributes = json!({"latency": 120});
        program.toxic(json!({"type": "latency", "stream": stream, "attributes": attributes})).await;
    }
    assert!(round_trip(&mut stream, b"slow").await.unwrap() >= Duration::from_millis(239));
    program.remove("latency_upstream").await;
    assert!(round_trip(&mut stream, b"half").await.unwrap() >= Duration::from_millis(119));
    program.remove("latency_downstream").await;
    round_trip(&mut stream, b"fast").await.unwrap();
}

#[tokio::test]
async fn bandwidth_keeps_its_rate_and_zero_stops_without_loss() {
    let program = Program::start(&[]);
    let mut stream = dial(&program.proxy(&echo().await).await).await;
    program.toxic(json!({"type": "bandwidth", "attributes": {"rate": 100}})).await;
    let took = round_trip(&mut stream, &[1; 40_000]).await.unwrap();
    assert!(took >= Duration::from_millis(340), "40 KB at 100 KB/s: {took:?}");
    let path = "/proxies/p/toxics/bandwidth_downstream";
    program.done(reqwest::Method::PATCH, path, json!({"attributes": {"rate": 0}})).await;
    stream.write_all(b"kept").await.unwrap();
    silent(&mut stream).await;
    program.remove("bandwidth_downstream").await;
    let mut kept = [0; 4];
    stream.read_exact(&mut kept).await.unwrap();
    assert_eq!(&kept, b"kept");
}

#[tokio::test]
async fn slicer_cuts_into_pieces_and_loses_nothing() {
    let program = Program::start(&[]);
    let mut stream = dial(&program.proxy(&echo().await).await).await;
    let attributes = json!({"average_size": 100, "size_variation": 20, "delay": 2000});
    program.toxic(json!({"type": "slicer", "attributes": attributes})).await;
    let start = Instant::now();
    round_trip(&mut stream, &[3; 5000]).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(75), "some 50 pieces, 2 ms apart");
    stream.write_all(&[4; 1000]).await.unwrap();
    let mut piece = [0; 1000];
    let read = stream.read(&mut piece).await.unwrap();
    assert!(read < 1000, "not in one piece");
}

#[tokio::test]
async fn limit_data_closes_with_the_last_byte_that_passed() {
    let program = Program::start(&[]);
    let listen = program.proxy(&talker().await).await;
    program.toxic(json!({"type": "limit_data", "attributes": {"bytes": 10_000}})).await;
    for _ in 0..3 {
        let (bytes, reset) = end(&mut dial(&listen).await).await;
        assert_eq!((bytes.len(), reset), (10_000, false));
    }
}

#[tokio::test]
async fn slow_close_delays_the_end_and_nothing_else() {
    let program = Program::start(&[]);
    let mut stream = dial(&program.proxy(&echo().await).await).await;
    program.toxic(json!({"type": "slow_close", "attributes": {"delay": 300}})).await;
    round_trip(&mut stream, b"at once").await.unwrap();
    let start = Instant::now();
    stream.shutdown().await.unwrap();
    assert_eq!(end(&mut stream).await, (Vec::new(), false));
    assert!(start.elapsed() >= Duration::from_millis(299));
}

#[tokio::test]
async fn timeout_drops_what_comes_and_closes() {
    let program = Program::start(&[]);
    let listen = program.proxy(&echo().await).await;
    let mut stream = dial(&listen).await;
    round_trip(&mut stream, b"before").await.unwrap();
    program.toxic(json!({"type": "timeout", "attributes": {"timeout": 0}})).await;
    stream.write_all(b"lost").await.unwrap();
    silent(&mut stream).await;
    program.remove("timeout_downstream").await;
    assert_eq!(end(&mut stream).await, (Vec::new(), false), "a stream with a hole is closed");
    program.toxic(json!({"type": "timeout", "attributes": {"timeout": 100}})).await;
    let start = Instant::now();
    assert_eq!(end(&mut dial(&listen).await).await, (Vec::new(), false));
    assert!(start.elapsed() >= Duration::from_millis(99));
}

#[tokio::test]
async fn a_share_of_the_connections_and_the_same_share_again() {
    async fn touched() -> Vec<bool> {
        let program = Program::start(&[]);
        let listen = program.proxy(&echo().await).await;
        program.toxic(json!({"type": "reset_peer", "toxicity": 0.5})).await;
        let mut touched = Vec::new();
        for _ in 0..40 {
            touched.push(match try_dial(&listen).await {
                Ok(mut stream) => round_trip(&mut stream, b"x").await.is_err(),
                Err(_) => true,
            });
        }
        touched
    }
    let (first, second) = (touched().await, touched().await);
    let hit = first.iter().filter(|hit| **hit).count();
    assert!((8..=32).contains(&hit), "half of 40: {hit}");
    assert_eq!(first, second, "one seed, one choice");
}
