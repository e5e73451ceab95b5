//! Where servers come from: local processes, containers, a warm stage's holder, somebody else.
//!
//! Knows how each starts them; what is kept, counted and handed out is `theatre`'s.

use std::path::PathBuf;

use super::docker::DockerSource;
use super::external::External;
use super::local::{LocalServer, Prepared};
use super::ports::{free_port, on_free_port};
use super::service::{Backend, Kind, Service};
use super::warm::{self, Wanted};
use super::{Guardian, StageError, cluster, kafka};

/// The provider that was found, with what it needs to start servers.
pub(super) enum Source {
    Local {
        prepared: Prepared,
        template: PathBuf,
    },
    Docker {
        source: DockerSource,
        template: String,
    },
    /// Leased from the holder of a warm stage; its servers are processes of the holder's.
    Warm {
        /// What this run starts servers of its own with, on the holder's provider where that is this machine.
        own: Option<Box<Source>>,
    },
    Given(External),
}

impl Source {
    pub async fn start_mysql(
        &self,
        guardian: &Guardian,
        name: &str,
        options: &[&str],
    ) -> Result<Service, StageError> {
        let (backend, endpoint) = match self {
            Source::Local { prepared, template } => {
                let started =
                    LocalServer::start_mysql(prepared, guardian, name, template, options).await;
                started.map(|(server, endpoint)| (Backend::Local(server), endpoint))?
            }
            Source::Docker { source, template } => {
                let started = source.start_mysql(guardian, name, template, options).await;
                started.map(|(server, endpoint)| (Backend::Docker(server), endpoint))?
            }
            Source::Warm { .. } => return leased(name, &Wanted::MySql).await,
            Source::Given(external) => return Ok(external.mysql(name)),
        };
        Ok(Service::new(name, Kind::MySql, endpoint, backend))
    }

    pub async fn start_cluster(
        &self,
        guardian: &Guardian,
        name: &str,
    ) -> Result<Vec<Service>, StageError> {
        match self {
            Source::Local { prepared, .. } => cluster::local(prepared, guardian, name).await,
            Source::Docker { source, .. } => cluster::docker(source, guardian, name).await,
            Source::Warm { .. } => cluster::leased(name).await,
            Source::Given(_) => Err(StageError::GivenServer {
                what: "put two brokers beside",
                service: "kafka".to_owned(),
            }),
        }
    }

    /// A broker that nobody else uses; a process of this run's, where it is one of this machine.
    pub async fn start_kafka(
        &self,
        guardian: &Guardian,
        name: &str,
    ) -> Result<Service, StageError> {
        match self {
            Source::Local { prepared, .. } => local_kafka(prepared, guardian, name).await,
            Source::Docker { source, .. } => docker_kafka(source, guardian, name).await,
            Source::Warm { own: Some(own) } => Box::pin(own.start_kafka(guardian, name)).await,
            Source::Warm { own: None } => leased(name, &Wanted::OwnKafka(name)).await,
            Source::Given(external) => Ok(external.kafka()),
        }
    }
}

pub(super) async fn leased(name: &str, wanted: &Wanted<'_>) -> Result<Service, StageError> {
    let (server, endpoint) = warm::lease(wanted).await?;
    Ok(Service::new(name, wanted.kind(), endpoint, Backend::Held(server)))
}

pub(super) async fn local_kafka(
    prepared: &Prepared,
    guardian: &Guardian,
    name: &str,
) -> Result<Service, StageError> {
    let start = || async {
        let controller = free_port()?;
        LocalServer::start_kafka(prepared, guardian, name, kafka::CONTROLLER_ID, controller).await
    };
    let (server, endpoint) = on_free_port(name, start).await?;
    kafka::create_offsets_topic(name, endpoint).await?;
    Ok(Service::new(name, Kind::Kafka, endpoint, Backend::Local(server)))
}

pub(super) async fn docker_kafka(
    source: &DockerSource,
    guardian: &Guardian,
    name: &str,
) -> Result<Service, StageError> {
    let start = || source.start_kafka(guardian, name);
    let (server, endpoint) = on_free_port(name, start).await?;
    kafka::create_offsets_topic(name, endpoint).await?;
    Ok(Service::new(name, Kind::Kafka, endpoint, Backend::Docker(server)))
}
