//! Faults on the reconciler's rules: its rule files are added to or changed, broken or in good order, and read.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{FaultError, FaultSpec, Ground, Param, Params, Scale};

/// A handful of small files is read in milliseconds; this only bounds a starved machine.
const RELOAD_LIMIT: Duration = Duration::from_secs(5);
/// A set that was read is listed a moment later.
const LIST_PAUSE: Duration = Duration::from_millis(20);
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

/// The rule that gets a candidate, what of its check is made stricter, and how.
const JUDGED_STRICTER: (&str, &str, &str) =
    ("bid-below-market", "0.5 * ref.median", "0.95 * ref.median");

pub(super) const CANDIDATE: &[Param] = &[Param {
    name: "rollout",
    doc: "how far the candidate is released",
    scale: Scale::Word { default: "shadow", among: &["off", "shadow", "full"] },
}];

pub(super) const LIMITED: &[Param] = &[
    Param {
        name: "rule",
        doc: "the rule that is limited",
        scale: Scale::Text { default: "coupon-redeemed-twice" },
    },
    Param {
        name: "per minute",
        doc: "how many occurrences it may take in a minute",
        scale: Scale::Count { default: 3, max: 1_000_000 },
    },
];

/// The reconciler's own copy of its rule files, and where it is told to read them.
#[derive(Clone, Debug)]
pub struct Rules {
    pub dir: PathBuf,
    /// Its console, past every link: `http://127.0.0.1:…`.
    pub console: String,
    /// Of a person who may order it to.
    pub token: String,
}

pub(super) struct RulesFault {
    spec: &'static FaultSpec,
    client: reqwest::Client,
    rules: Rules,
    params: Params,
    /// What was written, and what stood there before.
    written: Option<Written>,
    /// What the reconciler answered to the last order to read its rules again.
    answer: Option<u16>,
}

struct Written {
    file: PathBuf,
    text: String,
    before: Option<String>,
}

impl RulesFault {
    pub fn new(
        spec: &'static FaultSpec,
        params: &Params,
        ground: &Ground,
    ) -> Result<RulesFault, FaultError> {
        let rules = ground.rules(spec)?;
        let client = reqwest::Client::builder().no_proxy().timeout(RELOAD_LIMIT).build();
        let client = client.map_err(|error| FaultError::Inject {
            fault: spec.id.clone(),
            reason: format!("no HTTP client: {error}"),
        })?;
        let params = params.clone();
        Ok(RulesFault { spec, client, rules, params, written: None, answer: None })
    }

    async fn order(&self) -> Result<u16, String> {
        let url = format!("{}/rules/reload", self.rules.console.trim_end_matches('/'));
        let answer = self.client.post(&url).bearer_auth(&self.rules.token).send().await;
        answer.map(|answer| answer.status().as_u16()).map_err(|e| format!("POST {url}: {e}"))
    }

    fn what_to_write(&self) -> Result<Written, String> {
        let dir = &self.rules.dir;
        let added = |text: String| Written { file: dir.join(FILE), text, before: None };
        match self.spec.what_happened() {
            "broken" => Ok(added(BROKEN.to_owned())),
            "changed" => Ok(added(CHANGED.to_owned())),
            "candidate" => candidate(dir, self.params.word("rollout")).map(added),
            "limited" => limited(dir, self.params.word("rule"), self.params.count("per minute")),
            other => unreachable!("the registry has no `{other}` for rules"),
        }
    }

    async fn put(&mut self) -> Result<String, String> {
        let written = self.what_to_write()?;
        let (file, text) = (written.file.clone(), written.text.clone());
        self.written = Some(written);
        let failed = |error: std::io::Error| format!("{}: {error}", file.display());
        tokio::fs::write(&file, text).await.map_err(failed)?;
        let answer = self.order().await?;
        self.answer = Some(answer);
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        Ok(format!("{name} lies among the rules, and the order to read it got http {answer}"))
    }

    pub async fn inject(&mut self) -> Result<String, FaultError> {
        let failed = |reason| FaultError::Inject { fault: self.spec.id.clone(), reason };
        self.put().await.map_err(failed)
    }

    /// The reconciler's own list of rules has the candidate, on its rollout.
    async fn lists_candidate(&self) -> Result<(), String> {
        let url = format!("{}/rules", self.rules.console.trim_end_matches('/'));
        let asked = self.client.get(&url).bearer_auth(&self.rules.token).send().await;
        let list: Vec<Value> = match asked {
            Ok(answer) => answer.json().await.map_err(|e| format!("GET {url}: {e}"))?,
            Err(error) => return Err(format!("GET {url}: {error}")),
        };
        let own: Vec<&Value> =
            list.iter().filter(|rule| rule["rule"] == JUDGED_STRICTER.0).collect();
        let is_there =
            own.len() > 1 && own.iter().any(|rule| rule["rollout"] == self.params.word("rollout"));
        let text = |rule: &Value, field: &str| rule[field].as_str().unwrap_or("?").to_owned();
        let named = |rule: &&Value| {
            format!("{}@{} ({})", text(rule, "rule"), text(rule, "version"), text(rule, "rollout"))
        };
        let told = || {
            let listed: Vec<String> = own.iter().map(named).collect();
            format!("GET {url} lists [{}], and no candidate beside it", listed.join(", "))
        };
        is_there.then_some(()).ok_or_else(told)
    }

    /// The file is what was written, and the reconciler has read it: whatever it made of a broken one.
    pub async fn bites(&mut self) -> Result<String, FaultError> {
        let no_bite = |reason| FaultError::NoBite { fault: self.spec.id.clone(), reason };
        let Some(written) = &self.written else {
            return Err(no_bite("nothing was written".to_owned()));
        };
        let text = tokio::fs::read_to_string(&written.file).await.unwrap_or_default();
        let may_refuse = matches!(self.spec.what_happened(), "broken" | "changed");
        if self.spec.what_happened() == "candidate" {
            let mut listed = self.lists_candidate().await;
            let asked = Instant::now();
            while listed.is_err() && asked.elapsed() < RELOAD_LIMIT {
                tokio::time::sleep(LIST_PAUSE).await;
                listed = self.lists_candidate().await;
            }
            listed.map_err(no_bite)?;
        }
        match self.answer {
            _ if text != written.text => {
                Err(no_bite(format!("{} is not what was written", written.file.display())))
            }
            Some(answer @ 200..=299) => Ok(format!("read, and answered http {answer}")),
            Some(answer @ 400..=499) if may_refuse && answer != 404 && answer != 401 => {
                Ok(format!("read, and answered http {answer}"))
            }
            answer => Err(no_bite(format!("the order to read it got http {answer:?}"))),
        }
    }

    pub async fn heal(&mut self) -> Result<(), FaultError> {
        let Some(written) = &self.written else { return Ok(()) };
        let failed = |reason| FaultError::Heal { fault: self.spec.id.clone(), reason };
        let back = match &written.before {
            Some(before) => tokio::fs::write(&written.file, before).await,
            None => tokio::fs::remove_file(&written.file).await,
        };
        match back {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(format!("{}: {error}", written.file.display())));
            }
            _ => {}
        }
        self.answer = Some(self.order().await.map_err(failed)?);
        Ok(())
    }

    pub async fn healed(&mut self) -> Result<String, FaultError> {
        let unproved = |reason| FaultError::NotHealed { fault: self.spec.id.clone(), reason };
        let Some(written) = &self.written else { return Ok("never touched".to_owned()) };
        let text = tokio::fs::read_to_string(&written.file).await.ok();
        if text != written.before {
            return Err(unproved(format!("{} is not as it was", written.file.display())));
        }
        match self.answer {
            Some(200..=299) => Ok("the rules from before are read again".to_owned()),
            answer => Err(unproved(format!("reading the rules again got http {answer:?}"))),
        }
    }
}

/// The rule of that id, as its file says it, with that file and its text.
fn rule(dir: &Path, id: &str) -> Result<(PathBuf, String, Value), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", dir.display());
    let mut known = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let Ok(Value::Array(rules)) = serde_yaml::from_str(&text) else { continue };
        for rule in rules {
            match rule["id"].as_str() {
                Some(own) if own == id => return Ok((file, text, rule)),
                own => known.extend(own.map(str::to_owned)),
            }
        }
    }
    let near = crate::config::nearest(id, known.iter().map(String::as_str));
    let near = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
    Err(format!("the reconciler has no rule `{id}`{near}"))
}

/// The next version of a rule, which would find in honest bids what the version in force does not.
fn candidate(dir: &Path, rollout: &str) -> Result<String, String> {
    let (id, lenient, strict) = JUDGED_STRICTER;
    let (_, _, mut rule) = rule(dir, id)?;
    let check = rule["check"].as_str().unwrap_or_default();
    if !check.contains(lenient) {
        return Err(format!(
            "the check of rule `{id}` has no `{lenient}` to make stricter: {check}"
        ));
    }
    let stricter = check.replace(lenient, strict);
    let version = rule["version"].as_u64().unwrap_or_default() + 1;
    rule["check"] = stricter.into();
    rule["version"] = version.into();
    rule["rollout"] = rollout.into();
    // JSON is YAML.
    serde_json::to_string_pretty(&[rule]).map_err(|error| error.to_string())
}

/// The file of a rule, with a rate that it did not have.
fn limited(dir: &Path, id: &str, per_minute: u64) -> Result<Written, String> {
    let (file, before, rule) = rule(dir, id)?;
    if !rule["rate"].is_null() {
        return Err(format!("rule `{id}` has a rate of its own already"));
    }
    let head = format!("- id: {id}\n");
    let text = before.replacen(&head, &format!("{head}  rate: {per_minute} per 1 min\n"), 1);
    if text == before {
        return Err(format!("{} has no line `- id: {id}` to write a rate under", file.display()));
    }
    Ok(Written { file, text, before: Some(before) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_is_one_more_version_and_a_limit_one_more_line() {
        let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/rules"));
        let text = candidate(dir, "shadow").unwrap();
        let rules: Vec<Value> = serde_yaml::from_str(&text).unwrap();
        assert_eq!(rules[0]["version"], Value::from(2));
        assert_eq!(rules[0]["rollout"], Value::from("shadow"));
        assert!(rules[0]["check"].as_str().unwrap().contains("0.95 * ref.median"), "{text}");
        let written = limited(dir, "coupon-redeemed-twice", 3).unwrap();
        let before = written.before.unwrap();
        assert_eq!(written.text.lines().count(), before.lines().count() + 1);
        let error = limited(dir, "coupon-redemed-twice", 3).err().unwrap();
        assert!(error.contains("did you mean `coupon-redeemed-twice`?"), "{error}");
    }
}
