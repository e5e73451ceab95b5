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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::clock::CellTime;
    use crate::dcheck::console::Wish;
    use crate::dcheck::daemon::offline::choose::choose;
    use crate::dcheck::daemon::options::{Cli, Command};
    use crate::dcheck::engine::rules::load;

    fn rules(rollouts: &[(&str, &str)]) -> RuleSet {
        let rule = |(name, rollout): &(&str, &str)| {
            let (id, version) = name.split_once('@').unwrap();
            format!(
                "- id: {id}\n  version: {version}\n  loss_point: l\n  severity: P1\n  \
                 rollout: {rollout}\n  strategy: at-most-one\n  \
                 subject: {{kind: order, id: after.order}}\n  occurrence: after.txn\n  \
                 on: {{topic: channel.flow, key: after.order}}\n  order_by: after.at_ms\n  \
                 when_absent: finding\n  expected: e\n  actual: \"{{after.amount}}\"\n"
            )
        };
        load(&[("r.yaml".into(), rollouts.iter().map(rule).collect())]).unwrap()
    }

    #[test]
    fn rules_run_on_the_rollouts_that_are_in_force() {
        let files = rules(&[("a@1", "full"), ("a@2", "shadow"), ("b@1", "off"), ("c@1", "10%")]);
        let given = [Stream::Topic("channel.flow".into())];
        let shown = |set: &RuleSet| {
            let choice = choose(set, &given, &[]).unwrap();
            let rules = set.chosen(&choice.names);
            let shown = rules.rules().iter().map(|r| format!("{} {}", r.name, rules.rollout(r)));
            (shown.collect::<Vec<_>>().join(", "), choice.left_out)
        };
        let off = vec!["b@1: its rollout is off".to_owned()];
        let set = in_force(&files, None).unwrap();
        assert_eq!(shown(&set), ("a@1 full, a@2 shadow, c@1 10%".into(), off));
        // As people have promoted them since: what the daemon has stored.
        let mut rollouts = Rollouts::default();
        let mut set = files.rolled_out(&Default::default());
        for (rule, to) in [("a@2", "full"), ("b@1", "full")] {
            let wish = Wish::Promote { rule: rule.into(), to: to.parse().unwrap() };
            set = rollouts.take(&set, &wish, "anna", CellTime(1)).unwrap().0;
        }
        let checkpoint = serde_json::json!({"places": {}, "engine": {}, "rollouts": rollouts});
        let set = in_force(&files, Some(&checkpoint.to_string())).unwrap();
        assert_eq!(shown(&set), ("a@1 shadow, a@2 full, b@1 full, c@1 10%".into(), vec![]));
        assert!(in_force(&files, Some("{\"rollouts\": 7}")).is_err());
    }

    #[test]
    fn a_version_that_is_off_stands_in_nobodys_way() {
        let given = [Stream::Topic("channel.flow".into())];
        for (rollouts, expect) in [
            (&[("a@1", "full"), ("a@2", "off")][..], Ok(vec!["a@1".to_owned()])),
            (&[("a@1", "off")], Err(vec!["a@1: its rollout is off".to_owned()])),
        ] {
            let chosen = choose(&rules(rollouts), &given, &["a".into()]);
            assert_eq!(chosen.map(|choice| choice.names), expect);
        }
    }

    #[test]
    fn columns_that_are_missing_are_told_with_file_line_and_nearest_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("statement.csv");
        let args = "dcheck reconcile --rules r --sql mysql://h:1/s --day 2026-01-05 --no-alerts";
        let Command::Reconcile(options) =
            Cli::try_parse_from(args.split_whitespace()).unwrap().command
        else {
            panic!("not reconcile")
        };
        let set = rules(&[("a@1", "full"), ("b@1", "full")]);
        for (header, parts) in [
            ("order,txn,at_ms,amount", &[][..]),
            (
                "order,txn,at_ms,ammount",
                &[":1: header: no column `amount`, which a@1, b@1 names: did you mean `ammount`?"],
            ),
            (
                "order,at_ms",
                &["no column `amount`, which", "no column `txn`, which a@1, b@1 names: there are:"],
            ),
        ] {
            std::fs::write(&path, format!("{header}\n")).unwrap();
            let stream = Stream::Topic("channel.flow".into());
            let reading = Reading::file(stream, &path, &options).unwrap();
            let told = lacking(&reading, &set);
            assert_eq!(told.len(), parts.len(), "{told:?}");
            for (told, part) in told.iter().zip(parts) {
                assert!(told.contains(part) && told.contains("statement.csv"), "{told}");
            }
        }
    }
}
