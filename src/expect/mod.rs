//! Room `expect`: see `lib.rs` for its place.
