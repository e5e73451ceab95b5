//! Clients of Toxiproxy's API in other languages, unchanged, against `lossdrill proxy`.
//!
//! Each program of these makes a proxy, finds it, harms it, reads the harm back, meets it, heals it and removes it, and says
//! `ok`. `LOSSDRILL_MORE_CLIENTS=1` (`ci/clients`) adds the one that needs a package manager of its own.

use tokio::process::Command;

use super::program::{Program, echo};
use super::{cache, data, java, prepared, run};

async fn meets(mut command: Command) {
    let (program, upstream) = (Program::start(&[]), echo().await);
    let (host, port) = program.addr.split_once(':').expect("host and port");
    let (echo_host, echo_port) = upstream.split_once(':').expect("host and port");
    command.args([host, port, echo_host, echo_port]);
    assert_eq!(run(command, "").await.good().trim(), "ok");
    let left = program.get("/proxies").await;
    assert_eq!(left, serde_json::json!({}), "something is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_works_unchanged() {
    let Some(python) = prepared("python/bin/python") else { return };
    let mut command = Command::new(python);
    command.arg(data("python_client.py"));
    meets(command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_java_client_works_unchanged() {
    let Some(libs) = prepared("jars-4") else { return };
    meets(java(&libs, "JavaClient.java")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_client_works_unchanged() {
    if std::env::var_os("LOSSDRILL_MORE_CLIENTS").is_none() {
        return;
    }
    let package = cache().join("clients/node/package/dist/index.js");
    let mut command = Command::new("node");
    command.arg(data("node_client.mjs")).arg(package);
    meets(command).await;
}
