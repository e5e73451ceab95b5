//! Work that is due at an instant of cell time: payouts of refunds, callbacks that a defect holds
//! back.
//!
//! Rows survive a restart; an advance of the clock makes them due. Each piece is done by its own
//! service, which marks it done in the transaction of its effect. Try it: `cargo test --lib
//! shop::services::due`, `tests/shop.rs`. Not covered: priorities.

use std::time::Duration;

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::mysql::MySqlConnection;

use super::breakers::{Kind, REFUND};
use super::disburse::{self, Disbursement, PAYOUT};
use super::gateway::Charge;
use super::payouts::Payout;
use super::wallet::Leg;
use super::{Refusal, Shop, late, payments, payouts, wallet};
use crate::clock::CellTime;
use crate::shop::broker::BackOff;

/// Due when someone says so: behind a breaker that has no end of its own.
pub const WHEN_TOLD_MS: i64 = i64::MAX;
/// How many pieces are done side by side.
const SIDE_BY_SIDE: u32 = 8;
/// How often the table is read without being told.
const POLL: Duration = Duration::from_millis(500);
/// After a failure a piece waits this long on cell time; the last pause repeats.
const RETRY_PAUSES_MS: [i64; 7] = [100, 500, 2_000, 5_000, 15_000, 30_000, 60_000];
/// A piece that failed so often waits for a person: a day of minutes.
const ATTEMPTS_MAX: i64 = 1_440;

/// A piece of work, as its row keeps it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "work", rename_all = "kebab-case")]
pub enum Work {
    Payout(Payout),
    Callback(Charge),
    GiveBack(Charge),
    Leg(Leg),
    Disburse(Disbursement),
}

impl Work {
    fn kind(&self) -> &'static str {
        match self {
            Work::Payout(_) => "payout",
            Work::Callback(_) => "callback",
            Work::GiveBack(_) => "give-back",
            Work::Leg(_) => "leg",
            Work::Disburse(_) => "disburse",
        }
    }

    fn scope(&self) -> &str {
        match self {
            Work::Payout(payout) => &payout.channel,
            Work::Callback(charge) | Work::GiveBack(charge) => &charge.channel,
            Work::Leg(leg) => &leg.account,
            Work::Disburse(payout) => &payout.merchant,
        }
    }
}

/// Adds a piece of work; one with the same id is kept as it is. Returns whether it is new.
pub async fn add(
    books: &mut MySqlConnection,
    work_id: &str,
    work: &Work,
    due_ms: i64,
) -> Result<bool, Refusal> {
    let payload = serde_json::to_value(work)
        .map_err(|error| Refusal::unreadable("a piece of work", error))?;
    let added = sqlx::query(
        "INSERT IGNORE INTO due_work (work_id, kind, scope, payload, due_ms)
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(work_id)
    .bind(work.kind())
    .bind(work.scope())
    .bind(payload)
    .bind(due_ms)
    .execute(books)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Marks a piece done, in the transaction of its effect.
pub async fn done(books: &mut MySqlConnection, work_id: &str, now_ms: i64) -> Result<(), Refusal> {
    sqlx::query("UPDATE due_work SET done_at_ms = ? WHERE work_id = ?")
        .bind(now_ms)
        .bind(work_id)
        .execute(books)
        .await?;
    Ok(())
}

/// Puts a piece off to `due_ms`.
pub async fn put_off(
    books: &mut MySqlConnection,
    work_id: &str,
    due_ms: i64,
) -> Result<(), Refusal> {
    sqlx::query("UPDATE due_work SET due_ms = ? WHERE work_id = ? AND done_at_ms IS NULL")
        .bind(due_ms)
        .bind(work_id)
        .execute(books)
        .await?;
    Ok(())
}

/// Has a piece done once more, whether it was done or not.
pub async fn reopen(
    books: &mut MySqlConnection,
    work_id: &str,
    due_ms: i64,
) -> Result<(), Refusal> {
    sqlx::query("UPDATE due_work SET done_at_ms = NULL, due_ms = ? WHERE work_id = ?")
        .bind(due_ms)
        .bind(work_id)
        .execute(books)
        .await?;
    Ok(())
}

/// A breaker changed: what waits behind it looks again.
pub async fn unpark(
    books: &mut MySqlConnection,
    kind: Kind,
    scope: &str,
    now_ms: i64,
) -> Result<(), Refusal> {
    let work = match kind {
        REFUND => "payout",
        PAYOUT => "disburse",
        _ => return Ok(()),
    };
    sqlx::query(
        "UPDATE due_work SET due_ms = ?
         WHERE kind = ? AND scope = ? AND done_at_ms IS NULL AND due_ms > ?",
    )
    .bind(now_ms)
    .bind(work)
    .bind(scope)
    .bind(now_ms)
    .execute(books)
    .await?;
    Ok(())
}

/// Does what is due for as long as the process lives.
pub async fn run(shop: Shop) {
    let mut back_off = BackOff::default();
    loop {
        match do_due(&shop).await {
            Ok(None) => back_off.reset(),
            Ok(Some(next_due)) => {
                back_off.reset();
                tokio::select! {
                    () = shop.due_bell.notified() => {}
                    () = shop.clock.sleep_until(next_due) => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
            Err(refusal) => {
                if back_off.is_fresh() {
                    shop.log("due_work_waits", &json!({"reason": refusal.to_string()}));
                }
                tokio::time::sleep(back_off.next_pause()).await;
            }
        }
    }
}

/// Does what is due; where nothing is, says when to look again.
async fn do_due(shop: &Shop) -> Result<Option<CellTime>, Refusal> {
    let now_ms = shop.now_ms();
    let rows: Vec<(String, Value, i64, i64)> = sqlx::query_as(
        "SELECT work_id, payload, due_ms, attempts FROM due_work
         WHERE done_at_ms IS NULL ORDER BY due_ms, work_id LIMIT ?",
    )
    .bind(SIDE_BY_SIDE)
    .fetch_all(shop.books.pool())
    .await?;
    let next_due = rows.first().map_or(WHEN_TOLD_MS, |(_, _, due_ms, _)| *due_ms);
    if next_due > now_ms {
        return Ok(Some(CellTime(next_due)));
    }
    let due = rows.into_iter().filter(|(_, _, due_ms, _)| *due_ms <= now_ms);
    let outcomes =
        join_all(due.map(|(id, payload, _, tried)| do_one(shop, id, payload, tried))).await;
    outcomes.into_iter().collect::<Result<Vec<()>, Refusal>>()?;
    Ok(None)
}

async fn do_one(shop: &Shop, work_id: String, payload: Value, tried: i64) -> Result<(), Refusal> {
    let outcome = match serde_json::from_value(payload) {
        Ok(Work::Payout(payout)) => payouts::pay(shop, &work_id, &payout).await,
        Ok(Work::Callback(charge)) => payments::book_late(shop, &work_id, &charge).await,
        Ok(Work::GiveBack(charge)) => late::return_put_off(shop, &work_id, &charge).await,
        Ok(Work::Leg(leg)) => wallet::book_leg(shop, &work_id, &leg).await,
        Ok(Work::Disburse(payout)) => disburse::pay(shop, &work_id, &payout).await,
        Err(error) => Err(Refusal::unreadable("a piece of work", error)),
    };
    shop.pulse.worked();
    let Err(refusal) = outcome else { return Ok(()) };
    let pause_ms = retry_pause_ms(tried);
    shop.log(
        "due_work_failed",
        &json!({"work_id": work_id, "attempt": tried + 1, "reason": refusal.to_string()}),
    );
    let due_ms = pause_ms.map_or(WHEN_TOLD_MS, |pause_ms| shop.now_ms().saturating_add(pause_ms));
    sqlx::query("UPDATE due_work SET due_ms = ?, attempts = attempts + 1 WHERE work_id = ?")
        .bind(due_ms)
        .bind(&work_id)
        .execute(shop.books.pool())
        .await?;
    Ok(())
}

/// The pause after a piece failed for the `tried + 1`th time; none when it was tried too often.
fn retry_pause_ms(tried: i64) -> Option<i64> {
    if tried + 1 >= ATTEMPTS_MAX {
        return None;
    }
    let index = usize::try_from(tried).unwrap_or(0).min(RETRY_PAUSES_MS.len() - 1);
    Some(RETRY_PAUSES_MS[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_end_after_a_day() {
        for (tried, expect) in [
            (0, Some(100)),
            (2, Some(2_000)),
            (6, Some(60_000)),
            (1_000, Some(60_000)),
            (ATTEMPTS_MAX - 1, None),
        ] {
            assert_eq!(retry_pause_ms(tried), expect, "{tried}");
        }
    }
}
