//! Texts with expressions in braces: `at least {0.5 * ref.median} for {after.sku}`.

use super::{Allowed, Expr, Kind, ParseError, Scope};

#[derive(Clone, Debug)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Plain(String),
    Value(Box<Expr>),
}

impl Template {
    /// Compiles `text`; there is no escape, because no text of a rule needs a brace.
    pub fn compile(text: &str, allowed: Allowed<'_>) -> Result<Template, ParseError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let at = text.len() - rest.len() + open;
            let close = rest[open..].find('}').ok_or_else(|| {
                ParseError::new(text, at, "this brace is never closed".to_owned())
            })?;
            parts.push(Part::Plain(rest[..open].to_owned()));
            let inner = &rest[open + 1..open + close];
            parts.push(Part::Value(Box::new(Expr::compile(inner, Kind::Any, allowed)?)));
            rest = &rest[open + close + 1..];
        }
        parts.push(Part::Plain(rest.to_owned()));
        Ok(Template(parts))
    }

    /// The text for people; what cannot be computed says so in its place.
    pub fn render(&self, scope: &Scope<'_>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Plain(plain) => text.push_str(plain),
                Part::Value(expr) => match expr.eval(scope) {
                    Ok(datum) => text.push_str(&datum.to_string()),
                    Err(error) => text.push_str(&format!("({error})")),
                },
            }
        }
        text
    }
}
