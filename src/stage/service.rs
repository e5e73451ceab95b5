//! A server of the stage, whatever its provider: kill, pause, resume, restart, logs, remove.
//!
//! Its endpoint stays the same over its whole life. Each ability returns when it has taken effect,
//! or errors.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::docker::DockerServer;
use super::local::LocalServer;
use super::warm::HeldServer;
use super::{Login, StageError, kafka, mysql};

/// From the start of a server to its first answer: published figures of the official images on slow
/// machines are 15 s, and a loaded CI machine multiplies them.
pub(super) const START_LIMIT: Duration = Duration::from_secs(90);

/// What a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    MySql,
    Kafka,
}

impl Kind {
    /// Returns when the server at `endpoint` answers; `again`: it has been ready before.
    pub(super) async fn ready(self, endpoint: SocketAddr, again: bool) {
        match self {
            Kind::MySql => mysql::ready(endpoint).await,
            Kind::Kafka => kafka::ready(endpoint, again).await,
        }
    }
}

pub(super) enum Backend {
    Local(LocalServer),
    Docker(DockerServer),
    /// Leased from the warm stage.
    Held(HeldServer),
    /// Somebody else's: it can be used, never hurt.
    Given,
}

/// Why an ability is refused at a given server.
fn given(what: &'static str, service: &str) -> StageError {
    StageError::GivenServer { what, service: service.to_owned() }
}

/// A handle to a server; clones are the same server.
#[derive(Clone)]
pub struct Service {
    pub name: String,
    pub kind: Kind,
    /// Where clients connect, directly.
    pub endpoint: SocketAddr,
    /// Who the harness is there; for MySQL.
    pub login: Login,
    /// The shop's schema; for MySQL.
    pub schema: String,
    given: bool,
    on_this_machine: bool,
    backend: Arc<Mutex<Backend>>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Service({} {:?} at {})", self.name, self.kind, self.endpoint)
    }
}

impl Service {
    pub(super) fn new(name: &str, kind: Kind, endpoint: SocketAddr, backend: Backend) -> Service {
        let given = matches!(backend, Backend::Given);
        let on_this_machine = matches!(backend, Backend::Local(_));
        let backend = Arc::new(Mutex::new(backend));
        let (login, schema) = (Login::default(), mysql::SCHEMA.to_owned());
        let name = name.to_owned();
        Service { name, kind, endpoint, login, schema, given, on_this_machine, backend }
    }

    /// The same server, met as somebody else in another schema.
    pub(super) fn met_as(mut self, login: Login, schema: &str) -> Service {
        (self.login, self.schema) = (login, schema.to_owned());
        self
    }

    /// Its owner keeps it: nothing of it may be killed or changed.
    pub fn is_given(&self) -> bool {
        self.given
    }

    /// Its process is one of ours on this machine; else the engine, a warm stage or somebody else is its parent.
    pub fn is_on_this_machine(&self) -> bool {
        self.on_this_machine
    }

    /// Who a cell's programs are there.
    pub fn programs(&self) -> Login {
        if self.given { self.login.clone() } else { Login::of_cell() }
    }

    /// The same server under another name.
    pub fn renamed(mut self, name: &str) -> Service {
        self.name = name.to_owned();
        self
    }

    /// `mysql://root@HOST:PORT/SCHEMA`, for the programs of a cell.
    pub fn mysql_url(&self, schema: &str) -> String {
        self.login.url(self.endpoint, schema)
    }

    /// SIGKILL; returns when it is dead. A dead server stays dead until [`Service::restart`].
    pub async fn kill(&self) -> Result<(), StageError> {
        match &mut *self.backend.lock().await {
            Backend::Local(server) => server.kill().await,
            Backend::Docker(server) => server.kill().await,
            Backend::Held(server) => server.kill().await,
            Backend::Given => Err(given("kill", &self.name)),
        }
    }

    /// Freezes it: connections stay open and nothing answers.
    pub async fn pause(&self) -> Result<(), StageError> {
        match &mut *self.backend.lock().await {
            Backend::Local(server) => server.pause().await,
            Backend::Docker(server) => server.pause().await,
            Backend::Held(server) => server.pause().await,
            Backend::Given => Err(given("pause", &self.name)),
        }
    }

    /// Ends a pause; a server that is not paused stays as it is.
    pub async fn resume(&self) -> Result<(), StageError> {
        match &mut *self.backend.lock().await {
            Backend::Local(server) => server.resume().await,
            Backend::Docker(server) => server.resume().await,
            Backend::Held(server) => server.resume().await,
            Backend::Given => Err(given("resume", &self.name)),
        }
    }

    /// Stops it orderly when it runs, starts it on its data and port, and waits until it answers.
    pub async fn restart(&self) -> Result<(), StageError> {
        match &mut *self.backend.lock().await {
            Backend::Local(server) => {
                server.stop().await?;
                server.start_again(self.kind, self.endpoint).await
            }
            Backend::Docker(server) => {
                server.stop().await?;
                server.start_again(self.kind, self.endpoint).await
            }
            Backend::Held(server) => server.restart().await,
            Backend::Given => Err(given("restart", &self.name)),
        }
    }

    /// Does its process live? A paused one does.
    pub async fn is_running(&self) -> bool {
        match &mut *self.backend.lock().await {
            Backend::Local(server) => server.is_running(),
            Backend::Docker(server) => server.is_running().await,
            Backend::Held(server) => server.is_running().await,
            // Its owner's business; who cannot use it says so.
            Backend::Given => true,
        }
    }

    /// Where servers of the same provider reach it.
    pub(super) async fn met_by_servers(&self) -> Result<(String, u16), StageError> {
        match &*self.backend.lock().await {
            Backend::Docker(server) => Ok((server.inner_address().await?, mysql::PORT)),
            Backend::Local(_) | Backend::Held(_) | Backend::Given => {
                Ok((self.endpoint.ip().to_string(), self.endpoint.port()))
            }
        }
    }

    /// Its process, where that is one of ours on this machine.
    pub async fn pid(&self) -> Option<u32> {
        match &*self.backend.lock().await {
            Backend::Local(server) => Some(server.pid()),
            Backend::Docker(_) | Backend::Held(_) | Backend::Given => None,
        }
    }

    /// The last `lines` lines of its log.
    pub async fn logs(&self, lines: usize) -> String {
        match &mut *self.backend.lock().await {
            Backend::Local(server) => server.logs(lines).await,
            Backend::Docker(server) => server.logs(lines).await,
            Backend::Held(server) => server.logs(lines).await,
            Backend::Given => String::new(),
        }
    }

    /// Kills it and removes all that it had; a given one stays as it is.
    pub async fn remove(&self) -> Result<(), StageError> {
        match &mut *self.backend.lock().await {
            Backend::Local(server) => server.remove().await,
            Backend::Docker(server) => server.remove().await,
            Backend::Held(server) => server.remove().await,
            Backend::Given => Ok(()),
        }
    }
}
