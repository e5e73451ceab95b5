//! Calls as rows of a store, one for each bucket: a commit costs the buckets that changed, not all that wait for an end.
//!
//! A partition without an end (its broker is away, nobody writes to it) holds back a thousand buckets of its service: all of them in
//! each commit would be some hundred kilobytes, fifty times a second. The rows lie beside the engine's groups, told by their
//! `service`. Knows no table.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::calls::Bucket;
use super::watch::{Degradation, State};

#[derive(Serialize, Deserialize)]
struct Kept {
    service: String,
    start: i64,
    bucket: Bucket,
}

/// Of any service the same length: a store's own key has a bound.
fn id_of(service: &str, start: i64) -> String {
    hex::encode(Sha256::digest(format!("service {service} {start}")))
}

impl State {
    /// Takes its own among the stored rows, and gives back the others.
    pub fn take_rows(&mut self, rows: Vec<Value>) -> Result<Vec<Value>, serde_json::Error> {
        let is_own = |row: &Value| row.get("service").is_some();
        let (own, others): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_own);
        for row in own {
            let Kept { service, start, bucket } = serde_json::from_value(row)?;
            self.services.entry(service).or_default().kept.put(start, bucket);
        }
        Ok(others)
    }
}

impl Degradation {
    /// The buckets that changed since the last call, by id, each as it is now; none where it is forgotten.
    pub fn take_changes(&mut self) -> Vec<(String, Option<String>)> {
        let mut changes = std::mem::take(&mut self.forgotten);
        for (service, watched) in &mut self.state.services {
            for (start, bucket) in watched.kept.take_changes() {
                let body = bucket.map(|bucket| {
                    let kept = Kept { service: service.clone(), start, bucket };
                    serde_json::to_string(&kept).expect("invariant: a bucket is plain data")
                });
                changes.push((id_of(service, start), body));
            }
        }
        changes
    }

    /// Rows of a service that the file does not measure any more.
    pub(super) fn forget_rows(&mut self, service: &str, starts: impl Iterator<Item = i64>) {
        self.forgotten.extend(starts.map(|start| (id_of(service, start), None)));
    }
}
