//! Brokers that are one Kafka cluster, for a cell whose faults need more than one.
//!
//! The first is the controller too, the others join it; they come up side by side, and the cluster is there when each
//! of them is seen in it. Kept as long as the cell. Not covered: controllers that elect each other, given servers.

use futures::future::join_all;

use super::docker::DockerSource;
use super::local::{LocalServer, Prepared};
use super::ports::{free_port, on_free_port};
use super::service::{Backend, Kind, START_LIMIT, Service};
use super::warm;
use super::{Guardian, StageError, kafka};

/// Leader, follower, and one that can take over while the other follows.
pub const BROKERS: usize = 3;

pub(super) async fn local(
    prepared: &Prepared,
    guardian: &Guardian,
    name: &str,
) -> Result<Vec<Service>, StageError> {
    let start = || async {
        let controller = free_port()?;
        let one = async |id: usize| {
            let name = member(name, id);
            let started = LocalServer::start_kafka(prepared, guardian, &name, id, controller).await;
            let (server, endpoint) = started?;
            Ok(Service::new(&name, Kind::Kafka, endpoint, Backend::Local(server)))
        };
        together(join_all(ids().map(one)).await).await
    };
    whole(name, on_free_port(name, start).await?).await
}

pub(super) async fn docker(
    source: &DockerSource,
    guardian: &Guardian,
    name: &str,
) -> Result<Vec<Service>, StageError> {
    let start = || async {
        let started = source.start_cluster(guardian, name).await?;
        let named = ids().zip(started).map(|(id, (server, endpoint))| {
            Service::new(&member(name, id), Kind::Kafka, endpoint, Backend::Docker(server))
        });
        Ok(named.collect())
    };
    whole(name, on_free_port(name, start).await?).await
}

/// One lease: the first broker ends it, and with it the others.
pub(super) async fn leased(name: &str) -> Result<Vec<Service>, StageError> {
    let (lease, endpoints) = warm::lease_cluster(name).await?;
    let backends =
        std::iter::once(Backend::Held(lease)).chain(std::iter::repeat_with(|| Backend::Given));
    let named = ids().zip(endpoints).zip(backends).map(|((id, endpoint), backend)| {
        Service::new(&member(name, id), Kind::Kafka, endpoint, backend)
    });
    Ok(named.collect())
}

pub(super) fn ids() -> impl Iterator<Item = usize> {
    kafka::CONTROLLER_ID..kafka::CONTROLLER_ID + BROKERS
}

pub(super) fn member(name: &str, id: usize) -> String {
    format!("{name}-{id}")
}

/// All of them, or none: those that are up go where one is not.
async fn together(started: Vec<Result<Service, StageError>>) -> Result<Vec<Service>, StageError> {
    let (mut up, mut failed) = (Vec::new(), Vec::new());
    for one in started {
        match one {
            Ok(service) => up.push(service),
            Err(error) => failed.push(error),
        }
    }
    if failed.is_empty() {
        return Ok(up);
    }
    for service in up {
        service.remove().await?;
    }
    // Tried again on other ports, where that is one of the reasons.
    let taken = failed.iter().position(StageError::is_taken_port);
    Err(failed.swap_remove(taken.unwrap_or_default()))
}

/// Waits until each sees all the others, and clients could commit offsets.
async fn whole(name: &str, brokers: Vec<Service>) -> Result<Vec<Service>, StageError> {
    let all = join_all(brokers.iter().map(|one| kafka::whole(one.endpoint, BROKERS)));
    let seen = tokio::time::timeout(START_LIMIT, all).await;
    seen.map_err(|_| StageError::NotReady {
        service: name.to_owned(),
        limit: START_LIMIT,
        log: "the brokers do not see each other".to_owned(),
    })?;
    if let Some(first) = brokers.first() {
        kafka::create_offsets_topic(name, first.endpoint).await?;
    }
    Ok(brokers)
}
