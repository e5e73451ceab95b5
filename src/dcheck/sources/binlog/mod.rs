//! The MySQL binlog: row events of one schema, at the borders of transactions.
//!
//! Owns the replication connection (`reader`), the decoding of rows (`decode`) and the server's
//! settings (`server`). Other schemas are dropped, but move the position. Try it:
//! `tests/dcheck.rs`.
//! Not covered: statement-format logs (refused at start), files above 4 GB, filtering on the
//! server's side.

mod decode;
mod reader;
mod server;

pub use decode::plain_value;
pub use reader::{BinlogReader, BinlogSettings};
pub use server::LogEndPoll;
