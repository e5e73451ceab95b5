//! `messages.ndjson`: the run as Cucumber Messages, for tools that read those.
//!
//! A view like every other: features come from the texts that the journal keeps, steps and verdicts from its entries. A
//! verdict is more than its steps (a fault that did not bite is no step), so each test case ends with a hook that
//! carries it. An inconclusive one is `UNKNOWN`. Ids are places and stable ids; columns are left out.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::view::RunView;
use crate::journal::{Entry, Event, History, ScenarioFacts, Verdict, Word};
use crate::steps::{Document, document};

/// The published schema that the field names are checked against.
const PROTOCOL_VERSION: &str = "34.2.1";
/// The hook that carries a scenario's own verdict.
const VERDICT_HOOK: &str = "verdict";

/// All messages, one a line, in the order of the protocol.
pub(super) fn ndjson(entries: &[Entry]) -> String {
    let view = RunView::of(entries.to_vec());
    let documents = view
        .sources
        .iter()
        .map(|source| (source.uri.as_str(), document(&source.uri, &source.text)));
    let documents: BTreeMap<&str, Document> = documents.collect();
    let cases: Vec<Case> = cases(entries, &documents);
    let mut messages = vec![meta(&view)];
    for source in &view.sources {
        messages.push(json!({"source": {
            "uri": source.uri, "data": source.text, "mediaType": "text/x.cucumber.gherkin+plain",
        }}));
    }
    let gherkin = documents.values().map(|document| json!({"gherkinDocument": document.gherkin}));
    messages.extend(gherkin);
    messages.push(json!({"hook": {
        "id": VERDICT_HOOK, "name": "verdict", "type": "AFTER_TEST_CASE", "sourceReference": {},
    }}));
    messages.extend(cases.iter().map(|case| json!({"pickle": case.pickle})));
    let run = &view.run;
    messages.push(json!({"testRunStarted": {
        "id": run, "timestamp": timestamp(view.started_wall_ms),
    }}));
    messages.extend(cases.iter().map(|case| case.test_case(run)));
    for case in &cases {
        messages.extend(case.course());
    }
    let ended_ms = entries.last().map_or(view.started_wall_ms, |entry| entry.wall_ms);
    messages.push(json!({"testRunFinished": {
        "testRunStartedId": run,
        "success": view.exit == Some(0),
        "timestamp": timestamp(ended_ms),
    }}));
    messages.iter().map(|message| format!("{message}\n")).collect()
}

/// System and processor are those that this program was built for: a run's journal knows of no other.
fn meta(view: &RunView) -> Value {
    json!({"meta": {
        "protocolVersion": PROTOCOL_VERSION,
        "implementation": {"name": "lossdrill", "version": view.version},
        "runtime": {"name": "lossdrill", "version": view.version},
        "os": {"name": std::env::consts::OS},
        "cpu": {"name": std::env::consts::ARCH},
    }})
}

fn timestamp(wall_ms: i64) -> Value {
    json!({"seconds": wall_ms.div_euclid(1000), "nanos": wall_ms.rem_euclid(1000) * 1_000_000})
}

fn duration(us: u64) -> Value {
    json!({"seconds": us / 1_000_000, "nanos": us % 1_000_000 * 1_000})
}

/// One scenario as a test case.
struct Case {
    id: String,
    pickle: Value,
    steps: Vec<StepResult>,
    begun_ms: i64,
    ended_ms: i64,
    verdict: (&'static str, String),
}

/// When a step began and ended, and how.
struct StepResult {
    /// The pickle's step.
    pickle_step: String,
    began_ms: i64,
    ended_ms: i64,
    took_us: u64,
    status: &'static str,
    message: Option<String>,
}

fn cases(entries: &[Entry], documents: &BTreeMap<&str, Document>) -> Vec<Case> {
    let mut own: BTreeMap<&str, History> = BTreeMap::new();
    let mut order = Vec::new();
    for entry in entries {
        let Some(id) = &entry.scenario else { continue };
        if !own.contains_key(id.as_str()) {
            order.push(id.as_str());
        }
        own.entry(id).or_default().push(Arc::new(entry.clone()));
    }
    order.into_iter().filter_map(|id| Case::of(id, &own[id], documents)).collect()
}

fn status(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "PASSED",
        Verdict::Inconclusive => "UNKNOWN",
        Verdict::Fail => "FAILED",
    }
}

impl Case {
    fn of(id: &str, history: &History, documents: &BTreeMap<&str, Document>) -> Option<Case> {
        let facts = history.facts()?;
        let pickle = pickle(id, facts, documents);
        let (first, last) = (history.entries().first()?, history.entries().last()?);
        let told = history.pick(|event| match event {
            Event::ScenarioVerdict { verdict, word, evidence, .. } => {
                Some((*verdict, *word, evidence.as_str()))
            }
            _ => None,
        });
        let (ended_ms, verdict) = match told.last() {
            Some((entry, (verdict, word, evidence))) => {
                (entry.wall_ms, (status(verdict), format!("{word}: {evidence}")))
            }
            None => (last.wall_ms, ("UNKNOWN", Word::NotJudged.to_string())),
        };
        Some(Case {
            id: id.to_owned(),
            steps: step_results(facts, history, &pickle, ended_ms),
            pickle,
            begun_ms: first.wall_ms,
            ended_ms,
            verdict,
        })
    }

    fn test_case(&self, run: &str) -> Value {
        let step = |(index, step): (usize, &StepResult)| json!({"id": self.step_id(index), "pickleStepId": step.pickle_step});
        let mut steps: Vec<Value> = self.steps.iter().enumerate().map(step).collect();
        steps.push(json!({"id": self.step_id(steps.len()), "hookId": VERDICT_HOOK}));
        json!({"testCase": {
            "id": self.id,
            "pickleId": self.pickle["id"],
            "testSteps": steps,
            "testRunStartedId": run,
        }})
    }

    fn step_id(&self, index: usize) -> String {
        format!("{}/{index}", self.id)
    }

    fn started_id(&self) -> String {
        format!("{}/run", self.id)
    }

    /// From its start to its end.
    fn course(&self) -> Vec<Value> {
        let mut messages = vec![json!({"testCaseStarted": {
            "id": self.started_id(),
            "testCaseId": self.id,
            "attempt": 0,
            "timestamp": timestamp(self.begun_ms),
        }})];
        for (index, step) in self.steps.iter().enumerate() {
            let mut result = json!({"status": step.status, "duration": duration(step.took_us)});
            if let Some(message) = &step.message {
                result["message"] = message.as_str().into();
            }
            messages.extend(self.step(index, step.began_ms, step.ended_ms, result));
        }
        let (status, message) = &self.verdict;
        let mut result = json!({"status": status, "duration": duration(0)});
        if *status != "PASSED" {
            result["message"] = message.as_str().into();
        }
        messages.extend(self.step(self.steps.len(), self.ended_ms, self.ended_ms, result));
        messages.push(json!({"testCaseFinished": {
            "testCaseStartedId": self.started_id(),
            "timestamp": timestamp(self.ended_ms),
            "willBeRetried": false,
        }}));
        messages
    }

    fn step(&self, index: usize, began_ms: i64, ended_ms: i64, result: Value) -> [Value; 2] {
        let (case, step) = (self.started_id(), self.step_id(index));
        [
            json!({"testStepStarted": {
                "testCaseStartedId": case, "testStepId": step, "timestamp": timestamp(began_ms),
            }}),
            json!({"testStepFinished": {
                "testCaseStartedId": case,
                "testStepId": step,
                "testStepResult": result,
                "timestamp": timestamp(ended_ms),
            }}),
        ]
    }
}

/// The pickle of the feature's text; of a journal without texts one that points nowhere.
fn pickle(id: &str, facts: &ScenarioFacts, documents: &BTreeMap<&str, Document>) -> Value {
    let (uri, line) = facts.location.rsplit_once(':').unwrap_or((&facts.location, "1"));
    let found = documents.get(uri).and_then(|document| {
        let own = |pickle: &&crate::steps::Pickle| {
            pickle.line.to_string() == line && pickle.lines == facts.steps
        };
        document.pickles.iter().find(own)
    });
    if let Some(pickle) = found {
        return pickle.value.clone();
    }
    let step = |(index, line): (usize, &String)| json!({"id": format!("{id}/step/{index}"), "astNodeIds": [], "text": line});
    json!({
        "id": format!("{id}/pickle"),
        "uri": uri,
        "name": facts.name,
        "language": "en",
        "steps": facts.steps.iter().enumerate().map(step).collect::<Vec<Value>>(),
        "tags": [],
        "astNodeIds": [],
    })
}

/// A step that registered an expectation ends as that was decided; another one as it was carried out.
fn step_results(
    facts: &ScenarioFacts,
    history: &History,
    pickle: &Value,
    ended_ms: i64,
) -> Vec<StepResult> {
    let mut decided = BTreeMap::new();
    let (mut done, mut registered) = (BTreeMap::new(), BTreeMap::<String, Vec<usize>>::new());
    for entry in history.entries() {
        match &entry.event {
            Event::Decided { index, verdict, word, evidence } => {
                decided.insert(*index, (entry, *verdict, *word, evidence.as_str()));
            }
            Event::Registered { index, sentence, .. } => {
                registered.entry(sentence.clone()).or_default().push(*index);
            }
            Event::Stepped { step, ok } => drop(done.insert(*step, (entry, *ok))),
            _ => {}
        }
    }
    let mut began = history.entries().first();
    let mut results = Vec::new();
    for (index, line) in facts.steps.iter().enumerate() {
        let from = began.map_or((ended_ms, 0), |entry| (entry.wall_ms, entry.mono_us));
        let skipped = StepResult {
            pickle_step: pickle["steps"][index]["id"].as_str().unwrap_or_default().to_owned(),
            began_ms: from.0,
            ended_ms: from.0,
            took_us: 0,
            status: "SKIPPED",
            message: None,
        };
        let walked = done.get(&index);
        began = walked.map(|(entry, _)| *entry).or(began);
        let expected = registered.get(line);
        results.push(match (walked, expected) {
            (_, Some(own)) => {
                let worst = own.iter().filter_map(|index| decided.get(index));
                match worst.max_by_key(|(_, verdict, ..)| *verdict) {
                    Some((entry, verdict, word, evidence)) => StepResult {
                        ended_ms: entry.wall_ms,
                        took_us: entry.mono_us.saturating_sub(from.1),
                        status: status(*verdict),
                        message: (*verdict != Verdict::Pass).then(|| format!("{word}: {evidence}")),
                        ..skipped
                    },
                    None => StepResult {
                        status: "UNKNOWN",
                        message: Some(Word::NotJudged.to_string()),
                        ended_ms: ended_ms.max(from.0),
                        ..skipped
                    },
                }
            }
            (Some((entry, ok)), None) => StepResult {
                ended_ms: entry.wall_ms,
                took_us: entry.mono_us.saturating_sub(from.1),
                status: if *ok { "PASSED" } else { "UNKNOWN" },
                ..skipped
            },
            (None, None) => skipped,
        });
    }
    results
}
