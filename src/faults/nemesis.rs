//! The nemesis: every fault of one scenario, from arming to proved healing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, timeout};

use super::fault::Fault;
use super::hand::Hand;
use super::{FaultError, FaultSpec, Ground, Need, registry};
use crate::journal::{Event, FaultUse, Phase, Scribe};

/// One inject: a restart of a loaded MySQL is the longest.
const INJECT_LIMIT: Duration = Duration::from_secs(60);
/// One proof that a fault bites, a restarted MySQL's answer included.
const BITE_LIMIT: Duration = Duration::from_secs(60);
/// What each heal gets even where the deadline of all has passed: enough for a switch or a link.
const HEAL_LEAST: Duration = Duration::from_secs(2);

/// How one fault stands after the strike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Struck {
    /// In place and seen to bite.
    Bites(String),
    /// In place; its first hit is to come.
    InPlace(String),
}

/// How healing one fault ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healed {
    pub fault: String,
    /// The proof, or why there is none: then the run is dirty.
    pub result: Result<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Armed,
    /// The intent is journalled: from here on it must be healed.
    Touched,
    InPlace,
    Bites,
    Ended(Result<String, String>),
}

struct Live {
    spec: &'static FaultSpec,
    used: FaultUse,
    fault: Hand,
    state: State,
}

impl Live {
    fn is_live(&self) -> bool {
        match &self.state {
            State::Armed | State::Ended(Ok(_)) => false,
            State::Touched | State::InPlace | State::Bites | State::Ended(Err(_)) => true,
        }
    }
}

/// Holds every fault that a scenario armed; each id once, again after it was healed.
pub struct Nemesis {
    ground: Ground,
    faults: Vec<Live>,
}

impl Nemesis {
    pub fn new(ground: Ground) -> Nemesis {
        Nemesis { ground, faults: Vec::new() }
    }

    /// Checks a fault against the registry and the ground, and journals it as armed. Touches
    /// nothing.
    pub fn arm(
        &mut self,
        id: &str,
        params: BTreeMap<String, String>,
        scribe: &Scribe,
        phase: Phase,
    ) -> Result<(), FaultError> {
        let spec = registry::find(id)?;
        let checked = spec.check_params(&params)?;
        let healed = |live: &Live| matches!(live.state, State::Ended(Ok(_)));
        if self.faults.iter().any(|live| live.spec.id == spec.id && !healed(live)) {
            return Err(FaultError::Twice { fault: id.to_owned() });
        }
        let fault = Hand::of(Fault::new(spec, &checked, &self.ground)?);
        let used = spec.used(params, &checked);
        scribe.write(phase, Event::FaultArmed { fault: used.clone() });
        self.faults.push(Live { spec, used, fault, state: State::Armed });
        Ok(())
    }

    /// Injects every fault that is armed and not injected yet, in the order of arming. Stops at the
    /// first that cannot be injected or is not seen to bite; it and those before it stay to be
    /// healed.
    pub async fn inject_all(
        &mut self,
        scribe: &Scribe,
        phase: Phase,
    ) -> Result<Vec<Struck>, FaultError> {
        let mut struck = Vec::new();
        for live in self.faults.iter_mut().filter(|live| live.state == State::Armed) {
            struck.push(inject(live, scribe, phase).await?);
        }
        Ok(struck)
    }

    /// `When fault … strikes`: arms and injects one fault at its place.
    pub async fn strike(
        &mut self,
        id: &str,
        params: BTreeMap<String, String>,
        scribe: &Scribe,
        phase: Phase,
    ) -> Result<Struck, FaultError> {
        self.arm(id, params, scribe, phase)?;
        let live = self.faults.last_mut().expect("invariant: just armed");
        inject(live, scribe, phase).await
    }

    /// Looks whether faults that wait for traffic were hit by now, and journals those that were.
    /// Returns the ids that are in place and still without a hit, with what is known.
    pub async fn confirm_bites(&mut self, scribe: &Scribe, phase: Phase) -> Vec<(String, String)> {
        let mut unproved = Vec::new();
        for live in self.faults.iter_mut().filter(|live| live.state == State::InPlace) {
            let why = match prove(live, scribe, phase).await {
                Ok(Some(_)) => continue,
                Ok(None) => "no traffic has met it".to_owned(),
                Err(error) => error.to_string(),
            };
            unproved.push((live.spec.id.clone(), why));
        }
        unproved
    }

    /// Heals every fault that was touched, last first, then proves each; journals each result as it
    /// is known. A fault whose heal was proved before keeps that result. Within `limit`, but each
    /// gets [`HEAL_LEAST`] at least.
    pub async fn heal_all(
        &mut self,
        scribe: &Scribe,
        phase: Phase,
        limit: Duration,
    ) -> Vec<Healed> {
        self.heal(Live::is_live, scribe, phase, limit).await;
        self.results()
    }

    /// Heals the fault of this id where it is live, after a last look whether traffic has met it. A heal that fails
    /// leaves it live.
    pub async fn heal_one(&mut self, id: &str, scribe: &Scribe, phase: Phase, limit: Duration) {
        self.confirm_bites(scribe, phase).await;
        self.heal(|live| live.is_live() && live.spec.id == id, scribe, phase, limit).await;
    }

    /// Heals once more what is proved healed: to heal twice must be as good as once.
    pub async fn heal_again(&mut self, scribe: &Scribe, phase: Phase, limit: Duration) {
        let healed = |live: &Live| matches!(live.state, State::Ended(Ok(_)));
        self.heal(healed, scribe, phase, limit).await;
    }

    /// Heals the faults that changed the books by hand: somebody has noticed, and takes the edit back.
    pub async fn take_back_edits(&mut self, scribe: &Scribe, phase: Phase, limit: Duration) {
        let is_edit = |live: &Live| live.is_live() && live.used.changes_books();
        self.heal(is_edit, scribe, phase, limit).await;
    }

    async fn heal(
        &mut self,
        wanted: impl Fn(&Live) -> bool,
        scribe: &Scribe,
        phase: Phase,
        limit: Duration,
    ) {
        let end = Instant::now() + limit;
        // All are undone before any is proved: a link cannot answer while the server behind it is
        // still dead.
        let mut undone = BTreeMap::new();
        for (index, live) in self.faults.iter_mut().enumerate().rev().filter(|(_, l)| wanted(l)) {
            let heal = live.fault.does(|fault| fault.heal().boxed());
            undone.insert(index, within(end, heal).await.is_ok());
        }
        for (index, live) in self.faults.iter_mut().enumerate().rev().filter(|(_, l)| wanted(l)) {
            let undone = undone.get(&index).copied().unwrap_or_default();
            let heal = async {
                if !undone {
                    live.fault.does(|fault| fault.heal().boxed()).await?;
                }
                live.fault.does(|fault| fault.healed().boxed()).await
            };
            let result = within(end, heal).await;
            let fault = live.spec.id.clone();
            let event = match result.clone() {
                Ok(evidence) => Event::FaultHealed { fault, evidence },
                Err(error) => Event::FaultHealFailed { fault, error },
            };
            scribe.write(phase, event);
            live.state = State::Ended(result);
        }
    }

    /// The results of healing so far, last armed first.
    pub fn results(&self) -> Vec<Healed> {
        let result = |live: &Live| match &live.state {
            State::Ended(result) => {
                Some(Healed { fault: live.spec.id.clone(), result: result.clone() })
            }
            _ => None,
        };
        self.faults.iter().rev().filter_map(result).collect()
    }

    /// Faults that were touched and are not proved healed.
    pub fn live(&self) -> Vec<&FaultUse> {
        self.faults.iter().filter(|live| live.is_live()).map(|live| &live.used).collect()
    }

    /// Sources, processes and links that live faults withhold: excused from rest by these names.
    pub fn withheld(&self) -> BTreeSet<String> {
        self.live().into_iter().flat_map(|used| used.withholds.iter().cloned()).collect()
    }

    /// Blind alerts that live faults may raise.
    pub fn raises(&self) -> BTreeSet<String> {
        self.live().into_iter().flat_map(|used| used.raises.iter().cloned()).collect()
    }

    /// Processes that live faults keep from answering at all: nobody need ask them.
    pub fn absent(&self) -> BTreeSet<&'static str> {
        let process = |live: &Live| match live.spec.needs {
            Need::Process(name) | Need::Limits(name)
                if live.is_live() && !live.spec.withholds.is_empty() =>
            {
                Some(name)
            }
            _ => None,
        };
        self.faults.iter().filter_map(process).collect()
    }

    /// Names of the links that live faults hold up: their held bytes are no unrest.
    pub fn held_links(&self) -> BTreeSet<&'static str> {
        let link = |live: &Live| match live.spec.needs {
            Need::Link(name) if live.is_live() && !live.spec.withholds.is_empty() => Some(name),
            _ => None,
        };
        self.faults.iter().filter_map(link).collect()
    }
}

async fn inject(live: &mut Live, scribe: &Scribe, phase: Phase) -> Result<Struck, FaultError> {
    scribe.write(phase, Event::FaultIntent { fault: live.used.clone() });
    live.state = State::Touched;
    let id = live.spec.id.clone();
    let inject = live.fault.does(|fault| fault.inject().boxed());
    let evidence = timeout(INJECT_LIMIT, inject).await.unwrap_or_else(|_| {
        let reason = format!("it took more than {} s", INJECT_LIMIT.as_secs());
        Err(FaultError::Inject { fault: id.clone(), reason })
    })?;
    live.state = State::InPlace;
    scribe.write(phase, Event::FaultInPlace { fault: id.clone(), evidence: evidence.clone() });
    if live.spec.waits_for_traffic {
        return Ok(Struck::InPlace(evidence));
    }
    match prove(live, scribe, phase).await? {
        Some(evidence) => Ok(Struck::Bites(evidence)),
        None => Err(FaultError::NoBite { fault: id, reason: "nothing was seen of it".to_owned() }),
    }
}

async fn prove(
    live: &mut Live,
    scribe: &Scribe,
    phase: Phase,
) -> Result<Option<String>, FaultError> {
    let fault = live.spec.id.clone();
    let bites = live.fault.does(|fault| fault.bites().boxed());
    let seen = timeout(BITE_LIMIT, bites).await.unwrap_or_else(|_| {
        let reason = format!("the proof took more than {} s", BITE_LIMIT.as_secs());
        Err(FaultError::NoBite { fault: fault.clone(), reason })
    })?;
    if let Some(evidence) = &seen {
        live.state = State::Bites;
        scribe.write(phase, Event::FaultBites { fault, evidence: evidence.clone() });
    }
    Ok(seen)
}

async fn within<T>(
    end: Instant,
    work: impl Future<Output = Result<T, FaultError>>,
) -> Result<T, String> {
    let limit = end.saturating_duration_since(Instant::now()).max(HEAL_LEAST);
    match timeout(limit, work).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no end within {} ms", limit.as_millis())),
    }
}
