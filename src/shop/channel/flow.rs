//! Publishes the ledger on `channel.flow`, entry by entry in its order: the statement stream that a
//! reconciler reads.
//!
//! At least once: an entry counts as published when its ack is noted. Outlives the broker.
//! Try it: `tests/shop.rs`. Not covered: republishing on request.

use serde_json::json;

use super::ledger::{Entry, Progress};
use super::{Channel, Refusal};
use crate::shop::broker::{BackOff, Producer};
use crate::shop::business_log;

/// The logical topic.
pub const TOPIC: &str = "channel.flow";

/// Publishes for as long as the process lives.
pub async fn run(channel: Channel, producer: Producer, topic: String) {
    let mut back_off = BackOff::default();
    loop {
        let next = channel.accounts().book.next_unpublished().cloned();
        let Some(entry) = next else {
            channel.0.flow_bell.notified().await;
            continue;
        };
        match publish(&channel, &producer, &topic, &entry).await {
            Ok(()) => back_off.reset(),
            Err(refusal) => {
                if back_off.is_fresh() {
                    let fields = json!({"reason": refusal.to_string()});
                    business_log::log("flow_waits", channel.0.clock.now(), &fields);
                }
                tokio::time::sleep(back_off.next_pause()).await;
            }
        }
    }
}

async fn publish(
    channel: &Channel,
    producer: &Producer,
    topic: &str,
    entry: &Entry,
) -> Result<(), Refusal> {
    let payload =
        serde_json::to_string(entry).map_err(|error| Refusal::unreadable("an entry", error))?;
    producer.send(topic, entry.key(), &payload).await?;
    channel.0.pulse.worked();
    let progress = Progress::Published(entry.seq);
    let mut accounts = channel.accounts();
    accounts.ledger.note(progress)?;
    accounts.book.note(progress);
    Ok(())
}
