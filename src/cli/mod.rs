//! The command line: reads arguments, calls one room, prints, returns the exit code.
//!
//! Owns no behaviour. Everything that it prints is made by the room that knows it.

pub mod args;
mod author;
mod basis;
mod drill;
mod faults;
mod inspect;
mod live;
mod proxy;
mod run;
mod rundir;
mod stage;
pub mod system;
mod texts;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, StageArgs, StageCommand};

/// The `lossdrill` program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    if let Command::Stage(StageArgs { command: StageCommand::Hold }) = &cli.command {
        let runtime =
            tokio::runtime::Runtime::new().expect("invariant: a holder has threads to start");
        let code = runtime.block_on(crate::stage::warm::hold());
        // The servers are gone: a question to one of them that still waits on a thread may not hold us.
        runtime.shutdown_background();
        return code;
    }
    if let Command::Guardian { state_dir } = &cli.command {
        // Before any thread exists: its children die with the thread that forked them.
        return crate::stage::guardian::serve(state_dir);
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: start the runtime: {error}");
            return crate::journal::Exit::Usage.into();
        }
    };
    let exit = runtime.block_on(dispatch(cli.command));
    // Everything is healed and told: what still waits on a thread (a question to a server that is gone) may not hold us.
    runtime.shutdown_background();
    exit.into()
}

async fn dispatch(command: Command) -> crate::journal::Exit {
    match command {
        Command::New(args) => author::new(&args),
        Command::Lint(args) => author::lint(&args),
        Command::Fmt(args) => author::fmt(&args),
        Command::Check(args) => inspect::check(&args),
        Command::Steps(args) => inspect::steps(&args),
        Command::Coverage(args) => inspect::coverage(&args),
        Command::Report(args) => rundir::report(&args),
        Command::Recheck(args) => inspect::recheck(&args),
        Command::Gate(args) => run::gate(args).await,
        Command::Run(args) => run::run(args).await,
        Command::Rerun(args) => run::rerun(args).await,
        Command::Merge(args) => rundir::merge(&args),
        Command::Compare(args) => rundir::compare(&args),
        Command::Explain(args) => rundir::explain(&args),
        Command::Drill(args) => drill::drill(args).await,
        Command::Stage(args) => stage::stage(args).await,
        Command::Faults(args) => faults::faults(args).await,
        Command::Proxy(args) => proxy::proxy(args).await,
        Command::Undo { state_dir } => faults::undo(&state_dir).await,
        Command::Guardian { .. } => unreachable!("`main` serves it before the runtime starts"),
    }
}
