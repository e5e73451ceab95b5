//! The tree walked over one event and what belongs to it.

use std::cmp::Ordering;

use crate::dcheck::event::{Event, Op, Row};
use crate::money::{Currency, Money};

use super::syntax::{Function, Node, Operator, Root, Shape};
use super::{Datum, EvalError, Gap, Number};

/// What an expression may see.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scope<'a> {
    /// `before`, `after` and `event`.
    pub event: Option<&'a Event>,
    /// The other side of a pair.
    pub other: Option<&'a Row>,
    /// The answer to the rule's lookup.
    pub reference: Option<&'a Row>,
    /// What the strategy worked out: sums, counts.
    pub found: &'a [(&'static str, Datum)],
}

impl<'a> Scope<'a> {
    pub fn of(event: &'a Event) -> Scope<'a> {
        Scope { event: Some(event), ..Scope::default() }
    }

    fn field(&self, root: Root, name: &str) -> Datum {
        let row = match root {
            Root::Before => self.event.and_then(|event| event.before.as_ref()),
            Root::After => self.event.and_then(|event| event.after.as_ref()),
            Root::Other => self.other,
            Root::Reference => self.reference,
            Root::Found => {
                let found = self.found.iter().find(|(known, _)| *known == name);
                return found.map_or(Datum::Missing(Gap::Absent), |(_, datum)| datum.clone());
            }
            Root::Event => {
                return self.event.map_or(Datum::Missing(Gap::Absent), |e| fact(e, name));
            }
        };
        Datum::of(row.and_then(|row| row.get(name)))
    }
}

fn fact(event: &Event, name: &str) -> Datum {
    let op = match event.op {
        Op::Insert => "insert",
        Op::Update => "update",
        Op::Delete => "delete",
        Op::Message => "message",
    };
    match name {
        "at" => Datum::Num(event.at.0.into()),
        "op" => Datum::Text(op.to_owned()),
        "position" => Datum::Text(event.position.clone()),
        _ => Datum::Text(event.stream.clone()),
    }
}

/// One part of an expression and what it came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceStep {
    pub part: String,
    pub value: String,
}

impl TraceStep {
    pub(super) fn new(part: &str, value: &Result<Datum, EvalError>) -> TraceStep {
        let value = match value {
            Ok(datum) => datum.to_string(),
            Err(error) => format!("error: {error}"),
        };
        TraceStep { part: part.to_owned(), value }
    }
}

/// `seen` is told of every node but constants, after its value is known.
pub(super) fn eval(
    node: &Node,
    scope: &Scope<'_>,
    seen: &mut impl FnMut(&Node, &Result<Datum, EvalError>),
) -> Result<Datum, EvalError> {
    let result = match &node.shape {
        Shape::Const(datum) => return Ok(datum.clone()),
        Shape::Field(root, name) => Ok(scope.field(*root, name)),
        Shape::Not(inner) => {
            truth("not", eval(inner, scope, seen)?).map(|t| of_truth(t.map(|t| !t)))
        }
        Shape::Negate(inner) => eval(inner, scope, seen).and_then(negate),
        Shape::Binary(Operator::And, left, right) => logic(false, left, right, scope, seen),
        Shape::Binary(Operator::Or, left, right) => logic(true, left, right, scope, seen),
        Shape::Binary(operator, left, right) => {
            let (left, right) = (eval(left, scope, seen)?, eval(right, scope, seen)?);
            binary(*operator, &left, &right)
        }
        Shape::In(needle, values) => eval(needle, scope, seen).and_then(|n| contains(&n, values)),
        Shape::Call(function, arguments) => {
            let mut values = Vec::with_capacity(arguments.len());
            for argument in arguments {
                values.push(eval(argument, scope, seen)?);
            }
            call(*function, &values)
        }
    };
    seen(node, &result);
    result
}

/// Kleene's `or` (`decides` = true) and `and` (`decides` = false): one side that decides is enough,
/// whatever the other.
fn logic(
    decides: bool,
    left: &Node,
    right: &Node,
    scope: &Scope<'_>,
    seen: &mut impl FnMut(&Node, &Result<Datum, EvalError>),
) -> Result<Datum, EvalError> {
    let op = if decides { "or" } else { "and" };
    let left = truth(op, eval(left, scope, seen)?)?;
    if left == Some(decides) {
        return Ok(Datum::Bool(decides));
    }
    let right = truth(op, eval(right, scope, seen)?)?;
    Ok(match (left, right) {
        (_, Some(right)) if right == decides => Datum::Bool(decides),
        (Some(_), Some(_)) => Datum::Bool(!decides),
        _ => Datum::Missing(Gap::Null),
    })
}

fn truth(op: &'static str, datum: Datum) -> Result<Option<bool>, EvalError> {
    match datum {
        Datum::Bool(truth) => Ok(Some(truth)),
        Datum::Missing(_) => Ok(None),
        other => Err(EvalError::Type { op, found: other.kind() }),
    }
}

fn of_truth(truth: Option<bool>) -> Datum {
    truth.map_or(Datum::Missing(Gap::Null), Datum::Bool)
}

fn negate(datum: Datum) -> Result<Datum, EvalError> {
    Ok(match datum {
        Datum::Num(number) => Datum::Num(number.negated()),
        Datum::Money(amount, currency) => Datum::Money(amount.negated(), currency),
        Datum::Missing(gap) => Datum::Missing(gap),
        other => return Err(EvalError::Type { op: "-", found: other.kind() }),
    })
}

fn binary(operator: Operator, left: &Datum, right: &Datum) -> Result<Datum, EvalError> {
    let sign = operator.sign();
    let ordered = |holds: fn(Ordering) -> bool| Ok(of_truth(left.compare(sign, right)?.map(holds)));
    match operator {
        Operator::Add => left.add(right),
        Operator::Sub => left.sub(right),
        Operator::Mul => left.mul(right),
        Operator::Eq => Ok(of_truth(left.equals(sign, right)?)),
        Operator::Ne => Ok(of_truth(left.equals(sign, right)?.map(|equal| !equal))),
        Operator::Lt => ordered(Ordering::is_lt),
        Operator::Le => ordered(Ordering::is_le),
        Operator::Gt => ordered(Ordering::is_gt),
        Operator::Ge => ordered(Ordering::is_ge),
        Operator::And | Operator::Or => unreachable!("invariant: logic is evaluated by `logic`"),
    }
}

fn contains(needle: &Datum, values: &[Datum]) -> Result<Datum, EvalError> {
    if needle.is_missing() {
        return Ok(needle.clone());
    }
    for value in values {
        if needle.equals("in", value)? == Some(true) {
            return Ok(Datum::Bool(true));
        }
    }
    Ok(Datum::Bool(false))
}

fn call(function: Function, values: &[Datum]) -> Result<Datum, EvalError> {
    match function {
        Function::Present => return Ok(Datum::Bool(!values[0].is_missing())),
        Function::Absent => return Ok(Datum::Bool(values[0] == Datum::Missing(Gap::Absent))),
        Function::IsNull => return Ok(Datum::Bool(values[0] == Datum::Missing(Gap::Null))),
        _ => {}
    }
    if let Some(missing) = values.iter().find(|value| value.is_missing()) {
        return Ok(missing.clone());
    }
    match (function, values) {
        (Function::Money, [amount]) => whole_money(amount),
        (Function::Money, [amount, currency]) => money(amount, currency),
        (Function::Decimal, [value]) => decimal(value).map(Datum::Num),
        (Function::Amount, [Datum::Money(amount, _)]) => Ok(Datum::Num(amount.clone())),
        (Function::Currency, [Datum::Money(_, currency)]) => {
            Ok(Datum::Text(currency.code().to_owned()))
        }
        (Function::Abs, [Datum::Num(number)]) => Ok(Datum::Num(number.abs())),
        (Function::Abs, [Datum::Money(amount, currency)]) => {
            Ok(Datum::Money(amount.abs(), *currency))
        }
        (Function::Min, [left, right]) => pick("min", left, right, Ordering::Less),
        (Function::Max, [left, right]) => pick("max", left, right, Ordering::Greater),
        (Function::Amount, [other]) => Err(EvalError::Type { op: "amount", found: other.kind() }),
        (Function::Currency, [other]) => {
            Err(EvalError::Type { op: "currency", found: other.kind() })
        }
        (_, rest) => Err(EvalError::Type { op: "abs", found: rest[0].kind() }),
    }
}

fn pick(
    op: &'static str,
    left: &Datum,
    right: &Datum,
    wanted: Ordering,
) -> Result<Datum, EvalError> {
    let order = left.compare(op, right)?;
    Ok(if order == Some(wanted) { left.clone() } else { right.clone() })
}

/// An amount that carries its currency: `199.00 CNY`.
fn whole_money(amount: &Datum) -> Result<Datum, EvalError> {
    match amount {
        Datum::Money(..) => Ok(amount.clone()),
        Datum::Text(text) => {
            let money: Money = text.parse()?;
            Ok(Datum::Money(money.to_decimal().into(), money.currency))
        }
        other => Err(EvalError::Type { op: "money", found: other.kind() }),
    }
}

fn money(amount: &Datum, currency: &Datum) -> Result<Datum, EvalError> {
    let Datum::Text(code) = currency else {
        return Err(EvalError::Type { op: "money", found: currency.kind() });
    };
    let currency: Currency = code.parse()?;
    Ok(Datum::Money(decimal(amount)?, currency))
}

fn decimal(value: &Datum) -> Result<Number, EvalError> {
    match value {
        Datum::Num(number) => Ok(number.clone()),
        Datum::Text(text) => Number::parse(text).ok_or_else(|| EvalError::NotNumber(text.clone())),
        Datum::Wide(digits) => Err(EvalError::NotNumber(digits.clone())),
        other => Err(EvalError::Type { op: "decimal", found: other.kind() }),
    }
}
