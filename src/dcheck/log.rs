//! What the process says of itself on stderr: a line of words, or with `--log json` one JSON object for each.
//!
//! Owns the form. An object has `at` (wall time, RFC 3339), `level` (`error`: it ends; `warn`: something is not as it
//! should be; `info`), `part` (which room of dcheck speaks) and `message`; nothing else, and no URL that could hold a
//! secret: what is said is said without its login.
//! Must not know who speaks. Try it: `dcheck run --log json …`. Not covered: files, rotation (a supervisor's), levels to
//! filter by.

use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::clock::{rfc3339, wall_ms};

static JSON: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// `dcheck: …`
    #[default]
    Text,
    /// One object for each line.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Error,
    Warn,
    Info,
}

#[derive(Serialize)]
struct Line<'l> {
    at: String,
    level: Level,
    part: &'l str,
    message: &'l str,
}

/// Once, at the start.
pub fn set(format: Format) {
    JSON.store(format == Format::Json, Ordering::Release);
}

/// Says `message`; `part` is the room that speaks.
pub fn say(level: Level, part: &str, message: &str) {
    eprintln!("{}", line(JSON.load(Ordering::Acquire), wall_ms(), level, part, message));
}

pub fn warn(part: &str, message: &str) {
    say(Level::Warn, part, message);
}

pub fn info(part: &str, message: &str) {
    say(Level::Info, part, message);
}

fn line(json: bool, at_ms: i64, level: Level, part: &str, message: &str) -> String {
    let message = without_logins(message);
    if !json {
        return format!("dcheck: {message}");
    }
    let line = Line { at: rfc3339(at_ms), level, part, message: &message };
    serde_json::to_string(&line).expect("invariant: texts are plain data")
}

/// `scheme://user:secret@host` without what stands before the `@`.
fn without_logins(text: &str) -> String {
    let mut pieces = text.split("://");
    let mut told = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| c.is_whitespace() || "/`'\"".contains(c));
        let (place, rest) = piece.split_at(end.unwrap_or(piece.len()));
        let host = place.rsplit_once('@').map_or(place, |(_, host)| host);
        told.push_str("://");
        told.push_str(host);
        told.push_str(rest);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_words_or_one_object_and_no_secret() {
        let say = |json, text| line(json, 1_767_578_400_000, Level::Warn, "results", text);
        let away = "cannot reach `mysql://root:s3c@ret@db:3306/shop`: refused\nagain";
        assert_eq!(say(false, away), "dcheck: cannot reach `mysql://db:3306/shop`: refused\nagain");
        assert_eq!(
            say(true, away),
            "{\"at\":\"2026-01-05T02:00:00.000Z\",\"level\":\"warn\",\"part\":\"results\",\
             \"message\":\"cannot reach `mysql://db:3306/shop`: refused\\nagain\"}"
        );
        for same in ["a@b", "http://host/x@y", "", "://"] {
            assert_eq!(say(false, same), format!("dcheck: {same}"));
        }
    }
}
