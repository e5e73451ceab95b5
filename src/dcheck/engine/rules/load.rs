//! Rule files from a directory: the one place of the engine's rooms that touches a disk, before any rule exists.

use std::path::{Path, PathBuf};

use super::{RuleError, RuleSet, load};

/// Loads every `*.yaml` of a directory, by name: a whole set, or all mistakes of all files.
pub fn load_dir(path: &Path) -> Result<RuleSet, Vec<RuleError>> {
    let unreadable = |file: &Path, error: std::io::Error| RuleError {
        file: file.to_owned(),
        line: 0,
        message: format!("cannot be read: {error}"),
    };
    let entries = std::fs::read_dir(path).map_err(|error| vec![unreadable(path, error)])?;
    let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let (mut texts, mut errors) = (Vec::new(), Vec::new());
    for file in files {
        match std::fs::read_to_string(&file) {
            Ok(text) => texts.push((file, text)),
            Err(error) => errors.push(unreadable(&file, error)),
        }
    }
    match load(&texts) {
        Ok(set) if errors.is_empty() && !set.rules.is_empty() => Ok(set),
        Ok(_) if errors.is_empty() => {
            let message = "no rule in any *.yaml here".to_owned();
            Err(vec![RuleError { file: path.to_owned(), line: 0, message }])
        }
        Ok(_) => Err(errors),
        Err(more) => Err(errors.into_iter().chain(more).collect()),
    }
}
