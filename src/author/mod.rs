//! Room `author`: see `lib.rs` for its place.
