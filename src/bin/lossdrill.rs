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
    let words: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    match (words.as_slice(), tokio::runtime::Runtime::new()) {
        (["stage", "hold"], Ok(runtime)) => runtime.block_on(lossdrill::stage::warm::hold()),
        _ => ExitCode::from(2),
    }
}
