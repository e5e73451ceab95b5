//! The intake of `refund.events`: reads approvals from a position that the books keep, and takes
//! each once.
//!
//! The position is stored in the transaction of the effect, so a crash repeats nothing and loses
//! nothing. Without a stored position reading begins at the topic's end, which is stored before
//! anything is sent: what other runs left in the topic is not this shop's. Marks are read past and
//! never acted on. Knows no payout rule. Try it: `tests/shop.rs`. Not covered: a topic that was
//! deleted and made again under stored positions.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde_json::json;
use sqlx::mysql::MySqlConnection;
use tokio::sync::watch;

use super::payouts::{self, Approval, Taken};
use super::{Booking, Refusal, Shop, outbox};
use crate::shop::broker::{BackOff, Broker, Producer};
use crate::wire::MARK_HEADER;

/// How long the broker may take to say where the topic ends.
const END_LIMIT: Duration = Duration::from_millis(1000);
/// How long a fetch waits at the broker for news: an arriving record ends it at once.
const FETCH_WAIT_MS: &str = "250";
const KAFKA: &str = "kafka";

/// The reader of refund events and its position.
pub struct Intake {
    consumer: StreamConsumer,
    /// Asks where the topic ends: on the consumer's own connection that question would wait behind
    /// its fetch.
    asker: Producer,
    topic: String,
    /// The offset after the last record that is done with.
    next: AtomicI64,
    started: watch::Sender<bool>,
}

impl Intake {
    pub fn new(broker: &Broker, asker: Producer) -> Result<Intake, Refusal> {
        let consumer = broker
            .client()
            // Named because librdkafka assigns nothing without it; the group itself is never
            // joined.
            .set("group.id", broker.topic("shop"))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", FETCH_WAIT_MS)
            .set("fetch.error.backoff.ms", "50")
            .create::<StreamConsumer>()
            .map_err(|error| Refusal::away(KAFKA, error))?;
        Ok(Intake {
            consumer,
            asker,
            topic: broker.topic(outbox::REFUNDS),
            next: AtomicI64::new(0),
            started: watch::Sender::new(false),
        })
    }

    /// Waits until it is settled where reading begins.
    pub async fn started(&self) {
        let mut started = self.started.subscribe();
        // The sender lives as long as `self`.
        drop(started.wait_for(|started| *started).await);
    }

    pub fn has_started(&self) -> bool {
        *self.started.borrow()
    }

    /// Records that are in the topic and not done with. The end is asked of the broker first and
    /// the position read after, so that a record acked before this call is either counted or done.
    pub async fn lag(&self) -> Result<u64, Refusal> {
        if !self.has_started() {
            return Err(Refusal::away(KAFKA, "reading has not begun"));
        }
        let end = self.end().await?;
        let next = self.next.load(Ordering::SeqCst);
        Ok(u64::try_from(end.saturating_sub(next)).unwrap_or(0))
    }

    /// The topic's end; 0 where the topic is not there yet.
    async fn end(&self) -> Result<i64, Refusal> {
        let (asker, topic) = (self.asker.clone(), self.topic.clone());
        let asked = tokio::task::spawn_blocking(move || read_end(&asker, &topic)).await;
        asked.map_err(|error| Refusal::away(KAFKA, error))?
    }

    fn begin_at(&self, offset: i64) -> Result<(), Refusal> {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, 0, Offset::Offset(offset))
            .and_then(|()| self.consumer.assign(&list))
            .map_err(|error| Refusal::away(KAFKA, error))?;
        self.next.store(offset, Ordering::SeqCst);
        self.started.send_replace(true);
        Ok(())
    }
}

fn read_end(asker: &Producer, topic: &str) -> Result<i64, Refusal> {
    let error = match asker.end(topic, 0, END_LIMIT) {
        Ok(end) => return Ok(end),
        Err(error) => error,
    };
    let is_absent = matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
        )
    );
    if is_absent { Ok(0) } else { Err(Refusal::away(KAFKA, error)) }
}

/// Reads for as long as the process lives.
pub async fn run(shop: Shop) {
    let mut back_off = BackOff::default();
    while let Err(refusal) = start(&shop).await {
        pause(&shop, &mut back_off, &refusal).await;
    }
    back_off.reset();
    let mut is_up = true;
    loop {
        match shop.intake.consumer.recv().await {
            Ok(message) => {
                while let Err(refusal) = take(&shop, &message).await {
                    pause(&shop, &mut back_off, &refusal).await;
                }
                back_off.reset();
                is_up = true;
            }
            // librdkafka reports each of its own attempts and paces them itself: a pause here would
            // only let the reports pile up before the first message after an outage.
            Err(error) => {
                if is_up {
                    shop.log("intake_waits", &json!({"reason": error.to_string()}));
                }
                is_up = false;
            }
        }
    }
}

async fn pause(shop: &Shop, back_off: &mut BackOff, refusal: &Refusal) {
    if back_off.is_fresh() {
        shop.log("intake_waits", &json!({"reason": refusal.to_string()}));
    }
    tokio::time::sleep(back_off.next_pause()).await;
}

async fn start(shop: &Shop) -> Result<(), Refusal> {
    let stored: Option<i64> =
        sqlx::query_scalar("SELECT next_offset FROM consumer_offset WHERE topic = ?")
            .bind(outbox::REFUNDS)
            .fetch_optional(shop.books.pool())
            .await?;
    let offset = match stored {
        Some(offset) => offset,
        None => {
            let end = shop.intake.end().await?;
            sqlx::query("INSERT INTO consumer_offset (topic, next_offset) VALUES (?, ?)")
                .bind(outbox::REFUNDS)
                .bind(end)
                .execute(shop.books.pool())
                .await?;
            end
        }
    };
    shop.intake.begin_at(offset)
}

async fn take(shop: &Shop, message: &BorrowedMessage<'_>) -> Result<(), Refusal> {
    let offset = message.offset();
    if !is_mark(message) {
        let payload = message.payload().unwrap_or_default();
        let approval = serde_json::from_slice::<Approval>(payload);
        let approval = approval.map_err(|error| error.to_string()).and_then(known_kind);
        let taking = Take { approval: &approval, offset, now_ms: shop.now_ms() };
        let taken = shop.books.book(&taking).await?;
        if let Taken::Refused(reason) = taken {
            let refund = approval.map(|approval| approval.refund).ok();
            let fields = json!({"refund_id": refund, "offset": offset, "reason": reason});
            shop.log("refund_message_refused", &fields);
        }
        // Before the position moves: a reader of the position sees this activity.
        shop.pulse.worked();
        shop.due_bell.notify_one();
    }
    shop.intake.next.fetch_max(offset + 1, Ordering::SeqCst);
    Ok(())
}

fn is_mark(message: &BorrowedMessage<'_>) -> bool {
    message.headers().is_some_and(|headers| headers.iter().any(|header| header.key == MARK_HEADER))
}

fn known_kind(approval: Approval) -> Result<Approval, String> {
    if approval.kind == "refund-approved" {
        Ok(approval)
    } else {
        Err(format!("unknown type `{}`", approval.kind))
    }
}

/// Takes one delivery and moves the stored position, both or none.
struct Take<'a> {
    approval: &'a Result<Approval, String>,
    offset: i64,
    now_ms: i64,
}

impl Booking for Take<'_> {
    type Out = Taken;

    async fn book(&self, books: &mut MySqlConnection) -> Result<Taken, Refusal> {
        let next: Option<i64> = sqlx::query_scalar(
            "SELECT next_offset FROM consumer_offset WHERE topic = ? FOR UPDATE",
        )
        .bind(outbox::REFUNDS)
        .fetch_optional(&mut *books)
        .await?;
        if next.is_some_and(|next| next > self.offset) {
            return Ok(Taken::Known);
        }
        sqlx::query(
            "INSERT INTO consumer_offset (topic, next_offset) VALUES (?, ?)
             ON DUPLICATE KEY UPDATE next_offset = VALUES(next_offset)",
        )
        .bind(outbox::REFUNDS)
        .bind(self.offset + 1)
        .execute(&mut *books)
        .await?;
        match self.approval {
            Ok(approval) => payouts::take(books, approval, self.offset, self.now_ms).await,
            Err(reason) => Ok(Taken::Refused(reason.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_approval_is_acted_on() {
        let check = |text: &str, expect: bool| {
            let read = serde_json::from_str::<Approval>(text).map_err(|error| error.to_string());
            assert_eq!(read.and_then(known_kind).is_ok(), expect, "{text}");
        };
        let fields = r#""refund":"R-1","order":"O-1","channel":"alipay","amount":"100.00 CNY""#;
        check(&format!(r#"{{"type":"refund-approved",{fields},"at_ms":1}}"#), true);
        check(&format!(r#"{{"type":"refund-rejected",{fields}}}"#), false);
        check(r#"{"type":"refund-approved","refund":"R-1"}"#, false);
        check("not json", false);
    }
}
