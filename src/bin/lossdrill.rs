//! The harness: brings up the stage, injects, observes, judges, reports.

use std::process::ExitCode;

fn main() -> ExitCode {
    lossdrill::cli::main()
}
