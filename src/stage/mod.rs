//! Room `stage`: see `lib.rs` for its place.
