//! YAML -> a tree that knows its lines.
//!
//! On the events of serde-saphyr's parser, not on its typed reader: that stops at the first
//! mistake, and a rule file is to show all of them. Duplicate keys, anchors, aliases and tags are
//! refused. Knows no rule.

use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, Span};

/// A rule file is some hundred lines; what is larger is no rule file.
const MAX_BYTES: usize = 1 << 20;
/// Nodes may nest so deep: bounds the stack.
const MAX_DEPTH: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub line: usize,
    pub shape: Shape,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Every scalar is its text: the reader of a field says what it must be.
    Scalar {
        text: String,
        quoted: bool,
    },
    List(Vec<Node>),
    /// Keys with their lines, in order.
    Map(Vec<(String, usize, Node)>),
}

/// A mistake of the file's form: line and message.
pub type Mistake = (usize, String);

/// The file's one document, or what is wrong with it. Duplicate keys are told of all at once; the
/// first one stays.
pub fn parse(text: &str) -> (Option<Node>, Vec<Mistake>) {
    if text.len() > MAX_BYTES {
        return (None, vec![(1, format!("the file is larger than {MAX_BYTES} bytes"))]);
    }
    let mut events = Vec::new();
    for next in Parser::new_from_str(text) {
        match next {
            Ok((Event::Comment(..), _)) => {}
            Ok(event) => events.push(event),
            Err(error) => return (None, vec![(error.marker().line(), error.info())]),
        }
    }
    let mut reader = Reader { events: events.into_iter(), mistakes: Vec::new() };
    let mut document = None;
    while let Some((event, span)) = reader.events.next() {
        let line = span.start.line();
        match event {
            Event::StreamStart | Event::DocumentEnd | Event::StreamEnd => {}
            Event::DocumentStart(..) if document.is_none() => {}
            Event::DocumentStart(..) => {
                reader.mistakes.push((line, "one document a file, please".to_owned()));
                break;
            }
            event => match reader.node(event, &span, 0) {
                Some(node) => document = Some(node),
                None => return (None, reader.mistakes),
            },
        }
    }
    (document, reader.mistakes)
}

struct Reader<'input> {
    events: std::vec::IntoIter<(Event<'input>, Span)>,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    /// None where the tree cannot be read on.
    fn node(&mut self, event: Event<'_>, span: &Span, depth: usize) -> Option<Node> {
        let line = span.start.line();
        if depth > MAX_DEPTH {
            self.mistakes.push((line, format!("nested deeper than {MAX_DEPTH} levels")));
            return None;
        }
        let shape = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.plain(line, anchor, tag.is_some());
                let quoted = style != ScalarStyle::Plain;
                Shape::Scalar { text: text.into_owned(), quoted }
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.plain(line, anchor, tag.is_some());
                self.list(depth)?
            }
            Event::MappingStart(_, anchor, tag) => {
                self.plain(line, anchor, tag.is_some());
                self.map(depth)?
            }
            Event::Alias(_) => {
                self.mistakes.push((line, "aliases are not allowed: write it out".to_owned()));
                Shape::Scalar { text: String::new(), quoted: false }
            }
            _ => {
                self.mistakes.push((line, "the file ends inside a value".to_owned()));
                return None;
            }
        };
        Some(Node { line, shape })
    }

    fn plain(&mut self, line: usize, anchor: usize, tagged: bool) {
        if anchor != 0 || tagged {
            self.mistakes.push((line, "anchors and tags are not allowed: write it out".to_owned()));
        }
    }

    fn list(&mut self, depth: usize) -> Option<Shape> {
        let mut items = Vec::new();
        loop {
            match self.events.next()? {
                (Event::SequenceEnd, _) => return Some(Shape::List(items)),
                (event, span) => items.push(self.node(event, &span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Option<Shape> {
        let mut entries: Vec<(String, usize, Node)> = Vec::new();
        loop {
            let (event, span) = self.events.next()?;
            let line = span.start.line();
            let key = match event {
                Event::MappingEnd => return Some(Shape::Map(entries)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => {
                    self.mistakes.push((line, "a key must be a plain word".to_owned()));
                    return None;
                }
            };
            let (event, span) = self.events.next()?;
            let value = self.node(event, &span, depth + 1)?;
            match entries.iter().find(|(known, ..)| *known == key) {
                Some((_, first, _)) => {
                    let message =
                        format!("duplicate key `{key}`: it already stands in line {first}");
                    self.mistakes.push((line, message));
                }
                None => entries.push((key, line, value)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_of_form() {
        for (text, expect) in [
            ("a: 1\nb: 2\na: 3\nb: 4\n", vec![(3, "duplicate key `a`"), (4, "duplicate key `b`")]),
            ("a: &x 1\nb: *x\n", vec![(1, "anchors and tags"), (2, "aliases")]),
            ("a: !!str 1\n", vec![(1, "anchors and tags")]),
            ("a: 1\n---\nb: 1\n", vec![(2, "one document")]),
            ("[a]: 1\n", vec![(1, "a key must be")]),
            ("a: [1\n", vec![(1, "unclosed bracket")]),
        ] {
            let (_, mistakes) = parse(text);
            assert_eq!(mistakes.len(), expect.len(), "{text}: {mistakes:?}");
            for ((line, message), (expect_line, expect)) in mistakes.iter().zip(&expect) {
                assert!(line == expect_line && message.contains(expect), "{text}: {mistakes:?}");
            }
        }
    }

    #[test]
    fn a_tree_with_lines() {
        let (document, mistakes) = parse("# head\n- a: \"x\"\n  b: [1, 0755]\n");
        assert!(mistakes.is_empty());
        let Shape::List(items) = document.unwrap().shape else { panic!("a list") };
        let Shape::Map(entries) = &items[0].shape else { panic!("a map") };
        assert_eq!((entries[0].1, entries[1].1), (2, 3));
        let Shape::List(numbers) = &entries[1].2.shape else { panic!("a list") };
        assert_eq!(numbers[1].shape, Shape::Scalar { text: "0755".into(), quoted: false });
    }
}
