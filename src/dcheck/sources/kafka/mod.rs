//! Kafka topics: JSON messages of assigned partitions, at explicit offsets.
//!
//! Owns the consumer. Partitions are assigned, not joined by a group: a restart goes on from the
//! checkpoint without waiting for a rebalance. Marks are told by their header; what is no JSON
//! object is counted and passed over.
//! Not covered: sharing a topic's partitions among several daemons, transactions' control records.

mod reader;

pub use reader::{KafkaReader, KafkaSettings, Start};
