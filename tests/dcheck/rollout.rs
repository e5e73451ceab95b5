//! A candidate beside the version in force: what differs, promoted and rolled back by command, over a kill; and rules that the
//! tables contradict.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use lossdrill::wire::WebhookAlert;
use mysql_async::prelude::Queryable;
use serde_json::Value;

use crate::cases::ALL;
use crate::cell::{Cell, Heard, LIMIT};
use crate::servers::Servers;

const TOKEN: &str = "0123456789abcdef-anna";

fn rule(version: u32, limit: u32, rollout: &str) -> String {
    format!(
        "- id: bid-too-dear\n  version: {version}\n  loss_point: bid-too-dear\n  severity: P2\n  rollout: {rollout}\n  \
         strategy: threshold\n  subject: {{kind: item, id: after.sku}}\n  occurrence: after.bid_id\n  \
         on: {{table: bid, ops: insert}}\n  check: after.price <= {limit}\n  when_absent: ok\n  \
         at_risk: money(after.price - {limit}, after.currency)\n  expected: e\n  actual: a\n"
    )
}

fn write(path: &Path, text: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// `dcheck rules VERB …` with a token: whether it went well, and what it said.
fn command(cell: &Cell, dir: &Path, token: &str, verb: &[&str]) -> (bool, String) {
    let file = dir.join("token");
    write(&file, token, 0o600);
    let done = Command::new(env!("CARGO_BIN_EXE_dcheck"))
        .arg("rules")
        .args(verb)
        .args(["--console", &cell.console, "--token-file"])
        .arg(&file)
        .output()
        .expect("dcheck starts");
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// Waits until the list says so: differences are put there now and then.
async fn listed(cell: &Cell, dir: &Path, what: &str) {
    let from = Instant::now();
    loop {
        let (_, list) = command(cell, dir, TOKEN, &["list"]);
        if list.contains(what) {
            return;
        }
        assert!(from.elapsed() < LIMIT, "not listed: {what}; {list}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn offer(cell: &mut Cell, bid: &str, price: &str) {
    let insert = "INSERT INTO shop.bid VALUES (?, 'S-1', ?, ?, 'CNY', 1, 'ACTIVE', NULL, ?, ?)";
    let at = cell.clock.now().0;
    cell.sql.exec_drop(insert, (bid, format!("K-{bid}"), price, at, at)).await.unwrap();
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
}

/// Subject and state of each alert of the rule so far.
fn alerts(cell: &Cell) -> Vec<String> {
    let alerts = cell.alerts("bid-too-dear");
    alerts.iter().map(|(subject, state, ..)| format!("{subject} {state}")).collect()
}

async fn rollouts(cell: &Cell) -> Vec<String> {
    let rules: Vec<Value> = cell.get("rules").await;
    let own = rules.iter().filter(|rule| rule["rule"] == "bid-too-dear");
    own.map(|rule| format!("{} {}", rule["version"], rule["rollout"]).replace('"', "")).collect()
}

pub async fn a_candidate_is_compared_promoted_and_rolled_back(servers: &Servers) {
    let mut cell = Cell::new(servers, "rollout", None).await;
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    for file in
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/rules")).unwrap()
    {
        let file = file.unwrap().path();
        if file.is_file() {
            std::fs::copy(&file, rules.join(file.file_name().unwrap())).unwrap();
        }
    }
    let own = rules.join("own.yaml");
    let files = rule(1, 100, "full") + &rule(2, 50, "shadow");
    std::fs::write(&own, &files).unwrap();
    let people = dir.path().join("people");
    write(&people, &format!("anna {TOKEN}\n"), 0o600);
    cell.kill();
    let place = cell.args.iter().position(|arg| arg == "--rules").unwrap();
    cell.args[place + 1] = rules.display().to_string();
    cell.args.extend(["--people".to_owned(), people.display().to_string()]);
    cell.start().await;

    offer(&mut cell, "B-1", "120.00").await;
    offer(&mut cell, "B-2", "70.00").await;
    cell.until("the alert of the version in force", |heard| {
        heard.alerts.lock().unwrap().iter().any(|alert| alert.labels["alertname"] == "bid-too-dear")
    })
    .await;
    assert_eq!(alerts(&cell), ["K-B-1 firing"], "the candidate only stores");
    let expect = "bid-too-dear@2 shadow; against bid-too-dear@1: 0 alike, only bid-too-dear@1 finds 0, \
                  only this 1 (20.00 CNY), other amounts 1 (70.00 CNY) for 1 (20.00 CNY), otherwise 0";
    listed(&cell, dir.path(), expect).await;

    let promote = ["promote", "bid-too-dear"];
    let (went, said) = command(&cell, dir.path(), "somebody-elses-token", &promote);
    assert!(!went && said.contains("whose token"), "{said}");
    let (went, said) = command(&cell, dir.path(), TOKEN, &promote);
    assert!(went, "{said}");
    assert_eq!(rollouts(&cell).await, ["1 shadow", "2 full"]);
    cell.until("what the candidate had found", |heard| {
        heard.alerts.lock().unwrap().iter().any(|alert| alert.labels["subject"] == "K-B-2")
    })
    .await;
    cell.kill();
    cell.start().await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    assert_eq!(rollouts(&cell).await, ["1 shadow", "2 full"], "an order outlives a kill");
    let (went, said) = command(&cell, dir.path(), TOKEN, &["rollback", "bid-too-dear"]);
    assert!(went, "{said}");
    cell.until("the end of what the version in force does not find", |heard| {
        let alerts = heard.alerts.lock().unwrap();
        alerts.iter().any(|alert| alert.labels["subject"] == "K-B-2" && alert.status == "resolved")
    })
    .await;
    let (went, said) = command(&cell, dir.path(), TOKEN, &["rollback", "bid-too-dear"]);
    assert!(!went && said.contains("nobody promoted it"), "{said}");
    let audit: Vec<(String, String)> =
        cell.sql.query("SELECT who, what FROM dcheck.audit ORDER BY seq").await.unwrap();
    let audit: Vec<String> = audit.iter().map(|(who, what)| format!("{who} {what}")).collect();
    assert_eq!(audit, ["anna rule-promoted", "anna rule-rolled-back"]);

    files_that_change_while_it_is_down(&mut cell, &own, &files).await;

    // A rule that the tables contradict refuses the whole set, when it is loaded and when dcheck starts.
    std::fs::write(&own, files.replacen("after.price <= 100", "after.prise <= 100", 1)).unwrap();
    let url = format!("{}/rules/reload", cell.console);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let unknown = http.post(&url).send().await.unwrap();
    assert_eq!(unknown.status(), 401, "with people, only they reload");
    let answer = http.post(&url).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(answer.status(), 422);
    let why = answer.text().await.unwrap();
    assert!(why.contains("`bid.prise`, which is not there (did you mean `price`?)"), "{why}");
    assert_eq!(rollouts(&cell).await, ["1 full", "2 shadow"], "the set from before stays");
    cell.until("that the reload was refused", |heard| {
        is_told(heard, "rules-reload-refused", "firing")
    })
    .await;
    // It was told from memory; a restart knows what was stored.
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    // A start that goes on tells it, and the others judge; one that has judged nothing yet refuses.
    cell.kill();
    cell.start().await;
    // What stood when it was killed ends: the files were loaded.
    cell.until("its end", |heard| is_told(heard, "rules-reload-refused", "resolved")).await;
    cell.until("the rule that does not fit", |heard| {
        let alerts = heard.alerts.lock().unwrap();
        let told = |alert: &&WebhookAlert| alert.labels["alertname"] == "rule-broken-by-ddl";
        alerts
            .iter()
            .find(told)
            .is_some_and(|alert| alert.annotations["actual"].contains("`bid.prise`"))
    })
    .await;
    cell.kill();
    cell.sql.query_drop("DROP DATABASE dcheck").await.unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_dcheck"))
        .args(&cell.args)
        .env("LOSSDRILL_CLOCK", cell.clock.origin().to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.code() == Some(2) && said.contains("`bid.prise`"), "{said}");
}

fn is_told(heard: &Heard, rule: &str, status: &str) -> bool {
    let alerts = heard.alerts.lock().unwrap();
    alerts.iter().any(|alert| alert.labels["alertname"] == rule && alert.status == status)
}

/// Other files at a restart hand findings over as an order does; what stood is not told again.
async fn files_that_change_while_it_is_down(cell: &mut Cell, own: &Path, files: &str) {
    let of = |heard: &Heard, status: &str| {
        let alerts = heard.alerts.lock().unwrap();
        let own = |a: &&WebhookAlert| a.labels["subject"] == "K-B-2" && a.status == status;
        alerts.iter().filter(own).count()
    };
    let promoted = rule(1, 100, "shadow") + &rule(2, 50, "full");
    for (text, status) in [(promoted.as_str(), "firing"), (files, "resolved")] {
        let before = of(&cell.heard, status);
        std::fs::write(own, text).unwrap();
        cell.kill();
        cell.start().await;
        cell.until(status, |heard| of(heard, status) > before).await;
        cell.kill();
        cell.start().await;
        let seq = cell.mark().await;
        cell.rest(seq, &ALL).await;
        assert_eq!(of(&cell.heard, status), before + 1, "told once");
    }
}
