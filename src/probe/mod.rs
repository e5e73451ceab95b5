//! Room `probe`: see `lib.rs` for its place.
