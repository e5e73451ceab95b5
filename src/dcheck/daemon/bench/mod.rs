//! `dcheck bench`: what a directory of rules costs, as a whole and rule by rule, beside decoding alone.
//!
//! Owns the command and what it prints; `stream` has the events (a recording's, or made from what the rules name), `measure` the
//! time. Asks nobody and stores nothing: a lookup is answered at once, with no row. Try it:
//! `cargo run --bin dcheck -- bench --rules scenarios/rules`.
//! Not covered: what lookups, results and alerts take (`benches/reconciler` has the whole way on real servers).

mod measure;
mod stream;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::Args;

use super::start::Mistakes;
use crate::dcheck::engine::rules;
use measure::Costs;
use stream::Stream;

pub const EXAMPLE: &str = "Example:
  dcheck bench --rules scenarios/rules
  dcheck run … --record today && dcheck bench --rules scenarios/rules --recording today";

/// Rounds, events and lines beyond which nobody waits for the answer.
const ROUNDS_MAX: i64 = 100;
const EVENTS_MAX: i64 = 5_000_000;

#[derive(Clone, Debug, Args)]
pub struct BenchOptions {
    /// Directory of rule files.
    #[arg(long)]
    pub rules: PathBuf,
    /// A recording of `dcheck run --record`; without it events are made from the columns that the rules name.
    #[arg(long, value_name = "FILE")]
    pub recording: Option<PathBuf>,
    /// Events that are made; of a recording, the first so many inputs.
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=EVENTS_MAX))]
    pub events: u32,
    /// How often all of it is done; the median counts.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=ROUNDS_MAX))]
    pub rounds: u32,
    /// Rules that are shown, the dearest first.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub dearest: usize,
    /// One JSON object with every rule instead of the table.
    #[arg(long)]
    pub json: bool,
}

pub fn run(options: &BenchOptions) -> Result<(), Mistakes> {
    let told = told(options)?;
    println!("{told}");
    Ok(())
}

fn told(options: &BenchOptions) -> Result<String, Mistakes> {
    let set = rules::load_dir(&options.rules);
    let set = set.map_err(|errors| Mistakes(errors.iter().map(ToString::to_string).collect()))?;
    let limit = options.events as usize;
    let stream = match &options.recording {
        Some(path) => Stream::recorded(path, limit).map_err(|why| Mistakes(vec![why]))?,
        None => Stream::made(&set, limit),
    };
    if stream.events() == 0 {
        let why = match &options.recording {
            Some(path) => format!("{}: no event in its first {limit} inputs", path.display()),
            None => format!("{}: no rule reads any event", options.rules.display()),
        };
        return Err(Mistakes(vec![why]));
    }
    let costs = Costs::measured(&set, &stream, options.rounds as usize)
        .map_err(|why| Mistakes(vec![why]))?;
    Ok(match options.json {
        true => costs.json(&stream).to_string(),
        false => costs.table(&stream, options.dearest),
    })
}
