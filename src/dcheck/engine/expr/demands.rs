//! What an expression demands of the columns that it names, before any event is seen.
//!
//! Owns the walk; what a column of a type can be is the caller's. Only what would fail for every row is demanded: a number where one
//! is computed with, a text beside a text, anything comparable beside anything else.

use super::Kind;
use super::syntax::{Function, Node, Operator, Root, Shape};
use super::{Datum, Expr};

/// What a column must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Want {
    Number,
    Text,
    /// A text that names a currency: `CNY`.
    Currency,
    /// A text of an amount and its currency: `199.00 CNY`.
    WholeMoney,
    /// An amount of money or a part of one: a number, or a text of one; never a float.
    Money,
    /// Anything that can be compared exactly.
    Comparable,
}

/// Whose column: the event's own, or the counterpart's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    Own,
    Other,
}

/// One demand of one column, or that two columns are of one sort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    Of(Whose, String, Want),
    Alike((Whose, String), (Whose, String)),
}

impl Expr {
    pub fn demands(&self) -> Vec<Demand> {
        let mut found = Vec::new();
        walk(&self.root, &mut found);
        found
    }
}

fn column(node: &Node) -> Option<(Whose, String)> {
    match &node.shape {
        Shape::Field(Root::After | Root::Before, name) => Some((Whose::Own, name.clone())),
        Shape::Field(Root::Other, name) => Some((Whose::Other, name.clone())),
        _ => None,
    }
}

fn want(node: &Node, want: Want, found: &mut Vec<Demand>) {
    found.extend(column(node).map(|(whose, name)| Demand::Of(whose, name, want)));
}

/// What stands beside a part of this kind.
fn beside(kind: Kind) -> Want {
    match kind {
        Kind::Num => Want::Number,
        Kind::Text => Want::Text,
        _ => Want::Comparable,
    }
}

fn walk(node: &Node, found: &mut Vec<Demand>) {
    use Operator as O;
    match &node.shape {
        Shape::Const(_) | Shape::Field(..) => {}
        Shape::Not(inner) => walk(inner, found),
        Shape::Negate(inner) => {
            want(inner, Want::Number, found);
            walk(inner, found);
        }
        Shape::Binary(operator, left, right) => {
            match operator {
                O::Add | O::Sub | O::Mul => {
                    want(left, Want::Number, found);
                    want(right, Want::Number, found);
                }
                O::Eq | O::Ne | O::Lt | O::Le | O::Gt | O::Ge => {
                    want(left, beside(right.kind), found);
                    want(right, beside(left.kind), found);
                    if let (Some(left), Some(right)) = (column(left), column(right)) {
                        found.push(Demand::Alike(left, right));
                    }
                }
                O::Or | O::And => {}
            }
            walk(left, found);
            walk(right, found);
        }
        Shape::In(needle, values) => {
            let kind = |datum: &Datum| match datum {
                Datum::Num(_) => Want::Number,
                Datum::Text(_) => Want::Text,
                _ => Want::Comparable,
            };
            values.iter().for_each(|value| want(needle, kind(value), found));
            walk(needle, found);
        }
        Shape::Call(function, arguments) => {
            match (function, &arguments[..]) {
                (Function::Money, [amount]) => want(amount, Want::WholeMoney, found),
                (Function::Money, [amount, currency]) => {
                    want(amount, Want::Money, found);
                    want(currency, Want::Currency, found);
                }
                (Function::Decimal, [value]) => want(value, Want::Money, found),
                (Function::Min | Function::Max | Function::Abs, all) => {
                    all.iter().for_each(|one| want(one, Want::Comparable, found));
                }
                _ => {}
            }
            arguments.iter().for_each(|argument| walk(argument, found));
        }
    }
}
