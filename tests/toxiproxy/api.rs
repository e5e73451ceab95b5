//! Paths, codes and bodies are Toxiproxy's.

use reqwest::Method;
use serde_json::{Value, json};

use super::program::{Program, dial, echo, free_port, lossdrill, round_trip};

#[tokio::test]
async fn proxies_are_made_shown_changed_and_removed() {
    let (program, upstream) = (Program::start(&[]), echo().await);
    assert_eq!(program.get("/proxies").await, json!({}));
    let body = json!({"name": "p", "listen": "localhost:0", "upstream": upstream, "toxics": null});
    let (status, made) = program.ask(Method::POST, "/proxies", body.clone()).await;
    assert_eq!(status, 201);
    let listen = made["listen"].as_str().unwrap().to_owned();
    let shown = json!({
        "name": "p", "listen": listen, "upstream": upstream, "enabled": true, "toxics": [],
    });
    assert_eq!(made, shown, "and nothing else, such as a logger");
    assert_eq!(program.get("/proxies").await, json!({"p": shown}));
    assert_eq!(program.get("/proxies/p").await, shown);
    round_trip(&mut dial(&listen).await, b"through").await.unwrap();
    program.refused(Method::POST, "/proxies", body, 409, "proxy already exists").await;

    for method in [Method::POST, Method::PATCH] {
        let off = program.done(method.clone(), "/proxies/p", json!({"enabled": false})).await;
        assert_eq!((&off["enabled"], &off["listen"]), (&json!(false), &json!(listen)));
        assert!(tokio::net::TcpStream::connect(&listen).await.is_err(), "nobody listens");
        program.done(method, "/proxies/p", json!({"enabled": true})).await;
        round_trip(&mut dial(&listen).await, b"again").await.unwrap();
    }
    let (status, none) = program.ask(Method::DELETE, "/proxies/p", Value::Null).await;
    assert_eq!((status, none), (204, Value::Null));
    for method in [Method::GET, Method::DELETE, Method::PATCH, Method::POST] {
        program.refused(method, "/proxies/p", json!({}), 404, "proxy not found").await;
    }
}

#[tokio::test]
async fn a_new_upstream_ends_the_connections_to_the_old_one() {
    let (program, first, second) = (Program::start(&[]), echo().await, echo().await);
    let listen = program.proxy(&first).await;
    let mut old = dial(&listen).await;
    round_trip(&mut old, b"first").await.unwrap();
    program.done(Method::PATCH, "/proxies/p", json!({"upstream": second})).await;
    super::program::end(&mut old).await;
    round_trip(&mut dial(&listen).await, b"second").await.unwrap();
    let elsewhere = free_port().await;
    let moved = program.done(Method::PATCH, "/proxies/p", json!({"listen": elsewhere})).await;
    assert_eq!(moved["listen"], json!(elsewhere));
    round_trip(&mut dial(&elsewhere).await, b"moved").await.unwrap();
}

#[tokio::test]
async fn toxics_are_made_shown_changed_and_removed() {
    let program = Program::start(&[]);
    program.proxy(&echo().await).await;
    let shown = json!({
        "attributes": {"latency": 100, "jitter": 0}, "name": "latency_downstream",
        "type": "latency", "stream": "downstream", "toxicity": 1,
    });
    let body = json!({"type": "latency", "attributes": {"latency": 100}});
    let (status, made) = program.ask(Method::POST, "/proxies/p/toxics", body.clone()).await;
    assert_eq!((status, made), (200, shown.clone()));
    let twice = "toxic already exists";
    program.refused(Method::POST, "/proxies/p/toxics", body, 409, twice).await;
    program.toxic(json!({"type": "timeout", "stream": "upstream", "toxicity": 0.5})).await;
    let toxics = program.get("/proxies/p/toxics").await;
    assert_eq!(toxics[0]["name"], "timeout_upstream", "upstream comes first");
    assert_eq!(toxics[1], shown);
    assert_eq!(program.get("/proxies/p").await["toxics"], toxics);
    for (method, latency) in [(Method::POST, 200), (Method::PATCH, 300)] {
        let body = json!({"attributes": {"latency": latency}});
        let path = "/proxies/p/toxics/latency_downstream";
        let changed = program.done(method, path, body).await;
        assert_eq!(changed["attributes"], json!({"latency": latency, "jitter": 0}));
        assert_eq!(program.get(path).await, changed);
    }
    let (status, _) =
        program.ask(Method::DELETE, "/proxies/p/toxics/latency_downstream", Value::Null).await;
    assert_eq!(status, 204);
    for method in [Method::GET, Method::DELETE, Method::PATCH] {
        let path = "/proxies/p/toxics/latency_downstream";
        program.refused(method, path, json!({}), 404, "toxic not found").await;
    }
    program.refused(Method::GET, "/proxies/x/toxics", json!({}), 404, "proxy not found").await;
}

#[tokio::test]
async fn errors_have_toxiproxys_titles() {
    let program = Program::start(&[]);
    let listen = program.proxy("127.0.0.1:1").await;
    for (path, body, error) in [
        ("/proxies", json!({"upstream": "a:1"}), "missing required field: name"),
        ("/proxies", json!({"name": "a"}), "missing required field: upstream"),
        ("/populate", json!([{"name": "a"}]), "missing required field: upstream at proxy 1"),
        ("/proxies/p/toxics", json!({"type": "nope"}), "invalid toxic type"),
        (
            "/proxies/p/toxics",
            json!({"type": "noop", "stream": "x"}),
            "stream was invalid, can be either upstream or downstream",
        ),
    ] {
        program.refused(Method::POST, path, body, 400, error).await;
    }
    let taken = format!("listen tcp {listen}: bind: address already in use");
    let body = json!({"name": "q", "listen": listen, "upstream": "a:1"});
    program.refused(Method::POST, "/proxies", body, 500, &taken).await;
    let (status, text) = program.text(Method::POST, "/proxies", "{").await;
    assert!(status == 400 && text.contains("bad request body: "), "{text}");
    assert_eq!(program.text(Method::GET, "/nowhere", "").await.0, 404);
    assert_eq!(program.text(Method::DELETE, "/proxies", "").await.0, 405);
    let client = reqwest::Client::new();
    let url = format!("http://{}/proxies", program.addr);
    let browser = client.get(url).header("User-Agent", "Mozilla/5.0").send().await.unwrap();
    assert_eq!(browser.status().as_u16(), 403);
    assert_eq!(program.get("/version").await["version"], "2.12.0");
}

#[tokio::test]
async fn reset_enables_all_and_takes_every_toxic_off() {
    let (program, upstream) = (Program::start(&[]), echo().await);
    let listen = program.proxy(&upstream).await;
    program.toxic(json!({"type": "bandwidth"})).await;
    program.done(Method::PATCH, "/proxies/p", json!({"enabled": false})).await;
    let (status, _) = program.ask(Method::POST, "/reset", Value::Null).await;
    assert_eq!(status, 204);
    let shown = program.get("/proxies/p").await;
    assert_eq!((&shown["enabled"], &shown["toxics"]), (&json!(true), &json!([])));
    round_trip(&mut dial(&listen).await, b"clear").await.unwrap();
}

#[tokio::test]
async fn it_ends_in_good_order_and_names_a_taken_port() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut program = Program::start(&[]);
        let listen = program.proxy(&echo().await).await;
        let mut stream = dial(&listen).await;
        round_trip(&mut stream, b"up").await.unwrap();
        let second = lossdrill(&["--listen", &program.addr]).output().unwrap();
        let told = String::from_utf8(second.stderr).unwrap();
        assert_eq!(second.status.code(), Some(2));
        assert!(told.contains(&format!("cannot listen on {}", program.addr)), "{told}");
        // The child is ours, and is not waited for yet.
        assert_eq!(unsafe { libc::kill(program.pid(), signal) }, 0);
        assert_eq!(program.ended().await, Some(0));
        assert_eq!(super::program::end(&mut stream).await, (Vec::new(), false));
    }
}
