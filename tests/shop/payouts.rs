//! Merchants: a bill is paid once, into the account that counts; its changes add up; what is edited by hand does not.

use futures::future::join_all;
use lossdrill::clock::Clock;
use lossdrill::faults::{Ground, Nemesis, Struck};
use lossdrill::journal::{Journal, Phase};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::rig::{Cell, SOON};

const HOUR_MS: i64 = 3_600_000;

async fn bill(cell: &Cell, bill: &str) {
    let body = json!({"bill": bill, "merchant": "M", "amount": "500.00 CNY"});
    cell.made("/merchant-bills", body).await;
}

async fn account(cell: &Cell, account: &str, confirmed: bool) {
    let body =
        json!({"change": format!("to-{account}"), "account": account, "confirmed": confirmed});
    cell.made("/merchants/M/payees", body).await;
}

async fn pay(cell: &Cell, bill: &str) -> (u16, Value) {
    cell.post(&format!("/merchant-bills/{bill}/payout"), json!({"merchant": "M"})).await
}

/// The accounts that a bill was paid into, by the channel's own ledger.
fn paid(cell: &Cell, bill: &str) -> Vec<String> {
    let entries = cell.ledger("transferred").into_iter().filter(|entry| entry["bill"] == bill);
    entries.map(|entry| entry["payee"].as_str().unwrap().to_owned()).collect()
}

pub async fn a_bill_is_paid_once_however_often_it_is_asked_for(cell: &Cell) {
    account(cell, "A-1", true).await;
    bill(cell, "B-1").await;
    let outcomes = join_all((0..4).map(|_| pay(cell, "B-1"))).await;
    let mut statuses: Vec<u16> = outcomes.iter().map(|(status, _)| *status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409, 409, 409], "{outcomes:?}");
    cell.rest().await;
    assert_eq!(paid(cell, "B-1"), ["A-1"]);
    for (name, times) in [("retried-alike", 1), ("retried-anew", 2)] {
        let switch = format!("merchant-payout.{name}");
        cell.switch(&switch, true, json!({})).await;
        bill(cell, name).await;
        assert_eq!(pay(cell, name).await.0, 202);
        cell.rest().await;
        cell.advance(1_000).await;
        assert_eq!(paid(cell, name).len(), times, "{name}");
        assert_eq!(cell.hits(&switch).await, 1, "{name}");
    }
    let status = "SELECT COUNT(*) FROM settle_bill WHERE status = 'PAID'";
    assert_eq!(cell.number(status).await, 3);
}

pub async fn a_new_account_counts_once_it_is_confirmed_or_a_day_old(cell: &Cell) {
    bill(cell, "none").await;
    assert_eq!(pay(cell, "none").await.0, 409, "no account yet");
    account(cell, "A-1", true).await;
    account(cell, "A-2", false).await;
    for (name, by_ms, expect) in
        [("at-once", 0, "A-1"), ("an-hour-short", 23 * HOUR_MS, "A-1"), ("a-day", HOUR_MS, "A-2")]
    {
        cell.advance(by_ms).await;
        bill(cell, name).await;
        assert_eq!(pay(cell, name).await.0, 202);
        cell.rest().await;
        assert_eq!(paid(cell, name), [expect], "{name}");
    }
    account(cell, "A-3", false).await;
    cell.switch("payee-guard.bypassed", true, json!({})).await;
    bill(cell, "bypassed").await;
    pay(cell, "bypassed").await;
    cell.rest().await;
    assert_eq!(paid(cell, "bypassed"), ["A-3"]);
    assert_eq!(cell.hits("payee-guard.bypassed").await, 1);
}

pub async fn a_payout_breaker_holds_what_is_ordered_until_its_end(cell: &mut Cell) {
    account(cell, "A-1", true).await;
    bill(cell, "B-1").await;
    bill(cell, "B-2").await;
    cell.channel = None;
    assert_eq!(pay(cell, "B-1").await.0, 202, "ordered, and the channel is away");
    cell.put("/breakers/payout/M", "k", json!({"run_id": "run"})).await;
    let (status, refused) = pay(cell, "B-2").await;
    assert_eq!(status, 409, "{refused}");
    assert!(refused["reason"].as_str().unwrap().contains("payout is stopped for `M`"));
    cell.start_channel().await;
    cell.advance(60_000).await;
    assert!(paid(cell, "B-1").is_empty(), "it waits");
    cell.delete("/breakers/payout/M?run_id=run").await;
    cell.rest().await;
    assert_eq!(paid(cell, "B-1"), ["A-1"]);
    assert_eq!(pay(cell, "B-2").await.0, 202);
}

/// Bills that do not come to what their changes say.
async fn apart(cell: &Cell) -> i64 {
    cell.number(
        "SELECT COUNT(*) FROM settle_bill b WHERE b.amount <>
           (SELECT COALESCE(SUM(delta), 0) FROM bill_change c WHERE c.bill_id = b.bill_id)",
    )
    .await
}

pub async fn the_changes_of_a_bill_add_up_to_it(cell: &Cell) {
    bill(cell, "B-1").await;
    let add = |cause: &'static str| {
        cell.post("/merchant-bills/B-1/additions", json!({"cause": cause, "amount": "1.10 CNY"}))
    };
    let outcomes = join_all(["s-1", "s-2", "s-3", "s-3", "s-4"].map(add)).await;
    assert!(outcomes.iter().all(|(status, _)| *status == 201), "{outcomes:?}");
    let fen = "SELECT CAST(amount * 100 AS SIGNED) FROM settle_bill";
    assert_eq!((cell.number(fen).await, apart(cell).await), (50_440, 0));
    cell.paid_order("O-1", "alipay").await;
    cell.paid_order("O-2", "alipay").await;
    for order in ["O-1", "O-2"] {
        let body = json!({"run": "R", "merchant": "M"});
        cell.made(&format!("/orders/{order}/settlement"), body).await;
    }
    assert_eq!(cell.number("SELECT changes FROM settle_bill WHERE bill_id = 'M/R'").await, 2);
    assert_eq!(apart(cell).await, 0);
    for (path, body, expect) in [
        ("B-1", json!({"cause": "s-1", "amount": "2.00 CNY"}), 409),
        ("B-1", json!({"cause": "s-5", "amount": "0.00 CNY"}), 422),
        ("B-1", json!({"cause": "s-6", "amount": "1.00 USD"}), 409),
        ("B-9", json!({"cause": "s-7", "amount": "1.00 CNY"}), 409),
    ] {
        let (status, answer) = cell.post(&format!("/merchant-bills/{path}/additions"), body).await;
        assert_eq!(status, expect, "{answer}");
    }
    assert_eq!(apart(cell).await, 0);
}

/// Does the plan's own question say that its finding still holds?
async fn breaker_would_go_on(cell: &Cell) -> bool {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/plans/payout-breaker.yaml");
    let plan: Value = serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let sql = plan["while"]["sql"].as_str().unwrap().to_owned();
    let asked = sqlx::query(AssertSqlSafe(sql)).bind("M").fetch_optional(&cell.books).await;
    asked.unwrap().is_some()
}

pub async fn an_edit_by_hand_is_seen_and_taken_back(cell: &Cell) {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::create(&dir.path().join("journal.ndjson")).unwrap();
    let scribe = journal.scribe("s", Clock::starting_at(0));
    let books = Some((*cell.books.connect_options()).clone());
    let mut nemesis = Nemesis::new(Ground { books, ..Ground::default() });
    let id = "data.bill-amount.edited";
    let early = nemesis.strike(id, [].into(), &scribe, Phase::When).await;
    let error = early.unwrap_err().to_string();
    assert!(error.contains("there is no open bill"), "{error}");
    assert!(nemesis.heal_all(&scribe, Phase::Heal, SOON).await[0].result.is_ok());
    bill(cell, "B-2").await;
    cell.advance(1).await;
    bill(cell, "B-1").await;
    let struck = nemesis.strike(id, [].into(), &scribe, Phase::When).await.unwrap();
    assert_eq!(struck, Struck::Bites("bill `B-1` reads back as 5000.00, or more".to_owned()));
    assert_eq!((apart(cell).await, breaker_would_go_on(cell).await), (1, true));
    for (ticket, amount, goes_on) in [("T-1", "450.00 CNY", true), ("T-2", "4050.00 CNY", false)] {
        let ticket = json!({"ticket": ticket, "bill": "B-1", "amount": amount});
        cell.made("/fix-tickets", ticket).await;
        assert_eq!(breaker_would_go_on(cell).await, goes_on, "by then 4,500.00 are ticketed");
    }
    // What the business adds meanwhile stays.
    let added = json!({"cause": "s-1", "amount": "90.00 CNY"});
    cell.made("/merchant-bills/B-1/additions", added).await;
    for _ in 0..2 {
        let healed = nemesis.heal_all(&scribe, Phase::Heal, SOON).await;
        assert!(healed.iter().all(|healed| healed.result.is_ok()), "{healed:?}");
        assert_eq!((apart(cell).await, breaker_would_go_on(cell).await), (0, false));
    }
}
