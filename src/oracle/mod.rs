//! Room `oracle`: see `lib.rs` for its place.
