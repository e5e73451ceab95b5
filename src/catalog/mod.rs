//! Room `catalog`: see `lib.rs` for its place.
