//! The `shop` program.

fn main() {}
