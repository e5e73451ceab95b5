//! The Docker engine, as far as a run needs it: does it answer, and the removal of what a dead run
//! left.
//!
//! Owns the connection (`DOCKER_HOST` or the default socket). Never touches a container without a
//! run's label.
//! Try it: `lossdrill faults heal --all`. Not covered: Docker contexts other than by `DOCKER_HOST`.

use std::collections::HashMap;
use std::time::Duration;

use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};

use super::state::RUN_LABEL;

/// An engine that is there answers a ping in milliseconds; one that hangs is as good as none.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// A container whose creation was asked for just before the harness died appears a little later.
const BIRTH_ROUND: Duration = Duration::from_millis(300);
/// Looks that must find nothing, one after the other, before a run's containers count as gone.
const EMPTY_LOOKS: usize = 3;

/// A connection to the engine, when one answers.
pub async fn connect() -> Option<Docker> {
    let docker = Docker::connect_with_defaults().ok()?;
    matches!(tokio::time::timeout(ANSWER_LIMIT, docker.ping()).await, Ok(Ok(_))).then_some(docker)
}

/// The ids of all containers that carry a run's label, with that run's id.
pub async fn labelled(docker: &Docker) -> Result<Vec<(String, String)>, Error> {
    let filters = HashMap::from([("label", vec![RUN_LABEL])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let found = docker.list_containers(Some(options)).await?;
    let pairs = found.into_iter().filter_map(|container| {
        let run = container.labels?.remove(RUN_LABEL)?;
        Some((container.id?, run))
    });
    Ok(pairs.collect())
}

/// Removes containers by id, with their volumes, all at once. One that is gone already is no error.
pub async fn remove(docker: &Docker, ids: &[String]) -> Result<(), Error> {
    let removals = ids.iter().map(|id| async move {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match docker.remove_container(id, Some(options)).await {
            // 404: gone; 409: another removal of it is under way
            Err(Error::DockerResponseServerError { status_code: 404 | 409, .. }) => Ok(()),
            result => result,
        }
    });
    futures::future::try_join_all(removals).await.map(drop)
}

/// Removes every container of one run, those that are being born included. Returns how many there
/// were.
async fn remove_run(docker: &Docker, run_id: &str) -> Result<usize, Error> {
    let (mut removed, mut empty) = (0, 0);
    while empty < EMPTY_LOOKS {
        let all = labelled(docker).await?;
        let ids: Vec<String> =
            all.into_iter().filter(|(_, run)| run == run_id).map(|(id, _)| id).collect();
        empty = if ids.is_empty() { empty + 1 } else { 0 };
        removed += ids.len();
        remove(docker, &ids).await?;
        tokio::time::sleep(BIRTH_ROUND).await;
    }
    Ok(removed)
}

/// For the guardian, which has no runtime: removes the run's containers within `limit`.
pub(super) fn remove_containers_blocking(run_id: &str, limit: Duration) -> Result<usize, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let docker = connect().await.ok_or("no Docker engine answers")?;
        match tokio::time::timeout(limit, remove_run(&docker, run_id)).await {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(_) => Err(format!("not removed within {limit:?}")),
        }
    })
}
