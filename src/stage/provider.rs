//! Where servers come from, by the word that a user gives.

use std::str::FromStr;

use super::local::{Prepared, cache_dir};
use super::{StageError, engine};

/// Where servers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provider {
    /// Docker when an engine answers, else local.
    #[default]
    Auto,
    Docker,
    Local,
    /// Given endpoints, guarded.
    External,
}

impl Provider {
    /// Can it bring servers up on this machine? Else what is missing, with the way out; starts nothing.
    pub async fn able(self) -> Result<(), StageError> {
        let local = || Prepared::read(&cache_dir()).map(drop);
        match self {
            Provider::Local => local(),
            Provider::Docker => engine::connect().await.map(drop).ok_or(StageError::NoEngine),
            Provider::External => Ok(()),
            Provider::Auto => match engine::connect().await {
                Some(_) => Ok(()),
                None => local(),
            },
        }
    }
}

impl FromStr for Provider {
    type Err = StageError;

    fn from_str(text: &str) -> Result<Self, StageError> {
        match text {
            "auto" => Ok(Provider::Auto),
            "docker" => Ok(Provider::Docker),
            "local" => Ok(Provider::Local),
            "external" => Ok(Provider::External),
            other => Err(StageError::UnknownProvider(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_by_name() {
        assert_eq!("auto".parse::<Provider>().unwrap(), Provider::Auto);
        let error = "podman".parse::<Provider>().unwrap_err().to_string();
        assert!(error.contains("`podman`") && error.contains("auto, docker, local"), "{error}");
    }
}
