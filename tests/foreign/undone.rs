//! The undo record of a dead run on given servers: carried out by name, under the owner's marker, and once. That killed
//! runs write one is `tests/residue`'s.

use std::fs;
use std::path::Path;
use std::process::Command;

use lossdrill::stage::topics;
use mysql_async::prelude::Queryable;
use serde_json::json;

use super::given::{Given, MARK};
use super::servers;

const SCHEMA: &str = "undone";
const PREFIX: &str = "undone.c1.";

/// What a run that had one cell would have written down.
fn write_down(given: &Given, state_dir: &Path) {
    let record = json!({
        "mysql": given.mysql,
        "user": "root",
        "password": null,
        "schema": SCHEMA,
        "tables": ["orders", "refunds"],
        "beside": ["undone_made", "undone_begun", "undone_others"],
        "kafka": given.kafka,
        "topic_prefixes": [PREFIX],
    });
    fs::write(state_dir.join("undo.json"), record.to_string()).unwrap();
}

/// What `lossdrill undo` says that it has undone.
fn undo(state_dir: &Path) -> Vec<String> {
    let done = Command::new(servers::PROGRAM).arg("undo").arg(state_dir).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(!state_dir.join("undo.json").exists(), "nothing is left to be undone");
    String::from_utf8_lossy(&done.stdout).lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_made_is_taken_away_by_its_name() {
    let tables = "CREATE TABLE orders (id INT); CREATE TABLE customers (id INT)";
    let Some(given) = Given::new(SCHEMA, &format!("{MARK}; {tables}")).await else { return };
    given.run(&format!("CREATE DATABASE undone_made; USE undone_made; {MARK}")).await;
    // The run was killed before it could mark this one.
    given.run("CREATE DATABASE undone_begun").await;
    let others = "CREATE DATABASE undone_others; CREATE TABLE undone_others.things (id INT)";
    given.run(others).await;
    topics::create(given.kafka, &[PREFIX.to_owned()], 1).await.unwrap();
    let dir = tempfile::tempdir().unwrap();

    // The next drill has the schema already.
    let mut next = given.conn().await;
    next.query_drop(format!("DO GET_LOCK('lossdrill.{SCHEMA}', 0)")).await.unwrap();
    write_down(&given, dir.path());
    let left = Command::new(servers::PROGRAM).arg("undo").arg(dir.path()).output().unwrap();
    let told = String::from_utf8_lossy(&left.stderr);
    assert!(!left.status.success() && told.contains("another drill is at work there"), "{told}");
    assert!(dir.path().join("undo.json").exists(), "the sweep after that drill carries it out");
    assert_eq!(given.tables().await, ["customers", "lossdrill_marker", "orders"]);
    assert_ne!(given.topics(), Vec::<String>::new(), "they may be that drill's");
    next.disconnect().await.unwrap();

    let topics = format!("deleted topics `{PREFIX}…`");
    let dropped = [
        "dropped table `undone`.`orders`",
        "dropped schema `undone_made`",
        "dropped schema `undone_begun`",
        &topics,
    ];
    assert_eq!(undo(dir.path()), dropped);
    assert_eq!(given.topics(), Vec::<String>::new());
    assert_eq!(given.tables().await, ["customers", "lossdrill_marker"]);
    let schemas = given.names("SHOW DATABASES LIKE 'undone%'").await;
    assert_eq!(schemas, [SCHEMA, "undone_others"], "what somebody else made stays");
    assert_eq!(undo(dir.path()), Vec::<String>::new(), "once");

    // Its owner has taken the word back, and uses the names.
    given
        .run(&format!("USE {SCHEMA}; DROP TABLE lossdrill_marker; CREATE TABLE orders (id INT)"))
        .await;
    write_down(&given, dir.path());
    let left = format!("schema `{SCHEMA}` bears no marker any more: left as it is");
    assert_eq!(undo(dir.path()), [left, topics]);
    assert_eq!(given.tables().await, ["customers", "orders"]);
}
