//! The transactional outbox: rows written with their effect, sent to Kafka one by one in the order
//! of their ids.
//!
//! At least once: a row stays unsent until its ack is booked. Events of one order keep their order,
//! because they are written under that order's row lock. Knows no business. Try it:
//! `tests/shop.rs`. Not covered: deleting sent rows.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::mysql::MySqlConnection;

use super::{Refusal, Shop};
use crate::shop::broker::BackOff;

/// The topic of order events.
pub const ORDERS: &str = "orders.events";
/// The topic of approved refunds.
pub const REFUNDS: &str = "refund.events";
/// How many rows are taken up at once: a backlog is sent in bites, each in order.
const BITE: u32 = 200;
/// How often the table is read without being told: only for rows whose bell was lost with a
/// request.
const POLL: Duration = Duration::from_millis(500);

/// Writes a message into the outbox of this transaction.
pub async fn put(
    books: &mut MySqlConnection,
    topic: &str,
    key: &str,
    payload: &Value,
    is_held: bool,
    now_ms: i64,
) -> Result<(), Refusal> {
    sqlx::query(
        "INSERT INTO outbox (topic, msg_key, payload, held, created_at_ms) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(topic)
    .bind(key)
    .bind(payload)
    .bind(is_held)
    .bind(now_ms)
    .execute(books)
    .await?;
    Ok(())
}

/// Sends for as long as the process lives. It waits for the intake's start, so that no refund event
/// is sent before it is settled where the reading of them begins.
pub async fn run(shop: Shop) {
    shop.intake.started().await;
    let mut back_off = BackOff::default();
    loop {
        match send_bite(&shop).await {
            Ok(Sent::All) => {
                back_off.reset();
                tokio::select! {
                    () = shop.outbox_bell.notified() => {}
                    () = tokio::time::sleep(POLL) => {}
                }
            }
            Ok(Sent::Bite) => back_off.reset(),
            Err(refusal) => {
                if back_off.is_fresh() {
                    shop.log("outbox_waits", &json!({"reason": refusal.to_string()}));
                }
                tokio::time::sleep(back_off.next_pause()).await;
            }
        }
    }
}

enum Sent {
    /// All that was there: what came meanwhile has rung.
    All,
    /// As much as is taken at once; there may be more.
    Bite,
}

async fn send_bite(shop: &Shop) -> Result<Sent, Refusal> {
    let rows: Vec<(i64, String, String, Value)> = sqlx::query_as(
        "SELECT id, topic, msg_key, payload FROM outbox
         WHERE sent_at_ms IS NULL AND held = 0 ORDER BY id LIMIT ?",
    )
    .bind(BITE)
    .fetch_all(shop.books.pool())
    .await?;
    for (id, topic, key, payload) in &rows {
        let topic = shop.broker.topic(topic);
        shop.producer.send(&topic, key, &payload.to_string()).await?;
        shop.pulse.worked();
        sqlx::query("UPDATE outbox SET sent_at_ms = ? WHERE id = ?")
            .bind(shop.now_ms())
            .bind(id)
            .execute(shop.books.pool())
            .await?;
    }
    Ok(if rows.len() < BITE as usize { Sent::All } else { Sent::Bite })
}
