//! Test files from the directory beside the rules.

use std::path::Path;

use super::{Case, TrialFile};

/// The directory in a directory of rules.
const TESTS: &str = "tests";

/// Every `tests/*.yaml` of a directory of rules, by name; none where there is no such directory. Or what cannot be read of all files.
pub fn load_dir(rules: &Path) -> Result<Vec<TrialFile>, Vec<String>> {
    let dir = rules.join(TESTS);
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(&dir)
        .map_err(|error| vec![format!("{}: cannot be read: {error}", dir.display())])?;
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let (mut files, mut errors) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        let cases = text.and_then(|text| {
            serde_yaml::from_str::<Vec<Case>>(&text).map_err(|error| error.to_string())
        });
        match cases {
            Ok(cases) => files.push(TrialFile { name, cases }),
            Err(error) => errors.push(format!("{name}: {error}")),
        }
    }
    if errors.is_empty() { Ok(files) } else { Err(errors) }
}
