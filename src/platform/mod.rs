//! Room `platform`: see `lib.rs` for its place.
