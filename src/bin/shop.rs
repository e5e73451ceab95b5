//! The practice storefront as a program: see `lossdrill::shop`.

fn main() -> std::process::ExitCode {
    lossdrill::shop::main()
}
