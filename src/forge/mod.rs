//! Room `forge`: see `lib.rs` for its place.
