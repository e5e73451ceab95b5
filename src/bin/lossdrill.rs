//! The harness's program: the guardian is served before anything starts a thread.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if let [_, command, state_dir] = args.as_slice()
        && command == "guardian"
    {
        return lossdrill::stage::guardian::serve(Path::new(state_dir));
    }
    ExitCode::SUCCESS
}
