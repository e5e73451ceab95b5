//! What Toxiproxy 2.12 gets wrong, right here. Each was measured there.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::program::{Program, SILENCE, dial, echo, end, round_trip, silent, talker};

/// Well under the 25 s after which Toxiproxy answers 503.
const PROMPT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_client_that_does_not_read_blocks_no_change() {
    let program = Program::start(&[]);
    let listen = program.proxy(&talker().await).await;
    let _deaf = dial(&listen).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let start = Instant::now();
    for _ in 0..10 {
        program.toxic(json!({"type": "latency", "attributes": {"latency": 5000}})).await;
        program.get("/proxies").await;
        program.remove("latency_downstream").await;
        dial(&listen).await;
    }
    program.done(Method::DELETE, "/proxies/p", Value::Null).await;
    assert!(start.elapsed() < PROMPT, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_client_that_gave_up_delays_no_removal() {
    let program = Program::start(&[]);
    let mut stream = dial(&program.proxy(&echo().await).await).await;
    program.toxic(json!({"type": "latency", "attributes": {"latency": 60_000}})).await;
    for _ in 0..50 {
        stream.write_all(&[1; 1000]).await.unwrap();
    }
    drop(stream);
    let start = Instant::now();
    program.remove("latency_downstream").await;
    assert!(start.elapsed() < PROMPT);
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_the_dial_blocks_nobody() {
    let program = Program::start(&[]);
    // A full backlog: further connects are left without an answer.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(0).unwrap();
    let addr = full.local_addr().unwrap().to_string();
    let _waiting = dial(&addr).await;
    let listen = program.proxy(&addr).await;
    let start = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(dial(&listen).await);
        program.get("/proxies").await;
    }
    program.done(Method::PATCH, "/proxies/p", json!({"upstream": echo().await})).await;
    round_trip(&mut dial(&listen).await, b"served").await.unwrap();
    assert!(start.elapsed() < PROMPT);
}

#[tokio::test]
async fn attributes_that_kill_it_there_are_refused_here() {
    let program = Program::start(&[]);
    let mut stream = dial(&program.proxy(&echo().await).await).await;
    for toxic in [
        json!({"type": "slicer"}),
        json!({"type": "slicer", "attributes": {"average_size": 10, "size_variation": 90}}),
        json!({"type": "latency", "attributes": {"latency": 1, "jitter": 9_223_372_036_854_775_807_u64}}),
        json!({"type": "latency", "attributes": {"latency": -5}}),
        json!({"type": "bandwidth", "attributes": {"rate": -1}}),
        json!({"type": "latency", "toxicity": 2}),
        json!({"type": "latency", "toxicity": -0.1}),
    ] {
        let (status, value) = program.ask(Method::POST, "/proxies/p/toxics", toxic.clone()).await;
        assert_eq!(status, 400, "{toxic}: {value}");
        round_trip(&mut stream, b"alive").await.unwrap();
    }
    assert_eq!(program.get("/proxies/p/toxics").await, json!([]));
}

#[tokio::test]
async fn a_half_closed_client_gets_its_answer() {
    let program = Program::start(&[]);
    let mut stream = dial(&program.proxy(&echo().await).await).await;
    program.toxic(json!({"type": "latency", "attributes": {"latency": 100}})).await;
    stream.write_all(b"all of it").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(end(&mut stream).await, (b"all of it".to_vec(), false));
}

#[tokio::test]
async fn reset_peer_is_a_reset_on_live_and_silent_connections_and_none_at_toxicity_zero() {
    let program = Program::start(&[]);
    let listen = program.proxy(&echo().await).await;
    let (mut live, mut quiet) = (dial(&listen).await, dial(&listen).await);
    round_trip(&mut live, b"live").await.unwrap();
    program.toxic(json!({"type": "reset_peer", "toxicity": 0})).await;
    round_trip(&mut live, b"untouched").await.unwrap();
    round_trip(&mut dial(&listen).await, b"untouched").await.unwrap();
    let path = "/proxies/p/toxics/reset_peer_downstream";
    program.done(Method::PATCH, path, json!({"toxicity": 1})).await;
    assert!(end(&mut live).await.1, "by RST");
    assert!(end(&mut quiet).await.1, "by RST");
}

#[tokio::test]
async fn timeout_fires_while_the_upstream_talks() {
    let program = Program::start(&[]);
    let listen = program.proxy(&talker().await).await;
    program.toxic(json!({"type": "timeout", "attributes": {"timeout": 200}})).await;
    assert_eq!(end(&mut dial(&listen).await).await, (Vec::new(), false));
}

#[tokio::test]
async fn removing_one_toxic_leaves_the_choice_of_another() {
    let program = Program::start(&[]);
    let listen = program.proxy(&echo().await).await;
    program.toxic(json!({"type": "noop", "name": "first"})).await;
    program.toxic(json!({"type": "latency", "name": "second", "attributes": {"latency": 1}})).await;
    program.toxic(json!({"type": "bandwidth", "name": "third", "toxicity": 0.5})).await;
    let mut streams = Vec::new();
    for _ in 0..12 {
        let mut stream = dial(&listen).await;
        stream.write_all(b"x").await.unwrap();
        streams.push(stream);
    }
    let mut held = 0;
    let mut read = Vec::new();
    for stream in &mut streams {
        let came = tokio::time::timeout(SILENCE, stream.read(&mut [0])).await;
        read.push(came.is_ok());
        held += usize::from(!read[read.len() - 1]);
    }
    assert!(held > 0 && held < 12, "{held} of 12");
    for toxic in ["second", "first"] {
        program.remove(toxic).await;
        for (stream, free) in streams.iter_mut().zip(&read) {
            if *free {
                round_trip(stream, b"y").await.unwrap();
            }
        }
    }
    let still = streams.iter_mut().zip(&read).find(|(_, free)| !**free).unwrap().0;
    silent(still).await;
}

#[tokio::test]
async fn a_refused_change_changes_nothing() {
    let program = Program::start(&[]);
    let upstream = echo().await;
    let listen = program.proxy(&upstream).await;
    let mut stream = dial(&listen).await;
    program.toxic(json!({"type": "latency", "attributes": {"latency": 10, "jitter": 5}})).await;
    let before = program.get("/proxies").await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = taken.local_addr().map(|addr| (addr.to_string(), taken)).unwrap();
    let p = "/proxies/p";
    let toxic = "/proxies/p/toxics/latency_downstream";
    let other = json!({"name": "q", "listen": "127.0.0.1:0", "upstream": upstream});
    let clash = json!({"name": "r", "listen": taken.0, "upstream": upstream});
    let elsewhere = json!({"name": "p", "listen": "127.0.0.1:0", "upstream": "127.0.0.1:9",
                           "toxics": []});
    for (method, path, body) in [
        (Method::PATCH, toxic, json!({"attributes": {"latency": 99, "jitter": "x"}})),
        (Method::PATCH, toxic, json!({"attributes": {"latency": 99}, "toxicity": 3})),
        (Method::PATCH, p, json!({"listen": taken.0, "upstream": "127.0.0.1:9"})),
        (Method::PATCH, p, json!({"upstream": "127.0.0.1:9", "enabled": "no"})),
        (Method::PUT, "/proxies/p/toxics", json!([{"type": "noop"}, {"type": "slicer"}])),
        (Method::POST, "/populate", json!([elsewhere, other, clash])),
    ] {
        let (status, value) = program.ask(method, path, body.clone()).await;
        assert!(status >= 400, "{body}: {value}");
        assert_eq!(program.get("/proxies").await, before, "{body}");
        round_trip(&mut stream, b"as before").await.unwrap();
    }
}

#[tokio::test]
async fn populate_obeys_toxics_and_enabled() {
    let (program, upstream) = (Program::start(&[]), echo().await);
    let listen = program.proxy(&upstream).await;
    let mut stream = dial(&listen).await;
    round_trip(&mut stream, b"live").await.unwrap();
    let body = json!([
        {"name": "p", "listen": listen, "upstream": upstream,
         "toxics": [{"type": "latency", "attributes": {"latency": 100}}]},
        {"name": "off", "listen": "127.0.0.1:0", "upstream": upstream, "enabled": false},
    ]);
    let (status, made) = program.ask(Method::POST, "/populate", body).await;
    assert_eq!((status, made["proxies"].as_array().unwrap().len()), (201, 2));
    assert_eq!(made["proxies"][0]["toxics"][0]["name"], "latency_downstream");
    assert_eq!(made["proxies"][1]["enabled"], json!(false));
    let took = round_trip(&mut stream, b"slow").await.unwrap();
    assert!(took >= Duration::from_millis(99), "the live connection stays, and is slow: {took:?}");
    let body = json!([{"name": "p", "listen": listen, "upstream": upstream, "enabled": false}]);
    program.done(Method::POST, "/populate", body).await;
    assert!(tokio::net::TcpStream::connect(&listen).await.is_err());
    assert_eq!(program.get("/proxies/p/toxics").await[0]["name"], "latency_downstream");
}
