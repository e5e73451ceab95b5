//! What the client sends: commands are read, and those that a rule meets do not reach the server as they are.
//!
//! A refused statement is replaced by a command that leaves the session as the refusal would have: `ROLLBACK` for a
//! deadlock, a reset of the prepared statement, or a mere ping. Its answer is replaced by the error, so that order and
//! sequence numbers come right by themselves.

use std::sync::Arc;

use bytes::Bytes;
use mysql_async::consts::{CapabilityFlags, Command};

use super::exchange::{Asked, Exchange, Phase, Prepared, Reply, Shape, State};
use super::frame::{Fate, Framer, Packet, Reader, packet};
use super::packets;
use super::rule::{ArmedRule, Harm, SqlError};
use super::stale::{self, Question};
use super::statement::{STATEMENT_BYTES_MAX, Statement, StatementKind};
use crate::proxy::filter::{Late, Piece};
use crate::proxy::link::Shared;

/// Enough of a command that is too long to be looked into.
const HEAD_BYTES: usize = 16;
/// A client's hello: user, proof, schema and attributes of 64 KB at most.
const HELLO_BYTES_MAX: usize = 128 * 1024;
/// A hello that asks for TLS has neither user nor proof.
const TLS_HELLO_BYTES: usize = 32;
/// A deadlock ends the transaction, whatever `completion_type` says.
const ROLLBACK: &[u8] = b"\x03ROLLBACK AND NO CHAIN NO RELEASE";

pub(in crate::proxy) struct Requests {
    framer: Framer,
    commands: Commands,
}

impl Requests {
    pub(super) fn new(exchange: Arc<Exchange>, shared: Arc<Shared>) -> Requests {
        Requests { framer: Framer::default(), commands: Commands { exchange, shared } }
    }

    pub fn feed(&mut self, bytes: Bytes, out: &mut Vec<Piece>) -> Result<(), String> {
        self.framer.feed(bytes, &mut self.commands, out)
    }

    pub fn pending(&self) -> usize {
        self.framer.pending()
    }

    pub fn finish(&mut self) -> Bytes {
        self.framer.finish()
    }
}

struct Commands {
    exchange: Arc<Exchange>,
    shared: Arc<Shared>,
}

/// A statement that is about to be run.
struct Run<'a> {
    statement: &'a Statement,
    text: &'a [u8],
    /// The id of a prepared one, and its parameters.
    prepared: Option<(u32, &'a [u8])>,
}

impl Reader for Commands {
    fn is_raw(&self) -> bool {
        self.exchange.state().is_raw()
    }

    fn wants(&self, length: usize) -> usize {
        let state = self.exchange.state();
        match state.phase {
            Phase::Hello if length <= HELLO_BYTES_MAX => length,
            Phase::Commands if length <= STATEMENT_BYTES_MAX && !state.sends_file => length,
            _ => HEAD_BYTES,
        }
    }

    fn meet(&mut self, packet: &Packet<'_>) -> Result<Fate, String> {
        let exchange = self.exchange.clone();
        let state = &mut *exchange.state();
        match state.phase {
            Phase::Greeting => Ok(self.raw(state, "the client spoke first")),
            Phase::Hello => Ok(self.hello(state, packet)),
            // What follows is TLS, and nobody there to read it.
            Phase::Login if state.wants_tls => Ok(Fate::Drop),
            Phase::Login => Ok(Fate::Pass),
            Phase::Commands if state.sends_file => {
                state.sends_file = packet.length > 0;
                Ok(Fate::Pass)
            }
            Phase::Commands if packet.sequence != 0 || packet.length == 0 => {
                Ok(self.raw(state, "a packet that is no command"))
            }
            Phase::Commands => self.command(state, packet),
        }
    }
}

impl Commands {
    fn raw(&self, state: &mut State, why: &str) -> Fate {
        if state.turn_raw() {
            self.shared.note(&format!("MySQL packets no longer read ({why}): passed raw"));
        }
        Fate::Pass
    }

    fn hello(&self, state: &mut State, shown: &Packet<'_>) -> Fate {
        let hello = packets::hello(shown.head);
        let asked = shown.head.get(..4).map(|flags| {
            CapabilityFlags::from_bits_retain(u32::from_le_bytes(
                flags.try_into().expect("invariant: four bytes"),
            ))
        });
        let wants_tls = asked.is_some_and(|asked| asked.contains(CapabilityFlags::CLIENT_SSL));
        if wants_tls && shown.length == TLS_HELLO_BYTES {
            self.shared.note("a client insisted on TLS, which this link does not have");
            state.phase = Phase::Login;
            state.wants_tls = true;
            // A hello that no server takes: its refusal is what the client's own error replaces.
            return Fate::Replace(packet(shown.sequence, &[0]));
        }
        let Some(hello) = hello else { return self.raw(state, "an old client's hello") };
        state.capabilities = hello.capabilities & !packets::NOT_OFFERED;
        state.session = hello.session;
        state.phase = Phase::Login;
        if state.capabilities == hello.capabilities {
            return Fate::Pass;
        }
        // MySQL's own client says all it can do, and does what it was offered too: the server is told of that.
        let taken = state.capabilities.bits().to_le_bytes();
        Fate::Replace(packet(shown.sequence, &[&taken, &shown.head[4..]].concat()))
    }

    fn command(&self, state: &mut State, shown: &Packet<'_>) -> Result<Fate, String> {
        let Some(command) = read_by(shown.first()) else {
            return Ok(self.raw(state, &format!("command {}", shown.first())));
        };
        let rest = &shown.head[1..];
        let id = rest
            .get(..4)
            .map(|id| u32::from_le_bytes(id.try_into().expect("invariant: four bytes")));
        let shape = match command {
            Command::COM_QUIT => return Ok(Fate::Pass),
            Command::COM_QUERY => {
                let statement = known(shown, rest);
                let run = Run { statement: &statement, text: rest, prepared: None };
                return self.run(state, &run);
            }
            Command::COM_STMT_PREPARE => {
                let text = if shown.is_whole() { rest.to_vec() } else { Vec::new() };
                let statement = known(shown, rest);
                Shape::Prepared(Arc::new(Prepared { statement, text }))
            }
            Command::COM_STMT_EXECUTE => {
                let prepared = id.and_then(|id| Some((id, state.prepared(id)?)));
                let Some((id, prepared)) = prepared else {
                    state.ask(Asked::new(Shape::Results, Reply::Pass))?;
                    return Ok(Fate::Pass);
                };
                let run = Run {
                    statement: &prepared.statement,
                    text: &prepared.text,
                    prepared: Some((id, if shown.is_whole() { &rest[4..] } else { &[] })),
                };
                return self.run(state, &run);
            }
            Command::COM_STMT_SEND_LONG_DATA => {
                // Of what was never prepared nothing is known, and a client may name any number of such.
                state.ahead.extend(id.filter(|id| state.prepared(*id).is_some()));
                return Ok(Fate::Pass);
            }
            Command::COM_STMT_CLOSE => {
                state.close(id.unwrap_or_default());
                return Ok(Fate::Pass);
            }
            Command::COM_STMT_RESET => {
                state.ahead.remove(&id.unwrap_or_default());
                Shape::One
            }
            Command::COM_CHANGE_USER => {
                state.reset_session();
                state.session = rest.to_vec();
                state.phase = Phase::Login;
                return Ok(Fate::Pass);
            }
            Command::COM_RESET_CONNECTION => {
                state.reset_session();
                Shape::One
            }
            Command::COM_INIT_DB => {
                state.moves_to(rest);
                Shape::One
            }
            Command::COM_PROCESS_INFO => Shape::Results,
            Command::COM_STMT_FETCH | Command::COM_FIELD_LIST => Shape::Rows,
            Command::COM_PING
            | Command::COM_STATISTICS
            | Command::COM_SET_OPTION
            | Command::COM_DEBUG
            | Command::COM_PROCESS_KILL
            | Command::COM_REFRESH
            | Command::COM_CREATE_DB
            | Command::COM_DROP_DB
            | Command::COM_REGISTER_SLAVE => Shape::One,
            // A log has no end that would matter here.
            Command::COM_BINLOG_DUMP | Command::COM_BINLOG_DUMP_GTID => {
                state.turn_raw();
                return Ok(Fate::Pass);
            }
            _ => return Ok(self.raw(state, &format!("command {}", shown.first()))),
        };
        state.ask(Asked::new(shape, Reply::Pass))?;
        Ok(Fate::Pass)
    }

    fn run(&self, state: &mut State, run: &Run<'_>) -> Result<Fate, String> {
        let mut statement = run.statement.clone();
        if statement.kind == StatementKind::Commit {
            statement.tables = state.written().to_vec();
        }
        let struck = self.struck(&statement);
        let long = run.prepared.is_some_and(|(id, _)| state.ahead.remove(&id));
        let writes = if statement.kind.is_write() { statement.tables.clone() } else { Vec::new() };
        let reply = match struck {
            None => Reply::Pass,
            Some(rule) => match rule.rule.harm {
                Harm::Refused { error } => {
                    rule.hit();
                    return self.refuse(state, run, error, long);
                }
                Harm::Slow { delay_ms } => {
                    rule.hit();
                    let delay = std::time::Duration::from_millis(delay_ms);
                    Reply::Late(Late { by: rule.id, delay })
                }
                Harm::Ambiguous => Reply::Cut(rule),
                // What was sent ahead is no part of the question, and a lock is taken on what is there now.
                Harm::Stale if long || statement.locks || statement.tables.is_empty() => {
                    Reply::Pass
                }
                Harm::Stale => {
                    let question = question(state, run);
                    let known = rule.answers.lock().expect("no holder panics").of(&question);
                    match known {
                        None => Reply::Keep(rule, question),
                        Some(answer) => {
                            rule.hit();
                            state.ask(Asked::new(Shape::One, Reply::Stale(answer)))?;
                            return Ok(Fate::Replace(nothing(run)));
                        }
                    }
                }
            },
        };
        if statement.kind == StatementKind::Begin {
            state.begins();
        }
        if statement.uses {
            state.moves_to(run.text);
        }
        if statement.kind == StatementKind::Set {
            let parameters = run.prepared.map_or(&[][..], |(_, parameters)| parameters);
            state.settings = stale::question(&[&state.settings, run.text, parameters]);
        }
        state.ask(Asked { shape: Shape::Results, reply, writes })?;
        Ok(Fate::Pass)
    }

    /// The first rule that makes it suffer; every rule that meets it counts it.
    fn struck(&self, statement: &Statement) -> Option<Arc<ArmedRule>> {
        if statement.kind == StatementKind::Other {
            return None;
        }
        let board = self.shared.board.borrow().clone();
        let mut striking = board.rules.iter().filter(|rule| rule.strikes(statement));
        let first = striking.next().cloned();
        striking.for_each(drop);
        first
    }

    fn refuse(
        &self,
        state: &mut State,
        run: &Run<'_>,
        error: SqlError,
        long: bool,
    ) -> Result<Fate, String> {
        if error == SqlError::Gone {
            return Err("cut before a statement, as armed".to_owned());
        }
        let mut instead = Vec::new();
        if error == SqlError::Deadlock {
            instead.extend(packet(0, ROLLBACK));
            if long {
                state.ask(Asked::new(Shape::One, Reply::Swallow))?;
            }
        }
        if error != SqlError::Deadlock || long {
            instead.extend(nothing(run));
        }
        let refusal = packets::error(1, error);
        state.ask(Asked::new(Shape::One, Reply::Instead(refusal)))?;
        Ok(Fate::Replace(instead))
    }
}

/// Commands whose answers are understood.
const COMMANDS: &[Command] = &[
    Command::COM_QUIT,
    Command::COM_INIT_DB,
    Command::COM_QUERY,
    Command::COM_FIELD_LIST,
    Command::COM_CREATE_DB,
    Command::COM_DROP_DB,
    Command::COM_REFRESH,
    Command::COM_STATISTICS,
    Command::COM_PROCESS_INFO,
    Command::COM_PROCESS_KILL,
    Command::COM_DEBUG,
    Command::COM_PING,
    Command::COM_CHANGE_USER,
    Command::COM_BINLOG_DUMP,
    Command::COM_REGISTER_SLAVE,
    Command::COM_STMT_PREPARE,
    Command::COM_STMT_EXECUTE,
    Command::COM_STMT_SEND_LONG_DATA,
    Command::COM_STMT_CLOSE,
    Command::COM_STMT_RESET,
    Command::COM_SET_OPTION,
    Command::COM_STMT_FETCH,
    Command::COM_BINLOG_DUMP_GTID,
    Command::COM_RESET_CONNECTION,
];

fn read_by(byte: u8) -> Option<Command> {
    COMMANDS.iter().copied().find(|command| *command as u8 == byte)
}

/// A statement whose whole text is there; else one that no rule meets.
fn known(shown: &Packet<'_>, text: &[u8]) -> Statement {
    if shown.is_whole() { Statement::read(text) } else { Statement::other() }
}

/// The command that does nothing, and leaves a prepared statement as its execution would: nothing sent ahead, no
/// cursor.
fn nothing(run: &Run<'_>) -> Vec<u8> {
    match run.prepared {
        None => packet(0, &[Command::COM_PING as u8]),
        Some((id, _)) => {
            let mut payload = vec![Command::COM_STMT_RESET as u8];
            payload.extend_from_slice(&id.to_le_bytes());
            packet(0, &payload)
        }
    }
}

fn question(state: &State, run: &Run<'_>) -> Question {
    let (protocol, parameters) = match run.prepared {
        None => (b"text".as_slice(), &[][..]),
        Some((_, parameters)) => (b"prepared".as_slice(), parameters),
    };
    let dialect = state.capabilities.bits().to_le_bytes();
    stale::question(&[&dialect, &state.session, &state.settings, protocol, run.text, parameters])
}
