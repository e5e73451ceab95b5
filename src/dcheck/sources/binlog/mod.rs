//! The MySQL binlog: row events of one schema, at the borders of transactions.
//!
//! Owns the replication connection (`open`, `reader`), the decoding of rows (`decode`), what they are (`rows`), their times (`stamps`)
//! the server's settings (`server`) and its tables (`tables`). Other schemas are dropped, but move the position. Try it:
//! `tests/dcheck.rs`.
//! Not covered: statement-format logs (refused at start), files above 4 GB, filtering on the
//! server's side.

mod decode;
mod open;
mod reader;
mod rows;
mod server;
mod stamps;
mod tables;

pub use decode::plain_value;
pub use reader::{BinlogReader, BinlogSettings};
pub use server::LogEndPoll;
pub use tables::tables_anew;
