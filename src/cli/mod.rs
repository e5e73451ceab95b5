//! Room `cli`: see `lib.rs` for its place.
