//! Design notes: does `scenarios/design/refunds.md#at-most-once` exist, and does its section name the point?

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::config::nearest;

/// The Markdown files that entries point to, each read once.
pub struct Documents {
    /// The folder that holds `scenarios`.
    root: PathBuf,
    scenarios: PathBuf,
    read: HashMap<PathBuf, Option<Vec<Section>>>,
}

struct Section {
    anchor: String,
    text: String,
}

impl Documents {
    pub fn of(scenarios: &Path) -> Documents {
        let root = scenarios.parent().unwrap_or(Path::new("")).to_owned();
        Documents { root, scenarios: scenarios.to_owned(), read: HashMap::new() }
    }

    /// What is wrong with a reference, or None. `names` must occur in the section.
    pub fn mistake_in(&mut self, reference: &str, names: &str) -> Option<String> {
        let Some((file, anchor)) = reference.split_once('#') else {
            return Some(format!("`{reference}` names no section: add `#its-heading`"));
        };
        // `scenarios/…` means the catalogue's own folder, whatever it is called.
        let path = match file.strip_prefix("scenarios/") {
            Some(rest) => self.scenarios.join(rest),
            None => self.root.join(file),
        };
        let sections = self
            .read
            .entry(path)
            .or_insert_with_key(|path| Some(sections(&std::fs::read_to_string(path).ok()?)));
        let Some(sections) = sections else {
            return Some(format!("document `{file}` does not exist"));
        };
        match sections.iter().find(|section| section.anchor == anchor) {
            Some(section) if section.text.contains(names) => None,
            Some(_) => Some(format!("section `#{anchor}` of `{file}` does not name `{names}`")),
            None => {
                let near = nearest(anchor, sections.iter().map(|section| section.anchor.as_str()));
                let near = near.map(|near| format!(": did you mean `#{near}`?"));
                Some(format!("`{file}` has no section `#{anchor}`{}", near.unwrap_or_default()))
            }
        }
    }
}

/// Headings with the text below them, down to the next heading of any depth.
fn sections(markdown: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in markdown.lines() {
        let title = line.trim_start_matches('#');
        if line.starts_with('#') && title.starts_with(' ') {
            sections.push(Section { anchor: anchor(title), text: String::new() });
        } else if let Some(section) = sections.last_mut() {
            section.text.push_str(line);
            section.text.push('\n');
        }
    }
    sections
}

/// GitHub's way to make an anchor of a heading.
fn anchor(title: &str) -> String {
    let letter = |c: char| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    };
    title.trim().to_lowercase().chars().filter_map(letter).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let dir = tempfile::tempdir().expect("a folder");
        let scenarios = dir.path().join("scenarios");
        std::fs::create_dir_all(scenarios.join("design")).expect("made");
        let text =
            "# Refunds\n\n## At most once\nGuards `refund-paid-twice`.\n## Breaker (SOP)\nx\n";
        std::fs::write(scenarios.join("design/refunds.md"), text).expect("written");
        let mut documents = Documents::of(&scenarios);
        for (reference, expect) in [
            ("scenarios/design/refunds.md#at-most-once", None),
            ("scenarios/design/refunds.md#breaker-sop", Some("does not name")),
            ("scenarios/design/refunds.md#at-most-onc", Some("did you mean `#at-most-once`?")),
            ("scenarios/design/refunds.md", Some("names no section")),
            ("scenarios/design/bids.md#x", Some("does not exist")),
        ] {
            let found = documents.mistake_in(reference, "refund-paid-twice");
            match (found, expect) {
                (None, None) => {}
                (Some(found), Some(part)) => assert!(found.contains(part), "{found}"),
                (found, _) => panic!("{reference}: {found:?}"),
            }
        }
    }
}
