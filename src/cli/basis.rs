//! What a run starts from, for its journal: commit, hashes of the texts, feature files, loss points, policy.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::args::Sources;
use super::run::Assignment;
use crate::author::Checked;
use crate::config::DEFAULT_FILE;
use crate::coverage;
use crate::journal::{Basis, Selected, SourceText};
use crate::steps::{Scenario, VOCABULARY};

/// Git answers in milliseconds; a repository on a dead network drive must not hold a run.
const GIT_LIMIT: Duration = Duration::from_secs(2);
/// Hex digits of a hash: enough to tell texts apart, short enough to read out.
const HASH_DIGITS: usize = 16;

/// The basis of a run, and the texts of its features.
pub async fn of(
    texts: &Checked,
    sources: &Sources,
    assignment: &Assignment,
) -> Result<(Basis, Vec<SourceText>), String> {
    let chosen = &assignment.chosen;
    let selected = |scenario: &Scenario| Selected {
        id: scenario.id.clone(),
        name: scenario.name.clone(),
        twin: scenario.twin.clone(),
    };
    let basis = Basis {
        commit: commit().await.or_else(pipelines_commit),
        vocabulary: vocabulary(),
        texts: digest(sources)?,
        shard: assignment.shard,
        selected: chosen.iter().map(|scenario| selected(scenario)).collect(),
        whole: assignment.whole,
        points: coverage::points(&texts.catalog),
        demands: assignment.demands.clone(),
    };
    let mut uris: Vec<&str> = chosen.iter().map(|scenario| scenario.path.as_str()).collect();
    uris.sort_unstable();
    uris.dedup();
    let text = |uri: &str| {
        // The first part of a scenario's path is the folder's own name.
        let below = uri.split_once('/').map_or(uri, |(_, below)| below);
        let path = sources.features.join(below);
        let text = std::fs::read_to_string(&path);
        let text = text.map_err(|error| format!("read {} again: {error}", path.display()))?;
        Ok(SourceText { uri: uri.to_owned(), text })
    };
    let sources = uris.into_iter().map(text).collect::<Result<Vec<_>, String>>()?;
    Ok((basis, sources))
}

/// The commit of the project that we stand in. A pipeline's shallow copy has one too.
async fn commit() -> Option<String> {
    let mut git = tokio::process::Command::new("git");
    git.args(["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]);
    git.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(GIT_LIMIT, git.output()).await.ok()?.ok()?;
    let told = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !told.is_empty()).then_some(told)
}

/// Where git is missing, or does not trust a container's checkout.
fn pipelines_commit() -> Option<String> {
    ["GITHUB_SHA", "CI_COMMIT_SHA"].into_iter().find_map(|name| std::env::var(name).ok())
}

fn vocabulary() -> String {
    let rows = VOCABULARY.iter().flat_map(|row| [row.id, row.en, row.zh]);
    hash(rows.map(|text| text.as_bytes().to_vec()))
}

/// Of every file that a scenario's outcome depends on, by path and content.
fn digest(sources: &Sources) -> Result<String, String> {
    let config = sources.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let mut files = Vec::new();
    for dir in [&sources.features, &sources.scenarios] {
        let mut own =
            files_below(dir).map_err(|error| format!("read {}: {error}", dir.display()))?;
        own.sort();
        // The same wherever the project lies.
        files.extend(own.into_iter().map(|path| {
            let name = path.strip_prefix(dir).unwrap_or(&path).display().to_string();
            (name, path)
        }));
    }
    if config.is_file() {
        files.push(("configuration".to_owned(), config));
    }
    let mut parts = Vec::new();
    for (name, path) in files {
        parts.push(name.into_bytes());
        let text = std::fs::read(&path);
        parts.push(text.map_err(|error| format!("read {} again: {error}", path.display()))?);
    }
    Ok(hash(parts.into_iter()))
}

fn files_below(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    Ok(files)
}

/// Each part with its length, so that no two lists run together.
fn hash(parts: impl Iterator<Item = Vec<u8>>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    let mut text = hex::encode(hasher.finalize());
    text.truncate(HASH_DIGITS);
    text
}
