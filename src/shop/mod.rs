//! Room `shop`: see `lib.rs` for its place.
