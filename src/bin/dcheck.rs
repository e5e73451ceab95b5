//! The reconciler.

fn main() -> std::process::ExitCode {
    lossdrill::dcheck::daemon::main()
}
