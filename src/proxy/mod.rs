//! Room `proxy`: see `lib.rs` for its place.
