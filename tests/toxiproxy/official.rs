//! Toxiproxy's own CLI, unchanged, against ours.

use std::path::PathBuf;
use std::process::Command;

use super::program::{Program, dial, echo, round_trip};

/// Where `ci/setup --toxiproxy` puts it, if it is there.
fn cli() -> Option<PathBuf> {
    let given = std::env::var_os("LOSSDRILL_TOXIPROXY_CLI").map(PathBuf::from);
    let cache = std::env::var_os("LOSSDRILL_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/lossdrill"));
    let path = given.or_else(|| Some(cache.or(home)?.join("toxiproxy/bin/cli")))?;
    if path.exists() {
        return Some(path);
    }
    let need = std::env::var_os("LOSSDRILL_NEED_SERVERS").is_some();
    assert!(!need, "{} is missing: ci/setup --toxiproxy", path.display());
    eprintln!("NOT TESTED, Toxiproxy's CLI is missing: ci/setup --toxiproxy");
    None
}

#[tokio::test]
async fn the_official_cli_works_unchanged() {
    let Some(cli) = cli() else { return };
    let (program, upstream) = (Program::start(&[]), echo().await);
    let host = format!("http://{}", program.addr);
    let run = |args: &[&str]| {
        let ran = Command::new(&cli).arg("--host").arg(&host).args(args).output().unwrap();
        let told = format!(
            "{}{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        );
        (ran.status.success(), told)
    };
    let check = |args: &[&str], words: &str| {
        let (done, told) = run(args);
        assert!(done && told.contains(words), "{args:?}: {told}");
    };
    check(
        &["create", "--listen", "127.0.0.1:0", "--upstream", &upstream, "p"],
        "Created new proxy p",
    );
    check(&["list"], &upstream);
    let add = ["toxic", "add", "-t", "latency", "-a", "latency=50", "-a", "jitter=5", "p"];
    check(&add, "Added downstream latency toxic 'latency_downstream' on proxy 'p'");
    let add = [
        "toxic",
        "add",
        "-t",
        "bandwidth",
        "-n",
        "slow",
        "--toxicity",
        "0.5",
        "-u",
        "-a",
        "rate=9",
        "p",
    ];
    check(&add, "Added upstream bandwidth toxic 'slow' on proxy 'p'");
    check(
        &["inspect", "p"],
        "type=latency\tstream=downstream\ttoxicity=1.00\tattributes=[\tjitter=5\tlatency=50\t]",
    );
    check(
        &["inspect", "p"],
        "slow\ttype=bandwidth\tstream=upstream\ttoxicity=0.50\tattributes=[\trate=9\t]",
    );
    check(&["toxic", "update", "-n", "slow", "-a", "rate=500", "p"], "Updated toxic 'slow'");
    check(&["inspect", "p"], "rate=500");
    check(&["toxic", "remove", "-n", "slow", "p"], "Removed toxic 'slow' on proxy 'p'");
    check(&["toggle", "p"], "Proxy p is now disabled");
    check(&["toggle", "p"], "Proxy p is now enabled");
    assert!(run(&["inspect", "p"]).1.contains("latency_downstream"), "a toggle keeps toxics");
    let listen = program.get("/proxies/p").await["listen"].as_str().unwrap().to_owned();
    round_trip(&mut dial(&listen).await, b"through").await.unwrap();
    let (done, told) = run(&["toxic", "add", "-t", "slicer", "p"]);
    assert!(!done && told.contains("HTTP 400: bad request body: average_size 0"), "{told}");
    check(&["delete", "p"], "Deleted proxy p");
    let (done, told) = run(&["inspect", "p"]);
    assert!(!done && told.contains("HTTP 404: proxy not found"), "{told}");
}
