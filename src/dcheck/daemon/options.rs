//! The command line.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::dry_run::PlanCommand;
use crate::dcheck::sources::kafka::dead_letters::TOPIC;
use crate::dcheck::sources::{Position, Start};

const RUN_EXAMPLE: &str = "Example:
  dcheck run --rules scenarios/rules --plans scenarios/plans \\
    --cdc mysql://root@127.0.0.1:3306/shop --sql mysql://root@127.0.0.1:3306/shop \\
    --kafka 127.0.0.1:9092 --topics orders.events,refund.events,channel.flow --group dcheck \\
    --alerts http://127.0.0.1:9093/webhook --plan-events http://127.0.0.1:9093/plans \\
    --target shop=http://127.0.0.1:8080 --listen 127.0.0.1:8090";

const WATCHDOG_EXAMPLE: &str = "Example:
  dcheck watchdog --rules scenarios/rules --watch http://127.0.0.1:8090 \\
    --sql mysql://root@127.0.0.1:3306/shop --alerts http://127.0.0.1:9094/webhook \\
    --listen 127.0.0.1:8091";

const CHECK_EXAMPLE: &str = "Example:
  dcheck check --rules scenarios/rules --plans scenarios/plans";

/// The reconciler: binlog and Kafka in, alerts and emergency plans out.
#[derive(Debug, Parser)]
#[command(name = "dcheck", version)]
pub struct Cli {
    /// How it speaks on stderr: words, or one JSON object for each line (`at`, `level`, `part`, `message`).
    #[arg(long, value_enum, default_value = "text", global = true)]
    pub log: crate::dcheck::log::Format,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read, judge, alert and act until stopped.
    #[command(after_help = RUN_EXAMPLE)]
    Run(Box<RunOptions>),
    /// Read rules and plans, and print every mistake.
    #[command(after_help = CHECK_EXAMPLE)]
    Check(CheckOptions),
    /// List, promote and roll back the rules of a running reconciler.
    Rules(super::rules_command::RulesOptions),
    /// How well services are, and what is done about those on which others depend.
    Services(super::services_command::ServicesOptions),
    /// Rehearse emergency plans.
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Watch a reconciler from outside, and alert when it gives no sign of life.
    #[command(after_help = WATCHDOG_EXAMPLE)]
    Watchdog(WatchdogOptions),
    /// Sweep tables and channel files of a day that is over, by the same rules (T+1).
    #[command(after_help = super::offline::EXAMPLE)]
    Reconcile(Box<super::offline::ReconcileOptions>),
    /// Judge a recording of `dcheck run --record` again: its verdicts as JSON lines, the same at each replay.
    Replay(super::replay::ReplayOptions),
    /// Say what rules cost: events a second, beside decoding alone, and the dearest of them.
    #[command(after_help = super::bench::EXAMPLE)]
    Bench(super::bench::BenchOptions),
    /// Say why an alert was raised: what was told of it, both sides, the rule's trace, what it waits for.
    Explain(super::explain::ExplainOptions),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ResultsKept {
    /// Every verdict is a row.
    All,
    /// Matched verdicts are counted, and one in 256 is a row.
    Sample,
}

#[derive(Clone, Debug, Args)]
pub struct CheckOptions {
    /// Directory of rule files.
    #[arg(long)]
    pub rules: PathBuf,
    /// Directory of plan files.
    #[arg(long)]
    pub plans: PathBuf,
    /// Channels, grouping, inhibition and storms of alerts; without it each alert is told by itself, at once.
    #[arg(long, value_name = "FILE")]
    pub alerting: Option<PathBuf>,
    /// Services, on whom they depend, and when those are degraded, limited or blocked; without it nothing is measured.
    #[arg(long, value_name = "FILE")]
    pub services: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct WatchdogOptions {
    /// Directory of rule files: the rule that `watches: reconciler` says what is told, and when.
    #[arg(long)]
    pub rules: PathBuf,
    /// Console of the reconciler.
    #[arg(long, value_name = "URL")]
    pub watch: String,
    /// The server whose binlog the reconciler reads; without it only its signs of life are watched.
    #[arg(long, value_name = "mysql://USER@HOST:PORT/SCHEMA")]
    pub sql: Option<String>,
    /// Where its alerts are posted: a channel that does not lead through the reconciler's first.
    #[arg(long, value_name = "URL")]
    pub alerts: String,
    /// Health and clock.
    #[arg(long, value_name = "IP:PORT")]
    pub listen: SocketAddr,
    /// Take `POST /clock/advance`, and the clock of the environment.
    #[arg(long)]
    pub drill_clock: bool,
}

#[derive(Clone, Debug, Args)]
pub struct RunOptions {
    #[command(flatten)]
    pub files: CheckOptions,
    /// The server whose binlog is read; the path is the schema.
    #[arg(long, value_name = "mysql://USER@HOST:PORT/SCHEMA")]
    pub cdc: String,
    /// The server for lookups (see `--lookups`), proofs and results (schema `dcheck`).
    #[arg(long, value_name = "mysql://USER@HOST:PORT/SCHEMA")]
    pub sql: String,
    /// Where rules look up, where that is not `--sql`: a replica of it. An answer older than the change that asks is
    /// none, and asked for again.
    #[arg(long, value_name = "mysql://USER@HOST:PORT/SCHEMA")]
    pub lookups: Option<String>,
    /// Questions of rules a second, all together, to `--sql` or `--lookups` and to targets; more wait for their turn.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub lookups_per_second: u32,
    /// Kafka bootstrap address.
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: String,
    /// Stands before each logical topic's name.
    #[arg(long, default_value = "")]
    pub topic_prefix: String,
    /// Logical topics, each read in all its partitions.
    #[arg(long, value_delimiter = ',', required = true)]
    pub topics: Vec<String>,
    /// Partitions of each topic.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=1000))]
    pub partitions: i32,
    /// Names this reconciler: Kafka group id, and replica id on the server.
    #[arg(long)]
    pub group: String,
    /// Where to read the binlog from when there is no checkpoint; where `--start` says without it.
    #[arg(long, value_name = "FILE:POS")]
    pub binlog_from: Option<Position>,
    /// Where to read the binlog and the topics from when there is no checkpoint.
    #[arg(long, value_enum, default_value = "latest")]
    pub start: Start,
    /// Where to read single partitions from when there is no checkpoint, by offset.
    #[arg(long, value_name = "TOPIC/PART=OFFSET", value_delimiter = ',', value_parser = offset)]
    pub kafka_from: Vec<(String, i64)>,
    /// Topic of the messages that cannot be decoded, by the topic that they came from; empty: they are only counted.
    #[arg(long, value_name = "NAME", default_value = "{topic}.dead-letter", value_parser = dead_letters)]
    pub dead_letter_topic: String,
    /// So many undecodable messages of a source within 10 min are borne without an alert.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub undecodable_limit: usize,
    /// Where alerts are posted (Alertmanager webhook, version 4), unless `--alerting` names a first channel.
    #[arg(long, value_name = "URL", required_unless_present = "alerting")]
    pub alerts: Option<String>,
    /// Where they are posted while `--alerts` acknowledges nothing.
    #[arg(long, value_name = "URL")]
    pub second_alerts: Option<String>,
    /// Who may silence alerts, order anything of plans and roll out rules: a file of lines `NAME TOKEN`, readable by its owner alone.
    #[arg(long, value_name = "FILE")]
    pub people: Option<PathBuf>,
    /// Where plan runs are posted at each change of state.
    #[arg(long, value_name = "URL")]
    pub plan_events: String,
    /// A target of plan actions.
    #[arg(long = "target", value_name = "NAME=URL", value_parser = target)]
    pub targets: Vec<(String, String)>,
    /// Console, health, watermark, metrics.
    #[arg(long, value_name = "IP:PORT")]
    pub listen: SocketAddr,
    /// Take `POST /clock/advance`, and the clock of the environment.
    #[arg(long)]
    pub drill_clock: bool,
    /// Keep all that is judged, in order, for `dcheck replay`: 8 files of 64 MB at the most, then it ends and says so.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Which verdicts become rows.
    #[arg(long, value_enum, default_value = "sample")]
    pub results: ResultsKept,
}

impl RunOptions {
    pub fn target_urls(&self) -> BTreeMap<String, String> {
        self.targets.iter().cloned().collect()
    }

    pub fn target_names(&self) -> BTreeSet<String> {
        self.targets.iter().map(|(name, _)| name.clone()).collect()
    }

    /// The schema whose tables are read.
    pub fn schema(&self) -> Result<String, String> {
        let name = self.cdc.rsplit_once('/').map(|(_, path)| path).unwrap_or_default();
        let name = name.split('?').next().unwrap_or_default();
        if name.is_empty() || !self.cdc.starts_with("mysql://") || self.cdc.matches('/').count() < 3
        {
            return Err(format!(
                "--cdc `{}` names no schema: write mysql://USER@HOST:PORT/SCHEMA",
                self.cdc
            ));
        }
        Ok(name.to_owned())
    }
}

fn target(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, url)) if !name.is_empty() && url.starts_with("http") => {
            Ok((name.to_owned(), url.to_owned()))
        }
        _ => Err(format!("`{text}` is not NAME=URL, like shop=http://127.0.0.1:8080")),
    }
}

fn dead_letters(text: &str) -> Result<String, String> {
    // A topic that is read must not be written to: each letter would be another undecodable message.
    match text.is_empty() || text.contains(TOPIC) && text != TOPIC {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "`{text}` does not name a topic beside `{TOPIC}`, like {TOPIC}.dead-letter"
        )),
    }
}

fn offset(text: &str) -> Result<(String, i64), String> {
    let bad = || format!("`{text}` is not TOPIC/PARTITION=OFFSET, like channel.flow/0=17");
    let (source, offset) = text.split_once('=').ok_or_else(bad)?;
    if !source.contains('/') {
        return Err(bad());
    }
    Ok((source.to_owned(), offset.parse().map_err(|_| bad())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(more: &[&str]) -> Result<RunOptions, String> {
        let base = "dcheck run --rules r --plans p --cdc mysql://root@h:1/shop --sql mysql://h:1/s \
                    --kafka h:9 --topics a,b --group g --alerts http://h/a \
                    --plan-events http://h/p \
                    --listen 127.0.0.1:0";
        let args = base.split_whitespace().chain(more.iter().copied());
        match Cli::try_parse_from(args).map_err(|error| error.to_string())?.command {
            Command::Run(options) => Ok(*options),
            _ => Err("not run".into()),
        }
    }

    #[test]
    fn options_that_are_read() {
        let options = parse(&[
            "--binlog-from",
            "binlog.000002:157",
            "--target",
            "shop=http://h:1",
            "--kafka-from",
            "channel.flow/0=17",
        ])
        .unwrap();
        assert_eq!(options.schema().unwrap(), "shop");
        assert_eq!(options.topics, ["a", "b"]);
        assert_eq!(options.kafka_from, [("channel.flow/0".to_owned(), 17)]);
        assert_eq!(options.target_urls()["shop"], "http://h:1");
    }

    #[test]
    fn options_that_are_refused() {
        for more in [
            &["--target", "shop"][..],
            &["--kafka-from", "channel.flow=1"],
            &["--binlog-from", "x"],
            &["--start", "middle"],
            &["--partitions", "0"],
            &["--dead-letter-topic", "{topic}"],
            &["--dead-letter-topic", "dead"],
            &["--alerts", "http://h/b"],
        ] {
            assert!(parse(more).is_err(), "{more:?}");
        }
        let mut options = parse(&[]).unwrap();
        options.cdc = "mysql://root@h:1".into();
        assert!(options.schema().is_err());
    }
}
