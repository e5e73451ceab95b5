//! What an expression evaluates to, and exact arithmetic on it.

use std::cmp::Ordering;
use std::fmt;

use crate::dcheck::event::Value;
use crate::money::{Currency, Money};

use super::Number;

/// Why there is no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gap {
    /// The column is there and NULL.
    Null,
    /// There is no such field, or no such side.
    Absent,
}

/// A value of the language. Amounts may be finer than a minor unit while they are computed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datum {
    Missing(Gap),
    Bool(bool),
    Num(Number),
    Text(String),
    Money(Number, Currency),
    /// A number with more digits than any column has: it can be printed and compared for equality.
    Wide(String),
}

/// Why an expression has no value although nothing is missing. The event is refused, never called
/// consistent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    #[error("`{op}` cannot take {left} and {right}")]
    Types { op: &'static str, left: &'static str, right: &'static str },
    #[error("`{op}` cannot take {found}")]
    Type { op: &'static str, found: &'static str },
    #[error("`{op}` of {left} and {right} does not fit an exact decimal of 130 digits")]
    Overflow { op: &'static str, left: String, right: String },
    #[error("cannot combine {0} with {1}: the currencies differ")]
    Mixed(Currency, Currency),
    #[error("`{0}` is not an exact number")]
    NotNumber(String),
    #[error("{0}")]
    Money(#[from] crate::money::MoneyError),
}

impl Datum {
    pub fn of(value: Option<&Value>) -> Datum {
        match value {
            None => Datum::Missing(Gap::Absent),
            Some(Value::Null) => Datum::Missing(Gap::Null),
            Some(Value::Bool(truth)) => Datum::Bool(*truth),
            Some(Value::Int(int)) => Datum::Num((*int).into()),
            Some(Value::Dec(number)) => Datum::Num((*number).into()),
            Some(Value::Wide(digits)) => {
                Number::parse(digits).map_or_else(|| Datum::Wide(digits.clone()), Datum::Num)
            }
            Some(Value::Text(text)) => Datum::Text(text.clone()),
        }
    }

    /// Its kind, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Datum::Missing(_) => "nothing",
            Datum::Bool(_) => "a truth",
            Datum::Num(_) => "a number",
            Datum::Text(_) => "a text",
            Datum::Money(..) => "an amount of money",
            Datum::Wide(_) => "a number of more than 130 digits",
        }
    }

    pub fn is_missing(&self) -> bool {
        matches!(self, Datum::Missing(_))
    }

    pub fn add(&self, other: &Datum) -> Result<Datum, EvalError> {
        self.linear("+", other, Number::add)
    }

    pub fn sub(&self, other: &Datum) -> Result<Datum, EvalError> {
        self.linear("-", other, Number::sub)
    }

    /// Number times number, or money times number in either order.
    pub fn mul(&self, other: &Datum) -> Result<Datum, EvalError> {
        let product = |left: &Number, right: &Number| {
            left.mul(right).ok_or_else(|| overflow("*", self, other))
        };
        Ok(match (self, other) {
            (Datum::Missing(gap), _) | (_, Datum::Missing(gap)) => Datum::Missing(*gap),
            (Datum::Num(left), Datum::Num(right)) => Datum::Num(product(left, right)?),
            (Datum::Money(amount, currency), Datum::Num(factor))
            | (Datum::Num(factor), Datum::Money(amount, currency)) => {
                Datum::Money(product(amount, factor)?, *currency)
            }
            _ => return Err(types("*", self, other)),
        })
    }

    /// Order of two values of one kind; None where one of them is missing.
    pub fn compare(&self, op: &'static str, other: &Datum) -> Result<Option<Ordering>, EvalError> {
        Ok(Some(match (self, other) {
            (Datum::Missing(_), _) | (_, Datum::Missing(_)) => return Ok(None),
            (Datum::Num(left), Datum::Num(right)) => left.cmp(right),
            (Datum::Text(left), Datum::Text(right)) => left.cmp(right),
            (Datum::Money(left, a), Datum::Money(right, b)) if a == b => left.cmp(right),
            (Datum::Money(_, a), Datum::Money(_, b)) => return Err(EvalError::Mixed(*a, *b)),
            _ => return Err(types(op, self, other)),
        }))
    }

    /// Equality of two values of one kind; None where one of them is missing.
    pub fn equals(&self, op: &'static str, other: &Datum) -> Result<Option<bool>, EvalError> {
        Ok(match (self, other) {
            (Datum::Bool(left), Datum::Bool(right)) => Some(left == right),
            (Datum::Wide(left), Datum::Wide(right)) => Some(plain(left) == plain(right)),
            (Datum::Wide(_), Datum::Num(_)) | (Datum::Num(_), Datum::Wide(_)) => {
                Some(plain(&self.to_string()) == plain(&other.to_string()))
            }
            _ => self.compare(op, other)?.map(Ordering::is_eq),
        })
    }

    /// As money in whole minor units, what is finer rounded away from zero: a risk is never
    /// understated.
    pub fn to_money(&self) -> Result<Option<Money>, EvalError> {
        match self {
            Datum::Missing(_) => Ok(None),
            Datum::Money(amount, currency) => {
                let whole = amount.rounded_away(currency.scale()).and_then(|whole| whole.small());
                let whole = whole.ok_or_else(|| overflow("at_risk", self, self))?;
                Ok(Some(Money::from_decimal(whole, *currency)?))
            }
            other => Err(EvalError::Type { op: "at_risk", found: other.kind() }),
        }
    }

    fn linear(
        &self,
        op: &'static str,
        other: &Datum,
        exact: fn(&Number, &Number) -> Option<Number>,
    ) -> Result<Datum, EvalError> {
        let sum = |left: &Number, right: &Number| {
            exact(left, right).ok_or_else(|| overflow(op, self, other))
        };
        Ok(match (self, other) {
            (Datum::Missing(gap), _) | (_, Datum::Missing(gap)) => Datum::Missing(*gap),
            (Datum::Num(left), Datum::Num(right)) => Datum::Num(sum(left, right)?),
            (Datum::Money(left, a), Datum::Money(right, b)) if a == b => {
                Datum::Money(sum(left, right)?, *a)
            }
            (Datum::Money(_, a), Datum::Money(_, b)) => return Err(EvalError::Mixed(*a, *b)),
            _ => return Err(types(op, self, other)),
        })
    }
}

impl fmt::Display for Datum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Missing(Gap::Null) => f.write_str("null"),
            Datum::Missing(Gap::Absent) => f.write_str("absent"),
            Datum::Bool(truth) => write!(f, "{truth}"),
            Datum::Num(number) => write!(f, "{number}"),
            Datum::Text(text) | Datum::Wide(text) => f.write_str(text),
            Datum::Money(amount, currency) => {
                let whole = amount.small().and_then(|a| Money::from_decimal(a, *currency).ok());
                match whole {
                    Some(money) => write!(f, "{money}"),
                    None => write!(f, "{amount} {currency}"),
                }
            }
        }
    }
}

fn types(op: &'static str, left: &Datum, right: &Datum) -> EvalError {
    let is_wide = |datum: &Datum| matches!(datum, Datum::Wide(_));
    let is_number = |datum: &Datum| matches!(datum, Datum::Wide(_) | Datum::Num(_));
    if is_number(left) && is_number(right) && (is_wide(left) || is_wide(right)) {
        return overflow(op, left, right);
    }
    EvalError::Types { op, left: left.kind(), right: right.kind() }
}

fn overflow(op: &'static str, left: &Datum, right: &Datum) -> EvalError {
    EvalError::Overflow { op, left: left.to_string(), right: right.to_string() }
}

/// Plain digits without leading and trailing zeros, so that equal numbers are equal texts.
fn plain(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let sign = if whole.is_empty() && fraction.is_empty() { "" } else { sign };
    format!("{sign}{whole}.{fraction}")
}
