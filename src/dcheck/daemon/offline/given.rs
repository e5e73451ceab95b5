//! What a sweep is given: rules on the rollouts in force, and what they read, held against each other before a row is read.

use std::collections::BTreeSet;
use std::path::Path;

use mysql_async::Conn;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::books::Books;
use super::options::ReconcileOptions;
use super::reading::Reading;
use crate::dcheck::alerts::reading::nearest;
use crate::dcheck::console::Rollouts;
use crate::dcheck::daemon::recording::digest_of;
use crate::dcheck::engine::RuleSet;
use crate::dcheck::engine::window::Stream;
use crate::dcheck::log;

/// Of the daemon's checkpoint, what concerns a sweep.
#[derive(Default, Deserialize)]
struct Orders {
    #[serde(default)]
    rollouts: Rollouts,
}

/// The rules of `files` as people have rolled them out since; `checkpoint` is the daemon's.
pub fn in_force(files: &RuleSet, checkpoint: Option<&str>) -> Result<RuleSet, String> {
    let orders = checkpoint.map_or(Ok(Orders::default()), serde_json::from_str);
    let mut orders = orders.map_err(|error| {
        format!("cannot read what people ordered about rollouts (dcheck.checkpoint): {error}")
    })?;
    let (rules, ended) = orders.rollouts.apply(files);
    for rule in ended {
        let told = format!("rule `{rule}`: the files end what was ordered of its rollout");
        log::info("reconcile", &told);
    }
    Ok(rules)
}

/// What is given, in the order in which it is read.
pub fn streams(options: &ReconcileOptions, set: &RuleSet) -> Result<Vec<Stream>, Vec<String>> {
    let topics: BTreeSet<&str> =
        set.heads().flat_map(|head| head.topics.iter().map(String::as_str)).collect();
    let tables: BTreeSet<&str> =
        set.heads().flat_map(|head| head.tables.iter().map(String::as_str)).collect();
    let (mut streams, mut mistakes) = (Vec::new(), Vec::new());
    let mut unknown = |kind: &str, name: &str, known: Vec<&str>| {
        let near = nearest(name, &known).map(|near| format!(": did you mean `{near}`?"));
        mistakes.push(format!("no rule reads {kind} `{name}`{}", near.unwrap_or_default()));
    };
    for name in &options.tables {
        match tables.contains(name.as_str()) {
            true => streams.push(Stream::Table(name.clone())),
            false => unknown("table", name, tables.iter().copied().collect()),
        }
    }
    for (name, _) in &options.files {
        match (topics.contains(name.as_str()), tables.contains(name.as_str())) {
            (true, _) => streams.push(Stream::Topic(name.clone())),
            (_, true) => streams.push(Stream::Table(name.clone())),
            _ => unknown("topic or table", name, topics.union(&tables).copied().collect()),
        }
    }
    if mistakes.is_empty() { Ok(streams) } else { Err(mistakes) }
}

pub async fn readings(
    options: &ReconcileOptions,
    streams: &[Stream],
    rules: &RuleSet,
    conn: &mut Conn,
) -> Result<Vec<Reading>, Vec<String>> {
    let (mut readings, mut mistakes) = (Vec::new(), Vec::new());
    let schema = options.sql.rsplit_once('/').map(|(_, path)| path).unwrap_or_default();
    let schema = schema.split('?').next().unwrap_or_default();
    for stream in streams {
        let file = options.files.iter().find(|(name, _)| name == stream.name());
        let reading = match file {
            Some((_, path)) => Reading::file(stream.clone(), Path::new(path), options),
            None => Reading::table(conn, schema, stream.name(), options).await,
        };
        match reading {
            Ok(reading) => readings.push(reading),
            Err(why) => mistakes.push(why),
        }
    }
    mistakes.extend(readings.iter().flat_map(|reading| lacking(reading, rules)));
    if mistakes.is_empty() { Ok(readings) } else { Err(mistakes) }
}

/// Columns that rules name and that are not there, each once: a column that is missing would be absent from every row.
pub fn lacking(reading: &Reading, rules: &RuleSet) -> Vec<String> {
    let mut named: BTreeSet<(&str, &str)> = BTreeSet::new();
    for rule in rules.rules() {
        let names = match reading.stream {
            Stream::Table(_) => &rule.columns,
            Stream::Topic(_) => &rule.of_messages,
        };
        let of_this = names.iter().filter(|(stream, _)| stream == reading.stream.name());
        named.extend(of_this.map(|(_, column)| (column.as_str(), rule.name.as_str())));
    }
    let known = reading.columns();
    let (place, there) = (reading.head(), known.join(", "));
    let columns: BTreeSet<&str> = named.iter().map(|(column, _)| *column).collect();
    let missing = columns.into_iter().filter(|column| !known.contains(column));
    let told = |column: &str| {
        let by = named.iter().filter(|(name, _)| *name == column).map(|(_, rule)| *rule);
        let by = by.collect::<Vec<_>>().join(", ");
        let near = nearest(column, &known).map(|near| format!("did you mean `{near}`? "));
        let near = near.unwrap_or_default();
        format!("{place}: no column `{column}`, which {by} names: {near}there are: {there}")
    };
    missing.map(told).collect()
}

/// A sweep goes on only as the one that it was.
pub fn shape(options: &ReconcileOptions, rules: &RuleSet, books: &Books) -> String {
    let ReconcileOptions { tables, filters, files, columns, times, .. } = options;
    let files: Vec<&String> = files.iter().map(|(stream, _)| stream).collect();
    let given = format!("{tables:?} {filters:?} {files:?} {columns:?} {times:?} {books:?}");
    hex::encode(&Sha256::digest(format!("{given} {}", digest_of(rules)))[..8])
}
