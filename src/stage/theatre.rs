//! The stage as a whole: which provider, the shared Kafka, and MySQL servers started ahead of need.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::local::{LocalServer, Prepared, cache_dir};
use super::service::{Backend, Kind, Service};
use super::{Guardian, StageError, engine, kafka, ports, template};
use crate::journal::ServiceFacts;

/// MySQL servers that start at the same time: more share the processors and are all late.
const STARTS_AT_ONCE: usize = 4;

/// Where servers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provider {
    /// Docker when an engine answers, else local.
    #[default]
    Auto,
    Docker,
    Local,
    /// Given endpoints; refused for now.
    External,
}

impl FromStr for Provider {
    type Err = StageError;

    fn from_str(text: &str) -> Result<Self, StageError> {
        match text {
            "auto" => Ok(Provider::Auto),
            "docker" => Ok(Provider::Docker),
            "local" => Ok(Provider::Local),
            "external" => Ok(Provider::External),
            other => Err(StageError::UnknownProvider(other.to_owned())),
        }
    }
}

/// What a stage is made of.
#[derive(Clone, Debug)]
pub struct StageOptions {
    pub provider: Provider,
    /// For Docker: `mysql:9.7`.
    pub mysql_image: String,
    /// For Docker: `apache/kafka:4.4.0`.
    pub kafka_image: String,
    pub run_id: String,
    /// DDL that every MySQL server has in schema `shop`; `shop schema` prints the practice shop's.
    pub schema_sql: String,
}

/// The provider that was found, with what it needs to start servers.
enum Source {
    Local { prepared: Prepared, template: PathBuf },
}

impl Source {
    async fn start_mysql(&self, guardian: &Guardian, name: &str) -> Result<Service, StageError> {
        match self {
            Source::Local { prepared, template } => {
                let started = LocalServer::start_mysql(
                    prepared,
                    guardian,
                    name,
                    template,
                    &["--log-bin=binlog"],
                );
                let (server, endpoint) = started.await?;
                Ok(Service::new(name, Kind::MySql, endpoint, Backend::Local(server)))
            }
        }
    }
}

/// Servers that are up. Clones share them. They end with the guardian, or by [`Service::remove`].
#[derive(Clone)]
pub struct Stage(Arc<Inner>);

struct Inner {
    source: Source,
    guardian: Guardian,
    kafka: Service,
    facts: Vec<ServiceFacts>,
    ahead: Mutex<VecDeque<JoinHandle<Result<Service, StageError>>>>,
    started: AtomicUsize,
    starts: Semaphore,
}

impl Stage {
    /// Brings up Kafka, and all that MySQL servers need to start quickly.
    pub async fn up(options: StageOptions, guardian: &Guardian) -> Result<Stage, StageError> {
        match options.provider {
            Provider::External => Err(StageError::External),
            Provider::Local => Stage::up_local(&options, guardian).await,
            Provider::Docker => Err(StageError::NoEngine),
            Provider::Auto => match engine::connect().await {
                Some(_) => Err(StageError::NoEngine),
                None => Stage::up_local(&options, guardian).await.map_err(|error| match error {
                    StageError::NotPrepared { what, missing } => {
                        StageError::NoProvider { what, missing }
                    }
                    other => other,
                }),
            },
        }
    }

    async fn up_local(options: &StageOptions, guardian: &Guardian) -> Result<Stage, StageError> {
        let prepared = Prepared::read(&cache_dir())?;
        let facts = [
            ("mysql", prepared.mysql_version(), prepared.mysql_source()),
            ("kafka", prepared.kafka_version(), prepared.kafka_source()),
        ];
        let facts = facts.map(|(service, version, source)| ServiceFacts {
            service: service.to_owned(),
            provider: "local".to_owned(),
            version: version.to_owned(),
            source,
            stand_in: false,
        });
        let (kafka, template) = tokio::try_join!(
            local_kafka(&prepared, guardian, "kafka"),
            template::local_template(&prepared, guardian, &options.schema_sql),
        )?;
        Ok(Stage::with(Source::Local { prepared, template }, guardian, kafka, facts.into()))
    }

    fn with(
        source: Source,
        guardian: &Guardian,
        kafka: Service,
        facts: Vec<ServiceFacts>,
    ) -> Stage {
        Stage(Arc::new(Inner {
            source,
            guardian: guardian.clone(),
            kafka,
            facts,
            ahead: Mutex::default(),
            started: AtomicUsize::new(0),
            starts: Semaphore::new(STARTS_AT_ONCE),
        }))
    }

    /// What the servers are, for the journal and `stage.lock.json`.
    pub fn facts(&self) -> Vec<ServiceFacts> {
        self.0.facts.clone()
    }

    /// The broker that all cells share.
    pub fn kafka(&self) -> &Service {
        &self.0.kafka
    }

    /// A broker of its own, for a cell whose faults reach the broker itself.
    pub async fn own_kafka(&self, name: &str) -> Result<Service, StageError> {
        match &self.0.source {
            Source::Local { prepared, .. } => {
                local_kafka(prepared, &self.0.guardian, &format!("kafka-{name}")).await
            }
        }
    }

    /// A MySQL server that nobody else uses: one that was started ahead, or a new one.
    pub async fn mysql(&self, name: &str) -> Result<Service, StageError> {
        let ahead = {
            let mut ahead = self.0.ahead.lock().unwrap_or_else(PoisonError::into_inner);
            let ready = ahead.iter().position(JoinHandle::is_finished).unwrap_or(0);
            ahead.remove(ready)
        };
        let service = match ahead {
            Some(start) => start.await.unwrap_or_else(|error| {
                Err(StageError::Engine {
                    what: "start ahead of need",
                    service: name.to_owned(),
                    error: error.to_string(),
                })
            })?,
            None => self.start_mysql().await?,
        };
        Ok(service.renamed(name))
    }

    /// Starts `count` MySQL servers in the background; [`Stage::mysql`] hands them out.
    pub fn prewarm(&self, count: usize) {
        let mut ahead = self.0.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..count {
            let stage = self.clone();
            ahead.push_back(tokio::spawn(async move { stage.start_mysql().await }));
        }
    }

    async fn start_mysql(&self) -> Result<Service, StageError> {
        let permit = self.0.starts.acquire().await;
        let number = self.0.started.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("mysql-{number}");
        let mut tries = 0;
        let result = loop {
            tries += 1;
            match self.0.source.start_mysql(&self.0.guardian, &name).await {
                Err(error) if error.is_taken_port() && tries < ports::TRIES => {}
                result => break result,
            }
        };
        drop(permit);
        result
    }
}

async fn local_kafka(
    prepared: &Prepared,
    guardian: &Guardian,
    name: &str,
) -> Result<Service, StageError> {
    let mut tries = 0;
    let (server, endpoint) = loop {
        tries += 1;
        match LocalServer::start_kafka(prepared, guardian, name).await {
            Err(error) if error.is_taken_port() && tries < ports::TRIES => {}
            result => break result?,
        }
    };
    kafka::create_offsets_topic(name, endpoint).await?;
    Ok(Service::new(name, Kind::Kafka, endpoint, Backend::Local(server)))
}
