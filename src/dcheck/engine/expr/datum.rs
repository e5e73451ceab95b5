//! What an expression evaluates to, and exact arithmetic on it.

use std::cmp::Ordering;
use std::fmt;

use rust_decimal::Decimal;

use crate::dcheck::event::Value;
use crate::money::{Currency, Money};

/// Digits of a decimal after the point beyond which [`Decimal`] would round.
const MAX_SCALE: u32 = 28;

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
    Num(Decimal),
    Text(String),
    Money(Decimal, Currency),
    /// A decimal too wide to compute with: it can be printed and compared for equality.
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
    #[error("`{op}` of {left} and {right} does not fit an exact decimal of 28 digits")]
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
            Some(Value::Int(int)) => match Decimal::try_from_i128_with_scale(*int, 0) {
                Ok(number) => Datum::Num(number),
                Err(_) => Datum::Wide(int.to_string()),
            },
            Some(Value::Dec(number)) => Datum::Num(*number),
            Some(Value::Wide(digits)) => Datum::Wide(digits.clone()),
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
            Datum::Wide(_) => "a number of more than 28 digits",
        }
    }

    pub fn is_missing(&self) -> bool {
        matches!(self, Datum::Missing(_))
    }

    pub fn add(&self, other: &Datum) -> Result<Datum, EvalError> {
        self.linear("+", other, exact_add)
    }

    pub fn sub(&self, other: &Datum) -> Result<Datum, EvalError> {
        self.linear("-", other, |left, right| exact_add(left, -right))
    }

    /// Number times number, or money times number in either order.
    pub fn mul(&self, other: &Datum) -> Result<Datum, EvalError> {
        let product = |left: &Decimal, right: &Decimal| {
            exact_mul(*left, *right).ok_or_else(|| overflow("*", self, other))
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
                let away = rust_decimal::RoundingStrategy::AwayFromZero;
                let whole = amount.round_dp_with_strategy(currency.scale(), away);
                Ok(Some(Money::from_decimal(whole, *currency)?))
            }
            other => Err(EvalError::Type { op: "at_risk", found: other.kind() }),
        }
    }

    fn linear(
        &self,
        op: &'static str,
        other: &Datum,
        exact: fn(Decimal, Decimal) -> Option<Decimal>,
    ) -> Result<Datum, EvalError> {
        let sum = |left: &Decimal, right: &Decimal| {
            exact(*left, *right).ok_or_else(|| overflow(op, self, other))
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
            Datum::Num(number) => write!(f, "{}", number.normalize()),
            Datum::Text(text) | Datum::Wide(text) => f.write_str(text),
            Datum::Money(amount, currency) => match Money::from_decimal(*amount, *currency) {
                Ok(money) => write!(f, "{money}"),
                Err(_) => write!(f, "{} {currency}", amount.normalize()),
            },
        }
    }
}

fn types(op: &'static str, left: &Datum, right: &Datum) -> EvalError {
    EvalError::Types { op, left: left.kind(), right: right.kind() }
}

fn overflow(op: &'static str, left: &Datum, right: &Datum) -> EvalError {
    EvalError::Overflow { op, left: left.to_string(), right: right.to_string() }
}

/// The sum, or None where it does not fit: `Decimal`'s own addition would round.
fn exact_add(left: Decimal, right: Decimal) -> Option<Decimal> {
    let scale = left.scale().max(right.scale());
    let at_scale = |number: Decimal| {
        let factor = 10_i128.checked_pow(scale - number.scale())?;
        number.mantissa().checked_mul(factor)
    };
    fit(at_scale(left)?.checked_add(at_scale(right)?)?, scale)
}

/// The product, or None where it does not fit: `Decimal`'s own multiplication would round.
fn exact_mul(left: Decimal, right: Decimal) -> Option<Decimal> {
    let (left, right) = (left.normalize(), right.normalize());
    fit(left.mantissa().checked_mul(right.mantissa())?, left.scale() + right.scale())
}

fn fit(mut mantissa: i128, mut scale: u32) -> Option<Decimal> {
    while scale > 0 && mantissa % 10 == 0 && (scale > MAX_SCALE || mantissa.abs() >> 96 != 0) {
        mantissa /= 10;
        scale -= 1;
    }
    Decimal::try_from_i128_with_scale(mantissa, scale).ok()
}

/// Plain digits without leading and trailing zeros, so that equal numbers are equal texts.
fn plain(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let sign = if whole.is_empty() && fraction.is_empty() { "" } else { sign };
    format!("{sign}{whole}.{fraction}")
}
