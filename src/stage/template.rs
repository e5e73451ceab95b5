//! MySQL data directories at rest, with a schema applied: a cell's server starts on a copy, which
//! is quicker than applying the schema each time. Kept in the cache under a hash of all that they
//! are made of.
//!
//! Not covered: a server version whose files changed in place without its version changing.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::guardian::Guardian;
use super::local::{LocalServer, Prepared};
use super::{StageError, mysql};

/// Raised when a template is made differently.
const LAYOUT: u32 = 2;
/// Templates kept in the cache, 100 MB each: those of a branch or two.
pub(super) const KEPT: usize = 3;
const PREFIX: &str = "mysql-template-";

/// What a template is made of, as a short name.
pub(super) fn key(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    hash.update(LAYOUT.to_be_bytes());
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex::encode(&hash.finalize()[..8])
}

/// The template with `ddl` applied, made now when there is none. One run at a time makes it.
pub(super) async fn local_template(
    prepared: &Prepared,
    guardian: &Guardian,
    ddl: &str,
) -> Result<PathBuf, StageError> {
    let key = key(&[prepared.mysql_version(), &prepared.mysql["root"], mysql::ROOT_SQL, ddl]);
    let ready = prepared.cache.join(format!("{PREFIX}{key}"));
    if ready.is_dir() {
        touch(&ready);
        return Ok(ready);
    }
    let _lock = lock_cache(&prepared.cache).await?;
    if ready.is_dir() {
        return Ok(ready);
    }
    let base = PathBuf::from(&prepared.mysql["template"]);
    let init = guardian.state_dir().join("root.sql");
    std::fs::write(&init, mysql::ROOT_SQL).map_err(StageError::io("write", &init))?;
    let init_file = format!("--init-file={}", init.display());
    let name = "mysql-template";
    let more = ["--skip-log-bin", init_file.as_str()];
    let (server, endpoint) =
        LocalServer::start_mysql(prepared, guardian, name, &base, &more).await?;
    mysql::apply_schema(name, endpoint, ddl).await?;
    server.stop().await?;
    let data = guardian.state_dir().join(name).join("data");
    for own in ["auto.cnf", "s.sock", "s.sock.lock"] {
        let _ = std::fs::remove_file(data.join(own)); // each server makes its own
    }
    let part = prepared.cache.join(format!("{PREFIX}part"));
    let _ = std::fs::remove_dir_all(&part); // of a run that was killed here
    copy_dir(&data, &part, guardian.making().await?).await?;
    std::fs::rename(&part, &ready).map_err(StageError::io("rename", &part))?;
    prune(&prepared.cache, &ready);
    server.remove().await?;
    Ok(ready)
}

/// Makes a template the newest: one in use must not be the next to go.
fn touch(template: &Path) {
    if let Ok(dir) = File::open(template) {
        // SAFETY: the descriptor is open, and null times mean now.
        unsafe { libc::futimens(dir.as_raw_fd(), std::ptr::null()) };
    }
}

/// Removes all but the newest templates, by last use. What cannot be removed stays: it is a cache.
fn prune(cache: &Path, newest: &Path) {
    let Ok(entries) = std::fs::read_dir(cache) else { return };
    let mut all: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX))
        .filter(|entry| entry.path() != newest)
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    all.sort();
    all.reverse();
    for (_, old) in all.into_iter().skip(KEPT - 1) {
        let _ = std::fs::remove_dir_all(old);
    }
}

/// Held by the one run that makes a template, of any provider.
pub(super) async fn lock_cache(cache: &Path) -> Result<File, StageError> {
    std::fs::create_dir_all(cache).map_err(StageError::io("create", cache))?;
    let path = cache.join(".template.lock");
    let locked = tokio::task::spawn_blocking({
        let path = path.clone();
        move || {
            let file = File::create(path)?;
            // SAFETY: the descriptor is open for as long as `file` lives.
            match unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) } {
                0 => Ok(file),
                _ => Err(io::Error::last_os_error()),
            }
        }
    });
    let locked = locked.await.unwrap_or_else(|error| Err(io::Error::other(error)));
    locked.map_err(StageError::io("lock", &path))
}

/// Copies a directory with all in it; the target must not exist. `making` is held until the copy is done, even where
/// nobody awaits it any more.
pub(super) async fn copy_dir(
    from: &Path,
    to: &Path,
    making: impl Send + 'static,
) -> Result<(), StageError> {
    let (source, target) = (from.to_owned(), to.to_owned());
    let copying = tokio::task::spawn_blocking(move || {
        let copied = copy_tree(&source, &target);
        drop(making);
        copied
    });
    let copied = copying.await;
    let copied = copied.unwrap_or_else(|error| Err(io::Error::other(error)));
    copied.map_err(StageError::io("copy a data directory to", to))
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_follows_every_part() {
        assert_eq!(key(&["9.7.4", "ddl"]), key(&["9.7.4", "ddl"]));
        assert_ne!(key(&["9.7.4", "ddl"]), key(&["9.7.4", "ddl2"]));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]), "parts do not run together");
    }

    #[tokio::test]
    async fn a_copy_has_all_files_and_old_templates_go() {
        let cache = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c", "d"] {
            let dir = cache.path().join(format!("{PREFIX}{name}"));
            std::fs::create_dir_all(dir.join("deep")).unwrap();
            std::fs::write(dir.join("deep/file"), name).unwrap();
        }
        let copy = cache.path().join("copy");
        copy_dir(&cache.path().join(format!("{PREFIX}a")), &copy, ()).await.unwrap();
        assert_eq!(std::fs::read_to_string(copy.join("deep/file")).unwrap(), "a");
        let template = |name: &str| cache.path().join(format!("{PREFIX}{name}"));
        touch(&template("a"));
        prune(cache.path(), &template("d"));
        assert!(template("a").is_dir(), "the first made, and the last used");
        let left = std::fs::read_dir(cache.path()).unwrap().count();
        assert_eq!(left, KEPT + 1, "the newest, two more, and the copy");
    }
}
