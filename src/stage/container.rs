//! A system under test in a container: how it is run, reached and hurt.
//!
//! The engine's client stays in the foreground as a process of the cell; what is done to the container goes to the engine.
//! The run's label makes guardian and sweep remove it, whatever happens. Not covered: an engine on another machine, and
//! networks other than the engine's default bridge.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use testcontainers::bollard::Docker;
use testcontainers::bollard::query_parameters::{
    InspectNetworkOptions, KillContainerOptions, RemoveContainerOptionsBuilder,
};

use super::cell::{CellError, Start};
use super::guardian::{Cleanup, Guardian};
use super::state::RUN_LABEL;
use super::{StageError, engine};
use crate::clock::ORIGIN_ENV;

/// The engine answers in milliseconds; a busy one gets this much.
const ENGINE_LIMIT: Duration = Duration::from_secs(10);
/// The engine's own network, which a container is in when nothing else is said.
const BRIDGE: &str = "bridge";

/// What is run in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerSpec {
    pub image: String,
    pub args: Vec<String>,
}

impl ContainerSpec {
    /// The engine's arguments up to the image: its port is the cell's, and only on this machine.
    pub(super) fn run_args(&self, name: &str, run_id: &str, listen: SocketAddr) -> Vec<String> {
        let port = listen.port();
        let words = [
            "run".to_owned(),
            "--rm".to_owned(),
            "--init".to_owned(),
            format!("--name={name}"),
            format!("--label={RUN_LABEL}={run_id}"),
            // Its value comes with the client's environment.
            format!("--env={ORIGIN_ENV}"),
            format!("--publish={}:{port}:{port}", listen.ip()),
            self.image.clone(),
        ];
        words.into()
    }
}

/// The address at which the reconciler can reach us: a container's loopback is its own.
pub(super) async fn reach(start: &Start) -> Result<IpAddr, CellError> {
    match start {
        Start::Process { .. } | Start::Nobody => Ok(Ipv4Addr::LOCALHOST.into()),
        Start::Container(_) => {
            let docker = engine::connect().await.ok_or(CellError::NoEngine)?;
            bridge(&docker).await.ok_or(CellError::NoEngine)
        }
    }
}

/// This machine's address on the engine's bridge.
async fn bridge(docker: &Docker) -> Option<IpAddr> {
    let asked = docker.inspect_network(BRIDGE, None::<InspectNetworkOptions>);
    let network = tokio::time::timeout(ENGINE_LIMIT, asked).await.ok()?.ok()?;
    let configs = network.ipam?.config?;
    configs
        .into_iter()
        .find_map(|config| gateway(config.gateway.as_deref(), config.subnet.as_deref()))
}

/// As it is told, else the first address behind the subnet's own: an engine that made its bridge itself tells no gateway
/// until it starts again, and takes that one.
fn gateway(told: Option<&str>, subnet: Option<&str>) -> Option<IpAddr> {
    if let Some(told) = told.and_then(|text| text.parse().ok()) {
        return Some(told);
    }
    let (network, _) = subnet?.split_once('/')?;
    let network: Ipv4Addr = network.parse().ok()?;
    Some(Ipv4Addr::from(u32::from(network).checked_add(1)?).into())
}

/// A container of the cell, by its name.
pub(super) struct Container {
    docker: Docker,
    name: String,
}

impl Container {
    /// Before it is run: from here on guardian and sweep look for it.
    pub async fn prepare(guardian: &Guardian, name: &str) -> Result<Container, CellError> {
        let docker = engine::connect().await.ok_or(CellError::NoEngine)?;
        guardian.add_cleanup(Cleanup::Containers).await.map_err(StageError::from)?;
        Ok(Container { docker, name: name.to_owned() })
    }

    /// Kills it, and takes it away so that its name is free. One that is gone is fine.
    pub async fn kill(&self) {
        let options = RemoveContainerOptionsBuilder::new().force(true).build();
        let killed = async {
            let _ = self.docker.kill_container(&self.name, None::<KillContainerOptions>).await;
            let _ = self.docker.remove_container(&self.name, Some(options)).await;
        };
        let _ = tokio::time::timeout(ENGINE_LIMIT, killed).await;
    }

    /// Whether it worked is seen by whoever asks the reconciler something.
    pub async fn pause(&self) {
        let _ = tokio::time::timeout(ENGINE_LIMIT, self.docker.pause_container(&self.name)).await;
    }

    pub async fn resume(&self) {
        let _ = tokio::time::timeout(ENGINE_LIMIT, self.docker.unpause_container(&self.name)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_told_or_follows_from_the_subnet() {
        for (told, subnet, expect) in [
            (Some("172.18.0.9"), Some("172.18.0.0/16"), Some("172.18.0.9")),
            (None, Some("172.17.0.0/16"), Some("172.17.0.1")),
            (Some(""), Some("10.3.4.0/24"), Some("10.3.4.1")),
            (None, Some("fd00::/64"), None),
            (None, None, None),
        ] {
            let expect = expect.map(|text| text.parse().unwrap());
            assert_eq!(gateway(told, subnet), expect, "{told:?} {subnet:?}");
        }
    }

    #[test]
    fn a_container_is_labelled_and_reached_on_this_machine_only() {
        let spec = ContainerSpec { image: "our/reconciler:1".into(), args: vec!["-v".into()] };
        let listen = SocketAddr::from(([127, 0, 0, 1], 4711));
        let args = spec.run_args("lossdrill-c1-reconciler", "r1", listen);
        assert_eq!(args.last().map(String::as_str), Some("our/reconciler:1"));
        for part in ["--rm", "--publish=127.0.0.1:4711:4711", "--label=lossdrill.run=r1"] {
            assert!(args.iter().any(|arg| arg == part), "{part}: {args:?}");
        }
    }
}
