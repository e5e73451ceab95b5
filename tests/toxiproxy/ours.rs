//! What ours adds.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::program::{LIMIT, Program, dial, echo, free_port, lossdrill, round_trip, silent};

#[tokio::test]
async fn a_one_way_partition_holds_one_way_and_loses_nothing() {
    let program = Program::start(&[]);
    let mut stream = dial(&program.proxy(&echo().await).await).await;
    program.toxic(json!({"type": "partition", "stream": "downstream"})).await;
    stream.write_all(b"kept").await.unwrap();
    silent(&mut stream).await;
    program.remove("partition_downstream").await;
    let mut kept = [0; 4];
    stream.read_exact(&mut kept).await.unwrap();
    assert_eq!(&kept, b"kept");
}

#[tokio::test]
async fn connects_are_refused_while_open_connections_go_on() {
    let program = Program::start(&[]);
    let listen = program.proxy(&echo().await).await;
    let mut open = dial(&listen).await;
    round_trip(&mut open, b"open").await.unwrap();
    for _ in 0..3 {
        program.toxic(json!({"type": "connect_refused"})).await;
        let start = Instant::now();
        loop {
            // The listener closes a moment after the answer; until then a connect is reset.
            match tokio::net::TcpStream::connect(&listen).await {
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
                    break;
                }
                Ok(mut stream) => assert!(stream.read(&mut [0]).await.is_err(), "reset"),
            }
            assert!(start.elapsed() < LIMIT);
        }
        round_trip(&mut open, b"still open").await.unwrap();
        program.remove("connect_refused_downstream").await;
        let mut again = tokio::net::TcpStream::connect(&listen).await;
        while again.is_err() && start.elapsed() < LIMIT {
            tokio::time::sleep(Duration::from_millis(2)).await;
            again = tokio::net::TcpStream::connect(&listen).await;
        }
        round_trip(&mut again.unwrap(), b"again").await.unwrap();
    }
}

#[tokio::test]
async fn a_dial_is_delayed_and_what_was_said_arrives() {
    let program = Program::start(&[]);
    let listen = program.proxy(&echo().await).await;
    program.toxic(json!({"type": "connect_delay", "attributes": {"delay": 200}})).await;
    let start = Instant::now();
    let mut stream = dial(&listen).await;
    round_trip(&mut stream, b"late").await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(199));
    let (mut second, start) = (dial(&listen).await, Instant::now());
    let path = "/proxies/p/toxics/connect_delay_downstream";
    program.done(Method::PATCH, path, json!({"attributes": {"delay": 86_400_000}})).await;
    second.write_all(b"x").await.unwrap();
    program.remove("connect_delay_downstream").await;
    second.read_exact(&mut [0]).await.unwrap();
    assert!(start.elapsed() < LIMIT, "removal lets it dial");
}

#[tokio::test]
async fn jitter_has_distributions() {
    let program = Program::start(&[]);
    let mut stream = dial(&program.proxy(&echo().await).await).await;
    let attributes = json!({"latency": 30, "jitter": 5, "distribution": "pareto"});
    let toxic = program.toxic(json!({"type": "latency", "attributes": attributes})).await;
    assert_eq!(toxic["attributes"], attributes);
    for _ in 0..5 {
        let took = round_trip(&mut stream, b"x").await.unwrap();
        assert!(took >= Duration::from_millis(29), "pareto is never earlier: {took:?}");
    }
}

#[tokio::test]
async fn a_set_of_toxics_is_one_change() {
    let program = Program::start(&[]);
    program.proxy(&echo().await).await;
    program.toxic(json!({"type": "noop"})).await;
    let set = json!([
        {"type": "latency", "attributes": {"latency": 5}},
        {"type": "bandwidth", "stream": "upstream", "attributes": {"rate": 100}},
    ]);
    let shown = program.done(Method::PUT, "/proxies/p/toxics", set).await;
    assert_eq!(shown, program.get("/proxies/p/toxics").await);
    assert_eq!(shown.as_array().unwrap().len(), 2);
    assert_eq!(program.done(Method::PUT, "/proxies/p/toxics", json!([])).await, json!([]));
}

#[tokio::test]
async fn a_toxic_dies_with_its_owner() {
    let program = Program::start(&[]);
    let mut stream = dial(&program.proxy(&echo().await).await).await;
    let toxic = json!({"type": "partition", "lease": "job-1"});
    program.refused(Method::POST, "/proxies/p/toxics", toxic.clone(), 404, "lease not found").await;
    program.done(Method::POST, "/leases", json!({"name": "job-1", "ttl_ms": 60_000})).await;
    program.toxic(toxic.clone()).await;
    program.toxic(json!({"type": "noop"})).await;
    assert_eq!(program.get("/leases").await[0]["name"], "job-1");
    stream.write_all(b"x").await.unwrap();
    silent(&mut stream).await;
    // Renewed for a moment, and then no more.
    program.done(Method::POST, "/leases", json!({"name": "job-1", "ttl_ms": 50})).await;
    tokio::time::timeout(LIMIT, stream.read_exact(&mut [0])).await.unwrap().unwrap();
    assert_eq!(program.get("/leases").await, json!([]));
    let left = program.get("/proxies/p/toxics").await;
    assert_eq!((left.as_array().unwrap().len(), &left[0]["type"]), (1, &json!("noop")));
    program.done(Method::POST, "/leases", json!({"name": "job-1"})).await;
    program.toxic(toxic).await;
    program.done(Method::DELETE, "/leases/job-1", Value::Null).await;
    round_trip(&mut stream, b"clear").await.unwrap();
}

#[tokio::test]
async fn the_configuration_file_has_toxics_and_all_its_mistakes_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("proxies.json");
    let path = file.to_str().unwrap();
    let listen = free_port().await;
    let text = json!([{"name": "p", "listen": listen, "upstream": echo().await,
        "toxics": [{"type": "latency", "attributes": {"latency": 100}}]}]);
    std::fs::write(&file, text.to_string()).unwrap();
    let program = Program::start(&["--config", path]);
    let took = round_trip(&mut dial(&listen).await, b"slow").await.unwrap();
    assert!(took >= Duration::from_millis(99));
    drop(program);
    let text = json!([
        {"name": "p", "upsteam": "a:1", "toxics": [{"type": "latenci"}, {"type": "slicer"}]},
        {"upstream": "a:1", "listen": "nowhere"},
    ]);
    std::fs::write(&file, text.to_string()).unwrap();
    let ended = lossdrill(&["--listen", "127.0.0.1:0", "--config", path]).output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2));
    for words in [
        "proxy 1: unknown field `upsteam`; did you mean `upstream`?",
        "missing required field: upstream at proxy 1",
        "toxic 1: `latenci`; did you mean `latency`?",
        "toxic 2: average_size 0",
        "missing required field: name at proxy 2",
        "proxy 2: `listen` `nowhere`",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[tokio::test]
async fn metrics_count_bytes_connections_and_hits() {
    let program = Program::start(&[]);
    let listen = program.proxy(&echo().await).await;
    program.toxic(json!({"type": "latency", "attributes": {"latency": 1}})).await;
    let mut stream = dial(&listen).await;
    round_trip(&mut stream, b"12345").await.unwrap();
    let (status, page) = program.text(Method::GET, "/metrics", "").await;
    assert_eq!(status, 200);
    for line in [
        "toxiproxy_proxy_sent_bytes_total{direction=\"upstream\",proxy=\"p\",listener=",
        "} 5\n",
        "lossdrill_proxy_connections_open{proxy=\"p\"} 1\n",
        "lossdrill_proxy_toxic_hits_total{proxy=\"p\",toxic=\"latency_downstream\",\
         type=\"latency\",stream=\"downstream\"} 1\n",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
}
