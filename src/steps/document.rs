//! A feature file as Cucumber Messages have it: its `GherkinDocument`, and the pickles (scenarios with outline rows filled
//! in) that point into it.
//!
//! Made of the scanner's lines, because the parser's tree keeps neither comments nor where a tag stands. Ids are the
//! places themselves (`features/bid.feature:14`), so that the same file gives the same ids. Columns are left out.

use serde_json::{Value, json};

use super::keywords::{Heading, StepWord};
use super::scan::{LineKind, Scan, kind_of, scan};
use super::{Kind, Language};

/// A feature file for `messages.ndjson`.
pub struct Document {
    /// The body of a `gherkinDocument` message.
    pub gherkin: Value,
    pub pickles: Vec<Pickle>,
}

/// A scenario, an outline's row filled in.
#[derive(Clone, Debug)]
pub struct Pickle {
    pub id: String,
    /// Of its heading, or of its row of the examples; 1-based.
    pub line: usize,
    /// Keyword and text of each step, Background first: as `ScenarioFacts::steps` has them.
    pub lines: Vec<String>,
    /// The body of a `pickle` message.
    pub value: Value,
}

/// Reads `text`, which a run has checked; what is no Gherkin in it is left out.
pub fn document(uri: &str, text: &str) -> Document {
    let scan = scan(uri, text);
    let mut tree = Tree { uri, scan: &scan, feature: None, tags: Vec::new(), comments: Vec::new() };
    for index in 0..scan.lines.len() {
        tree.take(index);
    }
    let pickles = tree.feature.as_ref().map(|feature| tree.pickles(feature));
    Document { gherkin: tree.value(), pickles: pickles.unwrap_or_default() }
}

/// Whatever a heading opens.
struct Node {
    heading: Heading,
    line: usize,
    keyword: String,
    name: String,
    description: Vec<String>,
    tags: Vec<(String, usize)>,
    steps: Vec<StepNode>,
    /// Of an Examples.
    rows: Vec<RowNode>,
    children: Vec<Node>,
}

struct StepNode {
    line: usize,
    keyword: String,
    word: StepWord,
    kind: Kind,
    text: String,
    rows: Vec<RowNode>,
}

struct RowNode {
    line: usize,
    cells: Vec<String>,
}

struct Tree<'s> {
    uri: &'s str,
    scan: &'s Scan,
    feature: Option<Node>,
    /// Those that wait for their heading.
    tags: Vec<(String, usize)>,
    comments: Vec<Value>,
}

impl Node {
    /// The heading that was opened last.
    fn last(&mut self) -> &mut Node {
        match self.children.len().checked_sub(1) {
            Some(end) => self.children[end].last(),
            None => self,
        }
    }

    fn takes(&self, heading: Heading) -> bool {
        match self.heading {
            Heading::Feature => heading != Heading::Examples,
            Heading::Rule => !matches!(heading, Heading::Rule | Heading::Examples),
            Heading::Scenario | Heading::Outline => heading == Heading::Examples,
            Heading::Background | Heading::Examples => false,
        }
    }

    /// Puts `node` where it belongs: into the last heading that takes it.
    fn put(&mut self, node: Node) {
        match self.children.last_mut().filter(|last| last.reaches(node.heading)) {
            Some(last) => last.put(node),
            None => self.children.push(node),
        }
    }

    fn reaches(&self, heading: Heading) -> bool {
        self.takes(heading) || self.children.last().is_some_and(|last| last.reaches(heading))
    }
}

impl Tree<'_> {
    fn take(&mut self, index: usize) {
        let line = &self.scan.lines[index];
        let number = line.number;
        match &line.kind {
            LineKind::Comment if line.mended.trim() != "#" => {
                self.comments.push(json!({"location": {"line": number}, "text": line.source}));
            }
            LineKind::Tags(tags) => {
                self.tags.extend(tags.iter().map(|tag| (tag.clone(), number)));
            }
            LineKind::Heading { heading, name } => {
                let keyword = line.mended.trim().split(':').next().unwrap_or_default().to_owned();
                let node = Node {
                    heading: *heading,
                    line: number,
                    keyword,
                    name: name.clone(),
                    description: Vec::new(),
                    tags: std::mem::take(&mut self.tags),
                    steps: Vec::new(),
                    rows: Vec::new(),
                    children: Vec::new(),
                };
                match &mut self.feature {
                    Some(feature) => feature.put(node),
                    None => self.feature = Some(node),
                }
            }
            LineKind::Step { keyword, word, text } => {
                let Some(owner) = self.feature.as_mut().map(Node::last) else { return };
                let above = owner.steps.last().map(|step| step.kind);
                owner.steps.push(StepNode {
                    line: number,
                    keyword: keyword.clone(),
                    word: *word,
                    kind: kind_of(*word, above).unwrap_or(Kind::Given),
                    text: text.clone(),
                    rows: Vec::new(),
                });
            }
            LineKind::Row(cells) => {
                let Some(owner) = self.feature.as_mut().map(Node::last) else { return };
                let row = RowNode { line: number, cells: cells.clone() };
                match owner.steps.last_mut() {
                    Some(step) => step.rows.push(row),
                    None => owner.rows.push(row),
                }
            }
            LineKind::Description => {
                if let Some(owner) = self.feature.as_mut().map(Node::last) {
                    owner.description.push(line.source.clone());
                }
            }
            LineKind::Blank | LineKind::Comment | LineKind::Dropped => {}
        }
    }

    fn id(&self, line: usize) -> String {
        format!("{}:{line}", self.uri)
    }

    fn tag_id(&self, (tag, line): &(String, usize)) -> String {
        format!("{}@{tag}", self.id(*line))
    }

    fn language(&self) -> &'static str {
        match self.scan.language {
            Language::En => "en",
            Language::ZhCn => "zh-CN",
        }
    }

    fn value(&self) -> Value {
        let mut value = json!({"uri": self.uri, "comments": self.comments});
        if let Some(feature) = &self.feature {
            let mut body = self.body(feature);
            body["language"] = self.language().into();
            body["children"] = self.children(feature);
            value["feature"] = body;
        }
        value
    }

    /// What every heading has.
    fn body(&self, node: &Node) -> Value {
        json!({
            "location": {"line": node.line},
            "keyword": node.keyword,
            "name": node.name,
            "description": node.description.join("\n"),
            "tags": node.tags.iter().map(|tag| json!({
                "location": {"line": tag.1}, "name": format!("@{}", tag.0), "id": self.tag_id(tag),
            })).collect::<Vec<Value>>(),
        })
    }

    fn children(&self, node: &Node) -> Value {
        node.children.iter().map(|child| self.child(child)).collect()
    }

    fn child(&self, node: &Node) -> Value {
        let mut body = self.body(node);
        body["id"] = self.id(node.line).into();
        match node.heading {
            Heading::Rule => {
                body["children"] = self.children(node);
                json!({ "rule": body })
            }
            Heading::Background => {
                body.as_object_mut().map(|body| body.remove("tags"));
                body["steps"] = self.steps(node);
                json!({ "background": body })
            }
            _ => {
                body["steps"] = self.steps(node);
                body["examples"] = node.children.iter().map(|node| self.examples(node)).collect();
                json!({ "scenario": body })
            }
        }
    }

    fn examples(&self, node: &Node) -> Value {
        let mut body = self.body(node);
        body["id"] = self.id(node.line).into();
        if let Some((header, rows)) = node.rows.split_first() {
            body["tableHeader"] = self.row(header);
            body["tableBody"] = rows.iter().map(|row| self.row(row)).collect();
        } else {
            body["tableBody"] = json!([]);
        }
        body
    }

    fn steps(&self, node: &Node) -> Value {
        node.steps.iter().map(|step| self.step(step)).collect()
    }

    fn step(&self, step: &StepNode) -> Value {
        let space = if self.scan.language == Language::En { " " } else { "" };
        let mut value = json!({
            "id": self.id(step.line),
            "location": {"line": step.line},
            "keyword": format!("{}{space}", step.keyword),
            "keywordType": match step.word {
                StepWord::Opens(kind) => kind_type(kind),
                StepWord::Same => "Conjunction",
            },
            "text": step.text,
        });
        if let Some(first) = step.rows.first() {
            let rows: Vec<Value> = step.rows.iter().map(|row| self.row(row)).collect();
            value["dataTable"] = json!({"location": {"line": first.line}, "rows": rows});
        }
        value
    }

    fn row(&self, row: &RowNode) -> Value {
        let cell = |cell: &String| json!({"location": {"line": row.line}, "value": cell});
        json!({
            "id": self.id(row.line),
            "location": {"line": row.line},
            "cells": row.cells.iter().map(cell).collect::<Vec<Value>>(),
        })
    }

    fn pickles(&self, feature: &Node) -> Vec<Pickle> {
        let mut pickles = Vec::new();
        self.pickles_below(&[feature], &mut pickles);
        pickles
    }

    /// `above` are the headings from the feature to the one whose scenarios are taken.
    fn pickles_below(&self, above: &[&Node], pickles: &mut Vec<Pickle>) {
        let Some(owner) = above.last() else { return };
        for child in &owner.children {
            let path: Vec<&Node> = above.iter().copied().chain([child]).collect();
            match child.heading {
                Heading::Rule => self.pickles_below(&path, pickles),
                Heading::Scenario => pickles.push(self.pickle(&path, &[], None)),
                Heading::Outline => {
                    for examples in &child.children {
                        let Some((header, rows)) = examples.rows.split_first() else { continue };
                        let path: Vec<&Node> = path.iter().copied().chain([examples]).collect();
                        pickles.extend(rows.iter().map(|row| {
                            let filled: Vec<(&str, &str)> = header
                                .cells
                                .iter()
                                .map(String::as_str)
                                .zip(row.cells.iter().map(String::as_str))
                                .collect();
                            self.pickle(&path, &filled, Some(row))
                        }));
                    }
                }
                _ => {}
            }
        }
    }

    /// `path` ends with the scenario, or with the Examples that `row` is of.
    fn pickle(&self, path: &[&Node], filled: &[(&str, &str)], row: Option<&RowNode>) -> Pickle {
        let is_one = |node: &&&Node| matches!(node.heading, Heading::Scenario | Heading::Outline);
        let scenario = path.iter().find(is_one).expect("invariant: a path leads to a scenario");
        let fill = |text: &str| {
            filled.iter().fold(text.to_owned(), |text, (key, value)| {
                text.replace(&format!("<{key}>"), value)
            })
        };
        let line = row.map_or(scenario.line, |row| row.line);
        let id = self.id(line);
        let is_background = |node: &&Node| node.heading == Heading::Background;
        let shared = path
            .iter()
            .filter(|node| matches!(node.heading, Heading::Feature | Heading::Rule))
            .filter_map(|node| node.children.iter().find(is_background))
            .flat_map(|node| &node.steps);
        let own = scenario.steps.iter();
        let steps = shared.map(|step| (step, step.text.clone()));
        let steps: Vec<(&StepNode, String)> =
            steps.chain(own.map(|step| (step, fill(&step.text)))).collect();
        let node_ids = |line: usize| match row {
            Some(row) => vec![self.id(line), self.id(row.line)],
            None => vec![self.id(line)],
        };
        let step_value = |(step, text): &(&StepNode, String)| {
            let mut value = json!({
                "id": format!("{id}/{}", step.line),
                "astNodeIds": node_ids(step.line),
                "type": kind_type(step.kind),
                "text": text,
            });
            if !step.rows.is_empty() {
                let cells = |row: &RowNode| {
                    let cells = row.cells.iter().map(|cell| json!({"value": fill(cell)}));
                    json!({"cells": cells.collect::<Vec<Value>>()})
                };
                let rows: Vec<Value> = step.rows.iter().map(cells).collect();
                value["argument"] = json!({"dataTable": {"rows": rows}});
            }
            value
        };
        let tags = path.iter().flat_map(|node| &node.tags);
        let tags =
            tags.map(|tag| json!({"name": format!("@{}", tag.0), "astNodeId": self.tag_id(tag)}));
        let value = json!({
            "id": id,
            "uri": self.uri,
            "location": {"line": line},
            "name": fill(&scenario.name),
            "language": self.language(),
            "steps": steps.iter().map(step_value).collect::<Vec<Value>>(),
            "tags": tags.collect::<Vec<Value>>(),
            "astNodeIds": node_ids(scenario.line),
        });
        let line_of = |(step, text): &(&StepNode, String)| format!("{} {text}", step.keyword);
        Pickle { id, line, lines: steps.iter().map(line_of).collect(), value }
    }
}

fn kind_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Given => "Context",
        Kind::When => "Action",
        Kind::Then => "Outcome",
    }
}
