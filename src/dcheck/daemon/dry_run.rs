//! `dcheck plan dry-run`: what each plan would touch for a finding, from the files alone.
//!
//! Owns the reading of the finding. Opens no connection, so that it knows nothing of cooldowns, runs in force and kill switches: those
//! are told by `POST /plans/dry-run` of a daemon that runs.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::options::CheckOptions;
use super::start::Mistakes;
use crate::clock::Clock;
use crate::dcheck::plans::{Halts, Known, Stage, Supposed, rehearse};

const EXAMPLE: &str = r#"Example:
  echo '{"rule": "bid-below-market", "severity": "P1", "subject": {"kind": "bid", "id": "B-1"}, "fields": {"sku": "SKU-1"}}' |
    dcheck plan dry-run --rules scenarios/rules --plans scenarios/plans"#;

#[derive(Clone, Debug, Subcommand)]
pub enum PlanCommand {
    /// What each plan would touch for a finding, with statements and parameters filled in; changes nothing.
    #[command(after_help = EXAMPLE)]
    DryRun(DryRunOptions),
}

#[derive(Clone, Debug, Args)]
pub struct DryRunOptions {
    #[command(flatten)]
    pub files: CheckOptions,
    /// The finding, as JSON; `-` is the standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub finding: PathBuf,
    /// Stands before each topic's name.
    #[arg(long, default_value = "")]
    pub topic_prefix: String,
}

pub fn dry_run(options: &DryRunOptions) -> Result<(), Mistakes> {
    println!("{}", told(options)?);
    Ok(())
}

fn told(options: &DryRunOptions) -> Result<String, Mistakes> {
    let (_, specs) = super::load(&options.files, &Known::default())?;
    let name = options.finding.display();
    let refused = |why: String| Mistakes(vec![format!("finding {name}: {why}")]);
    let mut text = String::new();
    let read = match options.finding.as_os_str() == "-" {
        true => std::io::stdin().read_to_string(&mut text).map(drop),
        false => std::fs::read_to_string(&options.finding).map(|read| text = read),
    };
    read.map_err(|error| refused(error.to_string()))?;
    let supposed: Supposed =
        serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?;
    let (halts, counts) = (Arc::new(Halts::default()), std::sync::Mutex::default());
    let topic_prefix = &options.topic_prefix;
    let stage = Stage { specs: &specs, runs: &[], halts: &halts, counts: &counts, topic_prefix };
    let rehearsals = rehearse(&stage, supposed, Clock::system().now()).map_err(refused)?;
    Ok(serde_json::to_string_pretty(&rehearsals).expect("invariant: a rehearsal is plain data"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_of(finding: &str) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let file = dir.path().join("finding.json");
        std::fs::write(&file, finding).unwrap();
        let (rules, plans) = (root.join("rules"), root.join("plans"));
        let files = CheckOptions { rules, plans, alerting: None, services: None };
        told(&DryRunOptions { files, finding: file, topic_prefix: String::new() })
            .map_err(|mistakes| mistakes.0.join("\n"))
    }

    #[test]
    fn the_plans_of_the_repository_can_be_rehearsed() {
        let subject = r#""subject": {"kind": "bid", "id": "B-1"}"#;
        let whole = format!(
            r#"{{"rule": "bid-below-market", "severity": "P1", {subject}, "fields": {{"sku": "SKU-1"}}}}"#
        );
        let told = told_of(&whole).unwrap();
        for part in ["/breakers/sale/SKU-1", "\"decision\": \"starts\"", "\"SKU-1\"", "on-sale"] {
            assert!(told.contains(part), "{part} in {told}");
        }
        for (finding, part) in [
            (
                format!(r#"{{"rule": "bid", "severity": "P1", {subject}}}"#),
                "no plan names rule `bid`",
            ),
            (format!(r#"{{"rule": "bid-below-market", {subject}}}"#), "missing field `severity`"),
            ("{".to_owned(), "EOF"),
        ] {
            let refusal = told_of(&finding).expect_err(&finding);
            assert!(refusal.contains(part) && refusal.contains("finding.json"), "{refusal}");
        }
    }
}
