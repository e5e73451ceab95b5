//! Who is touched by which act, and in which role: the cast of a scenario.
//!
//! Oracle and judge both ask "whose is this?"; neither may answer it by the look of an id.

use std::collections::{BTreeMap, BTreeSet};

use super::{Act, Event, History, Role};
use crate::wire::Subject;

/// To whom a subject belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// The scenario itself and the healthy traffic around it.
    Scenario,
    /// Only the canary of a control touches it.
    Canary,
    /// Only the proof of a plan touches it.
    Probe,
    /// No act names it.
    Nobody,
}

/// The subjects of a scenario's acts with the roles that touched them.
#[derive(Clone, Debug, Default)]
pub struct Cast {
    roles: BTreeMap<Subject, BTreeSet<Role>>,
    /// What else a subject is about: a refund's order and channel, a bid's item.
    kin: BTreeMap<Subject, BTreeSet<Subject>>,
}

impl Cast {
    /// Reads every intent.
    pub fn of(history: &History) -> Cast {
        let mut cast = Cast::default();
        let intents = history.pick(|event| match event {
            Event::Intent { role, act, .. } => Some((*role, act)),
            _ => None,
        });
        for (_, (role, act)) in intents {
            cast.add(role, act);
        }
        cast
    }

    fn add(&mut self, role: Role, act: &Act) {
        let named = act.subjects();
        let Some(first) = named.first() else { return };
        self.kin.entry(first.clone()).or_default().extend(named[1..].iter().cloned());
        for subject in self.about(first) {
            self.roles.entry(subject).or_default().insert(role);
        }
    }

    /// The subject, and what it is about: `refund R-1` is about its order and its channel.
    pub fn about(&self, subject: &Subject) -> Vec<Subject> {
        let kin = self.kin.get(subject).into_iter().flatten().cloned();
        std::iter::once(subject.clone()).chain(kin).collect()
    }

    pub fn roles(&self, subject: &Subject) -> impl Iterator<Item = Role> + '_ {
        self.roles.get(subject).into_iter().flatten().copied()
    }

    /// Whose subject this is: one act outside canary and proof makes it the scenario's.
    pub fn owner(&self, subject: &Subject) -> Owner {
        let owners = self.roles(subject).map(|role| match role {
            Role::Canary => Owner::Canary,
            Role::ProbeInside | Role::ProbeOutside | Role::ProbeStill | Role::ProbeAfter => {
                Owner::Probe
            }
            Role::Setup | Role::Scripted | Role::Background | Role::Correction => Owner::Scenario,
        });
        owners.min().unwrap_or(Owner::Nobody)
    }

    /// Subjects that acts of `role` touched.
    pub fn touched_by(&self, role: Role) -> impl Iterator<Item = &Subject> {
        self.roles
            .iter()
            .filter(move |(_, roles)| roles.contains(&role))
            .map(|(subject, _)| subject)
    }
}

impl Act {
    /// The subjects that the act names: first the one whose books it moves, then what that one is
    /// about.
    pub fn subjects(&self) -> Vec<Subject> {
        let order = |id: &str| Subject::new("order", id);
        let item = |id: &str| Subject::new("item", id);
        let channel = |id: &str| Subject::new("channel", id);
        match self {
            Act::ListItem { sku, .. } | Act::ApproveClearance { sku, .. } => vec![item(sku)],
            Act::PlaceBid { bid, sku, .. } => vec![Subject::new("bid", bid), item(sku)],
            Act::CorrectBid { bid, .. } => vec![Subject::new("bid", bid)],
            Act::Buy { order: id, sku, channel: by, .. } => vec![order(id), item(sku), channel(by)],
            Act::PlaceOrder { order: id, channel: by, .. }
            | Act::PayOrder { order: id, channel: by, .. } => vec![order(id), channel(by)],
            Act::Refund { refund, order: id, channel: by, .. } => {
                vec![Subject::new("refund", refund), order(id), channel(by)]
            }
            Act::DeliverApproval { refund, .. } => vec![Subject::new("refund", refund)],
            Act::Business(business) => business.subjects.clone(),
        }
    }
}
