//! The wallet: double entry under concurrency, its defects, its breaker; and that shop and harness name the same defects.

use futures::future::join_all;
use lossdrill::faults::registry;
use serde_json::{Value, json};

use super::rig::Cell;

fn transfer(txn: &str, amount: &str) -> Value {
    json!({"txn": txn, "payer": "A", "payee": "B", "amount": amount})
}

async fn accounts(cell: &Cell) {
    cell.made("/accounts", json!({"account": "A", "holds": "100.00 CNY"})).await;
    cell.made("/accounts", json!({"account": "B", "holds": "0.00 CNY"})).await;
}

async fn balances(cell: &Cell) -> [String; 2] {
    let (_, a) = cell.get("/accounts/A").await;
    let (_, b) = cell.get("/accounts/B").await;
    [a, b].map(|account| account["balance"].as_str().unwrap().to_owned())
}

/// Legs of transactions that do not add up to zero, in fen.
async fn apart(cell: &Cell) -> i64 {
    cell.number(
        "SELECT CAST(COALESCE(SUM(ABS(t.sum)), 0) * 100 AS SIGNED)
         FROM (SELECT SUM(amount) AS sum FROM account_flow GROUP BY txn) t",
    )
    .await
}

pub async fn two_transfers_at_once_leave_nobody_below_zero(cell: &Cell) {
    accounts(cell).await;
    let at_once = ["T-1", "T-2"].map(|txn| cell.post("/transfers", transfer(txn, "80.00 CNY")));
    let outcomes = join_all(at_once).await;
    let mut statuses: Vec<u16> = outcomes.iter().map(|(status, _)| *status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{outcomes:?}");
    assert_eq!(balances(cell).await, ["20.00 CNY", "80.00 CNY"]);
    assert_eq!(cell.logged("shop", "transfer_refused").len(), 1);
    cell.switch("wallet.balance-unchecked", true, json!({})).await;
    assert_eq!(cell.hits("wallet.balance-unchecked").await, 0);
    cell.made("/transfers", transfer("T-3", "80.00 CNY")).await;
    assert_eq!(cell.hits("wallet.balance-unchecked").await, 1);
    assert_eq!(balances(cell).await, ["-60.00 CNY", "160.00 CNY"]);
    assert_eq!(apart(cell).await, 0);
}

pub async fn a_transfer_has_two_legs_that_add_up_to_zero(cell: &Cell) {
    accounts(cell).await;
    let first = cell.made("/transfers", transfer("T-1", "30.00 CNY")).await;
    assert_eq!(first, cell.made("/transfers", transfer("T-1", "30.00 CNY")).await, "once");
    assert_eq!(balances(cell).await, ["70.00 CNY", "30.00 CNY"]);
    cell.switch("wallet.leg-split", true, json!({})).await;
    cell.made("/transfers", transfer("T-2", "10.00 CNY")).await;
    cell.rest().await;
    assert_eq!(balances(cell).await, ["60.00 CNY", "40.00 CNY"]);
    assert_eq!(apart(cell).await, 0, "split, and whole all the same");
    cell.switch("wallet.leg-lost", true, json!({})).await;
    for txn in ["T-3", "T-4"] {
        cell.made("/transfers", transfer(txn, "10.00 CNY")).await;
    }
    assert_eq!(cell.hits("wallet.leg-lost").await, 1, "the next one only");
    assert_eq!(balances(cell).await, ["50.00 CNY", "60.00 CNY"]);
    assert_eq!(apart(cell).await, 1_000);
}

pub async fn a_frozen_account_pays_nobody_and_is_paid(cell: &Cell) {
    accounts(cell).await;
    cell.put("/breakers/transfer/A", "k", json!({"run_id": "run"})).await;
    let (status, refused) = cell.post("/transfers", transfer("T-1", "1.00 CNY")).await;
    assert_eq!(status, 409, "{refused}");
    assert!(refused["reason"].as_str().unwrap().contains("transfer is stopped for `A`"));
    let top_up = json!({"txn": "U-1", "amount": "5.00 CNY"});
    cell.made("/accounts/A/top-ups", top_up).await;
    cell.delete("/breakers/transfer/A?run_id=run").await;
    cell.made("/transfers", transfer("T-2", "105.00 CNY")).await;
    assert_eq!(balances(cell).await, ["0.00 CNY", "105.00 CNY"]);
    for (body, expect) in [
        (json!({"txn": "T-3", "payer": "A", "payee": "A", "amount": "1.00 CNY"}), 422),
        (json!({"txn": "T-4", "payer": "A", "payee": "C", "amount": "1.00 CNY"}), 404),
        (transfer("T-5", "0.00 CNY"), 422),
        (transfer("T-6", "1.00 USD"), 409),
    ] {
        let (status, answer) = cell.post("/transfers", body).await;
        assert_eq!(status, expect, "{answer}");
    }
}

/// The shop does not know the harness, so each names the defects by itself.
pub async fn each_defect_is_a_fault_and_each_fault_a_defect(cell: &Cell) {
    let (_, switches) = cell.get("/switches").await;
    let mut defects: Vec<String> = switches
        .as_array()
        .unwrap()
        .iter()
        .map(|switch| format!("app.{}", switch["name"].as_str().unwrap()))
        .collect();
    let mut faults: Vec<String> = registry::all()
        .iter()
        .map(|fault| fault.id.clone())
        .filter(|id| id.starts_with("app."))
        .collect();
    defects.sort();
    faults.sort();
    assert_eq!(defects, faults);
}
