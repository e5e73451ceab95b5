//! Faults on the reconciler's rules: one more file is put in place, broken or in good order, and read.

use std::path::PathBuf;
use std::time::Duration;

use super::{FaultError, FaultSpec, Ground};

/// A handful of small files is read in milliseconds; this only bounds a starved machine.
const RELOAD_LIMIT: Duration = Duration::from_secs(5);
/// Sorts last, and is nobody's own.
const FILE: &str = "zz-drill.yaml";

/// Not whole, and what is there is wrong: a reader that takes it for an empty set drops every rule.
const BROKEN: &str = "\
- id: drill-rule
  version: 1
  loss_point: drill-rule
  severity: highest
  rollout: full
  strategy: treshold
";

/// In good order, and about a source that nobody writes.
const CHANGED: &str = "\
- id: drill-rule
  version: 1
  title: A rule that watches a source of nobody's
  loss_point: drill-rule
  severity: P4
  rollout: shadow
  strategy: freshness
  source: drill
  stale_after: 1 d
  when_absent: finding
";

pub(super) struct RulesFault {
    spec: &'static FaultSpec,
    client: reqwest::Client,
    file: PathBuf,
    reload: String,
    text: &'static str,
    /// What the reconciler answered to the last order to read its rules again.
    answer: Option<u16>,
    touched: bool,
}

impl RulesFault {
    pub fn new(spec: &'static FaultSpec, ground: &Ground) -> Result<RulesFault, FaultError> {
        let (dir, console) = ground.rules(spec)?;
        let client = reqwest::Client::builder().no_proxy().timeout(RELOAD_LIMIT).build();
        let client = client.map_err(|error| FaultError::Inject {
            fault: spec.id.clone(),
            reason: format!("no HTTP client: {error}"),
        })?;
        let text = match spec.what_happened() {
            "broken" => BROKEN,
            "changed" => CHANGED,
            other => unreachable!("the registry has no `{other}` for rules"),
        };
        let reload = format!("{}/rules/reload", console.trim_end_matches('/'));
        let file = dir.join(FILE);
        Ok(RulesFault { spec, client, file, reload, text, answer: None, touched: false })
    }

    async fn order(&self) -> Result<u16, String> {
        let answer = self.client.post(&self.reload).send().await;
        answer
            .map(|answer| answer.status().as_u16())
            .map_err(|e| format!("POST {}: {e}", self.reload))
    }

    async fn put(&mut self) -> Result<String, String> {
        self.touched = true;
        let failed = |error: std::io::Error| format!("{}: {error}", self.file.display());
        tokio::fs::write(&self.file, self.text).await.map_err(failed)?;
        let answer = self.order().await?;
        self.answer = Some(answer);
        Ok(format!("{FILE} lies among the rules, and the order to read it got http {answer}"))
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        let failed = |reason| FaultError::Inject { fault: self.spec.id.clone(), reason };
        self.put().await.map_err(failed)
    }

    /// The file is what was written, and the reconciler has read it: whatever it made of it.
    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let no_bite = |reason| FaultError::NoBite { fault: self.spec.id.clone(), reason };
        let text = tokio::fs::read_to_string(&self.file).await.unwrap_or_default();
        match self.answer {
            _ if text != self.text => Err(no_bite(format!("{FILE} is not what was written"))),
            Some(answer @ (200..=299 | 400..=499)) if answer != 404 => {
                Ok(format!("read, and answered http {answer}"))
            }
            answer => Err(no_bite(format!("the order to read it got http {answer:?}"))),
        }
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        if !self.touched {
            return Ok(());
        }
        let failed = |reason| FaultError::Heal { fault: self.spec.id.clone(), reason };
        match tokio::fs::remove_file(&self.file).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(format!("{}: {error}", self.file.display())));
            }
            _ => {}
        }
        self.answer = Some(self.order().await.map_err(failed)?);
        Ok(())
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let unproved = |reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason };
        if self.file.exists() {
            return Err(unproved(format!("{FILE} still lies among the rules")));
        }
        match self.answer {
            None => Ok("never touched".to_owned()),
            Some(200..=299) => Ok("the rules from before are read again".to_owned()),
            Some(answer) => Err(unproved(format!("reading the rules again got http {answer}"))),
        }
    }
}
