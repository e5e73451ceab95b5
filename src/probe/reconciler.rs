//! What the reconciler says of itself: ready, how far it has read, what it judged. Each part is
//! optional: who tells nothing is observed by what it does.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::{ProbeError, Recorder, reading};
use crate::config::{Call, Mapping};
use crate::journal::Event;
use crate::wire::{Advance, Health, Judged, Watermark};

/// These calls answer from memory. One that hangs longer is no answer; a deaf reconciler must not
/// hold up the judge.
const CALL_LIMIT: Duration = Duration::from_secs(2);
/// Pages of judgements read in one go: a reconciler that invents new ones for ever must not hold up
/// the judge.
const JUDGED_PAGES_MAX: usize = 1_000;

/// Where the reconciler is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconcilerAt {
    /// `GET`: 200 is ready, any other status is not. Without it a reconciler that runs is ready.
    pub health: Option<String>,
    /// `GET`: a [`Watermark`], in our shape or as the map says.
    pub watermark: Option<(String, Mapping)>,
    /// `GET …?after=N`: a list of [`Judged`] in order.
    pub judged: Option<String>,
    /// `POST`, or as it says: an [`Advance`].
    pub advance: Option<Call>,
    /// Where a person answers a plan that asks.
    pub approve: Option<Approve>,
}

/// How a person says yes to a plan run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approve {
    /// `POST {plans}/RUN/approve`
    pub plans: String,
    /// As whom: sent as `Authorization: Bearer TOKEN`.
    pub token: String,
}

impl ReconcilerAt {
    /// The built-in reconciler at `base_url`, like `http://127.0.0.1:9000`.
    pub fn builtin(base_url: &str, token: &str) -> ReconcilerAt {
        let base_url = base_url.trim_end_matches('/');
        ReconcilerAt {
            health: Some(format!("{base_url}/healthz")),
            watermark: Some((format!("{base_url}/watermark"), Mapping::new())),
            judged: Some(format!("{base_url}/judged")),
            advance: Some(Call {
                method: "POST".to_owned(),
                url: format!("{base_url}/clock/advance"),
            }),
            approve: Some(Approve { plans: format!("{base_url}/plans"), token: token.to_owned() }),
        }
    }
}

/// The probe of one reconciler process.
pub struct Reconciler {
    at: ReconcilerAt,
    http: reqwest::Client,
    recorder: Recorder,
    /// The last judgement that is in the journal.
    judged_to: Mutex<u64>,
}

impl Reconciler {
    pub fn new(at: ReconcilerAt, recorder: Recorder) -> Result<Reconciler, ProbeError> {
        let http = reqwest::Client::builder().no_proxy().timeout(CALL_LIMIT).build();
        let http = http.map_err(ProbeError::Client)?;
        Ok(Reconciler { at, http, recorder, judged_to: Mutex::new(0) })
    }

    pub fn at(&self) -> &ReconcilerAt {
        &self.at
    }

    /// Ready or not, and why not. No answer is an error.
    pub async fn health(&self) -> Result<Health, ProbeError> {
        let Some(url) = &self.at.health else {
            return Ok(Health { ready: true, reasons: Vec::new() });
        };
        let (status, body) = self.call(url, self.http.get(url)).await?;
        let told: Option<Health> = serde_json::from_slice(&body).ok();
        let ready = status == 200;
        Ok(match told {
            Some(health) => Health { ready: ready && health.ready, ..health },
            None => Health { ready, reasons: vec![String::from_utf8_lossy(&body).into_owned()] },
        })
    }

    /// None where this reconciler has no watermark.
    pub async fn watermark(&self) -> Result<Option<Watermark>, ProbeError> {
        match &self.at.watermark {
            None => Ok(None),
            Some((url, map)) => match self.call(url, self.http.get(url)).await? {
                (200, body) => reading::watermark(map, &body).map(Some).map_err(|reason| {
                    ProbeError::Unreadable(format!("the watermark of {url}: {reason}"))
                }),
                (status, body) => Err(status_error(url, status, &body)),
            },
        }
    }

    /// Brings the judgements since the last call into the journal, stamped on arrival; says how
    /// many. None where this reconciler tells no judgements.
    pub async fn read_judged(&self) -> Result<Option<usize>, ProbeError> {
        let Some(url) = &self.at.judged else { return Ok(None) };
        let mut judged_to = self.judged_to.lock().await;
        let mut count = 0;
        for _ in 0..JUDGED_PAGES_MAX {
            let page: Vec<Judged> = self.get(&format!("{url}?after={}", *judged_to)).await?;
            let at = self.recorder.clock().now();
            let before = *judged_to;
            for judged in page {
                // Whatever the answer repeats is in the journal already.
                if judged.seq > *judged_to {
                    *judged_to = judged.seq;
                    self.recorder.record(at, Event::Judged { judged });
                    count += 1;
                }
            }
            if *judged_to == before {
                break;
            }
        }
        Ok(Some(count))
    }

    /// Orders the total offset. False where this reconciler cannot be advanced.
    pub async fn advance(&self, advance: Advance) -> Result<bool, ProbeError> {
        let Some(Call { method, url }) = &self.at.advance else { return Ok(false) };
        let request = match method.as_str() {
            "PUT" => self.http.put(url),
            _ => self.http.post(url),
        };
        let (status, body) = self.call(url, request.json(&advance)).await?;
        match status {
            200..=299 => Ok(true),
            _ => Err(status_error(url, status, &body)),
        }
    }

    /// Says yes to a run that asks. False where this reconciler takes no answer.
    pub async fn approve(&self, run_id: &str) -> Result<bool, ProbeError> {
        let Some(Approve { plans, token }) = &self.at.approve else { return Ok(false) };
        let url = format!("{plans}/{run_id}/approve");
        let why = serde_json::json!({"why": "the person on duty has seen the alert"});
        let request = self.http.post(&url).bearer_auth(token).json(&why);
        let (status, body) = self.call(&url, request).await?;
        match status {
            200..=299 => Ok(true),
            _ => Err(status_error(&url, status, &body)),
        }
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, ProbeError> {
        let (status, body) = self.call(url, self.http.get(url)).await?;
        match status {
            200 => serde_json::from_slice(&body).map_err(|_| status_error(url, status, &body)),
            _ => Err(status_error(url, status, &body)),
        }
    }

    async fn call(
        &self,
        url: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<(u16, Vec<u8>), ProbeError> {
        let silent = |source| ProbeError::Silent { url: url.to_owned(), source };
        let answer = request.send().await.map_err(silent)?;
        let status = answer.status().as_u16();
        Ok((status, answer.bytes().await.map_err(silent)?.to_vec()))
    }
}

fn status_error(url: &str, status: u16, body: &[u8]) -> ProbeError {
    let body = String::from_utf8_lossy(body).into_owned();
    ProbeError::Status { url: url.to_owned(), status, body }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use axum::extract::Query;
    use axum::http::StatusCode;
    use axum::routing::{get, post};
    use axum::{Json, Router};
    use serde_json::{Value, json};

    use super::super::recorder::tests::Recording;
    use super::*;

    fn judged(seq: u64) -> Value {
        json!({
            "seq": seq, "rule": "r", "version": "1", "subject": {"kind": "item", "id": "S"},
            "occurrence": "B", "judgement": "matched", "at": "x",
        })
    }

    /// A stand-in of the reconciler: five judgements, two a page, each page repeating the last one.
    async fn judged_after(Query(query): Query<HashMap<String, u64>>) -> Json<Vec<Value>> {
        let after = query["after"];
        Json((after.max(1)..=5).take(3).map(judged).collect())
    }

    async fn stand_in() -> String {
        let watermark = json!({
            "read": {"binlog": 17, "orders.events/0": 16}, "settled": 16, "checkpoint": 15,
            "now": "2026-01-05T02:00:00.000Z", "offset_ms": 30000, "busy": 1, "next_due": null,
        });
        let health = json!({"ready": true, "reasons": ["binlog is blind"]});
        let router = Router::new()
            .route("/healthz", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, Json(health)) }))
            .route("/watermark", get(|| async { Json(watermark) }))
            .route("/judged", get(judged_after))
            .route(
                "/clock/advance",
                post(|body: Json<Advance>| async move { body.seq.to_string() }),
            );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    #[tokio::test]
    async fn all_parts_are_read() {
        let recording = Recording::start();
        let at = ReconcilerAt::builtin(&stand_in().await, "");
        let probe = Reconciler::new(at, recording.recorder.clone()).unwrap();
        let health = probe.health().await.unwrap();
        assert_eq!((health.ready, health.reasons.len()), (false, 1), "503 is not ready");
        let watermark = probe.watermark().await.unwrap().unwrap();
        assert_eq!((watermark.read["binlog"], watermark.clock.busy), (17, 1));
        assert!(probe.advance(Advance { seq: 1, offset_ms: 5 }).await.unwrap());
        assert_eq!(probe.read_judged().await.unwrap(), Some(5));
        assert_eq!(probe.read_judged().await.unwrap(), Some(0), "nothing twice");
        let seqs: Vec<u64> = recording
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Judged { judged } => Some(judged.seq),
                _ => None,
            })
            .collect();
        assert_eq!(seqs, [1, 2, 3, 4, 5]);
    }

    #[tokio::test]
    async fn parts_may_be_absent_and_silence_is_an_error() {
        let recording = Recording::start();
        let at = ReconcilerAt {
            health: Some("http://127.0.0.1:1/healthz".into()),
            watermark: None,
            judged: None,
            advance: None,
            approve: None,
        };
        let probe = Reconciler::new(at, recording.recorder.clone()).unwrap();
        assert_eq!(probe.watermark().await.unwrap(), None);
        assert_eq!(probe.read_judged().await.unwrap(), None);
        assert!(!probe.advance(Advance { seq: 1, offset_ms: 5 }).await.unwrap());
        assert!(!probe.approve("r-1").await.unwrap());
        assert!(matches!(probe.health().await, Err(ProbeError::Silent { .. })));
        let untold = ReconcilerAt { health: None, ..probe.at().clone() };
        let probe = Reconciler::new(untold, recording.recorder.clone()).unwrap();
        assert!(probe.health().await.unwrap().ready, "it runs, and says no more");
    }
}
