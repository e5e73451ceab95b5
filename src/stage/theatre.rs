//! The stage as a whole: which provider, the shared Kafka, and MySQL servers started ahead of need.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::docker::DockerSource;
use super::external::{External, ExternalSpec};
use super::local::{Prepared, cache_dir};
use super::ports::on_free_port;
use super::provider::Provider;
use super::service::Service;
use super::source::{Source, docker_kafka, leased, local_kafka};
use super::warm::{self, Wanted};
use super::{Guardian, StageError, clean, engine, replica, template};
use crate::journal::ServiceFacts;

/// MySQL servers that start at the same time: more share the processors and are all late.
const STARTS_AT_ONCE: usize = 4;

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
    /// For `external`: what is given.
    pub external: Option<ExternalSpec>,
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
    /// Leases the warm stage when one is up that has the same schema, provider and images; else
    /// brings up Kafka, and all that MySQL servers need to start quickly.
    pub async fn up(options: StageOptions, guardian: &Guardian) -> Result<Stage, StageError> {
        match warm::fitting(&options) {
            Some(warm) => {
                let kafka = leased("kafka", &Wanted::Kafka).await?;
                let own = match warm.facts.first().is_some_and(|fact| fact.provider == "local") {
                    true => Some(Box::new(local_source(&options, guardian).await?)),
                    false => None,
                };
                Ok(Stage::with(Source::Warm { own }, guardian, kafka, warm.facts))
            }
            None => Stage::up_fresh(options, guardian).await,
        }
    }

    /// As [`Stage::up`], with servers of its own in any case.
    pub async fn up_fresh(options: StageOptions, guardian: &Guardian) -> Result<Stage, StageError> {
        match options.provider {
            Provider::External => {
                let spec = options.external.as_ref().ok_or(StageError::NothingGiven)?;
                let external = External::open(spec, &options.schema_sql, guardian).await?;
                let (kafka, facts) = (external.kafka(), external.facts.clone());
                Ok(Stage::with(Source::Given(external), guardian, kafka, facts))
            }
            Provider::Local => Stage::up_local(&options, guardian).await,
            Provider::Docker => {
                let docker = engine::connect().await.ok_or(StageError::NoEngine)?;
                Stage::up_docker(docker, &options, guardian).await
            }
            Provider::Auto => match engine::connect().await {
                Some(docker) => Stage::up_docker(docker, &options, guardian).await,
                None => Stage::up_local(&options, guardian).await.map_err(without_engine),
            },
        }
    }

    async fn up_local(options: &StageOptions, guardian: &Guardian) -> Result<Stage, StageError> {
        let prepared = Prepared::read(&cache_dir())?;
        let (kafka, template) = tokio::try_join!(
            local_kafka(&prepared, guardian, "kafka"),
            template::local_template(&prepared, guardian, &options.schema_sql),
        )?;
        let facts = prepared.facts();
        Ok(Stage::with(Source::Local { prepared, template }, guardian, kafka, facts))
    }

    async fn up_docker(
        docker: testcontainers::bollard::Docker,
        options: &StageOptions,
        guardian: &Guardian,
    ) -> Result<Stage, StageError> {
        let (mysql, kafka) = (&options.mysql_image, &options.kafka_image);
        let (source, facts) = DockerSource::open(docker, guardian, mysql, kafka).await?;
        let (kafka, template) = tokio::try_join!(
            docker_kafka(&source, guardian, "kafka"),
            source.mysql_template(guardian, &options.schema_sql),
        )?;
        Ok(Stage::with(Source::Docker { source, template }, guardian, kafka, facts))
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

    /// Are the servers leased from a warm stage?
    pub fn is_warm(&self) -> bool {
        matches!(self.0.source, Source::Warm { .. })
    }

    /// The given servers' owner keeps them: they carry one cell.
    pub fn is_given(&self) -> bool {
        matches!(self.0.source, Source::Given(_))
    }

    /// What stands before the logical names of a cell's topics.
    pub fn topic_prefix(&self, cell: &str) -> Result<String, StageError> {
        match &self.0.source {
            Source::Given(external) => external.topic_prefix(cell),
            _ => Ok(format!("{cell}.")),
        }
    }

    /// Makes a MySQL server clean for the next scenario. An error means that it cannot be proved clean.
    pub async fn clean(&self, mysql: &Service) -> Result<(), StageError> {
        match &self.0.source {
            Source::Given(external) => external.clean().await,
            _ => clean::clean(mysql).await.map_err(|error| StageError::Engine {
                what: "clean",
                service: mysql.name.clone(),
                error: error.to_string(),
            }),
        }
    }

    /// Takes what was made on given servers away again; an error means that it could not be proved.
    pub async fn leave(&self) -> Result<(), StageError> {
        match &self.0.source {
            Source::Given(external) => external.leave().await,
            _ => Ok(()),
        }
    }

    /// The broker that all cells share.
    pub fn kafka(&self) -> &Service {
        &self.0.kafka
    }

    /// A broker of its own, for a cell whose faults reach the broker itself.
    pub async fn own_kafka(&self, name: &str) -> Result<Service, StageError> {
        let number = self.0.started.fetch_add(1, Ordering::Relaxed) + 1;
        let unique = format!("kafka-{number}-{name}");
        Ok(self.0.source.start_kafka(&self.0.guardian, &unique).await?.renamed(name))
    }

    /// Brokers that are one cluster of its own, for a cell whose faults need more than one.
    pub async fn own_cluster(&self, name: &str) -> Result<Vec<Service>, StageError> {
        let number = self.0.started.fetch_add(1, Ordering::Relaxed) + 1;
        let unique = format!("kafka-{number}-{name}");
        self.0.source.start_cluster(&self.0.guardian, &unique).await
    }

    /// A MySQL server that nobody else uses: one that was started ahead, or a new one.
    pub async fn mysql(&self, name: &str) -> Result<Service, StageError> {
        let ahead = {
            let mut ahead = self.0.ahead.lock().unwrap_or_else(PoisonError::into_inner);
            let ready = ahead.iter().position(JoinHandle::is_finished).unwrap_or(0);
            ahead.remove(ready)
        };
        let service = match ahead {
            Some(start) => joined(start, name).await?,
            None => self.start_mysql().await?,
        };
        Ok(service.renamed(name))
    }

    /// As [`Stage::mysql`], and a process of this run's where it is one of this machine: what limits and spoilt calls need.
    pub async fn own_mysql(&self, name: &str) -> Result<Service, StageError> {
        let Source::Warm { own: Some(own) } = &self.0.source else { return self.mysql(name).await };
        let number = self.0.started.fetch_add(1, Ordering::Relaxed) + 1;
        let unique = format!("mysql-{number}-{name}");
        let start = || own.start_mysql(&self.0.guardian, &unique, LOGGED);
        Ok(on_free_port(&unique, start).await?.renamed(name))
    }

    /// Starts `count` MySQL servers in the background; [`Stage::mysql`] hands them out.
    pub fn prewarm(&self, count: usize) {
        let mut ahead = self.0.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..count {
            let stage = self.clone();
            ahead.push_back(tokio::spawn(async move { stage.start_mysql().await }));
        }
    }

    /// Starts MySQL servers ahead of need until `count` of them are up or coming.
    pub(super) fn prewarm_to(&self, count: usize) {
        let coming = self.0.ahead.lock().unwrap_or_else(PoisonError::into_inner).len();
        self.prewarm(count.saturating_sub(coming));
    }

    /// Returns when all servers ahead of need are up; errors when one is not.
    pub(super) async fn await_ahead(&self) -> Result<(), StageError> {
        let starts = {
            let mut ahead = self.0.ahead.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *ahead)
        };
        for start in starts {
            let service = joined(start, "mysql").await?;
            let ready = tokio::spawn(async { Ok(service) });
            self.0.ahead.lock().unwrap_or_else(PoisonError::into_inner).push_back(ready);
        }
        Ok(())
    }

    async fn start_mysql(&self) -> Result<Service, StageError> {
        let _permit = self.0.starts.acquire().await;
        let number = self.0.started.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("mysql-{number}");
        on_free_port(&name, || self.0.source.start_mysql(&self.0.guardian, &name, LOGGED)).await
    }

    /// A server that follows `primary`, one that served no cell before; it goes by [`Service::remove`].
    pub async fn replica(&self, primary: &Service) -> Result<Service, StageError> {
        let name = format!("{}-replica", primary.name);
        let replica = match &self.0.source {
            Source::Warm { .. } => return leased(&name, &Wanted::Replica(primary.endpoint)).await,
            Source::Given(_) => {
                let (what, service) = ("put a replica beside", primary.name.clone());
                return Err(StageError::GivenServer { what, service });
            }
            source => {
                let number = self.0.started.fetch_add(1, Ordering::Relaxed) + 1;
                let name = format!("mysql-{number}-replica");
                let start = || source.start_mysql(&self.0.guardian, &name, &replica::OPTIONS);
                on_free_port(&name, start).await?
            }
        };
        match replica::follow(&replica, primary).await {
            Ok(()) => Ok(replica.renamed(&name)),
            Err(error) => {
                replica.remove().await?;
                Err(error)
            }
        }
    }
}

/// Beside the options of every server: what a reconciler reads.
const LOGGED: &[&str] = &["--log-bin=binlog"];

/// What starts servers on this machine, beside the broker that all cells share.
async fn local_source(options: &StageOptions, guardian: &Guardian) -> Result<Source, StageError> {
    let prepared = Prepared::read(&cache_dir())?;
    let template = template::local_template(&prepared, guardian, &options.schema_sql).await?;
    Ok(Source::Local { prepared, template })
}

/// Neither an engine nor local servers: then both ways out are named.
fn without_engine(error: StageError) -> StageError {
    match error {
        StageError::NotPrepared { what, missing } => StageError::NoProvider { what, missing },
        other => other,
    }
}

/// The result of a start in the background.
async fn joined(
    start: JoinHandle<Result<Service, StageError>>,
    name: &str,
) -> Result<Service, StageError> {
    start.await.unwrap_or_else(|error| {
        Err(StageError::Engine {
            what: "start ahead of need",
            service: name.to_owned(),
            error: error.to_string(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_any_provider_both_ways_out_are_named() {
        let missing = std::path::PathBuf::from("/c/mysql.prepared");
        let error = without_engine(StageError::NotPrepared { what: "MySQL", missing }).to_string();
        for part in ["no Docker engine answers", "/c/mysql.prepared", "`ci/setup --local`"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
