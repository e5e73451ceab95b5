//! The command line of a sweep.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;

use crate::dcheck::sources::csv::Kind;

pub const EXAMPLE: &str = "Exit code: 0 the books balance, 1 something was found or could not be judged, 2 it did not run.

Example:
  dcheck reconcile --rules scenarios/rules --day 2026-01-05 --run daily \\
    --sql mysql://root@127.0.0.1:3306/shop --table orders --table pay_order \\
    --time orders=updated_at_ms --file channel.flow=statement-2026-01-05.csv \\
    --column channel.flow.at_ms=int --alerts http://127.0.0.1:9093/webhook";

/// Rows of one chunk: few enough that a commit stays far below the time limit of the results database.
const CHUNK_MAX: i64 = 20_000;

#[derive(Clone, Debug, Args)]
pub struct ReconcileOptions {
    /// Directory of rule files: the ones that `dcheck run` reads.
    #[arg(long)]
    pub rules: PathBuf,
    /// Only the rules with these ids; without it, all that can judge what is given.
    #[arg(long = "rule", value_name = "ID")]
    pub only: Vec<String>,
    /// The day whose books are closed.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub day: String,
    /// Where the day ends, and what DATETIME columns and times in files mean.
    #[arg(long, value_name = "+HH:MM", default_value = "+00:00", allow_hyphen_values = true)]
    pub utc_offset: String,
    /// Names the sweep: with the day it is what goes on after it was broken off.
    #[arg(long, default_value = "daily")]
    pub run: String,
    /// Sweep once more what was swept to its end (or broken off) before.
    #[arg(long)]
    pub again: bool,
    /// The server whose tables are read: a replica is enough.
    #[arg(long, value_name = "mysql://USER@HOST:PORT/SCHEMA")]
    pub sql: String,
    /// Where results are stored (schema `dcheck`), where that is not `--sql`.
    #[arg(long, value_name = "mysql://USER@HOST:PORT/SCHEMA")]
    pub results: Option<String>,
    /// Where rules look up, where that is not `--sql`.
    #[arg(long, value_name = "mysql://USER@HOST:PORT/SCHEMA")]
    pub lookups: Option<String>,
    /// A table to read.
    #[arg(long = "table", value_name = "NAME")]
    pub tables: Vec<String>,
    /// Which rows of a table are read, as SQL. What a rule compares with must not be left out.
    #[arg(long = "where", value_name = "TABLE=SQL", value_parser = pair)]
    pub filters: Vec<(String, String)>,
    /// A channel's file in the place of a topic (or of a table): CSV with a header.
    #[arg(long = "file", value_name = "STREAM=PATH", value_parser = pair)]
    pub files: Vec<(String, String)>,
    /// What a column of a file holds; text where nothing is said.
    #[arg(long = "column", value_name = "STREAM.COLUMN=KIND", value_parser = column)]
    pub columns: Vec<(String, String, Kind)>,
    /// The column that dates rows of a table or file: integers that are Unix ms, a date and time, or a TIMESTAMP. Rows after the
    /// day are compared with and left to the next one, and windows that are still open at its end stay open. Without it all rows
    /// count as settled.
    #[arg(long = "time", value_name = "STREAM=COLUMN", value_parser = pair)]
    pub times: Vec<(String, String)>,
    /// Rows in one read and one commit.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=CHUNK_MAX))]
    pub chunk: u32,
    /// The most that is read of tables and files in a second; rules' own `rate` sheds nothing here.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub rows_per_second: u32,
    /// Where alerts are posted (Alertmanager webhook, version 4), unless `--alerting` names a first channel.
    #[arg(long, value_name = "URL")]
    pub alerts: Option<String>,
    /// Channels, grouping, inhibition and storms of alerts, as of `dcheck run`.
    #[arg(long, value_name = "FILE")]
    pub alerting: Option<PathBuf>,
    /// Findings are stored and printed, and nobody is told.
    #[arg(long, conflicts_with_all = ["alerts", "alerting"])]
    pub no_alerts: bool,
    /// Take the clock of the environment, by which the day is over and alerts begin.
    #[arg(long)]
    pub drill_clock: bool,
}

impl ReconcileOptions {
    /// What is wrong with the options among themselves.
    pub fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        let files = self.files.iter().map(|(stream, _)| stream);
        let streams: Vec<&String> = self.tables.iter().chain(files).collect();
        if streams.is_empty() {
            found.push("nothing to read: give --table NAME or --file STREAM=PATH".to_owned());
        }
        let mut seen = BTreeSet::new();
        for stream in &streams {
            if !seen.insert(*stream) {
                found.push(format!("`{stream}` is given twice"));
            }
        }
        let mut needs = |option: &str, name: &String, known: &[&String]| {
            if !known.contains(&name) {
                found.push(format!("{option} names `{name}`, which is not read here"));
            }
        };
        let tables: Vec<&String> = self.tables.iter().collect();
        let files: Vec<&String> = self.files.iter().map(|(stream, _)| stream).collect();
        self.filters.iter().for_each(|(name, _)| needs("--where", name, &tables));
        self.times.iter().for_each(|(name, _)| needs("--time", name, &streams));
        self.columns.iter().for_each(|(name, ..)| needs("--column", name, &files));
        if self.run.is_empty() || self.run.chars().count() > 64 {
            found.push("--run is a name of at most 64 characters".to_owned());
        }
        if !self.no_alerts && self.alerts.is_none() && self.alerting.is_none() {
            let none = "alerts go nowhere: give --alerts URL, --alerting FILE, or --no-alerts";
            found.push(none.to_owned());
        }
        found
    }

    /// Declared columns of one file.
    pub fn kinds(&self, stream: &str) -> BTreeMap<String, Kind> {
        let of = self.columns.iter().filter(|(name, ..)| name == stream);
        of.map(|(_, column, kind)| (column.clone(), *kind)).collect()
    }

    pub fn time_of(&self, stream: &str) -> Option<&str> {
        let of = self.times.iter().find(|(name, _)| name == stream);
        of.map(|(_, column)| column.as_str())
    }

    pub fn filter_of(&self, table: &str) -> Option<&str> {
        let of = self.filters.iter().find(|(name, _)| name == table);
        of.map(|(_, sql)| sql.as_str())
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

fn column(text: &str) -> Result<(String, String, Kind), String> {
    let bad = || {
        format!(
            "`{text}` is not STREAM.COLUMN=KIND, like channel.flow.at_ms=int (text, int, decimal, bool)"
        )
    };
    let (name, kind) = text.rsplit_once('=').ok_or_else(bad)?;
    let (stream, column) = name.rsplit_once('.').ok_or_else(bad)?;
    let kind = <Kind as clap::ValueEnum>::from_str(kind, false).map_err(|_| bad())?;
    Ok((stream.to_owned(), column.to_owned(), kind))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::dcheck::daemon::options::{Cli, Command};

    fn parse(more: &[&str]) -> Result<ReconcileOptions, String> {
        let base = "dcheck reconcile --rules r --sql mysql://h:1/s --day 2026-01-05";
        let args = base.split_whitespace().chain(more.iter().copied());
        match Cli::try_parse_from(args).map_err(|error| error.to_string())?.command {
            Command::Reconcile(options) => match options.mistakes() {
                mistakes if mistakes.is_empty() => Ok(*options),
                mistakes => Err(mistakes.join("; ")),
            },
            _ => Err("not reconcile".into()),
        }
    }

    #[test]
    fn options_that_are_read() {
        let file = ["--file", "channel.flow=a=b.csv", "--column", "channel.flow.at_ms=int"];
        let more = ["--table", "t", "--where", "t=a = 1", "--time", "t=at", "--no-alerts"];
        let options = parse(&[&file[..], &more[..]].concat()).unwrap();
        assert_eq!(options.files, [("channel.flow".to_owned(), "a=b.csv".to_owned())]);
        assert_eq!(options.kinds("channel.flow")["at_ms"], Kind::Int);
        assert_eq!(options.filter_of("t"), Some("a = 1"));
        assert_eq!((options.time_of("t"), options.time_of("u")), (Some("at"), None));
    }

    #[test]
    fn options_that_are_refused() {
        for (more, part) in [
            (&["--no-alerts"][..], "nothing to read"),
            (&["--table", "t"], "alerts go nowhere"),
            (&["--table", "t", "--file", "t=x", "--no-alerts"], "`t` is given twice"),
            (&["--table", "t", "--where", "u=1", "--no-alerts"], "--where names `u`"),
            (&["--table", "t", "--time", "u=c", "--no-alerts"], "--time names `u`"),
            (&["--table", "t", "--column", "t.c=int", "--no-alerts"], "--column names `t`"),
            (&["--table", "t", "--chunk", "0", "--no-alerts"], "0 is not in"),
            (&["--table", "t", "--rows-per-second", "0", "--no-alerts"], "0 is not in"),
            (&["--file", "t=x", "--column", "t.c=float"], "STREAM.COLUMN=KIND"),
            (&["--table", "t", "--alerts", "http://h", "--no-alerts"], "cannot be used with"),
        ] {
            let error = parse(more).unwrap_err();
            assert!(error.contains(part), "{more:?}: {error}");
        }
    }
}
