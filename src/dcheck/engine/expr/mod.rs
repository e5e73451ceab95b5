//! The small typed language of rules: filters, checks, keys, amounts and texts.
//!
//! Exact decimals, `DECIMAL(65,30)` and its products (what does not fit is *Unknown*, nothing is rounded), three-valued
//! logic (null and absent make a comparison *missing*, which the rule's `when_absent` decides), no loops, a static cost
//! bound, errors with a caret. Knows nothing of rules: it sees sides of a pair through [`Scope`]. Try it:
//! `cargo test --lib engine::expr`.
//!
//! ```text
//! after.kind == "collected" and money(after.amount) >= 0.5 * money(ref.median, after.currency)
//! roots: before after other ref found event     functions: see `FUNCTIONS` in `syntax.rs`
//! ```
//!
//! Not covered: division (seldom exact: multiply the other side), nested documents, regular
//! expressions.

mod datum;
mod demands;
mod eval;
mod lex;
mod number;
mod parse;
mod syntax;
mod template;

use std::fmt;

pub use datum::{Datum, EvalError, Gap};
pub use demands::{Demand, Want, Whose};
pub use eval::{Scope, TraceStep};
pub use number::Number;
pub use template::Template;

pub(super) use parse::nearest;
use syntax::Node;

/// Nodes that one expression may have: some 50 ns each, so that no rule can stall the stream.
pub const MAX_COST: usize = 200;
/// How deep brackets may nest: bounds the stack of parser and evaluator.
pub const MAX_DEPTH: usize = 32;

/// What an expression must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Num,
    Text,
    Money,
    /// Known only when it is evaluated: a field's value.
    Any,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Bool => "a truth",
            Kind::Num => "a number",
            Kind::Text => "a text",
            Kind::Money => "an amount of money",
            Kind::Any => "any value",
        })
    }
}

/// Which roots an expression may use at its place in a rule.
#[derive(Clone, Copy, Debug)]
pub struct Allowed<'a> {
    pub roots: &'a [&'a str],
    /// Names under `found`: what the strategy works out.
    pub found: &'a [&'a str],
}

/// A mistake in an expression, shown with the expression and a caret under the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}\n    {text}\n    {caret}^")]
pub struct ParseError {
    message: String,
    text: String,
    caret: String,
}

impl ParseError {
    fn new(text: &str, at: usize, message: String) -> ParseError {
        let line_start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
        ParseError {
            message,
            text: text[line_start..line_end].to_owned(),
            caret: " ".repeat(text[line_start..at].chars().count()),
        }
    }
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expr {
    text: String,
    root: Node,
    cost: usize,
}

impl Expr {
    /// Compiles `text`, which must come to a `wanted`.
    pub fn compile(text: &str, wanted: Kind, allowed: Allowed<'_>) -> Result<Expr, ParseError> {
        let (root, cost) = parse::parse(text, allowed)?;
        let fits = wanted == Kind::Any || root.kind == Kind::Any || root.kind == wanted;
        if !fits {
            let message = format!("this comes to {}, wanted is {wanted}", root.kind);
            return Err(ParseError::new(text, root.start, message));
        }
        Ok(Expr { text: text.to_owned(), root, cost })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Nodes to evaluate at most.
    pub fn cost(&self) -> usize {
        self.cost
    }

    pub fn eval(&self, scope: &Scope<'_>) -> Result<Datum, EvalError> {
        eval::eval(&self.root, scope, &mut |_, _| {})
    }

    /// A condition: None where what it needs is null or absent.
    pub fn truth(&self, scope: &Scope<'_>) -> Result<Option<bool>, EvalError> {
        match self.eval(scope)? {
            Datum::Bool(truth) => Ok(Some(truth)),
            Datum::Missing(_) => Ok(None),
            other => Err(EvalError::Type { op: "condition", found: other.kind() }),
        }
    }

    /// Its value, and the value of each part in order of evaluation.
    pub fn explain(&self, scope: &Scope<'_>) -> (Result<Datum, EvalError>, Vec<TraceStep>) {
        let mut steps = Vec::new();
        let result = eval::eval(&self.root, scope, &mut |node: &Node, value| {
            steps.push(TraceStep::new(&self.text[node.start..node.end], value));
        });
        (result, steps)
    }

    /// Why it cannot be meant as it stands: what follows its name in a sentence.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = syntax::same_on_both_sides(&self.root, &self.text);
        if !syntax::names_field(&self.root) {
            doubts.push("names no field: it always comes to the same".to_owned());
        }
        let constants = self.constants();
        let differs = |(nth, (name, values)): &(usize, &(String, Vec<Datum>))| {
            let mut before = constants[..*nth].iter().filter(|(known, _)| known == name);
            before.any(|(_, known)| !values.iter().any(|value| known.contains(value)))
        };
        let wants = |(_, (name, _)): (usize, &(String, Vec<Datum>))| {
            format!("wants `after.{name}` to be two things at once")
        };
        doubts.extend(constants.iter().enumerate().filter(differs).map(wants));
        doubts
    }

    /// Fields of `after` that must equal one of the given constants, or the condition is not true.
    pub fn constants(&self) -> Vec<(String, Vec<Datum>)> {
        syntax::constants(&self.root)
    }
}

#[cfg(test)]
mod tests;
