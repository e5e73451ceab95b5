//! Room `config`: see `lib.rs` for its place.
