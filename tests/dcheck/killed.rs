//! dcheck is killed at random instants under load; what it found in the end is what one that was never killed finds.
//!
//! The whole exercise is `LOSSDRILL_DCHECK_KILLS=1000 cargo test --test dcheck`; by default thirty kills. The instants come from
//! `LOSSDRILL_KILL_SEED`. The second reading starts from nothing, over the same log and the same records.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;

use crate::cases::{ALL, flow, paid, paid_out};
use crate::cell::Cell;
use crate::servers::Servers;

/// A life lasts up to so many times what a start takes on this machine: killed before it has read anything, in the middle of its
/// work, and after it.
const STARTS: u64 = 5;
/// Each has a plan run of its own; a plan's blast limit is above that.
const CHANNELS: usize = 20;
/// The longest window of a rule that waits for a counterpart, and some.
const WINDOWS_MS: i64 = 45_000;
/// What it says of itself, which is another word each time: that it lagged, that it was away.
const OF_ITSELF: [&str; 3] = ["source", "part", "rule"];

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The `nth` draw of this seed, below `limit`.
fn drawn(seed: u64, nth: u64, limit: u64) -> u64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(nth);
    // splitmix64
    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (state ^ (state >> 31)) % limit
}

/// What dcheck says in the end, in no order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    /// Verdicts, each once: rule, subject, occurrence, revision, judgement, money, whether it is over.
    results: BTreeSet<String>,
    /// Rule, subject, occurrence, fingerprint.
    alerts: BTreeSet<String>,
    /// Plan, scope, step.
    receipts: Vec<String>,
}

impl Said {
    async fn of(cell: &mut Cell) -> Said {
        type Row = (String, String, String, String, String, String, Option<String>, bool);
        let rows = "SELECT rule, subject_kind, subject, occurrence, revision, judgement, at_risk, \
                    resolved FROM dcheck.result";
        let results: Vec<Row> = cell.sql.query(rows).await.unwrap();
        let own = |kind: &str| !OF_ITSELF.contains(&kind);
        let results = results.into_iter().filter(|row| own(&row.1));
        let receipts: Vec<(String, String, String)> = cell
            .sql
            .query(
                "SELECT r.plan, r.scope, s.step FROM dcheck.plan_step s \
                 JOIN dcheck.plan_run r ON r.run_id = s.run_id ORDER BY 1, 2, 3",
            )
            .await
            .unwrap();
        let heard = cell.heard.alerts.lock().unwrap();
        let mut starts = BTreeMap::<&str, BTreeSet<&str>>::new();
        for alert in heard.iter().filter(|alert| own(&alert.labels["subject_kind"])) {
            starts.entry(&alert.fingerprint).or_default().insert(&alert.starts_at);
        }
        let anew: Vec<_> = starts.iter().filter(|(_, starts)| starts.len() > 1).collect();
        assert!(anew.is_empty(), "told as something new after a kill: {anew:#?}");
        let alerts = heard.iter().filter(|alert| own(&alert.labels["subject_kind"]));
        let alert = |alert: &lossdrill::wire::WebhookAlert| {
            let label = |name: &str| alert.labels[name].clone();
            [label("alertname"), label("subject"), label("occurrence"), alert.fingerprint.clone()]
                .join(" | ")
        };
        Said {
            results: results.map(|row| format!("{row:?}")).collect(),
            alerts: alerts.map(alert).collect(),
            receipts: receipts.into_iter().map(|row| format!("{row:?}")).collect(),
        }
    }
}

/// One round's losses, with what is honest around them.
async fn trade(cell: &mut Cell, round: u64) {
    let at = cell.clock.now().0;
    let channel = format!("ch-{}", round as usize % CHANNELS);
    let (order, refund) = (format!("O-{round}"), format!("R-{round}"));
    paid(cell, &order, "10.00").await;
    // Paid out twice every other round, through a channel of its own.
    for txn in ["A", "B"].iter().take(1 + (round % 2) as usize) {
        let body = flow("paid-out", &order, &refund, "10.00", &format!("{txn}-{round}"), at);
        let body = body.replace("\"alipay\"", &format!("\"{channel}\""));
        cell.send("channel.flow", &body).await;
    }
    let price = if round.is_multiple_of(3) { "199.90" } else { "1999.00" };
    let bid = "INSERT INTO shop.bid VALUES (?, 'seller', 'SKU', ?, 'CNY', 1, 'ACTIVE', NULL, ?, ?)";
    cell.sql.exec_drop(bid, (format!("B-{round}"), price, at, at)).await.unwrap();
    if round.is_multiple_of(5) {
        // Collected, and never booked: found when its window is over.
        let (order, txn) = (format!("N-{round}"), format!("N-{round}-in"));
        cell.send("channel.flow", &flow("collected", &order, "", "10.00", &txn, at)).await;
    }
}

pub async fn kills_change_no_finding(servers: &Servers) {
    let kills = number("LOSSDRILL_DCHECK_KILLS", 30);
    let seed = number("LOSSDRILL_KILL_SEED", 1);
    let mut cell = Cell::new(servers, "killed", None).await;
    let begin = log_end(&mut cell).await;
    cell.mark().await;
    let now = cell.clock.now().0;
    let deals =
        "INSERT INTO shop.sku_deal (sku, price, currency, at_ms) VALUES ('SKU', 1999, 'CNY', ?)";
    cell.sql.exec_drop(deals, (now - 1_000,)).await.unwrap();
    cell.kill();
    let started = Instant::now();
    cell.start().await;
    let alive_ms = STARTS * u64::try_from(started.elapsed().as_millis()).unwrap().max(1);
    let mut got_on = 0;
    let mut stored = stored_at(&mut cell).await;
    for round in 0..kills {
        trade(&mut cell, round).await;
        tokio::time::sleep(Duration::from_millis(drawn(seed, round, alive_ms))).await;
        cell.kill();
        let before = std::mem::replace(&mut stored, stored_at(&mut cell).await);
        got_on += u64::from(stored != before);
        paid_out(
            &cell,
            &format!("O-{round}"),
            &format!("late-{round}"),
            "1.00",
            &format!("L-{round}"),
        )
        .await;
        cell.mark().await;
        cell.spawn();
    }
    assert!(got_on > kills / 10 && got_on > 0, "{got_on} of {kills} lives stored anything");
    cell.kill();
    cell.start().await;
    let killed = at_the_end(&mut cell).await;

    cell.kill();
    cell.sql.query_drop("DROP DATABASE dcheck").await.unwrap();
    cell.heard.alerts.lock().unwrap().clear();
    cell.heard.plans.lock().unwrap().clear();
    let group = cell.args.iter().position(|arg| arg == "--group").unwrap() + 1;
    cell.args[group].push_str("-again");
    cell.args.extend(["--binlog-from".to_owned(), begin]);
    cell.start().await;
    let whole = at_the_end(&mut cell).await;

    let found = whole.results.iter().filter(|row| row.contains("mismatched")).count() as u64;
    assert!(found >= kills / 2 + kills / 3, "the stream has losses: {found}");
    assert!(whole.receipts.len() >= (kills as usize / 2).min(CHANNELS / 2), "{:?}", whole.receipts);
    println!(
        "{kills} kills: {} results, {} alerts, {} receipts",
        killed.results.len(),
        killed.alerts.len(),
        killed.receipts.len()
    );
    same(&killed.results, &whole.results, "found");
    same(&killed.alerts, &whole.alerts, "told");
    assert_eq!(killed.receipts, whole.receipts, "each step of a plan is done once");
}

/// When it stored something last, by its checkpoint.
async fn stored_at(cell: &mut Cell) -> Option<(i64, String)> {
    let row = "SELECT at_ms, SHA2(body, 256) FROM dcheck.checkpoint";
    cell.sql.query_first(row).await.unwrap()
}

/// `FILE:POS` of the end of the change log.
async fn log_end(cell: &mut Cell) -> String {
    let status: mysql_async::Row =
        cell.sql.query_first("SHOW BINARY LOG STATUS").await.unwrap().expect("a change log");
    let (file, position): (String, u64) = (status.get(0).unwrap(), status.get(1).unwrap());
    format!("{file}:{position}")
}

fn same(killed: &BTreeSet<String>, whole: &BTreeSet<String>, what: &str) {
    let more: Vec<_> = killed.difference(whole).collect();
    let less: Vec<_> = whole.difference(killed).collect();
    assert!(
        more.is_empty() && less.is_empty(),
        "{what} by the killed one alone: {more:#?}; never by it: {less:#?}"
    );
}

/// Windows are over, and everything has come to rest.
async fn at_the_end(cell: &mut Cell) -> Said {
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    cell.advance(WINDOWS_MS).await;
    let seq = cell.mark().await;
    cell.rest(seq, &ALL).await;
    Said::of(cell).await
}
