//! Each rule of the project by the tables in `tests/dcheck_rules/`: steps in, verdicts out, both
//! spaces.

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    case: String,
    /// Whose verdicts are compared.
    rules: Vec<String>,
    steps: Vec<Step>,
    verdicts: Vec<String>,
}

/// One step, at cell time `at` in ms.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Step {
    at: i64,
    /// A message of `channel.flow`.
    flow: Option<serde_json::Value>,
    /// A row of this table: `row`, and for an update `was`.
    table: Option<String>,
    row: Option<serde_json::Value>,
    was: Option<serde_json::Value>,
    /// The answer to the oldest lookup out: rows, or why there are none.
    answer: Option<Vec<serde_json::Value>>,
    fail: Option<String>,
    /// A mark of this number on every source, or on one.
    mark: Option<u64>,
    source: Option<String>,
}

impl Step {
    fn inputs(&self, asked: &mut Vec<u64>) -> Vec<Input> {
        if let Some(json) = &self.flow {
            return vec![Input::Event(flow(self.at, json.clone()))];
        }
        if let (Some(table), Some(row)) = (&self.table, &self.row) {
            return vec![Input::Event(change(self.at, table, self.was.clone(), row.clone()))];
        }
        if let Some(rows) = &self.answer {
            let rows = rows.iter().map(|json| super::row(json.clone())).collect();
            return vec![Input::Answer { lookup: asked.remove(0), result: Ok(rows) }];
        }
        if let Some(why) = &self.fail {
            return vec![Input::Answer { lookup: asked.remove(0), result: Err(why.clone()) }];
        }
        if let Some(seq) = self.mark {
            let on = |source: &&str| self.source.as_ref().is_none_or(|only| only == source);
            let mark = |source: &str| Input::Mark {
                source: source.to_owned(),
                seq,
                at: CellTime(self.at),
            };
            return SOURCES.into_iter().filter(on).map(mark).collect();
        }
        vec![Input::Tick]
    }
}

fn check(file: &str) {
    let text = std::fs::read_to_string(manifest("tests/dcheck_rules").join(file)).unwrap();
    let cases: Vec<Case> = serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
    assert!(!cases.is_empty());
    for case in cases {
        let (mut engine, mut asked, mut got) = (engine(), Vec::new(), Vec::new());
        for step in &case.steps {
            for input in step.inputs(&mut asked) {
                for output in engine.step(input, CellTime(step.at)) {
                    match &output {
                        Output::Lookup { id, .. } => asked.push(*id),
                        Output::Verdict(v) if !case.rules.contains(&v.rule) => {}
                        other => got.push(unhashed(line(other))),
                    }
                }
                assert_balanced(&engine);
            }
        }
        assert_eq!(got, case.verdicts, "{file}: {}", case.case);
    }
}

fn files() -> Vec<String> {
    let dir = std::fs::read_dir(manifest("tests/dcheck_rules")).unwrap();
    let mut files: Vec<String> =
        dir.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    files
}

#[test]
fn each_table_holds() {
    files().iter().for_each(|file| check(file));
}

#[test]
fn each_rule_of_the_project_has_a_case_that_fires_and_one_that_is_silent() {
    let verdicts: Vec<String> = files()
        .iter()
        .map(|file| std::fs::read_to_string(manifest("tests/dcheck_rules").join(file)).unwrap())
        .flat_map(|text| serde_yaml::from_str::<Vec<Case>>(&text).unwrap())
        .flat_map(|case| case.verdicts)
        .collect();
    let set = project_rules();
    for rule in set.rules().iter().filter(|rule| rule.strategy.watch().is_none()) {
        for word in ["matched", "mismatched"] {
            let wanted = format!("{} {word} ", rule.head.id);
            assert!(verdicts.iter().any(|verdict| verdict.starts_with(&wanted)), "no {wanted}");
        }
    }
}

/// An unreadable row is named by a hash of its content.
fn unhashed(line: String) -> String {
    match line.split_once("row-") {
        Some((head, hash)) if hash.len() == 12 => format!("{head}row-HASH"),
        _ => line,
    }
}
