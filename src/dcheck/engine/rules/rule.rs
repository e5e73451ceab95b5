//! A compiled rule: what it listens to, how it names what it judges, what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::clock::CellTime;
use crate::dcheck::engine::expr::{Datum, EvalError, Expr, Scope, Template};
use crate::dcheck::engine::gate::Rollout;
use crate::dcheck::engine::window::Stream;
use crate::dcheck::event::{Event, Op, Value};
use crate::money::Money;
use crate::wire::Subject;

use super::RuleHead;
use super::ask::{Lookup, Rate};
use super::fit::Use;
use super::group::{Item, Reference};
use super::strategy::{Finding, Strategy};

#[derive(Debug)]
pub struct Rule {
    /// `id@version`, unique in a set: two versions of a rule may run side by side.
    pub name: String,
    pub head: RuleHead,
    pub subject_kind: String,
    pub subject_id: Expr,
    pub occurrence: Expr,
    pub revision: Option<Template>,
    /// First the items' side, then the counterparts', where there is one.
    pub sides: Vec<Side>,
    /// Whether a row is (still) to be judged.
    pub applies: Option<Expr>,
    pub lookup: Option<Lookup>,
    /// Occurrences that it takes; what is above is shed.
    pub rate: Option<Rate>,
    /// The money of an occurrence, for what passes unseen.
    pub carries: Option<Expr>,
    pub at_risk: Option<Expr>,
    pub expected: Template,
    pub actual: Template,
    pub fields: Vec<(String, Expr)>,
    /// How long a group is kept after its last event.
    pub remember_ms: i64,
    pub rollout: Rollout,
    pub strategy: Box<dyn Strategy>,
    /// Columns whose change its tests need not show.
    pub ignores: Vec<String>,
    /// File and line that it stands in.
    pub place: (PathBuf, usize),
    pub uses: Vec<Use>,
    /// (table, column), of all that it names.
    pub columns: BTreeSet<(String, String)>,
    /// (topic, field), of all that it names.
    pub of_messages: BTreeSet<(String, String)>,
}

/// Events of one side of a pair.
#[derive(Debug)]
pub struct Side {
    pub stream: Stream,
    pub ops: Vec<Op>,
    /// An update counts only where it changed one of these; empty: any.
    pub changed: Vec<String>,
    pub filter: Option<Expr>,
    pub key: Expr,
    /// What tells one counterpart from another under a key; None: the key itself.
    pub id: Option<Expr>,
}

/// Why an event that a rule listens to cannot be judged by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("`{what}` has no value: {gap}")]
    Missing { what: String, gap: String },
    #[error("in `{what}`: {error}")]
    Eval { what: String, error: EvalError },
}

impl Side {
    /// By operation and changed columns; the filter is not asked.
    pub fn listens(&self, event: &Event) -> bool {
        self.stream.name() == event.stream
            && self.stream.is_in(&event.source)
            && self.ops.contains(&event.op)
            && (event.op != Op::Update
                || self.changed.is_empty()
                || self.changed.iter().any(|column| event.changed.contains(column)))
    }

    /// Null and absent make a filter not true: the event is not the rule's.
    pub fn passes(&self, event: &Event) -> Result<bool, Unreadable> {
        let Some(filter) = &self.filter else { return Ok(true) };
        match filter.truth(&Scope::of(event)) {
            Ok(truth) => Ok(truth == Some(true)),
            Err(error) => Err(Unreadable::Eval { what: "where".to_owned(), error }),
        }
    }

    pub fn key_of(&self, event: &Event) -> Result<String, Unreadable> {
        text_of("key", &self.key, event)
    }

    pub fn id_of(&self, event: &Event) -> Result<String, Unreadable> {
        text_of("id", self.id.as_ref().unwrap_or(&self.key), event)
    }
}

impl Rule {
    /// What it judges and says, as a text: the same wherever it stands and however it is laid out, and on any rollout.
    pub fn meaning(&self) -> String {
        // Taken apart, so that whoever adds a field says whether it means anything.
        let Rule {
            name,
            head,
            subject_kind,
            subject_id,
            occurrence,
            revision,
            sides,
            applies,
            lookup,
            rate,
            carries,
            at_risk,
            expected,
            actual,
            fields,
            remember_ms,
            rollout: _,
            strategy,
            ignores: _,
            place: _,
            uses: _,
            columns: _,
            of_messages: _,
        } = self;
        let names = (name, head, subject_kind, subject_id, occurrence, revision);
        let ways = (sides, applies, lookup, rate, strategy, remember_ms);
        format!("{names:?} {ways:?} {:?}", (carries, at_risk, expected, actual, fields))
    }

    pub fn subject_of(&self, event: &Event) -> Result<Subject, Unreadable> {
        let id = text_of("subject", &self.subject_id, event)?;
        Ok(Subject::new(self.subject_kind.clone(), id))
    }

    /// The item of an event; `arrival` is its number in the engine's order.
    pub fn item(
        &self,
        event: Arc<Event>,
        arrival: u64,
        after_mark: u64,
        now: CellTime,
    ) -> Result<Item, Unreadable> {
        let occurrence = text_of("occurrence", &self.occurrence, &event)?;
        let scope = Scope::of(&event);
        let revision = self.revision.as_ref().map(|text| text.render(&scope)).unwrap_or_default();
        let rank = match self.strategy.order_by() {
            Some(order_by) => (number_of("order_by", order_by, &scope)?, occurrence.clone()),
            None => (i128::from(arrival), String::new()),
        };
        let applies = match &self.applies {
            None => true,
            Some(applies) => {
                let eval = |error| Unreadable::Eval { what: "applies".to_owned(), error };
                applies.truth(&scope).map_err(eval)? == Some(true)
            }
        };
        let reference = match &self.lookup {
            Some(_) if applies => Reference::Due { at: now, attempt: 1, admitted: false },
            _ => Reference::NotNeeded,
        };
        Ok(Item {
            subject: self.subject_of(&event)?,
            event,
            rank,
            occurrence,
            revision,
            applies,
            after_mark,
            reference,
            judged: None,
            told: String::new(),
        })
    }

    /// The lookup's parameters for an item.
    pub fn params(
        &self,
        lookup: &Lookup,
        event: &Event,
    ) -> Result<Vec<(String, Value)>, EvalError> {
        let scope = Scope::of(event);
        let bind = |(name, expr): &(String, Expr)| Ok((name.clone(), value_of(expr.eval(&scope)?)));
        lookup.params.iter().map(bind).collect()
    }

    /// The money that an event carries, by itself; empty where the rule cannot say.
    pub fn carried(&self, event: &Event) -> String {
        let money = self.carries.as_ref().or(self.at_risk.as_ref()).and_then(|expr| {
            expr.eval(&Scope::of(event)).and_then(|datum| datum.to_money()).ok().flatten()
        });
        money.map(|money| money.to_string()).unwrap_or_default()
    }

    /// Amount at risk and the texts of a finding, each as good as it can be had.
    pub fn says(&self, item: &Item, finding: &Finding<'_>) -> Said {
        let reference = match &item.reference {
            Reference::Known(row) => Some(row),
            _ => None,
        };
        let scope = Scope {
            event: Some(&item.event),
            other: finding.other,
            reference,
            found: &finding.found,
        };
        let at_risk = self.at_risk.as_ref().map(|e| e.eval(&scope).and_then(|d| d.to_money()));
        let mut actual = self.actual.render(&scope);
        if let Some(Err(error)) = &at_risk {
            actual.push_str(&format!(" (money at risk cannot be told: {error})"));
        }
        let field = |(name, expr): &(String, Expr)| {
            let datum = expr.eval(&scope).ok().filter(|datum| !datum.is_missing())?;
            Some((name.clone(), datum.to_string()))
        };
        Said {
            at_risk: at_risk.and_then(Result::ok).flatten(),
            expected: self.expected.render(&scope),
            actual,
            fields: self.fields.iter().filter_map(field).collect(),
        }
    }
}

/// What a rule says of an item, for people and plans.
#[derive(Clone, Debug, Default)]
pub struct Said {
    pub at_risk: Option<Money>,
    pub expected: String,
    pub actual: String,
    pub fields: BTreeMap<String, String>,
}

/// An identity: null and absent are none.
fn text_of(what: &str, expr: &Expr, event: &Event) -> Result<String, Unreadable> {
    let named = || format!("{what}: {}", expr.text());
    match expr.eval(&Scope::of(event)) {
        Ok(gap @ Datum::Missing(_)) => {
            Err(Unreadable::Missing { what: named(), gap: gap.to_string() })
        }
        Ok(datum) => Ok(datum.to_string()),
        Err(error) => Err(Unreadable::Eval { what: named(), error }),
    }
}

fn number_of(what: &str, expr: &Expr, scope: &Scope<'_>) -> Result<i128, Unreadable> {
    let named = || format!("{what}: {}", expr.text());
    match expr.eval(scope) {
        // No wider than a column can be: what is kept of a group must be written, and read again.
        Ok(Datum::Num(number)) => number
            .integer()
            .filter(|int| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(int))
            .ok_or_else(|| Unreadable::Missing {
                what: named(),
                gap: format!("{number} is no whole number of 64 bits"),
            }),
        Ok(datum) => Err(Unreadable::Missing { what: named(), gap: datum.to_string() }),
        Err(error) => Err(Unreadable::Eval { what: named(), error }),
    }
}

fn value_of(datum: Datum) -> Value {
    match datum {
        Datum::Missing(_) => Value::Null,
        Datum::Bool(truth) => Value::Bool(truth),
        Datum::Money(amount, _) => {
            amount.small().map_or_else(|| Value::Wide(amount.to_string()), Value::Dec)
        }
        Datum::Num(number) => match (number.integer(), number.small()) {
            (Some(int), _) => Value::Int(int),
            (None, Some(small)) => Value::Dec(small),
            (None, None) => Value::Wide(number.to_string()),
        },
        Datum::Text(text) => Value::Text(text),
        Datum::Wide(digits) => Value::Wide(digits),
    }
}
