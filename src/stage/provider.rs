//! Where servers come from, by the word that a user gives.

use std::str::FromStr;

use super::StageError;

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
