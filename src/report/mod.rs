//! Room `report`: see `lib.rs` for its place.
