//! The toxics at work on one direction of one connection, with what each remembers of it.

use std::sync::Arc;

use tokio::time::Instant;

use super::board::{Armed, Board};
use super::toxic::{Cutter, Direction, Hold, Meter, ToxicId, ToxicKind, mix};

/// What a toxic remembers of the bytes that passed; none for most.
enum Memory {
    Nothing,
    Meter(Meter),
    Cutter(Cutter),
    Passed(u64),
}

struct Active {
    armed: Arc<Armed>,
    memory: Memory,
}

/// Which connection of which link: what all draws of it start from.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    pub seed: u64,
    pub connection: u64,
}

pub(super) struct Chain {
    pub flow: Direction,
    pub origin: Origin,
    toxics: Vec<Active>,
    /// The board that `toxics` were taken from.
    of: Option<Arc<Board>>,
}

impl Chain {
    pub fn new(flow: Direction, origin: Origin) -> Chain {
        Chain { flow, origin, toxics: Vec::new(), of: None }
    }

    /// Obeys `board` from now on. False where the stream cannot go on: a toxic that threw bytes
    /// away is gone.
    pub fn follow(&mut self, board: &Arc<Board>) -> bool {
        if self.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, board)) {
            return true;
        }
        let mut before = std::mem::take(&mut self.toxics);
        for armed in &board.armed {
            if !armed.toxic.direction.covers(self.flow) || !armed.touches(self.origin) {
                continue;
            }
            let kept = before.iter().position(|active| {
                let same = std::mem::discriminant(&active.armed.toxic.kind);
                active.armed.id == armed.id && same == std::mem::discriminant(&armed.toxic.kind)
            });
            let memory = match kept {
                Some(place) => before.swap_remove(place).memory,
                None => self.memory(armed),
            };
            self.toxics.push(Active { armed: armed.clone(), memory });
        }
        self.of = Some(board.clone());
        !before.iter().any(|active| active.armed.toxic.discards())
    }

    fn memory(&self, armed: &Armed) -> Memory {
        match armed.toxic.kind {
            ToxicKind::Bandwidth(_) => Memory::Meter(Meter::new(Instant::now())),
            ToxicKind::Slicer(_) => {
                let Origin { seed, connection } = self.origin;
                let own =
                    mix(seed ^ mix(2 * connection + u64::from(self.flow == Direction::ToClient)));
                Memory::Cutter(Cutter::new(own ^ armed.id.0 ^ armed.toxic.salt, Instant::now()))
            }
            ToxicKind::LimitData(_) => Memory::Passed(0),
            _ => Memory::Nothing,
        }
    }

    /// How long a chunk is held by all toxics together: delays add up.
    pub fn hold(&self, is_end: bool, draw: u64) -> Hold {
        let mut sum = Hold::Not;
        for Active { armed, .. } in &self.toxics {
            let own = draw.rotate_left(armed.id.0 as u32 % 64) ^ armed.toxic.salt;
            let more = armed.toxic.hold(is_end, own);
            sum = match (sum, more) {
                (Hold::Forever, _) | (_, Hold::Forever) => return Hold::Forever,
                (known, Hold::Not) => known,
                (Hold::Not, more) => more,
                (Hold::For(known), Hold::For(more)) => Hold::For(known.saturating_add(more)),
            };
        }
        sum
    }

    /// Is the rule armed, as far as this direction knows?
    pub fn has_rule(&self, id: ToxicId) -> bool {
        self.of.as_ref().is_some_and(|board| board.has_rule(id))
    }

    pub fn discards(&self) -> bool {
        self.toxics.iter().any(|active| active.armed.toxic.discards())
    }

    /// Does no toxic touch this direction?
    pub fn is_empty(&self) -> bool {
        self.toxics.is_empty()
    }

    /// Do bytes pass piece by piece?
    pub fn is_paced(&self) -> bool {
        self.toxics.iter().any(|active| !matches!(active.memory, Memory::Nothing))
    }

    /// How much of `bytes` may pass as one piece, and when. Nothing where a limit is reached.
    pub fn piece(&mut self, mut bytes: usize, arrived: Instant) -> (usize, Option<Instant>) {
        for Active { armed, memory } in &mut self.toxics {
            bytes = match (armed.toxic.kind, memory) {
                (ToxicKind::Bandwidth(line), Memory::Meter(_)) => line.piece(bytes),
                (ToxicKind::Slicer(slicer), Memory::Cutter(cutter)) => cutter.piece(slicer, bytes),
                (ToxicKind::LimitData(limit), Memory::Passed(passed)) => {
                    limit.piece(*passed, bytes)
                }
                _ => bytes,
            };
        }
        let now = Instant::now();
        let due = self.toxics.iter().filter_map(|Active { armed, memory }| {
            match (armed.toxic.kind, memory) {
                (ToxicKind::Bandwidth(line), Memory::Meter(meter)) => {
                    Some(meter.due(line, bytes, arrived, now))
                }
                (ToxicKind::Slicer(_), Memory::Cutter(cutter)) => Some(cutter.due()),
                _ => None,
            }
        });
        (bytes, due.max())
    }

    /// `bytes` of a chunk passed, its last ones or not. False where a limit is reached by them.
    pub fn passed(&mut self, bytes: usize, is_last: bool, arrived: Instant) -> bool {
        let now = Instant::now();
        let mut goes_on = true;
        for Active { armed, memory } in &mut self.toxics {
            match (armed.toxic.kind, memory) {
                (ToxicKind::Bandwidth(line), Memory::Meter(meter)) => {
                    meter.passed(line, bytes, arrived, now);
                }
                (ToxicKind::Slicer(slicer), Memory::Cutter(cutter)) => {
                    cutter.passed(slicer, bytes, is_last, arrived);
                }
                (ToxicKind::LimitData(limit), Memory::Passed(passed)) => {
                    *passed += bytes as u64;
                    goes_on &= *passed < limit.bytes;
                }
                _ => {}
            }
        }
        goes_on
    }

    /// Counts what arrived for every toxic that acts on it.
    pub fn count_hits(&self, is_end: bool, draw: u64) {
        for Active { armed, memory } in &self.toxics {
            let acts = match armed.toxic.kind {
                ToxicKind::Bandwidth(_) | ToxicKind::Slicer(_) | ToxicKind::Timeout(_) => !is_end,
                ToxicKind::SlowClose(_) => is_end,
                _ => !is_end && armed.toxic.hold(is_end, draw) != Hold::Not,
            };
            if acts && !matches!(memory, Memory::Passed(_)) {
                armed.hit();
            }
        }
    }

    /// Counts the end that limits make.
    pub fn count_limits(&self) {
        let limits = self.toxics.iter().filter(|active| matches!(active.memory, Memory::Passed(_)));
        limits.for_each(|active| active.armed.hit());
    }
}
