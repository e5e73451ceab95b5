//! What the shop says of its own rest: `GET /clock` and `GET /healthz`.
//!
//! Truthful by the order of its questions, along the way that work takes: requests, then the books
//! (outbox and due work in one statement, one snapshot), then the topic's end, then the position.
//! Work that moved on meanwhile shows as activity, and counts as busy. What cannot be asked is busy
//! too: rest is never guessed. Try it: `cargo test --lib shop::services::rest`, `tests/shop.rs`.
//! Not covered: rest of other processes.

use std::time::Duration;

use super::due::WHEN_TOLD_MS;
use super::{Refusal, Shop};
use crate::clock::rfc3339;
use crate::wire::{ClockReport, Health};

/// How long the books may take to answer a question about rest.
const ASK_LIMIT: Duration = Duration::from_millis(1000);
/// What is due later than this is `next_due`; what is due sooner is waited for, and is busy.
pub const DUE_SOON_MS: i64 = 1000;

/// What the books hold to be done.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    unsent: u64,
    due: u64,
    next_due_ms: Option<i64>,
}

/// What the shop has to do now, and later.
pub async fn report(shop: &Shop) -> ClockReport {
    let activity = shop.pulse.activity();
    let in_progress = shop.pulse.in_progress();
    let now = shop.clock.now();
    let asked = tokio::time::timeout(ASK_LIMIT, waiting(shop, now.0)).await;
    let waiting = asked.unwrap_or_else(|_| Err(Refusal::away("mysql", "no answer"))).ok();
    // Busy already: the broker is spared a question.
    let is_busy = in_progress > 0 || waiting.is_none_or(|waiting| waiting.unsent + waiting.due > 0);
    let lag = if is_busy { Some(0) } else { shop.intake.lag().await.ok() };
    let has_moved = shop.pulse.activity() != activity;
    let next_due_ms = waiting.and_then(|waiting| waiting.next_due_ms);
    ClockReport {
        now: rfc3339(now.0),
        offset_ms: shop.clock.offset_ms(),
        busy: busy(in_progress, waiting.map(|w| w.unsent + w.due), lag, has_moved),
        next_due: next_due_ms.map(rfc3339),
        activity,
    }
}

/// Work due now; what could not be asked counts as one.
fn busy(in_progress: u64, in_books: Option<u64>, lag: Option<u64>, has_moved: bool) -> u64 {
    in_progress + in_books.unwrap_or(1) + lag.unwrap_or(1) + u64::from(has_moved)
}

async fn waiting(shop: &Shop, now_ms: i64) -> Result<Waiting, Refusal> {
    let soon_ms = now_ms.saturating_add(DUE_SOON_MS);
    let (unsent, due, next_due_ms): (i64, i64, Option<i64>) = sqlx::query_as(
        "SELECT
           (SELECT COUNT(*) FROM outbox WHERE sent_at_ms IS NULL AND held = 0),
           (SELECT COUNT(*) FROM due_work WHERE done_at_ms IS NULL AND due_ms <= ?),
           (SELECT MIN(due_ms) FROM due_work
            WHERE done_at_ms IS NULL AND due_ms > ? AND due_ms < ?)",
    )
    .bind(soon_ms)
    .bind(soon_ms)
    .bind(WHEN_TOLD_MS)
    .fetch_one(shop.books.pool())
    .await?;
    Ok(Waiting { unsent: unsent.unsigned_abs(), due: due.unsigned_abs(), next_due_ms })
}

/// Whether the shop can serve, and if not why.
pub async fn health(shop: &Shop) -> Health {
    let mut reasons = Vec::new();
    match shop.books.missing_tables().await {
        Ok(missing) if missing.is_empty() => {}
        Ok(missing) => reasons.push(format!("the schema lacks {}", missing.join(", "))),
        Err(refusal) => reasons.push(refusal.to_string()),
    }
    if !shop.intake.has_started() {
        reasons.push("kafka is away: where to read refund.events from is not settled".to_owned());
    }
    Health { ready: reasons.is_empty(), reasons }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_is_zero_only_where_everything_was_asked_and_nothing_moved() {
        for (in_progress, in_books, lag, has_moved, expect) in [
            (0, Some(0), Some(0), false, 0),
            (1, Some(0), Some(0), false, 1),
            (0, Some(2), Some(0), false, 2),
            (0, Some(0), Some(3), false, 3),
            (0, Some(0), Some(0), true, 1),
            (0, None, Some(0), false, 1),
            (0, Some(0), None, false, 1),
        ] {
            assert_eq!(busy(in_progress, in_books, lag, has_moved), expect);
        }
    }
}
