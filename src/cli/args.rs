//! The command line of `lossdrill`, as data.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::author::{FmtArgs, LintArgs, NewArgs};
use super::proxy::ProxyArgs;
use crate::journal::Shard;
use crate::steps::FeaturePlace;

/// Fault drills for real-time reconciliation: inject the loss, prove the alert, prove the plan.
#[derive(Parser, Debug)]
#[command(name = "lossdrill", version, after_help = "Example: lossdrill gate")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    /// Write the attack and the twin of a loss point, as a feature that already runs
    #[command(after_help = "Example: lossdrill new refund-paid-twice")]
    New(NewArgs),
    /// Read every feature and catalogue file and print all mistakes; needs no server
    #[command(after_help = "Example: lossdrill check --features features")]
    Check(CheckArgs),
    /// Print what `check` tells and what reads badly; mend what is safe to mend
    #[command(after_help = "Example: lossdrill lint --fix")]
    Lint(LintArgs),
    /// Put every feature into one form
    #[command(after_help = "Example: lossdrill fmt --check")]
    Fmt(FmtArgs),
    /// Run the CI gate: the scenarios tagged @tier:gate, with the policy's seed
    #[command(after_help = "Example: lossdrill gate --provider local")]
    Gate(RunArgs),
    /// Run selected scenarios
    #[command(after_help = "Example: lossdrill run --loss-point bid-below-market")]
    Run(RunArgs),
    /// Run again what was red in a run, or not begun, with its seed
    #[command(after_help = "Example: lossdrill rerun runs/20261122-101500-7f3a")]
    Rerun(RerunArgs),
    /// Put the shards of one run together into a run directory with all reports
    #[command(after_help = "Example: lossdrill merge shards/1 shards/2 --out runs")]
    Merge(MergeArgs),
    /// What changed from one run to the next; exit 1 where something is worse
    #[command(
        after_help = "Example: lossdrill compare runs/20261121-101500-1a2b runs/20261122-101500-7f3a"
    )]
    Compare(CompareArgs),
    /// Why a scenario ended as it did: expected and observed, the nearest alerts, the rule's own trace
    #[command(
        after_help = "Example: lossdrill explain runs/20261122-101500-7f3a 'The approval is delivered twice'"
    )]
    Explain(ExplainArgs),
    /// List the sentences a scenario may use
    #[command(after_help = "Example: lossdrill steps refund")]
    Steps(StepsArgs),
    /// Write the reports of a run again, from its journal
    #[command(after_help = "Example: lossdrill report runs/20261122-101500-7f3a")]
    Report(ReportArgs),
    /// Judge a run again, from its journal alone
    #[command(after_help = "Example: lossdrill recheck runs/20261122-101500-7f3a")]
    Recheck(RunDirArgs),
    /// Keep servers warm between runs
    #[command(after_help = "Example: lossdrill stage up --provider local")]
    Stage(StageArgs),
    /// List the faults, or heal whatever a killed run left behind
    #[command(after_help = "Example: lossdrill faults heal --all")]
    Faults(FaultsArgs),
    /// Run the fault proxy alone, with Toxiproxy's REST API and more; its clients work unchanged
    #[command(after_help = "Example: lossdrill proxy --config proxies.json --seed 7")]
    Proxy(ProxyArgs),
    /// Run an ordered list of scenarios from drills/
    #[command(after_help = "Example: lossdrill drill run drills/quarterly.yaml")]
    Drill(DrillArgs),
    /// Loss points against the evidence for them, and how much money that is
    #[command(after_help = "Example: lossdrill coverage --by loss")]
    Coverage(CoverageArgs),
    /// The parent of every local process of a run
    #[command(hide = true)]
    Guardian { state_dir: PathBuf },
    /// Undoes what a dead run has recorded in its state directory; for its guardian
    #[command(hide = true)]
    Undo { state_dir: PathBuf },
}

/// Where the texts are.
#[derive(Args, Debug, Clone)]
pub struct Sources {
    /// Configuration file; without one the built-in defaults hold
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the features are
    #[arg(long, value_name = "DIR", default_value = "features")]
    pub features: PathBuf,
    /// Where the catalogue of loss points, rules and plans is
    #[arg(long, value_name = "DIR", default_value = "scenarios")]
    pub scenarios: PathBuf,
    /// Where the drills are
    #[arg(long, value_name = "DIR", default_value = "drills")]
    pub drills: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// The highest theoretical loss: an event's loss × events an hour × the longest duration
    Loss,
    Id,
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    pub sources: Sources,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// Which scenarios, and how to run them.
#[derive(Args, Debug, Clone)]
pub struct RunArgs {
    #[command(flatten)]
    pub select: SelectArgs,
    #[command(flatten)]
    pub play: PlayArgs,
}

/// Which scenarios: every kind of condition given must hold.
#[derive(Args, Debug, Clone, Default)]
pub struct SelectArgs {
    /// Features, or scenarios by one of their lines, such as features/bid.feature:14
    #[arg(value_name = "PATH[:LINE]")]
    pub places: Vec<FeaturePlace>,
    /// Tag expression, such as "@tier:gate and not @control"
    #[arg(long, value_name = "EXPR")]
    pub tags: Option<String>,
    /// A scenario's name, whole or in part; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub name: Vec<String>,
    /// Only scenarios of this loss point; may be given several times
    #[arg(long, value_name = "ID")]
    pub loss_point: Vec<String>,
    /// Only this part of what is selected, such as 1/4; `lossdrill merge` puts the parts together
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
}

impl SelectArgs {
    /// Nobody asks for a part; a shard is no choice, its brothers run the rest.
    pub fn is_everything(&self) -> bool {
        let SelectArgs { places, tags, name, loss_point, shard: _ } = self;
        places.is_empty() && tags.is_none() && name.is_empty() && loss_point.is_empty()
    }
}

/// How to run what is selected.
#[derive(Args, Debug, Clone)]
pub struct PlayArgs {
    #[command(flatten)]
    pub sources: Sources,
    /// docker, local or external (given in the configuration); default: docker when an engine answers, else local
    #[arg(long, env = "LOSSDRILL_PROVIDER", value_name = "PROVIDER")]
    pub provider: Option<String>,
    /// Where run directories go
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Seed of all randomness; default: the policy's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How many scenarios at once; default: as many as this machine carries
    #[arg(long, value_name = "N")]
    pub jobs: Option<usize>,
    /// End after this long; what is unjudged then is inconclusive. Such as "10 min"
    #[arg(long, value_name = "DURATION")]
    pub deadline: Option<String>,
    /// End with the first failed defence: what waits is cancelled, and inconclusive
    #[arg(long)]
    pub fail_fast: bool,
    /// Annotate what is red for GitHub Actions, and write the job's summary
    #[arg(long)]
    pub github: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub struct RerunArgs {
    /// The run directory; default: the last one in the folder of runs
    pub run: Option<PathBuf>,
    #[command(flatten)]
    pub play: PlayArgs,
}

#[derive(Args, Debug)]
pub struct MergeArgs {
    /// The run directories of all shards, or folders that hold them
    #[arg(required = true, value_name = "DIR")]
    pub shards: Vec<PathBuf>,
    /// Where the run directory of the whole goes
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Annotate what is red for GitHub Actions, and write the job's summary
    #[arg(long)]
    pub github: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub struct CompareArgs {
    /// The run directory to compare with
    pub before: PathBuf,
    /// The run directory that may be better or worse
    pub after: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The run directory
    pub run: PathBuf,
    /// A scenario of it: its name, a part of it, its id, or its place, such as features/bid.feature:14
    pub scenario: String,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub struct StepsArgs {
    /// Show only sentences that hold all these words, in either language
    pub search: Vec<String>,
    /// One HTML page instead of text
    #[arg(long)]
    pub html: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub struct ReportArgs {
    #[command(flatten)]
    pub run: RunDirArgs,
    /// The language in which report.html opens; its switch has the other
    #[arg(long, value_enum, default_value = "en")]
    pub lang: Lang,
    /// Annotate what is red for GitHub Actions, and write the job's summary
    #[arg(long)]
    pub github: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    En,
    Zh,
}

#[derive(Args, Debug)]
pub struct RunDirArgs {
    /// The run directory
    pub run: PathBuf,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[derive(Args, Debug)]
pub struct StageArgs {
    #[command(subcommand)]
    pub command: StageCommand,
}

#[derive(Subcommand, Debug)]
pub enum StageCommand {
    /// Bring the servers up and keep them
    #[command(after_help = "Example: lossdrill stage up --provider docker")]
    Up {
        /// docker or local; default: docker when an engine answers, else local
        #[arg(long, env = "LOSSDRILL_PROVIDER", value_name = "PROVIDER")]
        provider: Option<String>,
        /// Configuration file; without one the built-in defaults hold
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Say what is up; exit 4 where nothing is
    #[command(after_help = "Example: lossdrill stage status")]
    Status {
        /// How to print
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Take it down
    #[command(after_help = "Example: lossdrill stage down")]
    Down,
    /// The process that holds the warm servers
    #[command(hide = true)]
    Hold,
}

#[derive(Args, Debug)]
pub struct FaultsArgs {
    #[command(subcommand)]
    pub command: FaultsCommand,
}

#[derive(Subcommand, Debug)]
pub enum FaultsCommand {
    /// Every fault: parameters, reach, proof, healing, and where it is possible on this machine
    #[command(after_help = "Example: lossdrill faults list --format json")]
    List {
        /// How to print
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// Heal and remove what killed runs left behind
    #[command(after_help = "Example: lossdrill faults heal --all")]
    Heal {
        /// All dead runs; nothing else can be named yet
        #[arg(long, required = true)]
        all: bool,
    },
}

#[derive(Args, Debug)]
pub struct DrillArgs {
    #[command(subcommand)]
    pub command: DrillCommand,
}

#[derive(Subcommand, Debug)]
pub enum DrillCommand {
    /// Run the file's scenarios in its order, one after another
    #[command(after_help = "Example: lossdrill drill run drills/quarterly.yaml")]
    Run {
        /// The drill
        file: PathBuf,
        #[command(flatten)]
        play: PlayArgs,
    },
}

#[derive(Args, Debug)]
pub struct CoverageArgs {
    /// A run directory: what it proved of each loss point
    pub run: Option<PathBuf>,
    #[command(flatten)]
    pub sources: Sources,
    /// What comes first
    #[arg(long, value_enum, default_value = "loss")]
    pub by: Order,
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        let mut left: Vec<clap::Command> = Cli::command().get_subcommands().cloned().collect();
        while let Some(mut command) = left.pop() {
            if command.is_hide_set() || command.get_name() == "help" {
                continue;
            }
            let help = command.render_long_help().to_string();
            assert!(help.contains("Example:"), "{} has no example", command.get_name());
            for argument in command.get_arguments() {
                let id = argument.get_id();
                assert!(argument.get_help().is_some(), "{}: {id} has no help", command.get_name());
            }
            left.extend(command.get_subcommands().cloned());
        }
    }
}
