//! What was asked on one connection and is not answered yet, in order: a broker answers in the
//! order of the requests.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::api::KafkaError;
use super::rule::ArmedRule;
use super::surgery::Spot;
use crate::proxy::filter::Late;

/// Requests in flight on one connection; clients send 5 to 1000.
const IN_FLIGHT_MAX: usize = 65_536;

/// What becomes of an answer.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Pass,
    /// This one (but for its length), whatever the broker says.
    Instead(Vec<u8>),
    /// As if the broker had seen these partitions, too.
    Gone(Vec<Spot>),
    Error(Arc<ArmedRule>, KafkaError),
    Late(Arc<ArmedRule>, Late),
    /// The connection is cut in its place.
    Lost(Arc<ArmedRule>),
}

/// One request that has an answer to come.
#[derive(Clone, Debug)]
pub(in crate::proxy) struct Asked {
    pub correlation: i32,
    pub api: i16,
    pub version: i16,
    pub(super) reply: Reply,
}

#[derive(Default)]
struct State {
    asked: VecDeque<Asked>,
    raw: bool,
}

/// Shared by the two directions of one connection.
#[derive(Default)]
pub(in crate::proxy) struct Exchange(Mutex<State>);

impl Exchange {
    pub fn ask(&self, asked: Asked) -> Result<(), String> {
        let mut state = self.0.lock().expect("no holder panics");
        if state.asked.len() == IN_FLIGHT_MAX {
            return Err(format!("more than {IN_FLIGHT_MAX} requests wait for an answer"));
        }
        state.asked.push_back(asked);
        Ok(())
    }

    /// The request that the answer `correlation` belongs to: always the oldest.
    pub fn answer(&self, correlation: i32) -> Result<Asked, String> {
        match self.0.lock().expect("no holder panics").asked.pop_front() {
            Some(asked) if asked.correlation == correlation => Ok(asked),
            Some(asked) => Err(format!(
                "answer {correlation} came where {} (api {} v{}) was next",
                asked.correlation, asked.api, asked.version
            )),
            None => Err(format!("answer {correlation} came, and nothing was asked")),
        }
    }

    /// From now on nothing on this connection is understood. True for the first time.
    pub fn turn_raw(&self) -> bool {
        !std::mem::replace(&mut self.0.lock().expect("no holder panics").raw, true)
    }

    pub fn is_raw(&self) -> bool {
        self.0.lock().expect("no holder panics").raw
    }
}
