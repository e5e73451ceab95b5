//! A log opened where it is read on: by its file and place at the same server, by the transactions that were read at one
//! that has taken over. Reads nothing of it.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStream, BinlogStreamRequest, Conn, Sid};
use sha2::{Digest, Sha256};

use super::reader::ReadError;
use super::server::{log_begin, log_end, numbering_server};
use crate::dcheck::sources::{Origin, Position, Start};

/// The server sends a heartbeat on a silent log this often.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// A log, and where its reader stands.
pub(super) struct Opened {
    pub stream: BinlogStream,
    pub from: Position,
    /// Empty where the server is still to say which one it is.
    pub file: String,
    pub origin: Option<Origin>,
    /// Another server has taken over: until a transaction of it was read, its places say nothing.
    pub crossing: bool,
}

/// From behind `border`; from where `start` says without one.
pub(super) async fn open(
    mut conn: Conn,
    group: &str,
    border: Option<&Position>,
    start: Start,
) -> Result<Opened, ReadError> {
    let from = match border {
        Some(position) => position.clone(),
        None if start == Start::Earliest => log_begin(&mut conn).await?,
        None => log_end(&mut conn).await?,
    };
    let Position::Log { file, pos, origin } = from.clone() else {
        return Err(ReadError::Ended);
    };
    let period = HEARTBEAT.as_nanos();
    conn.query_drop(format!(
        "SET @source_heartbeat_period = {period}, @master_heartbeat_period = {period}"
    ))
    .await?;
    let here = numbering_server(&mut conn).await?;
    let elsewhere = origin.as_ref().zip(here).filter(|(origin, here)| origin.server != *here);
    let request = BinlogStreamRequest::new(replica_id(group));
    // A file's place is one server's own: at another one only the transactions tell what was read.
    let Some((Origin { gtids, .. }, here)) = elsewhere else {
        let request = request.with_filename(file.as_bytes()).with_pos(pos);
        let stream = conn.get_binlog_stream(request).await?;
        return Ok(Opened { stream, from, file, origin, crossing: false });
    };
    let sids = gtids.parts().map(|part| match part.parse::<Sid<'static>>() {
        Ok(sid) => Ok(sid),
        Err(error) => Err(ReadError::Numbers(part, error)),
    });
    let sids = sids.collect::<Result<Vec<_>, _>>()?;
    let origin = Some(Origin { server: here, gtids: gtids.clone() });
    let stream = conn.get_binlog_stream(request.with_gtid().with_gtid_set(sids)).await?;
    Ok(Opened { stream, from, file: String::new(), origin, crossing: true })
}

/// A replica id of our own range, the same for the same group.
fn replica_id(group: &str) -> u32 {
    let digest = Sha256::digest(group.as_bytes());
    0x4000_0000 | u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) >> 2
}
