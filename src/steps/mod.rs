//! Room `steps`: see `lib.rs` for its place.
