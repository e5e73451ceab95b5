//! One direction of one connection: read, hold as the board says, write, in order.
//!
//! A chunk keeps the instant of its arrival; how long it is held is asked of the board each time,
//! so that arming and disarming take effect on what is held already. The buffer is bounded: past it
//! the sender feels back-pressure.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Buf, Bytes, BytesMut};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use super::board::Board;
use super::filter::{Filter, Late, Piece};
use super::gauge::Waiting;
use super::link::Shared;
use super::toxic::{Direction, Due, Hold, Stamp};

/// One read. With 8 KB a 64 KB answer was published to cost 20 ms in another proxy; with 64 KB,
/// 0.13 ms.
const READ_BYTES: usize = 64 * 1024;
/// Held per direction and connection before reading stops; a whole decoded frame may go above it
/// once.
pub(super) const HELD_BYTES_MAX: usize = 1024 * 1024;
/// Pieces written by one call: header and body of a few frames.
const WRITE_PIECES_MAX: usize = 16;

struct Chunk {
    bytes: Bytes,
    arrived: Stamp,
    draw: u64,
    late: Option<Late>,
}

/// May the front of the queue go?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gate {
    Empty,
    Open,
    Until(Due),
    Shut,
}

pub(super) struct Pipe<'a> {
    flow: Direction,
    reader: ReadHalf<'a>,
    writer: WriteHalf<'a>,
    shared: &'a Shared,
    board: watch::Receiver<Arc<Board>>,
    filter: Filter,
    draws: ChaCha8Rng,
    who: Waiting,
    queue: VecDeque<Chunk>,
    queued: usize,
    /// Read to its end; the end itself stands in the queue as an empty chunk, so that it is held
    /// like a byte.
    ended: bool,
    /// The end was no orderly one.
    broken: Option<io::Error>,
    counted: u64,
    waiting: Option<(crate::clock::CellTime, u64)>,
}

impl<'a> Pipe<'a> {
    pub fn new(
        shared: &'a Shared,
        number: u64,
        flow: Direction,
        filter: Filter,
        draws: ChaCha8Rng,
        ends: (ReadHalf<'a>, WriteHalf<'a>),
    ) -> Pipe<'a> {
        let who = match flow {
            Direction::ToClient => Waiting::ToClient(number),
            Direction::ToUpstream | Direction::Both => Waiting::ToUpstream(number),
        };
        Pipe {
            flow,
            reader: ends.0,
            writer: ends.1,
            shared,
            board: shared.board.subscribe(),
            filter,
            draws,
            who,
            queue: VecDeque::new(),
            queued: 0,
            ended: false,
            broken: None,
            counted: 0,
            waiting: None,
        }
    }

    /// Relays until the end of the stream was passed on. An error means that the connection is
    /// broken.
    pub async fn run(mut self) -> io::Result<()> {
        loop {
            let board = self.board.borrow_and_update().clone();
            let gate = self.gate(&board);
            self.account(gate);
            if gate == Gate::Open && self.queue.front().is_some_and(|chunk| chunk.bytes.is_empty())
            {
                if let Some(error) = self.broken.take() {
                    return Err(error);
                }
                // The other side may have gone; the end was passed on as far as it can be.
                let _ = self.writer.shutdown().await;
                return Ok(());
            }
            let room = !self.ended && self.queued < HELD_BYTES_MAX;
            let due = if let Gate::Until(due) = gate { Some(due) } else { None };
            tokio::select! {
                changed = self.board.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
                ready = self.reader.readable(), if room => {
                    ready?;
                    self.take_in(&board)?;
                    if self.gate(&board) == Gate::Open {
                        self.give_out(&board)?;
                    }
                }
                () = reached(due, self.shared), if due.is_some() => {}
                ready = self.writer.writable(), if gate == Gate::Open => {
                    ready?;
                    self.give_out(&board)?;
                }
            }
        }
    }

    fn gate(&self, board: &Board) -> Gate {
        match self.queue.front() {
            None => Gate::Empty,
            Some(chunk) => gate_of(board, self.flow, chunk, self.shared),
        }
    }

    /// Tells the link's gauge what this pipe holds, and until when.
    fn account(&mut self, gate: Gate) {
        let held = (self.queued + self.filter.pending()) as u64;
        if held != self.counted {
            self.shared.gauge.hold(self.counted, held);
            self.counted = held;
        }
        let waiting = match gate {
            Gate::Until(Due::Cell(due)) => Some((due, held)),
            _ => None,
        };
        if waiting != self.waiting {
            self.shared.gauge.wait(self.who, waiting);
            self.waiting = waiting;
        }
    }

    fn take_in(&mut self, board: &Board) -> io::Result<()> {
        let mut buffer = BytesMut::with_capacity(READ_BYTES);
        let arrived = Stamp::now(&self.shared.clock);
        match self.reader.try_read_buf(&mut buffer) {
            Ok(0) => self.end(arrived, board),
            Ok(_) => {
                let mut pieces = Vec::new();
                if let Err(note) = self.filter.feed(buffer.freeze(), &mut pieces) {
                    self.shared.note(&note);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, note));
                }
                for piece in pieces {
                    self.push(piece, arrived, board);
                }
                if self.filter.is_over() {
                    self.end(arrived, board);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                self.broken = Some(error);
                self.end(arrived, board);
            }
        }
        Ok(())
    }

    fn end(&mut self, arrived: Stamp, board: &Board) {
        self.ended = true;
        let rest = self.filter.finish();
        self.push(rest.into(), arrived, board);
        self.queue.push_back(Chunk { bytes: Bytes::new(), arrived, draw: 0, late: None });
    }

    fn push(&mut self, piece: Piece, arrived: Stamp, board: &Board) {
        let Piece { bytes, late } = piece;
        if bytes.is_empty() {
            return;
        }
        let draw = self.draws.next_u64();
        board.count_hits(self.flow, draw);
        self.queued += bytes.len();
        self.queue.push_back(Chunk { bytes, arrived, draw, late });
    }

    fn give_out(&mut self, board: &Board) -> io::Result<()> {
        let free = |chunk: &&Chunk| {
            !chunk.bytes.is_empty() && gate_of(board, self.flow, chunk, self.shared) == Gate::Open
        };
        let slices: Vec<IoSlice<'_>> = (self.queue.iter().take(WRITE_PIECES_MAX))
            .take_while(free)
            .map(|chunk| IoSlice::new(&chunk.bytes))
            .collect();
        if slices.is_empty() {
            return Ok(());
        }
        let mut written = match self.writer.try_write_vectored(&slices) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let total = match self.flow {
            Direction::ToClient => &self.shared.gauge.to_client,
            Direction::ToUpstream | Direction::Both => &self.shared.gauge.to_upstream,
        };
        total.fetch_add(written as u64, Ordering::Relaxed);
        self.queued -= written;
        while written > 0 {
            let front = self.queue.front_mut().expect("invariant: what was written was queued");
            let part = written.min(front.bytes.len());
            front.bytes.advance(part);
            written -= part;
            if front.bytes.is_empty() {
                self.queue.pop_front();
            }
        }
        Ok(())
    }
}

fn gate_of(board: &Board, flow: Direction, chunk: &Chunk, shared: &Shared) -> Gate {
    let late = chunk.late.filter(|late| board.has_rule(late.by)).map(|late| late.delay);
    let hold = match (board.hold(flow, chunk.draw), late) {
        (Hold::Not, Some(late)) => Hold::For(late),
        (Hold::For(delay), Some(late)) => Hold::For(delay.saturating_add(late)),
        (hold, _) => hold,
    };
    match hold {
        Hold::Not => Gate::Open,
        Hold::Forever => Gate::Shut,
        Hold::For(delay) => {
            let due = chunk.arrived.plus(delay);
            if due.is_over(&shared.clock) { Gate::Open } else { Gate::Until(due) }
        }
    }
}

async fn reached(due: Option<Due>, shared: &Shared) {
    if let Some(due) = due {
        due.reached(&shared.clock).await;
    }
}

impl Drop for Pipe<'_> {
    fn drop(&mut self) {
        self.shared.gauge.hold(self.counted, 0);
        if self.waiting.is_some() {
            self.shared.gauge.wait(self.who, None);
        }
    }
}
