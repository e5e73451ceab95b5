//! Room `coverage`: see `lib.rs` for its place.
