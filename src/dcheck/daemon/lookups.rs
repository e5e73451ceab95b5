//! Lookups of rules: asked in tasks of their own, answered back to the core, bounded in time, number and pace.
//!
//! Owns the pace of all lookups together (`--lookups-per-second`) and HTTP lookups: GET of a `--target`, no redirect, a JSON answer
//! of bounded length, each value exact. Errors name the target, never its URL, which may hold a secret. What is not there in an
//! answer is no answer: a rule must not take a changed form for a missing price.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value as Json;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::core::Back;
use crate::dcheck::console::LoadView;
use crate::dcheck::engine::Input;
use crate::dcheck::engine::rules::ask::Ask;
use crate::dcheck::event::{Row, Value};
use crate::dcheck::results::sql::{SqlClient, View};
use crate::dcheck::sources::json::row_from_json;

/// No rule may ask for longer than this.
const LOOKUP_LIMIT_MS: u64 = 10_000;
/// Nor waits a question longer for its turn.
const LONGEST_TURN: Duration = Duration::from_secs(10);
/// A longer answer is no value.
const ANSWER_BYTES: usize = 1 << 20;

type Params = [(String, Value)];

/// Asks the platform for the engine.
#[derive(Clone)]
pub struct Lookups {
    sql: Arc<SqlClient>,
    http: reqwest::Client,
    /// Base URLs of `--target`.
    targets: Arc<BTreeMap<String, String>>,
    pace: Arc<Pace>,
}

/// So many a second, one after another.
struct Pace {
    per_second: u32,
    next: Mutex<Option<Instant>>,
    asked: AtomicU64,
    delayed: AtomicU64,
    refused: AtomicU64,
}

/// What a rule asks.
pub struct Question {
    pub ask: Ask,
    /// By name, for the placeholders `:name`.
    pub params: Vec<(String, Value)>,
    pub timeout_ms: u64,
    pub view: View,
}

/// Why there is no answer, and whose fault that is.
#[derive(Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// The question's own: it cannot be asked with this key, or the key is not known.
    Key(String),
    Place(String),
}

impl From<String> for NoAnswer {
    fn from(why: String) -> NoAnswer {
        NoAnswer::Place(why)
    }
}

impl NoAnswer {
    /// What an answer of HTTP that is none says.
    fn of(status: reqwest::StatusCode, why: String) -> NoAnswer {
        use reqwest::StatusCode as S;
        match status {
            S::BAD_REQUEST | S::NOT_FOUND | S::GONE | S::UNPROCESSABLE_ENTITY => NoAnswer::Key(why),
            _ => NoAnswer::Place(why),
        }
    }
}

impl Pace {
    fn new(per_second: u32) -> Pace {
        let (next, [asked, delayed, refused]) = (Mutex::default(), Default::default());
        Pace { per_second: per_second.max(1), next, asked, delayed, refused }
    }

    /// How long a question waits for its turn; none: too long.
    fn turn(&self, now: Instant) -> Option<Duration> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = next.map_or(now, |next| next.max(now));
        let wait = at - now;
        if wait > LONGEST_TURN {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        *next = Some(at + Duration::from_secs(1) / self.per_second);
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.delayed.fetch_add(u64::from(!wait.is_zero()), Ordering::Relaxed);
        Some(wait)
    }
}

/// What the engine hears of it.
pub fn answered(lookup: u64, result: Result<Vec<Row>, NoAnswer>) -> Input {
    let result = match result {
        Ok(rows) => Ok(rows),
        Err(NoAnswer::Key(why)) => return Input::NoAnswer { lookup, why },
        Err(NoAnswer::Place(why)) => Err(why),
    };
    Input::Answer { lookup, result }
}

impl Lookups {
    pub fn new(
        sql: Arc<SqlClient>,
        targets: BTreeMap<String, String>,
        per_second: u32,
    ) -> Result<Lookups, reqwest::Error> {
        // Whoever answers with another place would lead the reconciler out of what it was allowed.
        let client = reqwest::Client::builder().no_proxy();
        let http = client.redirect(reqwest::redirect::Policy::none()).build()?;
        let pace = Arc::new(Pace::new(per_second));
        Ok(Lookups { sql, http, targets: Arc::new(targets), pace })
    }

    pub fn ask(&self, lookup: u64, question: Question, back: mpsc::Sender<Back>) {
        let asker = self.clone();
        tokio::spawn(async move {
            let result = match asker.pace.turn(Instant::now()) {
                Some(wait) => {
                    tokio::time::sleep(wait).await;
                    asker.answer(question).await
                }
                None => Err(NoAnswer::Place(format!(
                    "more than {} lookups a second for {} s",
                    asker.pace.per_second,
                    LONGEST_TURN.as_secs()
                ))),
            };
            let _ = back.send(Back::Answer { lookup, result }).await;
        });
    }

    async fn answer(&self, question: Question) -> Result<Vec<Row>, NoAnswer> {
        let Question { ask, params, timeout_ms, view } = question;
        let limit = Duration::from_millis(timeout_ms.min(LOOKUP_LIMIT_MS));
        match ask {
            Ask::Sql(sql) => {
                let answer = self.sql.named(&sql, &params, view, limit).await;
                answer.map(|answer| answer.rows).map_err(|error| error.to_string().into())
            }
            Ask::Http { target, path, read } => {
                let got = tokio::time::timeout(limit, self.get(&target, &path, &params)).await;
                let late = || {
                    let limit_ms = limit.as_millis();
                    Err(format!("http: {target} gives no answer within {limit_ms} ms").into())
                };
                let body = got.unwrap_or_else(|_| late())?;
                Ok(vec![row_of(&body, &read).map_err(|why| format!("http: {target}: {why}"))?])
            }
        }
    }

    async fn get(&self, target: &str, path: &str, params: &Params) -> Result<Vec<u8>, NoAnswer> {
        let base = self.targets.get(target);
        let base = base.ok_or_else(|| format!("http: no --target is named {target}"))?;
        let path = filled(path, params).map_err(NoAnswer::Key)?;
        let url = format!("{}{path}", base.trim_end_matches('/'));
        let shown = |error: reqwest::Error| format!("http: {target}: {}", error.without_url());
        let mut answer = self.http.get(url).send().await.map_err(shown)?;
        if answer.status() != reqwest::StatusCode::OK {
            let (status, why) =
                (answer.status(), format!("http: {target} answers {}", answer.status()));
            return Err(NoAnswer::of(status, why));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(shown)? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES {
                let why = format!("http: {target}: an answer of more than {ANSWER_BYTES} bytes");
                return Err(why.into());
            }
        }
        Ok(body)
    }

    /// What the lookups ask of the database and of others.
    pub fn load(&self) -> LoadView {
        LoadView {
            connections: self.sql.connections(),
            connections_in_use: self.sql.in_use(),
            lookups_per_second: self.pace.per_second.into(),
            asked: self.pace.asked.load(Ordering::Relaxed),
            delayed: self.pace.delayed.load(Ordering::Relaxed),
            refused: self.pace.refused.load(Ordering::Relaxed),
        }
    }
}

/// The path with its placeholders; each value is one segment or one value of a query, whatever is in it.
fn filled(path: &str, params: &Params) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (mut text, mut rest) = (String::new(), path);
    while let Some((before, after)) = rest.split_once(':') {
        let name = &after[..after.find(|c| !is_name(c)).unwrap_or(after.len())];
        text.push_str(before);
        match params.iter().find(|(known, _)| known == name) {
            Some((_, Value::Null)) => return Err(format!("`{name}` has no value to ask with")),
            Some((_, value)) => text.push_str(&encoded(&value.to_string())?),
            None => text.push_str(&format!(":{name}")),
        }
        rest = &after[name.len()..];
    }
    Ok(text + rest)
}

/// Percent-encoded but for letters, digits, `-` and `_`. Dots alone would climb out of the path.
fn encoded(value: &str) -> Result<String, String> {
    if value.is_empty() || value.chars().all(|c| c == '.') {
        return Err(format!("`{value}` cannot stand in a path"));
    }
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => (byte as char).to_string(),
        _ => format!("%{byte:02X}"),
    };
    Ok(value.bytes().map(one).collect())
}

/// The values at their paths, exact; a path leads through objects alone.
fn row_of(body: &[u8], read: &[(String, String)]) -> Result<Row, String> {
    let form: Json = serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    let mut found = Row::new();
    for (name, path) in read {
        let missing = || format!("the answer has no `{path}`");
        let (mut at, mut raw) = (&form, String::from_utf8_lossy(body).into_owned());
        let mut value = Value::Null;
        for step in path.split('.') {
            at = at.as_object().and_then(|object| object.get(step)).ok_or_else(missing)?;
            // A number that went through the tree would be a float.
            let mut row = row_from_json(raw.as_bytes()).map_err(|error| error.to_string())?;
            value = row.remove(step).ok_or_else(missing)?;
            raw = value.to_string();
        }
        if at.is_object() || at.is_array() {
            return Err(format!("`{path}` of the answer is no single value"));
        }
        found.insert(name.clone(), value);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_in_their_place_of_the_path() {
        let with = |value: &str| vec![("sku".to_owned(), Value::from(value))];
        for (path, value, expect) in [
            ("/prices/:sku", "K-1", Ok("/prices/K-1")),
            ("/prices/:sku/now?of=:sku", "a b", Ok("/prices/a%20b/now?of=a%20b")),
            ("/prices/:sku", "../admin?x=1#y", Ok("/prices/..%2Fadmin%3Fx%3D1%23y")),
            ("/prices/:sku", "男", Ok("/prices/%E7%94%B7")),
            ("/prices/:sku", "..", Err("cannot stand in a path")),
            ("/prices/:sku", "", Err("cannot stand in a path")),
            ("/at/12:30/:sku", "K", Ok("/at/12:30/K")),
        ] {
            match (filled(path, &with(value)), expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found, expect),
                (Err(found), Err(part)) => assert!(found.contains(part), "{found}"),
                (found, expect) => panic!("{path} {value}: {found:?}, not {expect:?}"),
            }
        }
        assert!(filled("/:sku", &[("sku".to_owned(), Value::Null)]).is_err());
    }

    #[test]
    fn values_are_exact_or_there_is_no_answer() {
        let body = br#"{"price":{"median":12345678901234567890.12,"text":"x"},"items":[{"n":1}],"none":null}"#;
        let read = |path: &str| row_of(body, &[("v".to_owned(), path.to_owned())]);
        for (path, expect) in [
            ("price.median", Value::decimal("12345678901234567890.12").unwrap()),
            ("price.text", Value::from("x")),
            ("none", Value::Null),
        ] {
            assert_eq!(read(path).unwrap()["v"], expect, "{path}");
        }
        for path in ["price", "items", "items.0.n", "price.mean", "price.median.x", ""] {
            assert!(read(path).is_err(), "{path}");
        }
        assert!(row_of(b"<html>", &[]).is_err());
    }

    #[test]
    fn no_more_than_so_many_a_second() {
        let (pace, now) = (Pace::new(10), Instant::now());
        let waits: Vec<u128> =
            (0..3).map(|_| pace.turn(now).expect("a turn").as_millis()).collect();
        assert_eq!(waits, [0, 100, 200]);
        let later = now + Duration::from_secs(5);
        assert_eq!(pace.turn(later), Some(Duration::ZERO), "an idle time is not saved up");
        let taken = (0..1_000).filter(|_| pace.turn(later).is_some()).count();
        assert_eq!(taken, 100, "those of the next 10 s");
        assert_eq!(pace.refused.load(Ordering::Relaxed), 900);
    }

    /// Answers each connection with the text, whatever it asks; gives what was asked.
    async fn server(answer: &'static str) -> (String, mpsc::Receiver<String>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://user:secret@{}", listener.local_addr().unwrap());
        let (seen, inbox) = mpsc::channel(8);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut bytes = [0; 4096];
                let count = socket.read(&mut bytes).await.unwrap_or(0);
                let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
                let _ = seen.send(text.lines().next().unwrap_or_default().to_owned()).await;
                if answer.is_empty() {
                    std::future::pending::<()>().await;
                }
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        (url, inbox)
    }

    #[tokio::test]
    async fn a_target_is_asked_by_get_and_its_failures_tell_no_secret() {
        let whole =
            "HTTP/1.1 200 OK\r\ncontent-length: 15\r\nconnection: close\r\n\r\n{\"price\":12.50}";
        let moved = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        let gone = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        for (answer, expect) in [
            (whole, Ok("12.50")),
            (moved, Err(("shop answers 302", false))),
            (gone, Err(("shop answers 404", true))),
            ("", Err(("no answer within 200 ms", false))),
            ("nonsense", Err(("http: shop", false))),
        ] {
            let (url, mut seen) = server(answer).await;
            let sql = Arc::new(SqlClient::new("mysql://root@127.0.0.1:1/shop").unwrap());
            let lookups = Lookups::new(sql, [("shop".to_owned(), url)].into(), 100).unwrap();
            let ask = Ask::Http {
                target: "shop".into(),
                path: "/prices/:sku".into(),
                read: vec![("median".into(), "price".into())],
            };
            let params = vec![("sku".to_owned(), Value::from("K-1"))];
            let question = Question { ask, params, timeout_ms: 200, view: View::Committed };
            let found = lookups.answer(question).await;
            assert_eq!(seen.recv().await.as_deref(), Some("GET /prices/K-1 HTTP/1.1"));
            match (found, expect) {
                (Ok(rows), Ok(text)) => assert_eq!(rows[0]["median"].to_string(), text),
                (Err(none), Err((part, of_key))) => {
                    let is_of_key = matches!(none, NoAnswer::Key(_));
                    let (NoAnswer::Key(why) | NoAnswer::Place(why)) = none;
                    assert!(why.contains(part) && !why.contains("secret"), "{why}");
                    assert_eq!(is_of_key, of_key, "{why}");
                }
                (found, expect) => panic!("{answer}: {found:?}, not {expect:?}"),
            }
        }
    }
}
