//! One connection as the link understands it: how far it is, what was asked and is not answered yet, what was
//! prepared, which tables the transaction wrote.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use mysql_async::consts::CapabilityFlags;

use super::rule::ArmedRule;
use super::stale::{self, Answer, Question};
use super::statement::Statement;
use crate::proxy::filter::Late;

/// Commands in flight: clients send one, or a few.
const IN_FLIGHT_MAX: usize = 4096;
/// As many as a server holds by default for all its clients.
const PREPARED_MAX: usize = 16_382;
/// Tables that one transaction wrote; past them no further is known.
const TABLES_MAX: usize = 256;

/// How far a connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// The server speaks first.
    #[default]
    Greeting,
    /// The client says who it is.
    Hello,
    /// They go on until the server says OK.
    Login,
    Commands,
}

/// The shape of an answer.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// One packet, whatever it says.
    One,
    /// OK, an error, a file's name, or result sets.
    Results,
    /// Rows or columns up to an end.
    Rows,
    /// What was prepared gets its id here.
    Prepared(Arc<Prepared>),
}

/// What becomes of an answer.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Pass,
    /// To a command of the link's own.
    Swallow,
    /// These packets in its place.
    Instead(Vec<u8>),
    Late(Late),
    /// Cut where it says that the statement took effect.
    Cut(Arc<ArmedRule>),
    Keep(Arc<ArmedRule>, Question),
    /// This answer, with the session's own flags.
    Stale(Arc<Answer>),
}

#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub shape: Shape,
    pub reply: Reply,
    /// Tables that it writes where it is answered by no error.
    pub writes: Vec<String>,
}

impl Asked {
    pub fn new(shape: Shape, reply: Reply) -> Asked {
        Asked { shape, reply, writes: Vec::new() }
    }
}

#[derive(Debug)]
pub(super) struct Prepared {
    pub statement: Statement,
    pub text: Vec<u8>,
}

#[derive(Default)]
pub(super) struct State {
    pub phase: Phase,
    /// The server asked for a file: what the client sends is no command.
    pub sends_file: bool,
    /// The client insisted on TLS.
    pub wants_tls: bool,
    pub capabilities: CapabilityFlags,
    /// Who the client is, and its schema; a digest of both once it has moved to another.
    pub session: Vec<u8>,
    /// The session's settings, as a digest of what set them.
    pub settings: Question,
    /// Parameters were sent ahead for these prepared statements.
    pub ahead: HashSet<u32>,
    asked: VecDeque<Asked>,
    prepared: HashMap<u32, Arc<Prepared>>,
    written: Vec<String>,
    is_raw: bool,
}

impl State {
    pub fn deprecates_eof(&self) -> bool {
        self.capabilities.contains(CapabilityFlags::CLIENT_DEPRECATE_EOF)
    }

    pub fn is_raw(&self) -> bool {
        self.is_raw
    }

    /// From now on nothing on this connection is understood. True for the first time.
    pub fn turn_raw(&mut self) -> bool {
        !std::mem::replace(&mut self.is_raw, true)
    }

    pub fn ask(&mut self, asked: Asked) -> Result<(), String> {
        if self.asked.len() == IN_FLIGHT_MAX {
            return Err(format!("more than {IN_FLIGHT_MAX} commands wait for an answer"));
        }
        self.asked.push_back(asked);
        Ok(())
    }

    /// What the next answer answers.
    pub fn oldest(&self) -> Option<&Asked> {
        self.asked.front()
    }

    pub fn answered(&mut self) -> Option<Asked> {
        self.asked.pop_front()
    }

    /// False where there are too many: that one is never met by a rule.
    pub fn prepare(&mut self, id: u32, prepared: Arc<Prepared>) -> bool {
        let fits = self.prepared.len() < PREPARED_MAX;
        if fits {
            self.prepared.insert(id, prepared);
        }
        fits
    }

    pub fn prepared(&self, id: u32) -> Option<Arc<Prepared>> {
        self.prepared.get(&id).cloned()
    }

    pub fn close(&mut self, id: u32) {
        self.prepared.remove(&id);
        self.ahead.remove(&id);
    }

    /// Another schema from now on. A digest, since a session may move for as long as it lives.
    pub fn moves_to(&mut self, schema: &[u8]) {
        self.session = stale::question(&[&self.session, schema]).to_vec();
    }

    /// As the server does for a new user, or on demand.
    pub fn reset_session(&mut self) {
        self.prepared.clear();
        self.ahead.clear();
        self.written.clear();
        self.settings = Question::default();
    }

    /// Tables that the transaction wrote so far.
    pub fn written(&self) -> &[String] {
        &self.written
    }

    /// A transaction begins; one that was open is committed by that.
    pub fn begins(&mut self) {
        self.written.clear();
    }

    /// The oldest answer is not to be kept after all.
    pub fn forgo_keeping(&mut self) {
        if let Some(asked) = self.asked.front_mut() {
            asked.reply = Reply::Pass;
        }
    }

    /// A statement was answered: it wrote `tables`, and the transaction goes on or has ended.
    pub fn wrote(&mut self, tables: Vec<String>, goes_on: bool) {
        if !goes_on {
            self.written.clear();
            return;
        }
        for table in tables {
            if !self.written.contains(&table) && self.written.len() < TABLES_MAX {
                self.written.push(table);
            }
        }
    }
}

/// Shared by the two directions of one connection.
#[derive(Default)]
pub(super) struct Exchange(Mutex<State>);

impl Exchange {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder panics")
    }
}
