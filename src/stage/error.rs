//! Why a stage, or a server of it, is not there: what was attempted, where, and the way out.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::guardian::GuardianError;

#[derive(Debug, thiserror::Error)]
pub enum StageError {
    #[error("unknown provider `{0}`: known are auto, docker, local, external")]
    UnknownProvider(String),
    #[error(
        "provider `external` needs the servers that may be used: `stage.mysql.url`, `stage.kafka.url` and `stage.guard` in \
         lossdrill.yaml"
    )]
    NothingGiven,
    #[error("the given servers are not touched:\n  {0}")]
    Guarded(String),
    #[error("{service} is given, not ours: a drill does not {what} it")]
    GivenServer { what: &'static str, service: String },
    #[error(
        "no Docker engine answers (DOCKER_HOST or the default socket): start one, or use \
         `--provider local`"
    )]
    NoEngine,
    #[error(
        "no Docker engine answers, and {what} is not prepared for the local provider \
         ({} is missing): start Docker, or run `ci/setup --local`", missing.display()
    )]
    NoProvider { what: &'static str, missing: PathBuf },
    #[error("{what} is not prepared ({} is missing): run `ci/setup --local`", missing.display())]
    NotPrepared { what: &'static str, missing: PathBuf },
    #[error("{} has no line `{key}=…`: run `ci/setup --local` again", file.display())]
    Prepared { file: PathBuf, key: &'static str },
    #[error(
        "image `{image}` is not here and cannot be pulled ({error}): pull it where a hub can be \
         reached, build a labelled stand-in with `ci/images/build`, or use `--provider local` \
         (prepared by `ci/setup --local`)"
    )]
    Image { image: String, error: String },
    #[error("image `{0}` names no tag: write for example `mysql:9.7`")]
    ImageTag(String),
    #[error("no free port between {first} and {last} on 127.0.0.1: end what listens there")]
    NoPort { first: u16, last: u16 },
    #[error(
        "{service} found its port taken {tries} times, each another one: end what takes ports there"
    )]
    PortTaken { service: String, tries: usize },
    #[error(
        "{} has {free_mb} MB free, a server needs {need_mb} MB: make room, or set TMPDIR to a \
         larger disk",
        dir.display()
    )]
    DiskFull { dir: PathBuf, free_mb: u64, need_mb: u64 },
    #[error("{service} ended while it started ({how}); the end of its log:\n{log}")]
    Ended { service: String, how: String, log: String },
    #[error("{service} was not ready within {limit:?}; the end of its log:\n{log}")]
    NotReady { service: String, limit: Duration, log: String },
    #[error("{service} did not come to be {state} within {limit:?}")]
    NotInState { service: String, state: &'static str, limit: Duration },
    #[error("apply the schema to {service}: {error}")]
    Schema { service: String, error: String },
    #[error("{what} on {service}: {error}")]
    Engine { what: &'static str, service: String, error: String },
    #[error("{what} {}: {error}", path.display())]
    Io { what: &'static str, path: PathBuf, error: io::Error },
    #[error(transparent)]
    Guardian(#[from] GuardianError),
    #[error("{0}")]
    Warm(String),
}

impl StageError {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StageError {
        move |error| StageError::Io { what, path: path.to_owned(), error }
    }

    /// Does the world, not this start, stand in the way, so that another port may help?
    pub(super) fn is_taken_port(&self) -> bool {
        let text = match self {
            StageError::Ended { log, .. } => log,
            StageError::Engine { error, .. } => error,
            _ => return false,
        };
        let text = text.to_ascii_lowercase();
        text.contains("address already in use") || text.contains("port is already allocated")
    }
}
