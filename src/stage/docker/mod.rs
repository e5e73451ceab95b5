//! Provider `docker`: each server is a labelled container, started through testcontainers on a
//! fixed port.
//!
//! A MySQL server starts from an image of a data directory with the schema applied (committed once
//! from the user's image, without a volume, so it works with every engine), past the official
//! entrypoint, which takes 10 s and more. Kafka is the plain image, told everything by `KAFKA_*`.
//! Containers are removed by the guardian and by the sweep, never by a destructor. Ports are bound
//! to 127.0.0.1 only: the servers have no password.
//! Try it: `cargo test --test stage docker`. Not covered: an engine on another machine.

mod brokers;
mod container;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptions,
};
use testcontainers::core::{ExecCommand, IntoContainerPort};
use testcontainers::{ContainerRequest, GenericImage, ImageExt};

pub(super) use container::DockerServer;
use container::run;

use super::guardian::{Cleanup, Guardian};
use super::local::cache_dir;
use super::ports::free_port;
use super::service::Kind;
use super::state::RUN_LABEL;
use super::{StageError, kafka, mysql, template};
use crate::journal::ServiceFacts;

/// The label of images that the project built itself under an official tag.
const STAND_IN_LABEL: &str = "lossdrill.stand-in";
/// Where a template keeps its data: not the image's own volume, which a commit leaves out.
const DATA_DIR: &str = "/lossdrill-data";
const TEMPLATE_REPOSITORY: &str = "lossdrill-template";
/// A pull of 1 GB over 10 Mbit/s still fits.
const PULL_LIMIT: Duration = Duration::from_secs(900);
/// The engine and the images of a run.
pub(super) struct DockerSource {
    docker: Docker,
    mysql_image: String,
    mysql_image_id: String,
    kafka_image: String,
}

/// An image's facts: version, `tag@digest`, stand-in.
struct ImageFacts {
    id: String,
    facts: ServiceFacts,
}

impl DockerSource {
    /// Finds or pulls both images.
    pub(super) async fn open(
        docker: Docker,
        guardian: &Guardian,
        mysql_image: &str,
        kafka_image: &str,
    ) -> Result<(DockerSource, Vec<ServiceFacts>), StageError> {
        guardian.add_cleanup(Cleanup::Containers).await?;
        let (mysql, kafka) = tokio::try_join!(
            image_facts(&docker, "mysql", mysql_image),
            image_facts(&docker, "kafka", kafka_image),
        )?;
        let source = DockerSource {
            docker,
            mysql_image: mysql_image.to_owned(),
            mysql_image_id: mysql.id,
            kafka_image: kafka_image.to_owned(),
        };
        Ok((source, vec![mysql.facts, kafka.facts]))
    }

    /// The image of a data directory with `ddl` applied, made now when there is none.
    pub(super) async fn mysql_template(
        &self,
        guardian: &Guardian,
        ddl: &str,
    ) -> Result<String, StageError> {
        let options = mysql::OPTIONS.join(" ");
        let parts = [self.mysql_image_id.as_str(), &options, mysql::ROOT_SQL, ddl];
        let tag = format!("mysql-{}", template::key(&parts));
        let name = format!("{TEMPLATE_REPOSITORY}:{tag}");
        if self.docker.inspect_image(&name).await.is_ok() {
            return Ok(name);
        }
        let _lock = template::lock_cache(&cache_dir()).await?;
        if self.docker.inspect_image(&name).await.is_ok() {
            return Ok(name);
        }
        self.make_template(guardian, ddl, &tag).await?;
        self.prune_templates(&tag).await;
        Ok(name)
    }

    async fn make_template(
        &self,
        guardian: &Guardian,
        ddl: &str,
        tag: &str,
    ) -> Result<(), StageError> {
        let service = "mysql-template";
        let port = free_port()?;
        let request = image(&self.mysql_image)?
            .with_entrypoint("sh")
            .with_exposed_port(3306.tcp())
            .with_cmd(["-c".to_owned(), template_script()]);
        let request = on_port(request, guardian.run_id(), port, 3306);
        let container = run(guardian, service, request).await?;
        let id = container.id().to_owned();
        let server = DockerServer { docker: self.docker.clone(), id, name: service.to_owned() };
        let made = async {
            let endpoint = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            server.await_ready(Kind::MySql, endpoint, false).await?;
            mysql::apply_schema(service, endpoint, ddl).await?;
            let own = format!("{DATA_DIR}/auto.cnf"); // each server makes its own
            let removed = container.exec(ExecCommand::new(["rm", "-f", own.as_str()])).await;
            removed.map_err(|error| server.failed("remove auto.cnf")(error.to_string()))?;
            server.stop().await?;
            server.commit(TEMPLATE_REPOSITORY, tag).await
        };
        let made = made.await;
        std::mem::forget(container); // as in `launch`
        server.remove().await?;
        made
    }

    /// Removes all but the newest templates. One that is in use stays.
    async fn prune_templates(&self, newest: &str) {
        let filters = HashMap::from([("reference", vec![TEMPLATE_REPOSITORY])]);
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let Ok(mut all) = self.docker.list_images(Some(options)).await else { return };
        all.sort_by_key(|image| std::cmp::Reverse(image.created));
        let tags = all.into_iter().flat_map(|image| image.repo_tags);
        let old = tags.filter(|tag| !tag.ends_with(newest)).skip(template::KEPT - 1);
        for tag in old {
            let _ = self.docker.remove_image(&tag, None::<RemoveImageOptions>, None).await;
        }
    }

    pub(super) async fn start_mysql(
        &self,
        guardian: &Guardian,
        name: &str,
        template: &str,
        options: &[&str],
    ) -> Result<(DockerServer, SocketAddr), StageError> {
        let port = free_port()?;
        let mut command = mysqld_args();
        command.extend(options.iter().map(|option| (*option).to_owned()));
        let image = image(template)?
            .with_entrypoint("mysqld")
            .with_exposed_port(3306.tcp())
            .with_cmd(command);
        let request = on_port(image, guardian.run_id(), port, 3306);
        self.start(guardian, name, Kind::MySql, request, port).await
    }

    pub(super) async fn start_kafka(
        &self,
        guardian: &Guardian,
        name: &str,
    ) -> Result<(DockerServer, SocketAddr), StageError> {
        let port = free_port()?;
        let inner = client_port(kafka::CONTROLLER_ID);
        let request = self.broker(kafka::CONTROLLER_ID, port)?;
        let request = on_port(request, guardian.run_id(), port, inner);
        self.start(guardian, name, Kind::Kafka, request, port).await
    }

    fn broker(&self, id: usize, port: u16) -> Result<ContainerRequest<GenericImage>, StageError> {
        let mut request: ContainerRequest<GenericImage> = image(&self.kafka_image)?.into();
        let (client, inner) = (client_port(id), client_port(id) + 10_000);
        let node = kafka::Node {
            id,
            client: &format!("0.0.0.0:{client}"),
            advertised: &format!("127.0.0.1:{port}"),
            inner: &format!("127.0.0.1:{inner}"),
            controller: "127.0.0.1:9093",
        };
        for (key, value) in kafka::properties(&node) {
            let name = format!("KAFKA_{}", key.to_ascii_uppercase().replace('.', "_"));
            request = request.with_env_var(name, value);
        }
        Ok(request
            .with_env_var("KAFKA_LOG_DIRS", "/tmp/kraft-combined-logs")
            .with_env_var("KAFKA_HEAP_OPTS", "-Xmx256m"))
    }

    /// A container that is not awaited.
    async fn launch(
        &self,
        guardian: &Guardian,
        name: &str,
        request: ContainerRequest<GenericImage>,
    ) -> Result<DockerServer, StageError> {
        let container = run(guardian, name, request).await?;
        let id = container.id().to_owned();
        // Its destructor would block, and panic outside a runtime; the guardian owns the removal.
        std::mem::forget(container);
        Ok(DockerServer { docker: self.docker.clone(), id, name: name.to_owned() })
    }

    async fn start(
        &self,
        guardian: &Guardian,
        name: &str,
        kind: Kind,
        request: ContainerRequest<GenericImage>,
        port: u16,
    ) -> Result<(DockerServer, SocketAddr), StageError> {
        let endpoint = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let server = self.launch(guardian, name, request).await?;
        match server.await_ready(kind, endpoint, false).await {
            Ok(()) => Ok((server, endpoint)),
            Err(error) => {
                server.remove().await?;
                Err(error)
            }
        }
    }
}

/// Where broker `id` listens for clients inside.
fn client_port(id: usize) -> u16 {
    9_082 + 10 * u16::try_from(id).expect("invariant: a handful of brokers")
}

fn mysqld_args() -> Vec<String> {
    let own = [
        "--user=mysql",
        "--secure-file-priv=NULL",
        "--socket=/tmp/s.sock",
        "--pid-file=/tmp/s.pid",
    ];
    let data = format!("--datadir={DATA_DIR}");
    own.iter().chain(&mysql::OPTIONS).map(|o| (*o).to_owned()).chain([data]).collect()
}

fn image(name: &str) -> Result<GenericImage, StageError> {
    let (repository, tag) = split_tag(name)?;
    Ok(GenericImage::new(repository, tag))
}

/// `host:5000/mysql:9.7` is repository and tag; the last colon counts, and only after the last
/// slash.
fn split_tag(image: &str) -> Result<(&str, &str), StageError> {
    match image.rsplit_once(':') {
        Some((repository, tag))
            if !repository.is_empty() && !tag.is_empty() && !tag.contains('/') =>
        {
            Ok((repository, tag))
        }
        _ => Err(StageError::ImageTag(image.to_owned())),
    }
}

fn on_port(
    image: impl Into<ContainerRequest<GenericImage>>,
    run_id: &str,
    port: u16,
    inner: u16,
) -> ContainerRequest<GenericImage> {
    image
        .into()
        .with_label(RUN_LABEL, run_id)
        .with_mapped_port(port, inner.tcp())
        .with_host_config_modifier(|config| {
            let bindings = config.port_bindings.iter_mut().flat_map(|all| all.values_mut());
            for binding in bindings.flatten().flatten() {
                binding.host_ip = Some(Ipv4Addr::LOCALHOST.to_string());
            }
        })
}

/// Version, id and label of an image, which is pulled when it is not here.
async fn image_facts(
    docker: &Docker,
    service: &str,
    image: &str,
) -> Result<ImageFacts, StageError> {
    let (_, tag) = split_tag(image)?;
    let failed =
        |error: String| StageError::Image { image: image.to_owned(), error: one_line(&error) };
    let found = match docker.inspect_image(image).await {
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
            pull(docker, image).await.map_err(failed)?;
            docker.inspect_image(image).await
        }
        found => found,
    };
    let found = found.map_err(|error| failed(error.to_string()))?;
    let id = found.id.unwrap_or_default();
    let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
    let digest = found.repo_digests.unwrap_or_default().into_iter().next();
    let digest = digest.and_then(|text| Some(text.rsplit_once('@')?.1.to_owned()));
    let facts = ServiceFacts {
        service: service.to_owned(),
        provider: "docker".to_owned(),
        version: tag.to_owned(),
        source: format!("{image}@{}", digest.unwrap_or_else(|| id.clone())),
        stand_in: labels.get(STAND_IN_LABEL).is_some_and(|value| value == "1"),
    };
    Ok(ImageFacts { id, facts })
}

async fn pull(docker: &Docker, image: &str) -> Result<(), String> {
    let options = CreateImageOptionsBuilder::new().from_image(image).build();
    let mut progress = docker.create_image(Some(options), None, None);
    let all = async {
        while let Some(step) = progress.next().await {
            step.map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    let limit = tokio::time::timeout(PULL_LIMIT, all).await;
    limit.unwrap_or_else(|_| Err(format!("not pulled within {PULL_LIMIT:?}")))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Initialises a data directory outside the image's volume, as any MySQL image can, and serves it.
fn template_script() -> String {
    let root_sql = mysql::ROOT_SQL.replace('\n', " ");
    let args = mysqld_args().join(" ");
    let redo = "--innodb-redo-log-capacity=8M";
    format!(
        "set -e; mkdir -p {DATA_DIR}; chown mysql {DATA_DIR}; \
         if [ -d /var/lib/mysql-template/mysql ]; \
         then cp -a /var/lib/mysql-template/. {DATA_DIR}/; \
         else mysqld --initialize-insecure --user=mysql --datadir={DATA_DIR} --skip-log-bin \
         {redo}; fi; \
         echo \"{root_sql}\" >/tmp/root.sql; chmod 644 /tmp/root.sql; \
         exec mysqld {args} --skip-log-bin --init-file=/tmp/root.sql"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_names() {
        for (name, expect) in [
            ("mysql:9.7", Some(("mysql", "9.7"))),
            ("apache/kafka:4.4.0", Some(("apache/kafka", "4.4.0"))),
            ("host:5000/mysql:9.7", Some(("host:5000/mysql", "9.7"))),
            ("host:5000/mysql", None),
            ("mysql", None),
            ("mysql:", None),
            (":9.7", None),
        ] {
            assert_eq!(split_tag(name).ok(), expect, "{name}");
        }
    }
}
