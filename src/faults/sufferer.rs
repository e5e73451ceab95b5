//! The servers whose calls can be made to suffer, each asked from outside: what it makes of a write, what time it has.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientConfig, Timestamp};
use sqlx::ConnectOptions;
use sqlx::mysql::MySqlConnectOptions;
use tokio::time::Instant;

use super::broker::Broker;
use super::sql::{self, SqlError};
use super::{FaultError, FaultSpec, Ground};

/// More than a database keeps in memory, so that it has to go to the disk.
const PROBE: [&str; 3] = [
    "CREATE TEMPORARY TABLE drill_room (n INT PRIMARY KEY, b LONGBLOB)",
    "INSERT INTO drill_room VALUES (1, REPEAT('x', 30 << 20)), (2, REPEAT('x', 30 << 20))",
    "DROP TEMPORARY TABLE drill_room",
];
/// A topic beside the cell's own: the broker is the cell's, and takes it along.
const ROOM: &str = "drill-room";
const RECORD_BYTES: usize = 64 << 10;
/// One record, or one order, at an idle broker: 0.1 s. This bounds a starved machine.
const BROKER_LIMIT: Duration = Duration::from_secs(10);

pub(super) enum Sufferer {
    Mysql(MySqlConnectOptions),
    Kafka(Broker),
}

impl Sufferer {
    pub fn of(name: &str, spec: &FaultSpec, ground: &Ground) -> Result<Sufferer, FaultError> {
        Ok(match name {
            "mysql" => Sufferer::Mysql(ground.server(spec)?.disable_statement_logging()),
            "kafka" => Sufferer::Kafka(ground.broker(spec)?),
            other => unreachable!("the table has no `{other}`"),
        })
    }

    /// A broker whose log cannot be written halts itself; a database waits for room, and halts where there is no disk.
    pub fn halts_when_full(&self) -> bool {
        matches!(self, Sufferer::Kafka(_))
    }

    /// Makes ready what is asked of it later.
    pub async fn prepare(&self) -> Result<(), String> {
        let Sufferer::Kafka(broker) = self else { return Ok(()) };
        let admin: AdminClient<DefaultClientContext> = client(broker).create().map_err(told)?;
        let name = room(broker);
        // The broker's own time stands in its records.
        let topic = NewTopic::new(&name, 1, TopicReplication::Fixed(1))
            .set("message.timestamp.type", "LogAppendTime");
        let options = AdminOptions::new().operation_timeout(Some(BROKER_LIMIT));
        let made = admin.create_topics(&[topic], &options).await.map_err(told)?;
        match made.into_iter().next() {
            None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => Err(format!("the broker refuses a topic: {code}")),
        }
    }

    /// Somebody writes more than fits into memory.
    pub async fn write(&self) -> Result<(), String> {
        match self {
            Sufferer::Mysql(server) => {
                let mut conn = sql::open(server).await.map_err(said)?;
                for statement in PROBE {
                    sql::run(&mut conn, statement).await.map_err(said)?;
                }
                Ok(())
            }
            Sufferer::Kafka(broker) => send(broker).await.map(drop),
        }
    }

    /// Milliseconds since the epoch as the server has them, and when it said so.
    pub async fn clock(&self) -> Result<(i64, Instant), String> {
        let ms = match self {
            Sufferer::Mysql(server) => {
                let mut conn = sql::open(server).await.map_err(said)?;
                let ask = "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS CHAR)";
                let row = sql::first(&mut conn, ask).await.map_err(said)?;
                row.and_then(|row| row.first()?.split('.').next()?.parse().ok())
            }
            Sufferer::Kafka(broker) => match send(broker).await? {
                Timestamp::LogAppendTime(ms) => Some(ms),
                Timestamp::NotAvailable | Timestamp::CreateTime(_) => None,
            },
        };
        let read = Instant::now();
        Ok((ms.ok_or("the server has no time of day")?, read))
    }
}

fn client(broker: &Broker) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.at.to_string());
    config.set("broker.address.family", "v4").set("log_level", "0");
    config.set("message.timeout.ms", BROKER_LIMIT.as_millis().to_string());
    config
}

fn room(broker: &Broker) -> String {
    format!("{}{ROOM}", broker.topic_prefix)
}

/// One record; the time at which the broker took it.
async fn send(broker: &Broker) -> Result<Timestamp, String> {
    let producer: FutureProducer = client(broker).create().map_err(told)?;
    let (topic, payload) = (room(broker), vec![b'x'; RECORD_BYTES]);
    let record = FutureRecord::<(), _>::to(&topic).partition(0).payload(&payload);
    match producer.send(record, BROKER_LIMIT).await {
        Ok(delivery) => Ok(delivery.timestamp),
        Err((error, _)) => Err(told(error)),
    }
}

fn said(error: SqlError) -> String {
    error.to_string()
}

fn told(error: KafkaError) -> String {
    format!("the broker: {error}")
}
