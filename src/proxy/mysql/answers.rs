//! What the server sends: each answer is followed to its end, and treated as was decided when it was asked for.

use std::sync::Arc;

use bytes::Bytes;
use mysql_async::consts::StatusFlags;

use super::exchange::{Asked, Exchange, Phase, Reply, Shape, State};
use super::frame::{Fate, Framer, HEADER_BYTES, PACKET_BYTES_MAX, Packet, Reader, packet};
use super::packets::{self, END, ERR, INFILE, OK};
use super::rule::{Harm, SqlError};
use super::stale::{ANSWER_BYTES_MAX, Answer};
use crate::proxy::filter::Piece;
use crate::proxy::link::Shared;

/// Enough for the flags of an OK or an end: a byte, two numbers of nine, two bytes.
const HEAD_BYTES: usize = 32;
/// A greeting has about a hundred.
const GREETING_BYTES_MAX: usize = 4096;
/// Flags of an answer that are the session's own and not the result's.
const SESSION_FLAGS: StatusFlags = StatusFlags::SERVER_STATUS_IN_TRANS
    .union(StatusFlags::SERVER_STATUS_AUTOCOMMIT)
    .union(StatusFlags::SERVER_STATUS_IN_TRANS_READONLY);

pub(in crate::proxy) struct Answers {
    framer: Framer,
    follower: Follower,
}

impl Answers {
    pub(super) fn new(exchange: Arc<Exchange>, shared: Arc<Shared>) -> Answers {
        let follower = Follower { exchange, shared, place: Place::First, kept: None };
        Answers { framer: Framer::default(), follower }
    }

    pub fn feed(&mut self, bytes: Bytes, out: &mut Vec<Piece>) -> Result<(), String> {
        self.framer.feed(bytes, &mut self.follower, out)
    }

    pub fn pending(&self) -> usize {
        self.framer.pending()
    }

    pub fn finish(&mut self) -> Bytes {
        self.framer.finish()
    }

    pub fn is_over(&self) -> bool {
        self.framer.is_over()
    }
}

/// Where in an answer the next packet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    First,
    Columns(u64),
    ColumnsEnd,
    Rows,
    /// Packets that say nothing here.
    Rest(u64),
}

struct Follower {
    exchange: Arc<Exchange>,
    shared: Arc<Shared>,
    place: Place,
    /// An answer in the making that is to be kept.
    kept: Option<Answer>,
}

/// An answer's end, where this packet is it.
enum End {
    NotYet,
    /// With the flags that it tells, if it does.
    Done(Option<StatusFlags>),
    Failed,
}

impl Reader for Follower {
    fn is_raw(&self) -> bool {
        self.exchange.state().is_raw()
    }

    fn wants(&self, length: usize) -> usize {
        let state = self.exchange.state();
        let keeps = state.oldest().is_some_and(|asked| matches!(asked.reply, Reply::Keep(..)));
        match state.phase {
            Phase::Greeting if length <= GREETING_BYTES_MAX => length,
            Phase::Commands if keeps && length <= ANSWER_BYTES_MAX => length,
            _ => HEAD_BYTES,
        }
    }

    fn meet(&mut self, shown: &Packet<'_>) -> Result<Fate, String> {
        let exchange = self.exchange.clone();
        let state = &mut *exchange.state();
        match state.phase {
            Phase::Greeting => self.greet(state, shown),
            Phase::Hello => Ok(Fate::Pass),
            Phase::Login => Ok(login(state, shown)),
            Phase::Commands => self.answer(state, shown),
        }
    }
}

fn login(state: &mut State, shown: &Packet<'_>) -> Fate {
    match shown.first() {
        ERR if state.wants_tls => Fate::Last(packets::no_tls(shown.sequence)),
        OK => {
            state.phase = Phase::Commands;
            Fate::Pass
        }
        _ => Fate::Pass,
    }
}

/// Does an OK tell of a transaction that is open?
fn goes_on(state: &State, shown: &Packet<'_>) -> bool {
    let status = packets::status(shown.head, state.deprecates_eof());
    status.contains(StatusFlags::SERVER_STATUS_IN_TRANS)
}

impl Follower {
    fn raw(&self, state: &mut State, why: &str) -> Fate {
        if state.turn_raw() {
            self.shared.note(&format!("MySQL packets no longer read ({why}): passed raw"));
        }
        Fate::Pass
    }

    fn greet(&self, state: &mut State, shown: &Packet<'_>) -> Result<Fate, String> {
        // A server that is full says so instead.
        if shown.first() == ERR {
            state.turn_raw();
            return Ok(Fate::Pass);
        }
        let Some(greeting) = packets::greeting(shown.sequence, shown.head) else {
            return Ok(self.raw(state, "no greeting of protocol 10"));
        };
        let board = self.shared.board.borrow().clone();
        let mut striking = board.rules.iter().filter(|rule| rule.strikes_connection());
        if let Some(rule) = striking.next() {
            rule.hit();
            return match rule.rule.harm {
                Harm::Refused { error: SqlError::TooManyConnections } => {
                    let refusal = packets::error(shown.sequence, SqlError::TooManyConnections);
                    Ok(Fate::Last(refusal))
                }
                _ => Err("cut before the greeting, as armed".to_owned()),
            };
        }
        state.phase = Phase::Hello;
        let is_changed = greeting[HEADER_BYTES..] != *shown.head;
        Ok(if is_changed { Fate::Replace(greeting) } else { Fate::Pass })
    }

    fn answer(&mut self, state: &mut State, shown: &Packet<'_>) -> Result<Fate, String> {
        let Some(asked) = state.oldest().cloned() else {
            // A server that goes away may say why, unasked.
            if shown.first() == ERR {
                state.turn_raw();
                return Ok(Fate::Pass);
            }
            return Ok(self.raw(state, "an answer to nothing"));
        };
        let is_first = self.place == Place::First;
        self.keep(&asked, state, shown);
        let end = self.follow(&asked, state, shown);
        let fate = self.fate(&asked, state, shown, is_first)?;
        if !matches!(end, End::NotYet) {
            self.place = Place::First;
            state.answered();
            self.kept_whole(&asked.reply, matches!(end, End::Done(Some(_))));
            if let End::Done(Some(status)) = end {
                let goes_on = status.contains(StatusFlags::SERVER_STATUS_IN_TRANS);
                state.wrote(asked.writes, goes_on);
            }
        }
        Ok(fate)
    }

    fn fate(
        &self,
        asked: &Asked,
        state: &State,
        shown: &Packet<'_>,
        is_first: bool,
    ) -> Result<Fate, String> {
        Ok(match &asked.reply {
            Reply::Pass | Reply::Keep(..) => Fate::Pass,
            Reply::Swallow => Fate::Drop,
            Reply::Instead(packets) => Fate::Replace(packets.clone()),
            Reply::Late(late) if is_first => Fate::Late(*late),
            Reply::Late(_) => Fate::Pass,
            // Within a transaction nothing is committed yet, and its loss would leave no doubt.
            Reply::Cut(rule) if is_first && shown.first() == OK && !goes_on(state, shown) => {
                rule.hit();
                return Err("cut after a commit and before its answer, as armed".to_owned());
            }
            Reply::Cut(_) => Fate::Pass,
            // The prepared statement or the session is gone: that is what the client must hear.
            Reply::Stale(_) if shown.first() != OK => Fate::Pass,
            Reply::Stale(answer) => {
                let status = packets::status(shown.head, state.deprecates_eof());
                Fate::Replace(answer.for_session(status.bits(), SESSION_FLAGS.bits()))
            }
        })
    }

    /// Follows the answer by one packet.
    fn follow(&mut self, asked: &Asked, state: &mut State, shown: &Packet<'_>) -> End {
        let short = shown.length < PACKET_BYTES_MAX;
        match (&asked.shape, self.place) {
            (Shape::One, _) if shown.first() == ERR => End::Failed,
            (Shape::One, _) if shown.first() == OK => {
                End::Done(Some(packets::status(shown.head, state.deprecates_eof())))
            }
            (Shape::One, _) => End::Done(None),
            (_, Place::First | Place::Rows) if shown.first() == ERR && short => End::Failed,
            (Shape::Prepared(prepared), Place::First) => self.prepared(state, prepared, shown),
            (_, Place::Rest(left)) => {
                self.place = Place::Rest(left - 1);
                if left == 1 { End::Done(None) } else { End::NotYet }
            }
            (Shape::Results, Place::First) => self.result(state, shown),
            (_, Place::Columns(left)) => {
                self.place = match (left, state.deprecates_eof()) {
                    (1, true) => Place::Rows,
                    (1, false) => Place::ColumnsEnd,
                    _ => Place::Columns(left - 1),
                };
                End::NotYet
            }
            (_, Place::ColumnsEnd) => {
                self.place = Place::Rows;
                let status = packets::status(shown.head, false);
                if status.contains(StatusFlags::SERVER_STATUS_CURSOR_EXISTS) {
                    End::Done(Some(status))
                } else {
                    End::NotYet
                }
            }
            (Shape::Rows, Place::First) | (_, Place::Rows) if shown.first() == END && short => {
                self.ended(state, packets::status(shown.head, state.deprecates_eof()))
            }
            (Shape::Rows, Place::First) | (_, Place::Rows) => {
                self.place = Place::Rows;
                End::NotYet
            }
        }
    }

    fn result(&mut self, state: &mut State, shown: &Packet<'_>) -> End {
        match shown.first() {
            OK => self.ended(state, packets::status(shown.head, state.deprecates_eof())),
            INFILE => {
                state.sends_file = true;
                End::NotYet
            }
            _ => {
                let columns = packets::number(shown.head).map_or(0, |(columns, _)| columns);
                self.place = if columns == 0 { Place::Rows } else { Place::Columns(columns) };
                End::NotYet
            }
        }
    }

    /// One result is over; another may follow.
    fn ended(&mut self, state: &mut State, status: StatusFlags) -> End {
        if status.contains(StatusFlags::SERVER_MORE_RESULTS_EXISTS) {
            self.place = Place::First;
            // Several results are no answer to keep.
            self.kept = None;
            state.forgo_keeping();
            return End::NotYet;
        }
        End::Done(Some(status))
    }

    /// An id, and how many parameters and columns are described behind it.
    fn prepared(
        &mut self,
        state: &mut State,
        prepared: &Arc<super::exchange::Prepared>,
        shown: &Packet<'_>,
    ) -> End {
        let [_, a, b, c, d, columns_low, columns_high, low, high, ..] = *shown.head else {
            return End::Done(None);
        };
        if !state.prepare(u32::from_le_bytes([a, b, c, d]), prepared.clone()) {
            self.shared.note("too many prepared statements: one is met by no rule");
        }
        let end = u64::from(!state.deprecates_eof());
        let listed = |low, high| match u16::from_le_bytes([low, high]) {
            0 => 0,
            count => u64::from(count) + end,
        };
        match listed(columns_low, columns_high) + listed(low, high) {
            0 => End::Done(None),
            rest => {
                self.place = Place::Rest(rest);
                End::NotYet
            }
        }
    }

    /// Adds a packet to the answer that is to be kept, where it is.
    fn keep(&mut self, asked: &Asked, state: &State, shown: &Packet<'_>) {
        if !matches!(asked.reply, Reply::Keep(..)) {
            return;
        }
        if self.place == Place::First {
            // Anything but rows is answered anew each time.
            let has_rows = !matches!(shown.first(), OK | ERR | INFILE);
            self.kept = has_rows.then(Answer::default);
        }
        let Some(kept) = &mut self.kept else { return };
        let whole = HEADER_BYTES + shown.length;
        if !shown.is_whole() || kept.packets.len() + whole > ANSWER_BYTES_MAX {
            self.kept = None;
            let text =
                format!("an answer above {ANSWER_BYTES_MAX} bytes is not kept: it stays fresh");
            self.shared.note(&text);
            return;
        }
        let is_end = match self.place {
            Place::ColumnsEnd => true,
            Place::Rows => shown.first() == END,
            _ => false,
        };
        if is_end {
            let eof = state.deprecates_eof();
            let at = packets::status_at(shown.head, eof)
                .map(|at| kept.packets.len() + HEADER_BYTES + at);
            kept.status_at.extend(at);
        }
        kept.packets.extend(packet(shown.sequence, shown.head));
    }

    fn kept_whole(&mut self, reply: &Reply, is_whole: bool) {
        let (Reply::Keep(rule, question), Some(answer)) = (reply, self.kept.take()) else { return };
        let has_cursor = answer.status_at.iter().any(|at| {
            let flags = u16::from_le_bytes([answer.packets[*at], answer.packets[at + 1]]);
            flags & StatusFlags::SERVER_STATUS_CURSOR_EXISTS.bits() != 0
        });
        if is_whole && !has_cursor {
            let fits = rule.answers.lock().expect("no holder panics").keep(*question, answer);
            if !fits {
                self.shared.note("no room for another stale answer: it stays fresh");
            }
        }
    }
}
