//! A business sentence as data: which row it is, and its values by the types of its wording.

use serde::{Deserialize, Serialize};

use super::params::{BadValue, Captured};
use crate::money::Money;
use crate::wire::Subject;

/// A business sentence with its values, in the order of the English wording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The row's id.
    pub row: String,
    pub values: Vec<Value>,
}

/// A value of a business sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", content = "value", rename_all = "kebab-case")]
pub enum Value {
    Name(String),
    Money(Money),
    Count(u32),
    DurationMs(i64),
    /// As written, with its sign: `70%`.
    Percent(String),
    Subject(Subject),
}

impl Said {
    /// Reads what was captured by the parameter types of `wording`. A `{subject}` takes the `{name}` after it along.
    pub(super) fn read(
        row: &str,
        wording: &str,
        captured: &Captured<'_>,
    ) -> Result<Said, BadValue> {
        let mut values = Vec::new();
        let mut types = parameters(wording).enumerate();
        while let Some((index, parameter)) = types.next() {
            values.push(match parameter {
                "money" => Value::Money(captured.money(index)?),
                "count" => Value::Count(captured.count(index)?),
                "duration" => Value::DurationMs(captured.within(index)?.resolve_ms(0)),
                "percent" => Value::Percent(captured.percent(index)?.to_string()),
                "subject" => {
                    types.next();
                    Value::Subject(captured.subject(index)?)
                }
                _ => Value::Name(captured.name(index)?),
            });
        }
        Ok(Said { row: row.to_owned(), values })
    }

    fn wrong(&self, index: usize, wanted: &str) -> ! {
        panic!("invariant: value {index} of sentence `{}` is {wanted}: its test runs it", self.row)
    }

    pub fn name(&self, index: usize) -> &str {
        match self.values.get(index) {
            Some(Value::Name(name)) => name,
            _ => self.wrong(index, "a name"),
        }
    }

    pub fn money(&self, index: usize) -> Money {
        match self.values.get(index) {
            Some(Value::Money(money)) => *money,
            _ => self.wrong(index, "an amount"),
        }
    }

    pub fn count(&self, index: usize) -> u32 {
        match self.values.get(index) {
            Some(Value::Count(count)) => *count,
            _ => self.wrong(index, "a count"),
        }
    }

    pub fn duration_ms(&self, index: usize) -> i64 {
        match self.values.get(index) {
            Some(Value::DurationMs(ms)) => *ms,
            _ => self.wrong(index, "a duration"),
        }
    }

    /// As written: `70%`.
    pub fn percent(&self, index: usize) -> &str {
        match self.values.get(index) {
            Some(Value::Percent(text)) => text,
            _ => self.wrong(index, "a share"),
        }
    }

    pub fn subject(&self, index: usize) -> &Subject {
        match self.values.get(index) {
            Some(Value::Subject(subject)) => subject,
            _ => self.wrong(index, "a subject"),
        }
    }
}

/// The names of a wording's parameter types.
fn parameters(wording: &str) -> impl Iterator<Item = &str> {
    wording.split('{').skip(1).filter_map(|piece| piece.split('}').next())
}
