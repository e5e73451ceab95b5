//! Room `dcheck`: see `lib.rs` for its place.
