//! What a rule asks where its events do not say enough: SQL, or HTTP (GET only), how often, and how old an answer may be.
//!
//! Owns the keys under `reference` and `rate`. Knows no server: the daemon asks. Not covered: HTTP with a body or headers.

use crate::dcheck::engine::expr::Expr;

use super::fields::Fields;
use super::placeholders::placeholders;
use super::way::OWN;

/// How long a lookup may take where a rule does not say.
const TIMEOUT_MS: i64 = 5_000;
/// Attempts of a lookup beyond the first: more would only hide that the rule is blind.
const MAX_RETRIES: usize = 8;
/// Of another age an answer would be of another day.
const MAX_CACHE_MS: i64 = 24 * 3_600_000;

/// A question, and how it is asked.
#[derive(Debug)]
pub struct Lookup {
    pub ask: Ask,
    pub params: Vec<(String, Expr)>,
    pub timeout_ms: u64,
    /// Pauses before the second, third … attempt.
    pub retries_ms: Vec<i64>,
    /// An answer to the same question of at most this age will do; 0: each event asks anew.
    pub cache_ms: i64,
    pub rate: Option<Rate>,
}

/// Whom a question goes to, with placeholders `:name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    Sql(String),
    /// A GET of a `--target`; from its JSON answer one row, each name by its path (`price.median`).
    Http {
        target: String,
        path: String,
        read: Vec<(String, String)>,
    },
}

impl Ask {
    /// What ails when nobody answers.
    pub fn place(&self) -> String {
        match self {
            Ask::Sql(_) => "sql".to_owned(),
            Ask::Http { target, .. } => format!("http {target}"),
        }
    }
}

/// So many in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub count: u32,
    pub per_ms: i64,
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} per {} ms", self.count, self.per_ms)
    }
}

/// `rate: 100 per 1 s`
pub fn rate(fields: &Fields<'_>) -> Option<Rate> {
    let (text, line) = fields.optional_text("rate")?;
    let read = text.split_once(" per ").and_then(|(count, per)| {
        let (count, per_ms) = (count.trim().parse().ok()?, fields.duration_of(per)?);
        (count > 0 && per_ms > 0).then_some(Rate { count, per_ms })
    });
    if read.is_none() {
        fields.mistake(line, format!("`rate: {text}` is no rate: write one like `100 per 1 s`"));
    }
    read
}

pub fn lookup(fields: &Fields<'_>) -> Option<Lookup> {
    let map = fields.optional_map("reference")?;
    let ask = ask(&map);
    let params = map.exprs("params", OWN);
    let timeout_ms = map.optional_duration_ms("timeout").unwrap_or(TIMEOUT_MS);
    let retries_ms = map.durations_ms("retries");
    let cache_ms = map.optional_duration_ms("cache").unwrap_or(0);
    let rate = rate(&map);
    if retries_ms.len() > MAX_RETRIES {
        map.mistake(map.line(), format!("more than {MAX_RETRIES} retries"));
    }
    if cache_ms > MAX_CACHE_MS {
        map.mistake(map.line(), "`cache` is longer than a day");
    }
    if let Some((_, key, text, line)) = &ask {
        let asked = placeholders(text);
        for name in asked.iter().filter(|name| !params.iter().any(|(known, _)| known == *name)) {
            map.mistake(*line, format!("`:{name}` in `{key}` is not among `params`"));
        }
        for (name, _) in params.iter().filter(|(name, _)| !asked.contains(name)) {
            map.mistake(*line, format!("parameter `{name}` does not stand in `{key}`"));
        }
    }
    map.finish();
    let timeout_ms = timeout_ms.unsigned_abs();
    Some(Lookup { ask: ask?.0, params, timeout_ms, retries_ms, cache_ms, rate })
}

/// With the key and the text that hold its placeholders, and their line.
fn ask<'a>(map: &Fields<'a>) -> Option<(Ask, &'static str, &'a str, usize)> {
    let (sql, http) = (map.optional_text("sql"), map.optional_map("http"));
    match (sql, http) {
        (Some((sql, line)), None) => Some((Ask::Sql(sql.to_owned()), "sql", sql, line)),
        (None, Some(http)) => {
            let (target, get, read) = (http.text("target"), http.text("get"), http.plain("read"));
            if let Some((get, line)) = get.filter(|(get, _)| !get.starts_with('/')) {
                let message = format!(
                    "`get: {get}` is no path: its host is the target's, write one like /prices/:sku"
                );
                http.mistake(line, message);
            }
            if read.is_empty() {
                http.mistake(http.line(), "`read` names nothing: write `{median: price.median}`");
            }
            http.finish();
            let ((target, _), (get, line)) = (target?, get?);
            let path = get.to_owned();
            Some((Ask::Http { target: target.to_owned(), path, read }, "get", get, line))
        }
        _ => {
            map.mistake(map.line(), "`reference` asks either `sql` or `http`");
            None
        }
    }
}
