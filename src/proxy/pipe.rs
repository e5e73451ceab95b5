//! One direction of one connection: read, hold as the board says, write, in order.
//!
//! A chunk keeps the instant of its arrival; how long it is held is asked of the board each time,
//! so that arming and disarming take effect on what is held already. The buffer is bounded: past it
//! the sender feels back-pressure.

mod alarm;
mod duct;
mod pass;
mod scratch;

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, Bytes};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;

use self::alarm::Alarm;
use super::board::Board;
use super::chain::Chain;
use super::filter::{Filter, Late, Piece};
use super::gauge::Waiting;
use super::link::Shared;
use super::toxic::{Direction, Due, Hold, Stamp};

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

/// Why a pipe stops before its stream ends: of itself, or as a toxic wants.
pub(super) enum Stop {
    Broken,
    /// Orderly: what passed so far arrives.
    Close,
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Stop {
        Stop::Broken
    }
}

pub(super) struct Pipe<'a> {
    flow: Direction,
    chain: Chain,
    reader: ReadHalf<'a>,
    writer: WriteHalf<'a>,
    shared: &'a Shared,
    board: watch::Receiver<Arc<Board>>,
    filter: Filter,
    draws: ChaCha8Rng,
    who: Waiting,
    queue: VecDeque<Chunk>,
    queued: usize,
    /// Bytes on their way through a kernel pipe.
    spliced: usize,
    alarm: Alarm,
    /// Read to its end; the end itself stands in the queue as an empty chunk, so that it is held
    /// like a byte.
    ended: bool,
    /// The end was no orderly one.
    broken: bool,
    counted: u64,
    waiting: Option<(crate::clock::CellTime, u64)>,
}

impl<'a> Pipe<'a> {
    pub fn new(
        shared: &'a Shared,
        chain: Chain,
        filter: Filter,
        draws: ChaCha8Rng,
        ends: (ReadHalf<'a>, WriteHalf<'a>),
    ) -> Pipe<'a> {
        let (flow, number) = (chain.flow, chain.origin.connection);
        let who = match flow {
            Direction::ToClient => Waiting::ToClient(number),
            Direction::ToUpstream | Direction::Both => Waiting::ToUpstream(number),
        };
        Pipe {
            flow,
            chain,
            reader: ends.0,
            writer: ends.1,
            shared,
            board: shared.board.subscribe(),
            filter,
            draws,
            who,
            queue: VecDeque::new(),
            queued: 0,
            spliced: 0,
            alarm: Alarm::default(),
            ended: false,
            broken: false,
            counted: 0,
            waiting: None,
        }
    }

    /// Relays until the end of the stream was passed on.
    pub async fn run(mut self) -> Result<(), Stop> {
        loop {
            let board = self.board.borrow_and_update().clone();
            if !self.chain.follow(&board) {
                return Err(Stop::Close);
            }
            drop(board);
            if self.chain.discards() {
                self.discard();
            }
            if self.is_free() {
                self.pass_on().await?;
                continue;
            }
            let gate = self.gate();
            self.account(gate);
            if gate == Gate::Open && self.queue.front().is_some_and(|chunk| chunk.bytes.is_empty())
            {
                if self.broken {
                    return Err(Stop::Broken);
                }
                // The other side may have gone; the end was passed on as far as it can be.
                let _ = self.writer.shutdown().await;
                return Ok(());
            }
            let room = !self.ended && self.queued < HELD_BYTES_MAX;
            let due = if let Gate::Until(due) = gate { Some(due) } else { None };
            tokio::select! {
                biased;
                changed = self.board.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
                ready = self.writer.writable(), if gate == Gate::Open => {
                    ready?;
                    self.give_out()?;
                }
                read = scratch::read(&mut self.reader), if room => {
                    self.take_in(read)?;
                    if !self.chain.discards() && self.gate() == Gate::Open {
                        self.give_out()?;
                    }
                }
                () = reached(due, &mut self.alarm, self.shared), if due.is_some() => {}
            }
        }
    }

    fn gate(&mut self) -> Gate {
        let Some(chunk) = self.queue.front() else { return Gate::Empty };
        let held = gate_of(&self.chain, chunk, self.shared);
        if held != Gate::Open || chunk.bytes.is_empty() || !self.chain.is_paced() {
            return held;
        }
        match self.chain.piece(chunk.bytes.len(), chunk.arrived.real).1 {
            Some(due) if !Due::Real(due).is_over(&self.shared.release) => {
                Gate::Until(Due::Real(due))
            }
            _ => Gate::Open,
        }
    }

    /// Tells the link's gauge what this pipe holds, and until when.
    fn account(&mut self, gate: Gate) {
        let held = (self.queued + self.spliced + self.filter.pending()) as u64;
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

    /// Takes in what a read brought; nothing is the end.
    fn take_in(&mut self, read: io::Result<Bytes>) -> io::Result<()> {
        let arrived = Stamp::now(&self.shared.clock);
        match read {
            Ok(bytes) if bytes.is_empty() => self.end(arrived),
            Ok(bytes) => {
                self.read_total().fetch_add(bytes.len() as u64, Ordering::Relaxed);
                let mut pieces = Vec::new();
                if let Err(note) = self.filter.feed(bytes, &mut pieces) {
                    self.shared.note(&note);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, note));
                }
                for piece in pieces {
                    self.push(piece, arrived);
                }
                if self.filter.is_over() {
                    self.end(arrived);
                }
            }
            Err(_) => {
                self.broken = true;
                self.end(arrived);
            }
        }
        Ok(())
    }

    fn end(&mut self, arrived: Stamp) {
        self.ended = true;
        let rest = self.filter.finish();
        self.push(rest.into(), arrived);
        self.chain.count_hits(true, 0);
        self.queue.push_back(Chunk { bytes: Bytes::new(), arrived, draw: 0, late: None });
    }

    fn push(&mut self, piece: Piece, arrived: Stamp) {
        let Piece { bytes, late } = piece;
        if bytes.is_empty() {
            return;
        }
        let draw = self.draws.next_u64();
        self.chain.count_hits(false, draw);
        self.queued += bytes.len();
        self.queue.push_back(Chunk { bytes, arrived, draw, late });
    }

    fn read_total(&self) -> &AtomicU64 {
        match self.flow {
            Direction::ToClient => &self.shared.gauge.from_upstream,
            Direction::ToUpstream | Direction::Both => &self.shared.gauge.from_client,
        }
    }

    fn written_total(&self) -> &AtomicU64 {
        match self.flow {
            Direction::ToClient => &self.shared.gauge.to_client,
            Direction::ToUpstream | Direction::Both => &self.shared.gauge.to_upstream,
        }
    }

    fn give_out(&mut self) -> Result<(), Stop> {
        if self.chain.is_paced() { self.give_pieces() } else { Ok(self.give_all()?) }
    }

    /// All that is free, in one write.
    fn give_all(&mut self) -> io::Result<()> {
        let free = |chunk: &&Chunk| {
            !chunk.bytes.is_empty() && gate_of(&self.chain, chunk, self.shared) == Gate::Open
        };
        let slices: Vec<IoSlice<'_>> = (self.queue.iter().take(WRITE_PIECES_MAX))
            .take_while(free)
            .map(|chunk| IoSlice::new(&chunk.bytes))
            .collect();
        if slices.is_empty() {
            return Ok(());
        }
        let written = match self.writer.try_write_vectored(&slices) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        self.written(written);
        Ok(())
    }

    /// What is free, piece by piece as the toxics cut it, each in a write of its own. At most
    /// [`WRITE_PIECES_MAX`] at once: the other direction has its turn, too.
    fn give_pieces(&mut self) -> Result<(), Stop> {
        for _ in 0..WRITE_PIECES_MAX {
            if self.gate() != Gate::Open {
                break;
            }
            let Some(chunk) = self.queue.front().filter(|chunk| !chunk.bytes.is_empty()) else {
                break;
            };
            let (length, arrived) = (chunk.bytes.len(), chunk.arrived.real);
            let (piece, _) = self.chain.piece(length, arrived);
            if piece == 0 {
                self.chain.count_limits();
                return Err(Stop::Close);
            }
            let written = match self.writer.try_write(&chunk.bytes[..piece]) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            };
            self.written(written);
            if !self.chain.passed(written, written == length, arrived) {
                self.chain.count_limits();
                return Err(Stop::Close);
            }
        }
        Ok(())
    }

    /// Takes `written` bytes off the queue.
    fn written(&mut self, mut written: usize) {
        self.written_total().fetch_add(written as u64, Ordering::Relaxed);
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
    }

    /// Throws away what is free.
    fn discard(&mut self) {
        while let Some(chunk) = self.queue.front() {
            if chunk.bytes.is_empty() || gate_of(&self.chain, chunk, self.shared) != Gate::Open {
                return;
            }
            self.queued -= chunk.bytes.len();
            self.queue.pop_front();
        }
    }
}

fn gate_of(chain: &Chain, chunk: &Chunk, shared: &Shared) -> Gate {
    let late = chunk.late.filter(|late| chain.has_rule(late.by)).map(|late| late.delay);
    let hold = match (chain.hold(chunk.bytes.is_empty(), chunk.draw), late) {
        (Hold::Not, Some(late)) => Hold::For(late),
        (Hold::For(delay), Some(late)) => Hold::For(delay.saturating_add(late)),
        (hold, _) => hold,
    };
    match hold {
        Hold::Not => Gate::Open,
        Hold::Forever => Gate::Shut,
        Hold::For(delay) => {
            let due = chunk.arrived.plus(delay);
            if due.is_over(&shared.release) { Gate::Open } else { Gate::Until(due) }
        }
    }
}

async fn reached(due: Option<Due>, alarm: &mut Alarm, shared: &Shared) {
    match due {
        Some(Due::Real(instant)) => alarm.reached(instant).await,
        Some(due) => due.reached(&shared.release).await,
        None => {}
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
