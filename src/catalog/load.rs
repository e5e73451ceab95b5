//! The whole catalogue from its folders: every file is read, every mistake of every file told at once.

use std::path::{Path, PathBuf};

use super::documents::Documents;
use super::parts::{read_drill, read_plans, read_rules};
use super::read::read_loss_point;
use super::{Catalog, LossPoint};
use crate::config::yaml::{Node, Reader, Value};
use crate::config::{Mistake, Place, in_order};

impl Catalog {
    /// Reads `scenarios` (loss points, rules, plans, design notes) and the drills; refuses on any mistake.
    pub fn load(scenarios: &Path, drills: &Path) -> Result<Catalog, Vec<Mistake>> {
        let (catalog, mistakes) = Catalog::read(scenarios, drills);
        if mistakes.iter().any(Mistake::is_error) { Err(mistakes) } else { Ok(catalog) }
    }

    /// The same, with all that could be read beside the mistakes: for `check`, which wants to go on.
    pub fn read(scenarios: &Path, drills: &Path) -> (Catalog, Vec<Mistake>) {
        let mut loading = Loading::default();
        if !scenarios.is_dir() {
            let place = Place::file(&scenarios.display().to_string());
            let mistake = Mistake::error("no-catalogue", place, "there is no such folder");
            loading.mistakes.push(mistake.with_help("name the catalogue with --scenarios DIR"));
        }
        loading.each_file(&scenarios.join("rules"), |catalog, reader, node, _| {
            catalog.rules.extend(read_rules(reader, node));
        });
        loading.each_file(&scenarios.join("plans"), |catalog, reader, node, _| {
            catalog.plans.extend(read_plans(reader, node));
        });
        loading.each_file(scenarios, |catalog, reader, node, path| {
            match path.file_name().is_some_and(|name| name == SERVICES) {
                true => note_services(catalog, node),
                false => read_domain(catalog, reader, node, path),
            }
        });
        loading.each_file(drills, |catalog, reader, node, _| {
            catalog.drills.extend(read_drill(reader, node));
        });
        let Loading { catalog, mut mistakes } = loading;
        catalog.cross_check(&mut Documents::of(scenarios), &mut mistakes);
        (catalog, in_order(mistakes))
    }
}

/// Services and their dependencies, for `dcheck --services`.
pub const SERVICES: &str = "services.yaml";

#[derive(Default)]
struct Loading {
    catalog: Catalog,
    mistakes: Vec<Mistake>,
}

impl Loading {
    /// Reads each YAML file that stands directly in `dir`, in order of name.
    fn each_file(
        &mut self,
        dir: &Path,
        mut read: impl FnMut(&mut Catalog, &mut Reader<'_>, &Node, &Path),
    ) {
        for path in yaml_files(dir) {
            let name = path.display().to_string();
            let source = match std::fs::read_to_string(&path) {
                Ok(source) => source,
                Err(error) => {
                    let place = Place::file(&name);
                    let message = format!("cannot read: {error}");
                    self.mistakes.push(Mistake::error("unreadable", place, message));
                    continue;
                }
            };
            let (mut reader, node) = Reader::open(&name, &source);
            if let Some(node) = node {
                read(&mut self.catalog, &mut reader, &node, &path);
            }
            self.mistakes.append(&mut reader.mistakes);
        }
    }
}

fn yaml_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "yaml" || end == "yml"))
        .collect();
    files.sort();
    files
}

fn read_domain(catalog: &mut Catalog, reader: &mut Reader<'_>, node: &Node, path: &Path) {
    if node.value == Value::Null {
        return;
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    for item in reader.items(node, "a file of loss points") {
        let Some(point) = read_loss_point(reader, item) else { continue };
        if point.domain != stem
            && let Some(node) = item.get("domain")
        {
            let message = format!("domain `{}` stands in `{stem}.yaml`", point.domain);
            let place = reader.place_of(node);
            let mistake = Mistake::error("wrong-file", place, message);
            let help = format!("move the entry to `{}.yaml`", point.domain);
            reader.mistakes.push(mistake.with_help(help));
        }
        note_places(catalog, reader, item, &point);
        catalog.loss_points.push(point);
    }
}

/// The names alone: the file is the reconciler's own, which says what is wrong with it.
fn note_services(catalog: &mut Catalog, node: &Node) {
    let list = |node: &Node| match &node.value {
        Value::List(nodes) => nodes.clone(),
        _ => Vec::new(),
    };
    for service in list(node) {
        let Some(id) = service.get("id").and_then(Node::as_text) else { continue };
        let on = service.get("dependencies").map(list).unwrap_or_default();
        let on = on.iter().filter_map(|dependency| dependency.get("on")?.as_text());
        catalog.dependencies.extend(on.map(|on| format!("{id}/{on}")));
        catalog.services.push(id.to_owned());
    }
}

/// Remembers where each reference of an entry stands, for the cross-check's carets.
fn note_places(catalog: &mut Catalog, reader: &Reader<'_>, item: &Node, point: &LossPoint) {
    let mut note = |word: &str, node: &Node| {
        let key = (point.id.clone(), word.to_owned());
        catalog.places.entry(key).or_insert_with(|| reader.place_of(node));
    };
    let list = |key: &str| match item.get(key).map(|node| &node.value) {
        Some(Value::List(nodes)) => nodes.iter().collect(),
        Some(Value::Map(entries)) => entries.iter().map(|(key, _)| key).collect(),
        _ => Vec::new(),
    };
    for node in list("rules").into_iter().chain(list("with")).chain(item.get("plan")) {
        node.as_text().into_iter().for_each(|word| note(word, node));
    }
    for entry in list("reproduce") {
        for node in [entry.get("fault"), entry.get("data")].into_iter().flatten() {
            node.as_text().into_iter().for_each(|word| note(word, node));
        }
    }
    let checks = item.get("checks");
    for (check, key) in [("design", "doc"), ("alert", "rule"), ("deploy", "gray")] {
        let node = checks.and_then(|node| node.get(check)).and_then(|node| node.get(key));
        node.into_iter().for_each(|node| note(&format!("checks.{check}.{key}"), node));
    }
}
