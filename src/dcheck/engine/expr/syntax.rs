//! The words of the language: roots, operators, functions, and the tree that they make.

use super::lex::Token;
use super::{Datum, Kind};

/// A node of the tree and the bytes of the text that it covers.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub shape: Shape,
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

#[derive(Clone, Debug)]
pub(super) enum Shape {
    Const(Datum),
    Field(Root, String),
    Not(Box<Node>),
    Negate(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    In(Box<Node>, Vec<Datum>),
    Call(Function, Vec<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Before,
    After,
    Other,
    Reference,
    Found,
    Event,
}

pub(super) const ROOTS: [(&str, Root); 6] = [
    ("before", Root::Before),
    ("after", Root::After),
    ("other", Root::Other),
    ("ref", Root::Reference),
    ("found", Root::Found),
    ("event", Root::Event),
];

/// Names under `event`.
pub(super) const EVENT_FACTS: [&str; 4] = ["at", "op", "position", "stream"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Add,
    Sub,
    Mul,
}

impl Operator {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Operator::Or => "or",
            Operator::And => "and",
            Operator::Eq => "==",
            Operator::Ne => "!=",
            Operator::Lt => "<",
            Operator::Le => "<=",
            Operator::Gt => ">",
            Operator::Ge => ">=",
            Operator::Add => "+",
            Operator::Sub => "-",
            Operator::Mul => "*",
        }
    }

    pub(super) fn of(token: &Token) -> Option<(Operator, u8)> {
        Some(match token {
            Token::Word(word) if word == "or" => (Operator::Or, 1),
            Token::Word(word) if word == "and" => (Operator::And, 2),
            Token::Sign("==") => (Operator::Eq, 4),
            Token::Sign("!=") => (Operator::Ne, 4),
            Token::Sign("<") => (Operator::Lt, 4),
            Token::Sign("<=") => (Operator::Le, 4),
            Token::Sign(">") => (Operator::Gt, 4),
            Token::Sign(">=") => (Operator::Ge, 4),
            Token::Sign("+") => (Operator::Add, 5),
            Token::Sign("-") => (Operator::Sub, 5),
            Token::Sign("*") => (Operator::Mul, 6),
            _ => return None,
        })
    }
}

/// `not` binds looser than a comparison, tighter than `and`.
pub(super) const NOT_LEVEL: u8 = 3;
pub(super) const COMPARE_LEVEL: u8 = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    /// `money("199.00 CNY")` or `money(amount, currency)`: an amount of money.
    Money,
    /// `decimal("199.00")`: the number in a text.
    Decimal,
    /// `amount(money)`: its number.
    Amount,
    /// `currency(money)`: its ISO code.
    Currency,
    /// `present(field)`: there, and not NULL.
    Present,
    /// `absent(field)`: there is no such field.
    Absent,
    /// `is_null(field)`: there, and NULL.
    IsNull,
    Min,
    Max,
    Abs,
}

/// Name, function, fewest and most arguments, what it comes to (None: what its arguments are).
pub(super) const FUNCTIONS: [(&str, Function, usize, usize, Option<Kind>); 10] = [
    ("money", Function::Money, 1, 2, Some(Kind::Money)),
    ("decimal", Function::Decimal, 1, 1, Some(Kind::Num)),
    ("amount", Function::Amount, 1, 1, Some(Kind::Num)),
    ("currency", Function::Currency, 1, 1, Some(Kind::Text)),
    ("present", Function::Present, 1, 1, Some(Kind::Bool)),
    ("absent", Function::Absent, 1, 1, Some(Kind::Bool)),
    ("is_null", Function::IsNull, 1, 1, Some(Kind::Bool)),
    ("min", Function::Min, 2, 2, None),
    ("max", Function::Max, 2, 2, None),
    ("abs", Function::Abs, 1, 1, None),
];

/// See [`super::Expr::constants`].
pub(super) fn constants(node: &Node) -> Vec<(String, Vec<Datum>)> {
    match &node.shape {
        Shape::Binary(Operator::And, left, right) => {
            let mut found = constants(left);
            found.extend(constants(right));
            found
        }
        Shape::Binary(Operator::Eq, left, right) => match (&left.shape, &right.shape) {
            (Shape::Field(Root::After, name), Shape::Const(value))
            | (Shape::Const(value), Shape::Field(Root::After, name)) => {
                vec![(name.clone(), vec![value.clone()])]
            }
            _ => Vec::new(),
        },
        Shape::In(needle, values) => match &needle.shape {
            Shape::Field(Root::After, name) => vec![(name.clone(), values.clone())],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn parts(node: &Node) -> Vec<&Node> {
    match &node.shape {
        Shape::Const(_) | Shape::Field(..) => Vec::new(),
        Shape::Not(inner) | Shape::Negate(inner) | Shape::In(inner, _) => vec![inner],
        Shape::Binary(_, left, right) => vec![left, right],
        Shape::Call(_, arguments) => arguments.iter().collect(),
    }
}

pub(super) fn names_field(node: &Node) -> bool {
    matches!(node.shape, Shape::Field(..)) || parts(node).into_iter().any(names_field)
}

/// Comparisons and differences of a part with itself.
pub(super) fn same_on_both_sides(node: &Node, text: &str) -> Vec<String> {
    use Operator as O;
    let mut found = Vec::new();
    let plain = |node: &Node| -> String { text[node.start..node.end].split_whitespace().collect() };
    if let Shape::Binary(operator, left, right) = &node.shape
        && matches!(operator, O::Eq | O::Ne | O::Lt | O::Le | O::Gt | O::Ge | O::Sub)
        && names_field(left)
        && plain(left) == plain(right)
    {
        found.push(format!("compares `{}` with itself", plain(left)));
    }
    parts(node).into_iter().for_each(|part| found.extend(same_on_both_sides(part, text)));
    found
}
