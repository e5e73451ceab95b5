//! What is read: brokers, topics, partitions, and where each begins.

use std::collections::BTreeMap;

use super::place::Place;

/// Where a partition is read from when no checkpoint knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Start {
    Earliest,
    Latest,
}

/// Which partitions to read.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    pub brokers: String,
    pub group: String,
    pub prefix: String,
    /// Logical topic, partition.
    pub partitions: Vec<(String, i32)>,
    pub start: Start,
    /// Name of the topic of dead letters; empty: none.
    pub dead_letters: String,
    /// By source name (`channel.flow/0`).
    pub from: BTreeMap<String, Place>,
}

impl KafkaSettings {
    pub fn source(topic: &str, partition: i32) -> String {
        format!("{topic}/{partition}")
    }

    /// A topic as the broker calls it.
    pub fn name(&self, topic: &str) -> String {
        format!("{}{topic}", self.prefix)
    }

    /// Source names, in order.
    pub fn sources(&self) -> Vec<String> {
        self.partitions.iter().map(|(topic, part)| Self::source(topic, *part)).collect()
    }
}
