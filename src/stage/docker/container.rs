//! One container: its server's readiness, and what may be done to it.
//!
//! Only [`run`] goes through testcontainers; afterwards the engine is asked directly, by the
//! container's id.

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::ContainerConfig;
use testcontainers::bollard::query_parameters::{
    CommitContainerOptionsBuilder, KillContainerOptionsBuilder, LogsOptionsBuilder,
    StartContainerOptions, StopContainerOptionsBuilder,
};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage};

use crate::stage::guardian::Guardian;
use crate::stage::service::{Kind, START_LIMIT};
use crate::stage::{StageError, engine};

/// Lines of a container's log that an error quotes.
const QUOTED_LINES: usize = 12;
/// A graceful stop, as for local servers; the engine kills afterwards.
const STOP_SECONDS: i32 = 15;
/// Between looks at a container's state while its server is awaited.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// From SIGKILL to the engine saying so.
const KILL_LIMIT: Duration = Duration::from_secs(15);
const KILL_LOOK_PAUSE: Duration = Duration::from_millis(5);

/// Creates and starts a container. Once begun this is finished, even where nobody awaits it any more, and the end of the
/// run waits for it: else the engine would make a container after all of them were removed.
pub(super) async fn run(
    guardian: &Guardian,
    name: &str,
    request: ContainerRequest<GenericImage>,
) -> Result<ContainerAsync<GenericImage>, StageError> {
    let making = guardian.making().await?;
    let starting = tokio::spawn(async move {
        let started = request.start().await;
        drop(making);
        started
    });
    let failed = |error: String| StageError::Engine {
        what: "start a container",
        service: name.to_owned(),
        error,
    };
    let started = starting.await.map_err(|error| failed(error.to_string()))?;
    started.map_err(|error| {
        // the engine's own words (a taken port, a full disk) stand in the error's sources
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(inner) = source {
            text.push_str(&format!(": {inner}"));
            source = inner.source();
        }
        failed(text)
    })
}

/// One container.
pub(in crate::stage) struct DockerServer {
    pub(super) docker: Docker,
    pub(super) id: String,
    pub(super) name: String,
}

impl DockerServer {
    pub(super) fn failed(&self, what: &'static str) -> impl FnOnce(String) -> StageError + use<> {
        let service = self.name.clone();
        move |error| StageError::Engine { what, service, error }
    }

    /// Waits until the server answers; errors when its container ends.
    pub(super) async fn await_ready(
        &self,
        kind: Kind,
        endpoint: SocketAddr,
        again: bool,
    ) -> Result<(), StageError> {
        let ended = async {
            while self.is_running().await {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        };
        tokio::select! {
            () = kind.ready(endpoint, again) => Ok(()),
            () = ended => Err(StageError::Ended {
                service: self.name.clone(),
                how: "its container ended".to_owned(),
                log: self.logs(QUOTED_LINES).await,
            }),
            () = tokio::time::sleep(START_LIMIT) => Err(StageError::NotReady {
                service: self.name.clone(),
                limit: START_LIMIT,
                log: self.logs(QUOTED_LINES).await,
            }),
        }
    }

    pub(in crate::stage) async fn is_running(&self) -> bool {
        let found = self.docker.inspect_container(&self.id, None).await;
        found.ok().and_then(|found| found.state?.running).unwrap_or(false)
    }

    /// Its address on the engine's own network, for its neighbours there.
    pub(in crate::stage) async fn inner_address(&self) -> Result<String, StageError> {
        let found = self.docker.inspect_container(&self.id, None).await;
        let found = found.map_err(|error| self.failed("find the address of")(error.to_string()))?;
        let networks = found.network_settings.and_then(|settings| settings.networks);
        let mut all = networks.into_iter().flatten().filter_map(|(_, network)| network.ip_address);
        let first = all.find(|address| !address.is_empty());
        first.ok_or_else(|| self.failed("find the address of")("it is on no network".to_owned()))
    }

    async fn is_paused(&self) -> bool {
        let found = self.docker.inspect_container(&self.id, None).await;
        found.ok().and_then(|found| found.state?.paused).unwrap_or(false)
    }

    pub(in crate::stage) async fn kill(&self) -> Result<(), StageError> {
        if !self.is_running().await {
            return Ok(());
        }
        self.resume().await?; // an older engine refuses to kill what is paused
        let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
        let killed = self.docker.kill_container(&self.id, Some(options)).await;
        killed.map_err(|error| self.failed("kill")(error.to_string()))?;
        let ended = async {
            while self.is_running().await {
                tokio::time::sleep(KILL_LOOK_PAUSE).await;
            }
        };
        tokio::time::timeout(KILL_LIMIT, ended).await.map_err(|_| StageError::NotInState {
            service: self.name.clone(),
            state: "dead",
            limit: KILL_LIMIT,
        })
    }

    pub(in crate::stage) async fn stop(&self) -> Result<(), StageError> {
        self.resume().await?;
        let options = StopContainerOptionsBuilder::new().t(STOP_SECONDS).build();
        let stopped = self.docker.stop_container(&self.id, Some(options)).await;
        stopped.or_else(unless_so_already).map_err(|error| self.failed("stop")(error.to_string()))
    }

    pub(in crate::stage) async fn pause(&self) -> Result<(), StageError> {
        if self.is_paused().await {
            return Ok(());
        }
        let paused = self.docker.pause_container(&self.id).await;
        paused.map_err(|error| self.failed("pause")(error.to_string()))
    }

    pub(in crate::stage) async fn resume(&self) -> Result<(), StageError> {
        if !self.is_paused().await {
            return Ok(());
        }
        let resumed = self.docker.unpause_container(&self.id).await;
        resumed.map_err(|error| self.failed("resume")(error.to_string()))
    }

    pub(in crate::stage) async fn start_again(
        &self,
        kind: Kind,
        endpoint: SocketAddr,
    ) -> Result<(), StageError> {
        let started = self.docker.start_container(&self.id, None::<StartContainerOptions>).await;
        started
            .or_else(unless_so_already)
            .map_err(|error| self.failed("start again")(error.to_string()))?;
        self.await_ready(kind, endpoint, true).await
    }

    pub(in crate::stage) async fn logs(&self, lines: usize) -> String {
        let tail = lines.to_string();
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&tail).build();
        let mut stream = std::pin::pin!(self.docker.logs(&self.id, Some(options)));
        let mut text = String::new();
        while let Some(Ok(part)) = stream.next().await {
            text.push_str(&part.to_string());
        }
        text
    }

    pub(super) async fn commit(&self, repository: &str, tag: &str) -> Result<(), StageError> {
        let options =
            CommitContainerOptionsBuilder::new().container(&self.id).repo(repository).tag(tag);
        let made = self.docker.commit_container(options.build(), ContainerConfig::default()).await;
        made.map(drop).map_err(|error| self.failed("keep the template of")(error.to_string()))
    }

    pub(in crate::stage) async fn remove(&self) -> Result<(), StageError> {
        let ids = [self.id.clone()];
        let removed = engine::remove(&self.docker, &ids).await;
        removed.map_err(|error| self.failed("remove")(error.to_string()))
    }
}

/// 304: the container is in that state already.
fn unless_so_already(error: Error) -> Result<(), Error> {
    match error {
        Error::DockerResponseServerError { status_code: 304, .. } => Ok(()),
        error => Err(error),
    }
}
