//! How shop and channel talk to Kafka: client settings, topic names, one send that waits for its
//! ack.
//!
//! Owns no loop and no message. A producer is not idempotent on purpose: each record is sent alone
//! and acked before the next, so order holds; a lost ack sends it twice, which every consumer here
//! bears. (An idempotent librdkafka producer dies of a link that drops one record.) Try it:
//! `tests/shop.rs`. Not covered: TLS, SASL, several partitions.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, ToBytes};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use super::refusal::Refusal;

/// How long one record may wait for its ack: short, because the row it comes from stays unsent and
/// is taken up again.
const SEND_LIMIT_MS: &str = "3000";
/// Between two looks for an ack, which takes a millisecond or two.
const ACK_PAUSE: Duration = Duration::from_millis(1);
/// The first and the last pause of a background loop whose server is away.
pub const BACK_OFF_MS: std::ops::RangeInclusive<u64> = 50..=1000;

/// What names the broker and this cell's topics.
#[derive(Clone, Debug)]
pub struct Broker {
    pub bootstrap: String,
    pub topic_prefix: String,
}

impl Broker {
    /// The name on the broker of a logical topic: `c3.` + `refund.events`.
    pub fn topic(&self, logical: &str) -> String {
        format!("{}{logical}", self.topic_prefix)
    }

    /// Settings that every client here shares: quick to reconnect, quiet when idle.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("broker.address.family", "v4")
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "200")
            .set("retry.backoff.ms", "50")
            .set("topic.metadata.propagation.max.ms", "1000")
            .set("topic.metadata.refresh.fast.interval.ms", "50")
            .set("statistics.interval.ms", "0");
        config
    }

    /// A producer; it connects when it first sends.
    pub fn producer(&self) -> Result<Producer, Refusal> {
        let made = self
            .client()
            .set("linger.ms", "0")
            .set("acks", "all")
            .set("max.in.flight.requests.per.connection", "1")
            .set("message.timeout.ms", SEND_LIMIT_MS)
            .create_with_context(Acks);
        made.map(|client| Producer(Arc::new(client))).map_err(|error| Refusal::away("kafka", error))
    }
}

/// Sends records one by one. It looks for acks itself and only while one is awaited: the crate's own producers keep a
/// thread that never rests.
#[derive(Clone)]
pub struct Producer(Arc<BaseProducer<Acks>>);

type Ack = Result<(), KafkaError>;

struct Acks;

impl ClientContext for Acks {}

impl ProducerContext for Acks {
    type DeliveryOpaque = Box<oneshot::Sender<Ack>>;

    fn delivery(&self, result: &DeliveryResult<'_>, told: Self::DeliveryOpaque) {
        let ack = result.as_ref().map(drop).map_err(|(error, _)| error.clone());
        // Whoever gave up waiting takes the record up again.
        let _ = told.send(ack);
    }
}

impl Producer {
    /// Sends one record and waits for its ack.
    pub async fn send(
        &self,
        topic: &str,
        key: &str,
        payload: &(impl ToBytes + ?Sized),
    ) -> Result<(), Refusal> {
        let away = |error| Refusal::away("kafka", error);
        let (told, mut ack) = oneshot::channel();
        let record = BaseRecord::with_opaque_to(topic, Box::new(told)).key(key).payload(payload);
        self.0.send(record).map_err(|(error, _)| away(error))?;
        loop {
            self.0.poll(Duration::ZERO);
            match ack.try_recv() {
                Ok(ack) => return ack.map_err(away),
                // Not for ever: the client gives a record up after its limit.
                Err(TryRecvError::Empty) => tokio::time::sleep(ACK_PAUSE).await,
                Err(TryRecvError::Closed) => return Err(away(KafkaError::Canceled)),
            }
        }
    }

    /// Where a partition ends. Blocks for `limit` at the most.
    pub fn end(&self, topic: &str, partition: i32, limit: Duration) -> Result<i64, KafkaError> {
        let (_, end) = self.0.client().fetch_watermarks(topic, partition, limit)?;
        Ok(end)
    }
}

/// A bounded, doubling pause for loops that must outlive their server.
#[derive(Debug)]
pub struct BackOff(u64);

impl Default for BackOff {
    fn default() -> Self {
        BackOff(*BACK_OFF_MS.start())
    }
}

impl BackOff {
    /// The next pause: 50 ms, 100 ms … 1 s.
    pub fn next_pause(&mut self) -> Duration {
        let pause = Duration::from_millis(self.0);
        self.0 = (self.0 * 2).min(*BACK_OFF_MS.end());
        pause
    }

    /// Whether nothing failed since the last success: then a failure is news and worth a line in
    /// the log.
    pub fn is_fresh(&self) -> bool {
        self.0 == *BACK_OFF_MS.start()
    }

    pub fn reset(&mut self) {
        *self = BackOff::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_to_its_limit_and_starts_again() {
        let mut back_off = BackOff::default();
        let pauses: Vec<u128> = (0..7).map(|_| back_off.next_pause().as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
        assert!(!back_off.is_fresh());
        back_off.reset();
        assert!(back_off.is_fresh());
    }

    #[test]
    fn a_topic_wears_the_prefix_of_its_cell() {
        let broker = Broker { bootstrap: "127.0.0.1:1".into(), topic_prefix: "c3.".into() };
        assert_eq!(broker.topic("refund.events"), "c3.refund.events");
    }
}
