//! A history written by hand: the tests of the oracle, the judge and the reports share it.
//!
//! Cell time is set in milliseconds from the story's start; entries get positions as they are
//! written. It writes what the harness's own writers would write, and judges nothing. Try it:
//! `cargo test --test judge`.

use std::sync::Arc;

use super::{
    Act, Book, Entry, Event, Expectation, FaultUse, History, LedgerLine, LossPointFacts, Outcome,
    Phase, Posting, PostingKind, Promise, Role, ScenarioFacts,
};
use crate::clock::{self, CellTime};
use crate::money::Money;
use crate::wire::{
    Alert, AlertState, Effect, Judged, Judgement, Mark, MarkKind, PlanRun, PlanState, Subject,
};

/// Cell time at a story's start: 2026-01-05T02:00:00Z.
pub const START: CellTime = CellTime(1_767_578_400_000);

/// A history in the making. Each call appends; [`Story::at`] moves the clock.
#[derive(Clone, Debug)]
pub struct Story {
    scenario: String,
    at_ms: i64,
    phase: Phase,
    next_act: u64,
    first_seq: u64,
    entries: Vec<Entry>,
}

/// A loss point with the deadlines of the industry: 60 s, 5 min, 10 min; 30 s of grace.
pub fn loss_point(id: &str, plan: Option<(&str, Effect)>) -> LossPointFacts {
    LossPointFacts {
        id: id.to_owned(),
        title: id.replace('-', " "),
        detect_ms: 60_000,
        respond_ms: 300_000,
        contain_ms: 600_000,
        grace_ms: 30_000,
        rules: vec![id.to_owned()],
        with: Vec::new(),
        plan: plan.as_ref().map(|(id, _)| (*id).to_owned()),
        effect: plan.map(|(_, effect)| effect),
        watcher: false,
        per_event: Money::cny(19_900),
    }
}

impl Story {
    /// A scenario that starts, with the steady state reached.
    pub fn new(scenario: &str, control: bool, loss_point: LossPointFacts) -> Story {
        let facts = ScenarioFacts {
            name: format!("{} in {scenario}", loss_point.title),
            feature: loss_point.id.clone(),
            location: format!("features/{}.feature:7", loss_point.id),
            control,
            canary: control.then(|| "attack".to_owned()),
            loss_point,
            seed: 7,
            steps: Vec::new(),
            judged: true,
            watermark: true,
        };
        Story::with_facts(scenario, facts)
    }

    /// A scenario with facts of its own.
    pub fn with_facts(scenario: &str, facts: ScenarioFacts) -> Story {
        let mut story = Story {
            scenario: scenario.to_owned(),
            at_ms: 0,
            phase: Phase::Start,
            next_act: 1,
            first_seq: 0,
            entries: Vec::new(),
        };
        story.push(Event::ScenarioStarted { cell: "c1".into(), facts: Box::new(facts) });
        story.at(100).phase(Phase::Steady).event(Event::Steady).phase(Phase::When)
    }

    /// The instant from which on things happen, in ms from the start.
    pub fn at(mut self, at_ms: i64) -> Story {
        self.at_ms = at_ms;
        self
    }

    pub fn phase(mut self, phase: Phase) -> Story {
        self.phase = phase;
        self
    }

    /// Positions count from `first_seq`: for a journal of several scenarios.
    pub fn from_seq(mut self, first_seq: u64) -> Story {
        self.first_seq = first_seq;
        for (index, entry) in self.entries.iter_mut().enumerate() {
            entry.seq = first_seq + index as u64;
        }
        self
    }

    pub fn event(mut self, event: Event) -> Story {
        self.push(event);
        self
    }

    fn push(&mut self, event: Event) {
        let since = u64::try_from(self.at_ms).unwrap_or(0);
        self.entries.push(Entry {
            seq: self.first_seq + self.entries.len() as u64,
            scenario: Some(self.scenario.clone()),
            mono_us: since * 1000,
            cell_ms: Some(START.0 + self.at_ms),
            wall_ms: START.0 + self.at_ms,
            phase: self.phase,
            event,
        });
    }

    /// An act with its intent and outcome at the same instant.
    pub fn act(self, role: Role, act: Act, outcome: Outcome) -> Story {
        let id = self.next_act;
        let mut story = self.event(Event::Intent { id, role, act });
        story.next_act += 1;
        story.event(Event::Done { id, outcome })
    }

    /// An act that the platform accepts.
    pub fn ok(self, role: Role, act: Act) -> Story {
        self.act(role, act, Outcome::Ok)
    }

    /// An act that the platform refuses.
    pub fn refused(self, role: Role, act: Act) -> Story {
        self.act(role, act, Outcome::Refused { reason: "no".into() })
    }

    pub fn posted(self, kind: PostingKind, id: &str, amount: Money, reference: &str) -> Story {
        self.posting(kind, id, amount, reference, false)
    }

    /// A posting that stood, and stands no more.
    pub fn struck_out(self, kind: PostingKind, id: &str, amount: Money, reference: &str) -> Story {
        self.posting(kind, id, amount, reference, true)
    }

    fn posting(
        self,
        kind: PostingKind,
        id: &str,
        amount: Money,
        reference: &str,
        gone: bool,
    ) -> Story {
        let (book, subject) = match kind {
            PostingKind::Collected => (Book::Channel, "order"),
            PostingKind::PaidOut => (Book::Channel, "refund"),
            PostingKind::OrderPaid => (Book::Orders, "order"),
        };
        self.event(Event::Posted {
            posting: Posting {
                book,
                kind,
                subject: Subject::new(subject, id),
                amount,
                reference: reference.to_owned(),
                gone,
            },
        })
    }

    pub fn promised(self, bid: &str, sku: &str, price: Money, qty: u32, open: bool) -> Story {
        let subject = Subject::new("bid", bid);
        let promise = Promise { subject, sku: sku.to_owned(), price, qty, open };
        self.event(Event::Promised { promise })
    }

    /// A line of a domain's ledger.
    pub fn booked(self, ledger: &str, subject: &Subject, amount: Money, reference: &str) -> Story {
        let line = LedgerLine {
            ledger: ledger.to_owned(),
            subject: subject.clone(),
            amount: amount.into(),
            detail: None,
            reference: reference.to_owned(),
            gone: false,
            strict: false,
        };
        self.event(Event::Booked { line })
    }

    /// A fault that is ordered and bites at once.
    pub fn bites(self, fault: &str) -> Story {
        let used = fault_use(fault);
        self.event(Event::FaultIntent { fault: used })
            .event(Event::FaultBites { fault: fault.to_owned(), evidence: "1 hit".into() })
    }

    /// A control's fault: in place, hit or not.
    pub fn in_place(self, fault: &str) -> Story {
        let used = fault_use(fault);
        self.event(Event::FaultIntent { fault: used })
            .event(Event::FaultInPlace { fault: fault.to_owned(), evidence: "read back".into() })
    }

    pub fn registered(self, expectations: &[Expectation]) -> Story {
        expectations.iter().enumerate().fold(self, |story, (index, expectation)| {
            let sentence = format!("Then {index}");
            story.event(Event::Registered { index, expectation: expectation.clone(), sentence })
        })
    }

    pub fn alert(self, rule: &str, subject: Subject, at_risk: Money) -> Story {
        self.alert_as(rule, subject, at_risk, |_| ())
    }

    /// An alert of which `change` alters something before it is written.
    pub fn alert_as(
        self,
        rule: &str,
        subject: Subject,
        at_risk: Money,
        change: impl FnOnce(&mut Alert),
    ) -> Story {
        let occurrence = format!("{}-1", subject.id);
        let mut alert = Alert {
            rule: rule.to_owned(),
            loss_point: rule.to_owned(),
            fingerprint: format!("{rule}/{subject}/{occurrence}"),
            subject,
            occurrence,
            severity: "P0".into(),
            at_risk: Some(at_risk),
            expected: "what was meant".into(),
            actual: "what is".into(),
            position: "binlog.000001:4".into(),
            starts_at: self.now_text(),
            state: AlertState::Firing,
        };
        change(&mut alert);
        self.event(Event::Alerted { alert })
    }

    /// A change of state of run `run_id`; it reverts by itself at `reverts_at_ms`.
    pub fn plan(
        self,
        (plan, run_id): (&str, &str),
        scope: Subject,
        effect: Effect,
        state: PlanState,
        reverts_at_ms: Option<i64>,
    ) -> Story {
        let run = PlanRun {
            plan: plan.to_owned(),
            run_id: run_id.to_owned(),
            alert: "a".into(),
            rule: "r".into(),
            scope: vec![scope],
            effect,
            steps: Vec::new(),
            state,
            started_at: self.now_text(),
            updated_at: self.now_text(),
            reverts_at: reverts_at_ms.map(|ms| clock::rfc3339(START.0 + ms)),
            note: String::new(),
        };
        self.event(Event::PlanRan { run })
    }

    pub fn judged(self, rule: &str, subject: Subject, judgement: Judgement) -> Story {
        let judged = Judged {
            seq: 1,
            rule: rule.to_owned(),
            version: "1".into(),
            occurrence: subject.id.clone(),
            subject,
            judgement,
            at: self.now_text(),
        };
        self.event(Event::Judged { judged })
    }

    pub fn mark(self, seq: u64) -> Story {
        let at = START.0 + self.at_ms;
        self.event(Event::MarkWritten {
            mark: Mark { seq, kind: MarkKind::Beat, offset_ms: 0, at },
        })
    }

    /// At rest, the reconciler having settled up to mark `settled`.
    pub fn rest(self, settled: u64) -> Story {
        self.event(Event::Rest { excused: Vec::new(), settled: Some(settled), real_ms: 3 })
    }

    pub fn tick(self) -> Story {
        self.event(Event::Tick)
    }

    fn now_text(&self) -> String {
        clock::rfc3339(START.0 + self.at_ms)
    }

    /// Cell time of this story's clock.
    pub fn now(&self) -> CellTime {
        START.plus_ms(self.at_ms)
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// For tests that falsify a journal.
    pub fn entries_mut(&mut self) -> &mut Vec<Entry> {
        &mut self.entries
    }

    pub fn history(&self) -> History {
        History::of(&self.scenario, self.entries.iter().cloned().map(Arc::new))
    }
}

/// A fault without parameters.
pub fn fault_use(fault: &str) -> FaultUse {
    FaultUse {
        fault: fault.to_owned(),
        params: Default::default(),
        withholds: Vec::new(),
        raises: Vec::new(),
        waits_for_traffic: false,
    }
}
