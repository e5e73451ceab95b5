//! Room `faults`: see `lib.rs` for its place.
