//! Room `runner`: see `lib.rs` for its place.
