//! Kafka topics: JSON messages of assigned partitions, at explicit offsets.
//!
//! Owns what is read (`settings`), the consumer (`reader`), the questions beside it (`ends`, `identity`) and what lies between
//! where it read and where it can read on (`place`). Partitions are assigned, not joined by a group: a restart goes on from the
//! checkpoint without waiting for a rebalance. Marks are told by their header; what is no JSON object goes to the dead letters
//! (`dead_letters`) and is counted. Nothing is passed over in silence: records that are gone before they were read, and a topic
//! that was made anew, are told.
//! Not covered: sharing a topic's partitions among several daemons, transactions' control records.

pub mod dead_letters;
mod ends;
mod identity;
mod place;
mod reader;
mod settings;

pub use place::Place;
pub use reader::KafkaReader;
pub use settings::KafkaSettings;
