//! Room `prevention`: see `lib.rs` for its place.
