//! The `lossdrill` program.

fn main() {}
