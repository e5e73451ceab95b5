//! Tokens -> a typed tree, by precedence climbing.

use super::lex::{Placed, Token, tokens};
use super::syntax::{
    COMPARE_LEVEL, EVENT_FACTS, FUNCTIONS, Function, NOT_LEVEL, Node, Operator, ROOTS, Root, Shape,
};
use super::{Allowed, Datum, Kind, MAX_COST, MAX_DEPTH, ParseError};

/// The tree of `text`, and how many nodes it has.
pub(super) fn parse(text: &str, allowed: Allowed<'_>) -> Result<(Node, usize), ParseError> {
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, cost: 0, depth: 0, allowed };
    let root = parser.expression(0)?;
    let after = parser.peek().clone();
    if after.token != Token::End {
        let message = format!("expected an operator or the end, found {}", after.token.shown());
        return Err(ParseError::new(text, after.start, message));
    }
    Ok((root, parser.cost))
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    next: usize,
    cost: usize,
    depth: usize,
    allowed: Allowed<'a>,
}

impl Parser<'_> {
    fn peek(&self) -> &Placed {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Placed {
        let placed = self.peek().clone();
        self.next += 1;
        placed
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is_next = match &self.peek().token {
            Token::Sign(found) => *found == sign,
            Token::Word(found) => found == sign,
            _ => false,
        };
        self.next += usize::from(is_next);
        is_next
    }

    fn expect(&mut self, sign: &str) -> Result<usize, ParseError> {
        let placed = self.peek().clone();
        if self.takes(sign) {
            return Ok(placed.end);
        }
        Err(self.error(placed.start, format!("expected `{sign}`, found {}", placed.token.shown())))
    }

    fn error(&self, at: usize, message: String) -> ParseError {
        ParseError::new(self.text, at, message)
    }

    fn node(
        &mut self,
        shape: Shape,
        kind: Kind,
        start: usize,
        end: usize,
    ) -> Result<Node, ParseError> {
        self.cost += match &shape {
            Shape::In(_, values) => values.len(),
            _ => 1,
        };
        if self.cost > MAX_COST {
            let message =
                format!("the expression costs more than {MAX_COST} parts: split the rule");
            return Err(self.error(start, message));
        }
        Ok(Node { shape, kind, start, end })
    }

    /// Everything that binds at `level` or tighter.
    fn expression(&mut self, level: u8) -> Result<Node, ParseError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let at = self.peek().start;
            return Err(self.error(at, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let mut left = self.prefix(level)?;
        let mut compared = false;
        loop {
            let at = self.peek().start;
            if level <= COMPARE_LEVEL && (self.is_word("in") || self.is_not_in()) {
                left = self.membership(left)?;
                compared = true;
                continue;
            }
            let Some((operator, binds)) = Operator::of(&self.peek().token) else { break };
            if binds < level.max(1) {
                break;
            }
            if binds == COMPARE_LEVEL && compared {
                let message = "comparisons do not chain: join them with `and`".to_owned();
                return Err(self.error(at, message));
            }
            compared = binds == COMPARE_LEVEL;
            self.next += 1;
            let right = self.expression(binds + 1)?;
            left = self.binary(operator, at, left, right)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.peek().token, Token::Word(found) if found == word)
    }

    fn is_not_in(&self) -> bool {
        let following = self.tokens.get(self.next + 1).map(|placed| &placed.token);
        self.is_word("not") && matches!(following, Some(Token::Word(word)) if word == "in")
    }

    fn prefix(&mut self, level: u8) -> Result<Node, ParseError> {
        let start = self.peek().start;
        if level <= NOT_LEVEL && self.takes("not") {
            let inner = self.expression(NOT_LEVEL)?;
            self.must_be(&inner, &[Kind::Bool], "not")?;
            let end = inner.end;
            return self.node(Shape::Not(Box::new(inner)), Kind::Bool, start, end);
        }
        if self.takes("-") {
            let inner = self.expression(7)?;
            self.must_be(&inner, &[Kind::Num, Kind::Money], "-")?;
            let (kind, end) = (inner.kind, inner.end);
            if let Shape::Const(Datum::Num(number)) = inner.shape {
                let number = number.negated();
                return self.node(Shape::Const(Datum::Num(number)), kind, start, end);
            }
            return self.node(Shape::Negate(Box::new(inner)), kind, start, end);
        }
        if self.takes("(") {
            let mut inner = self.expression(0)?;
            inner.start = start;
            inner.end = self.expect(")")?;
            return Ok(inner);
        }
        self.value()
    }

    fn value(&mut self) -> Result<Node, ParseError> {
        let Placed { token, start, end } = self.take();
        match token {
            Token::Num(number) => {
                self.node(Shape::Const(Datum::Num(number)), Kind::Num, start, end)
            }
            Token::Text(text) => self.node(Shape::Const(Datum::Text(text)), Kind::Text, start, end),
            Token::Word(word) if word == "true" || word == "false" => {
                let truth = Datum::Bool(word == "true");
                self.node(Shape::Const(truth), Kind::Bool, start, end)
            }
            Token::Word(word) if self.takes("(") => self.call(&word, start),
            Token::Word(word) => self.field(&word, start, end),
            other => Err(self.error(start, format!("expected a value, found {}", other.shown()))),
        }
    }

    fn field(&mut self, path: &str, start: usize, end: usize) -> Result<Node, ParseError> {
        let (root, name) = path.split_once('.').unwrap_or((path, ""));
        let known = ROOTS.iter().find(|(known, _)| *known == root);
        let Some((_, root)) = known.filter(|(known, _)| self.allowed.roots.contains(known)) else {
            let hint = nearest(root, self.allowed.roots.iter().copied());
            let here = self.allowed.roots.join(", ");
            let message = format!("`{root}` is not known here{hint}: fields are under {here}");
            return Err(self.error(start, message));
        };
        if name.is_empty() || name.contains('.') {
            let message = format!("`{path}` names no field: write `{}.field`", path_root(path));
            return Err(self.error(start, message));
        }
        let facts: Option<&[&str]> = match root {
            Root::Event => Some(&EVENT_FACTS),
            Root::Found => Some(self.allowed.found),
            _ => None,
        };
        if let Some(facts) = facts.filter(|facts| !facts.contains(&name)) {
            let hint = nearest(name, facts.iter().copied());
            let known = facts.join(", ");
            let message = format!("there is no `{path}`{hint}: known are {known}");
            return Err(self.error(start, message));
        }
        self.node(Shape::Field(*root, name.to_owned()), Kind::Any, start, end)
    }

    fn call(&mut self, name: &str, start: usize) -> Result<Node, ParseError> {
        let found = FUNCTIONS.iter().find(|(known, ..)| *known == name);
        let Some((_, function, fewest, most, kind)) = found else {
            let hint = nearest(name, FUNCTIONS.iter().map(|(known, ..)| *known));
            return Err(self.error(start, format!("there is no function `{name}`{hint}")));
        };
        let mut arguments = Vec::new();
        if !self.takes(")") {
            loop {
                arguments.push(self.expression(0)?);
                if !self.takes(",") {
                    break;
                }
            }
            self.expect(")")?;
        }
        let end = self.tokens[self.next - 1].end;
        if arguments.len() < *fewest || arguments.len() > *most {
            let wanted =
                if fewest == most { most.to_string() } else { format!("{fewest}–{most}") };
            let message = format!("`{name}` takes {wanted} argument(s), not {}", arguments.len());
            return Err(self.error(start, message));
        }
        let asks_for_field =
            matches!(function, Function::Present | Function::Absent | Function::IsNull);
        if asks_for_field && !matches!(arguments[0].shape, Shape::Field(..)) {
            let message = format!("`{name}` asks about a field, such as `after.price`");
            return Err(self.error(arguments[0].start, message));
        }
        let kind = kind.unwrap_or(arguments[0].kind);
        self.node(Shape::Call(*function, arguments), kind, start, end)
    }

    fn membership(&mut self, needle: Node) -> Result<Node, ParseError> {
        let negated = self.takes("not");
        self.expect("in")?;
        self.expect("[")?;
        let mut values = Vec::new();
        loop {
            let item = self.expression(5)?;
            let Shape::Const(value) = item.shape else {
                let message = "a list holds constants only".to_owned();
                return Err(self.error(item.start, message));
            };
            if needle.kind != Kind::Any && needle.kind != item.kind {
                let message = format!("cannot look for {} among {}", needle.kind, item.kind);
                return Err(self.error(item.start, message));
            }
            values.push(value);
            if !self.takes(",") {
                break;
            }
        }
        let (start, end) = (needle.start, self.expect("]")?);
        let node = self.node(Shape::In(Box::new(needle), values), Kind::Bool, start, end)?;
        if negated {
            return self.node(Shape::Not(Box::new(node)), Kind::Bool, start, end);
        }
        Ok(node)
    }

    fn binary(
        &mut self,
        operator: Operator,
        at: usize,
        left: Node,
        right: Node,
    ) -> Result<Node, ParseError> {
        use Operator as O;
        let (start, end) = (left.start, right.end);
        let numeric = [Kind::Num, Kind::Money];
        let sign = operator.sign();
        let either = if left.kind == Kind::Any { right.kind } else { left.kind };
        let mixed = left.kind != right.kind && left.kind != Kind::Any && right.kind != Kind::Any;
        let kind = match operator {
            O::Or | O::And => {
                self.must_be(&left, &[Kind::Bool], sign)?;
                self.must_be(&right, &[Kind::Bool], sign)?;
                Kind::Bool
            }
            O::Mul => {
                self.must_be(&left, &numeric, sign)?;
                self.must_be(&right, &numeric, sign)?;
                match (left.kind, right.kind) {
                    (Kind::Money, Kind::Money) => {
                        let message = "money times money is no amount".to_owned();
                        return Err(self.error(at, message));
                    }
                    (Kind::Money, _) | (_, Kind::Money) => Kind::Money,
                    (Kind::Num, Kind::Num) => Kind::Num,
                    _ => Kind::Any,
                }
            }
            _ if mixed => {
                let message = format!("`{sign}` cannot take {} and {}", left.kind, right.kind);
                return Err(self.error(at, message));
            }
            O::Add | O::Sub => {
                self.must_be(&left, &numeric, sign)?;
                self.must_be(&right, &numeric, sign)?;
                either
            }
            O::Lt | O::Le | O::Gt | O::Ge if either == Kind::Bool => {
                return Err(self.error(at, format!("`{sign}` has no meaning for truths")));
            }
            _ => Kind::Bool,
        };
        self.node(Shape::Binary(operator, Box::new(left), Box::new(right)), kind, start, end)
    }

    fn must_be(&self, node: &Node, kinds: &[Kind], sign: &str) -> Result<(), ParseError> {
        if node.kind == Kind::Any || kinds.contains(&node.kind) {
            return Ok(());
        }
        Err(self.error(node.start, format!("`{sign}` cannot take {}", node.kind)))
    }
}

fn path_root(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}

/// ` (did you mean …?)` where one of the known names is near.
pub(in crate::dcheck::engine) fn nearest<'a>(
    name: &str,
    known: impl Iterator<Item = &'a str>,
) -> String {
    known
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map_or_else(String::new, |(_, candidate)| format!(" (did you mean `{candidate}`?)"))
}
