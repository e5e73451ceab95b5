//! The house rules that a machine can hold: layers, the map in `lib.rs`, one clock, file and line lengths.
//!
//! Each rule is a function over `(path, text)` pairs, tested first on a text that breaks it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// From the top: a room may import rooms of later rows only; rooms of one row never import each other.
const LAYERS: &[&[&str]] = &[
    &["cli"],
    &["report", "drill", "author"],
    &["runner"],
    &["steps"],
    &["coverage", "prevention"],
    &["catalog"],
    &["faults", "platform", "probe", "expect", "oracle"],
    &["stage", "forge"],
    &["proxy"],
    &["journal", "config"],
    &["wire", "money", "clock"],
];
/// Programs that know the shared rooms and nothing else.
const PROGRAMS: &[&str] = &["dcheck", "shop"];
const SHARED: &[&str] = &["wire", "money", "clock"];
/// Inside dcheck, from the top: `engine` reads no clock, socket or database.
const PURE: &[&str] = &[
    "src/dcheck/engine",
    "src/dcheck/event",
    "src/dcheck/degradation",
    "src/forge",
    "src/oracle",
    "src/expect",
];
const IMPURE: &[&str] = &["tokio::", "sqlx::", "reqwest::", "rdkafka::", "std::net::", "std::fs::"];
const FILE_LINES_MAX: usize = 400;
/// Tables of test cases are data: they may be longer.
const TEST_LINES_MAX: usize = 500;
/// `rustfmt.toml` wraps code at 100; this catches long strings and comments, with room for a table row.
const LINE_CHARS_MAX: usize = 135;

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
        let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let root = Path::new(env!("CARGO_MANIFEST_DIR"));
                found.push((path.strip_prefix(root).unwrap().to_owned(), text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

/// A file of unit tests or of their cases.
fn is_test(path: &Path) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let within = path.components().any(|part| part.as_os_str() == "tests");
    within || name.ends_with("tests") || name.ends_with("cases")
}

fn room_of(path: &Path) -> Option<String> {
    let mut parts = path.components().skip(1);
    let first = parts.next()?.as_os_str().to_str()?.to_owned();
    match first.as_str() {
        "lib.rs" | "bin" => None,
        _ => Some(first.trim_end_matches(".rs").to_owned()),
    }
}

fn row_of(room: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&room))
}

fn may_import(from: &str, to: &str) -> bool {
    if from == to || SHARED.contains(&to) && !SHARED.contains(&from) {
        return true;
    }
    if SHARED.contains(&from) {
        // The shared row may lean on money and clock, which know nobody.
        return matches!(to, "money" | "clock") && from == "wire";
    }
    if PROGRAMS.contains(&from) || PROGRAMS.contains(&to) {
        return false;
    }
    matches!((row_of(from), row_of(to)), (Some(from), Some(to)) if from < to)
}

/// Rooms that the text names as `crate::room`, also inside `use crate::{…}`.
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let word =
        |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    for piece in text.split("crate::").skip(1) {
        if let Some(group) = piece.strip_prefix('{') {
            let mut depth = 0;
            let mut item = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.insert(word(item.trim()));
                        item.clear();
                        continue;
                    }
                    _ => {}
                }
                item.push(c);
            }
            found.insert(word(item.trim()));
        } else {
            found.insert(word(piece));
        }
    }
    found.remove("");
    found
}

fn breaches(files: &[(PathBuf, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        let Some(room) = room_of(path) else { continue };
        for other in imports(text) {
            let known = row_of(&other).is_some() || PROGRAMS.contains(&other.as_str());
            if known && !may_import(&room, &other) {
                found.push(format!("{}: `{room}` imports `{other}`", path.display()));
            }
        }
    }
    found
}

#[test]
fn layers_import_only_downward() {
    assert_eq!(breaches(&sources()), Vec::<String>::new());
}

#[test]
fn a_breach_is_seen() {
    for (path, text, breach) in [
        ("src/journal/x.rs", "use crate::runner::Run;", true),
        ("src/runner/x.rs", "use crate::journal::Entry;", false),
        ("src/faults/x.rs", "use crate::{clock::Clock, probe::Inbox};", true),
        ("src/dcheck/x.rs", "use crate::journal::Entry;", true),
        ("src/dcheck/x.rs", "use crate::wire::Alert;", false),
        ("src/cli/x.rs", "crate::dcheck::daemon::run()", true),
    ] {
        let files = [(PathBuf::from(path), text.to_owned())];
        assert_eq!(!breaches(&files).is_empty(), breach, "{path}: {text}");
    }
}

#[test]
fn the_map_in_lib_names_every_room() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let lib = fs::read_to_string(root.join("lib.rs")).unwrap();
    let map: String = lib.lines().take_while(|line| line.starts_with("//!")).collect();
    for (path, _) in sources() {
        let Some(room) = room_of(&path) else { continue };
        assert!(map.contains(&room), "the map in lib.rs does not name the room `{room}`");
        let known = row_of(&room).is_some() || PROGRAMS.contains(&room.as_str());
        assert!(known, "tests/tidy.rs has no layer for the room `{room}`");
    }
    for row in LAYERS {
        assert!(
            map.contains(&row.join(" | ")),
            "the map in lib.rs lacks the row `{}`",
            row.join(" | ")
        );
    }
}

/// Lines outside `#[cfg(test)]` modules, numbered from 1.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..end].lines().enumerate().map(|(index, line)| (index + 1, line))
}

fn forbidden(
    files: &[(PathBuf, String)],
    words: &[&str],
    allowed: impl Fn(&Path) -> bool,
) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| !allowed(path)) {
        for (number, line) in code_lines(text) {
            let code = line.split("//").next().unwrap_or("");
            for word in words.iter().filter(|word| code.contains(**word)) {
                found.push(format!("{}:{number}: `{word}`", path.display()));
            }
        }
    }
    found
}

#[test]
fn one_clock() {
    let allowed = |path: &Path| path == Path::new("src/clock.rs");
    let found = forbidden(&sources(), &["SystemTime::now", "Utc::now", "Local::now"], allowed);
    assert_eq!(found, Vec::<String>::new());
    let bad = [(PathBuf::from("src/shop/x.rs"), "let t = SystemTime::now();".to_owned())];
    assert_eq!(forbidden(&bad, &["SystemTime::now"], allowed).len(), 1);
}

#[test]
fn pure_rooms_touch_no_world() {
    let allowed = |path: &Path| !PURE.iter().any(|room| path.starts_with(room)) || is_test(path);
    // Rules are read from files by their loader; the engine gets them ready-made.
    let loader = |path: &Path| allowed(path) || path.ends_with("load.rs");
    assert_eq!(forbidden(&sources(), IMPURE, loader), Vec::<String>::new());
}

#[test]
fn cucumber_lives_in_runner_and_steps() {
    let allowed = |path: &Path| path.starts_with("src/runner") || path.starts_with("src/steps");
    assert_eq!(forbidden(&sources(), &["cucumber::"], allowed), Vec::<String>::new());
}

#[test]
fn money_is_never_a_float() {
    let found: Vec<String> =
        forbidden(&sources(), &["f64", "f32"], |path| path.starts_with("src/report"))
            .into_iter()
            .filter(|place| {
                ["money", "oracle", "expect", "shop", "engine", "forge"]
                    .iter()
                    .any(|room| place.contains(room))
            })
            .collect();
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn files_stay_small() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        let lines_max = if is_test(&path) { TEST_LINES_MAX } else { FILE_LINES_MAX };
        assert!(lines <= lines_max, "{}: {lines} lines; split what it owns", path.display());
        for (index, line) in text.lines().enumerate() {
            let chars = line.chars().count();
            assert!(
                chars <= LINE_CHARS_MAX,
                "{}:{}: {chars} characters",
                path.display(),
                index + 1
            );
        }
    }
}

#[test]
fn every_module_says_what_it_owns() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{} does not start with `//!`", path.display());
    }
}
