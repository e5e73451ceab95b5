//! Room `drill`: see `lib.rs` for its place.
