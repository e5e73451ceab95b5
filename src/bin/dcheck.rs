//! The `dcheck` program.

fn main() {}
