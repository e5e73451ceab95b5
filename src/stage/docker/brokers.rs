//! Brokers of one cluster as containers: what no container alone can be told.
//!
//! They share the first one's network, so that each finds the others on loopback, and nothing is left on the engine
//! but containers. Not covered: the first one killed, and with it the network of the others.

use std::net::{Ipv4Addr, SocketAddr};

use testcontainers::{ContainerRequest, GenericImage, ImageExt};

use super::{DockerServer, DockerSource, RUN_LABEL, client_port, on_port};
use crate::stage::guardian::Guardian;
use crate::stage::ports::free_port;
use crate::stage::service::Kind;
use crate::stage::{StageError, cluster};

impl DockerSource {
    /// Brokers that share the first one's network, where each has ports of its own.
    pub(in crate::stage) async fn start_cluster(
        &self,
        guardian: &Guardian,
        name: &str,
    ) -> Result<Vec<(DockerServer, SocketAddr)>, StageError> {
        let ports = cluster::ids().map(|id| Ok((id, free_port()?)));
        let ports = ports.collect::<Result<Vec<_>, StageError>>()?;
        let mut up: Vec<(DockerServer, SocketAddr)> = Vec::new();
        let started = async {
            for &(id, port) in &ports {
                let request = self.broker(id, port)?;
                let request = match up.first() {
                    None => ports.iter().fold(request, |request, &(id, port)| {
                        on_port(request, guardian.run_id(), port, client_port(id))
                    }),
                    Some((first, _)) => beside(request, guardian.run_id(), &first.id),
                };
                let server = self.launch(guardian, &cluster::member(name, id), request).await?;
                up.push((server, SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
            }
            for (server, endpoint) in &up {
                server.await_ready(Kind::Kafka, *endpoint, false).await?;
            }
            Ok(())
        };
        match started.await {
            Ok(()) => Ok(up),
            Err(error) => {
                for (server, _) in up {
                    server.remove().await?;
                }
                Err(error)
            }
        }
    }
}

/// In the network of container `first`, which publishes the ports of all.
fn beside(
    request: ContainerRequest<GenericImage>,
    run_id: &str,
    first: &str,
) -> ContainerRequest<GenericImage> {
    let mode = format!("container:{first}");
    // Not by `with_network`, which would make a network of that name.
    request.with_label(RUN_LABEL, run_id).with_host_config_modifier(move |config| {
        config.network_mode = Some(mode.clone());
        config.publish_all_ports = Some(false);
        config.port_bindings = None;
    })
}
