//! A channel's file of lines (CSV, RFC 4180) as exact rows: strict, and no line is passed over in silence.
//!
//! UTF-8, comma, a header; a record is one line, so that a quote that is never closed spoils its own line and swallows no other.
//! Columns are text unless declared otherwise: digits may be an order's number, and a leading zero of it counts. An empty
//! field is NULL, a quoted empty one an empty text. The last line needs its line end: without one the file may have been cut short.
//! Must not know rules or results. Try it: `cargo test --lib sources::csv`.
//! Not covered: other separators and encodings, line breaks inside quotes (each such line is told as bad).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::dcheck::event::{Row, Value};

/// A longer line is no line of a statement: it is told, and skipped to its end.
const LINE_BYTES: usize = 1 << 20;
/// Of a field in an error message.
const SHOWN_CHARS: usize = 40;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    Text,
    Int,
    Decimal,
    Bool,
}

impl Kind {
    fn told(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Int => "integer",
            Kind::Decimal => "plain decimal",
            Kind::Bool => "true or false",
        }
    }
}

/// One line that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    Row { line: u64, row: Row },
    Bad { line: u64, why: String },
}

#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    #[error("cannot read {0}: {1}")]
    Io(PathBuf, std::io::Error),
    #[error("{0}:1: header: {1}")]
    Header(PathBuf, String),
}

/// An open file behind its header.
#[derive(Debug)]
pub struct CsvFile {
    path: PathBuf,
    input: BufReader<File>,
    columns: Vec<(String, Kind)>,
    /// The last line that was read.
    line: u64,
    /// Of the whole file, in hex: another content is another file.
    pub digest: String,
}

impl CsvFile {
    /// `kinds` are the declared columns.
    pub fn open(path: &Path, kinds: &BTreeMap<String, Kind>) -> Result<CsvFile, CsvError> {
        let io = |error| CsvError::Io(path.to_owned(), error);
        let bad = |why: String| CsvError::Header(path.to_owned(), why);
        let digest = digest_of(path).map_err(io)?;
        let mut input = BufReader::new(File::open(path).map_err(io)?);
        let first = next_line(&mut input).map_err(io)?;
        let first = first.ok_or_else(|| bad("the file is empty".to_owned()))?.map_err(bad)?;
        let first = first.strip_prefix('\u{feff}').unwrap_or(&first);
        let fields = fields_of(first).map_err(bad)?;
        let names: Vec<String> = fields.into_iter().map(|field| field.text).collect();
        let mut wrong = Vec::new();
        for (number, name) in names.iter().enumerate() {
            if name.is_empty() {
                wrong.push(format!("column {} has no name", number + 1));
            } else if names[..number].contains(name) {
                wrong.push(format!("column `{name}` is there twice"));
            }
        }
        let known = names.join(", ");
        let unknown = kinds.keys().filter(|name| !names.contains(name));
        let near = |name: &str| {
            let near = names.iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
            let near = near.min().filter(|(distance, known)| *distance <= 2.max(known.len() / 3));
            near.map(|(_, known)| format!("did you mean `{known}`? ")).unwrap_or_default()
        };
        wrong.extend(
            unknown.map(|name| format!("no column `{name}`: {}there are: {known}", near(name))),
        );
        if !wrong.is_empty() {
            return Err(bad(wrong.join("; ")));
        }
        let kind = |name: &String| kinds.get(name).copied().unwrap_or(Kind::Text);
        let columns = names.iter().map(|name| (name.clone(), kind(name))).collect();
        Ok(CsvFile { path: path.to_owned(), input, columns, line: 1, digest })
    }

    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|(name, _)| name == column)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The next line; none at the end of the file.
    pub fn next(&mut self) -> Result<Option<Line>, CsvError> {
        let read = next_line(&mut self.input);
        let read = read.map_err(|error| CsvError::Io(self.path.clone(), error))?;
        let Some(read) = read else { return Ok(None) };
        self.line += 1;
        let line = self.line;
        Ok(Some(match read.and_then(|text| self.row(&text)) {
            Ok(row) => Line::Row { line, row },
            Err(why) => Line::Bad { line, why },
        }))
    }

    fn row(&self, text: &str) -> Result<Row, String> {
        let fields = fields_of(text)?;
        if fields.len() != self.columns.len() {
            let (found, wanted) = (fields.len(), self.columns.len());
            return Err(format!("{found} fields, the header has {wanted}"));
        }
        let named = fields.into_iter().zip(&self.columns);
        named
            .map(|(field, (name, kind))| match field.value(*kind) {
                Some(value) => Ok((name.clone(), value)),
                None => {
                    let (text, kind) = (shown(&field.text), kind.told());
                    Err(format!("column `{name}`: `{text}` is no {kind}"))
                }
            })
            .collect()
    }
}

struct Field {
    text: String,
    quoted: bool,
}

impl Field {
    fn value(&self, kind: Kind) -> Option<Value> {
        if self.text.is_empty() && !self.quoted {
            return Some(Value::Null);
        }
        match kind {
            Kind::Text => Some(Value::Text(self.text.clone())),
            Kind::Int if self.text.starts_with('+') => None,
            Kind::Int => self.text.parse().ok().map(Value::Int),
            Kind::Decimal => Value::decimal(&self.text),
            Kind::Bool => self.text.parse().ok().map(Value::Bool),
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

fn digest_of(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut piece = [0; 64 * 1024];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&piece[..read]),
        }
    }
}

/// One line without its end, or why it is none.
fn next_line(input: &mut impl BufRead) -> std::io::Result<Option<Result<String, String>>> {
    let mut bytes = Vec::new();
    let read = input.by_ref().take(LINE_BYTES as u64).read_until(b'\n', &mut bytes)?;
    if read == 0 {
        return Ok(None);
    }
    if bytes.pop_if(|last| *last == b'\n').is_none() {
        if read < LINE_BYTES {
            return Ok(Some(Err("no line end: was the file cut short?".to_owned())));
        }
        input.skip_until(b'\n')?;
        return Ok(Some(Err(format!("longer than {LINE_BYTES} bytes"))));
    }
    bytes.pop_if(|last| *last == b'\r');
    Ok(Some(String::from_utf8(bytes).map_err(|error| format!("no UTF-8: {error}"))))
}

fn fields_of(text: &str) -> Result<Vec<Field>, String> {
    if text.is_empty() {
        return Err("an empty line".to_owned());
    }
    let (mut fields, mut rest) = (Vec::new(), text);
    loop {
        let number = fields.len() + 1;
        let (field, after) = match rest.strip_prefix('"') {
            Some(inside) => {
                quoted(inside).ok_or(format!("field {number}: a quote is not closed"))?
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        let is_quoted = rest.starts_with('"');
        if !is_quoted && field.contains('"') {
            return Err(format!("field {number}: a quote inside an unquoted field"));
        }
        fields.push(Field { text: field, quoted: is_quoted });
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(format!("field {number}: text behind the closing quote")),
        }
    }
}

/// The text up to the closing quote, and what follows it.
fn quoted(inside: &str) -> Option<(String, &str)> {
    let (mut text, mut rest) = (String::new(), inside);
    loop {
        let end = rest.find('"')?;
        text.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(next) => {
                text.push('"');
                rest = next;
            }
            None => return Some((text, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &[u8]) -> Result<CsvFile, CsvError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("statement.csv");
        std::fs::write(&path, text).unwrap();
        let kinds = [("amount", Kind::Decimal), ("at_ms", Kind::Int)];
        CsvFile::open(&path, &kinds.map(|(name, kind)| (name.to_owned(), kind)).into())
    }

    fn lines(body: &[u8]) -> Vec<Line> {
        let mut file = open(&[b"order,amount,at_ms\n", body].concat()).unwrap();
        std::iter::from_fn(|| file.next().unwrap()).collect()
    }

    fn row(order: Value, amount: Value, at_ms: Value) -> Row {
        let named = [("order", order), ("amount", amount), ("at_ms", at_ms)];
        named.map(|(name, value)| (name.to_owned(), value)).into()
    }

    #[test]
    fn good_lines_are_exact() {
        let dec = |text: &str| Value::decimal(text).unwrap();
        for (line, expect) in [
            ("007,199.90,17\n", row("007".into(), dec("199.90"), Value::Int(17))),
            (
                "O-1,0.10000000000000000000000000000000000001,-1\r\n",
                row("O-1".into(), dec("0.10000000000000000000000000000000000001"), Value::Int(-1)),
            ),
            (",,\n", row(Value::Null, Value::Null, Value::Null)),
            ("\"\",,\n", row("".into(), Value::Null, Value::Null)),
            ("\"a,\"\"b\"\"\",1,2\n", row("a,\"b\"".into(), dec("1"), Value::Int(2))),
        ] {
            assert_eq!(lines(line.as_bytes()), [Line::Row { line: 2, row: expect }], "{line}");
        }
    }

    #[test]
    fn bad_lines_are_told_and_the_next_one_is_read() {
        for (bad, part) in [
            (&b"O-1,1\n"[..], "2 fields, the header has 3"),
            (b"O-1,1,2,3\n", "4 fields"),
            (b"\n", "an empty line"),
            (b"O-1,1e3,2\n", "column `amount`: `1e3` is no plain decimal"),
            (b"O-1,\"1,000.00\",2\n", "is no plain decimal"),
            (b"O-1,1,+2\n", "column `at_ms`: `+2` is no integer"),
            (b"O-1,1,\"\"\n", "is no integer"),
            (b"\"O-1,1,2\n", "field 1: a quote is not closed"),
            (b"O\"1,1,2\n", "a quote inside an unquoted field"),
            (b"\"O\"1,1,2\n", "text behind the closing quote"),
            (b"\xff,1,2\n", "no UTF-8"),
        ] {
            let read = lines(&[bad, b"O-2,1,2\n"].concat());
            let Line::Bad { line: 2, why } = &read[0] else { panic!("{read:?}") };
            assert!(why.contains(part), "{why} lacks {part}");
            assert!(matches!(&read[1], Line::Row { line: 3, .. }), "{read:?}");
        }
        let cut = lines(b"O-1,1,2\nO-2,1");
        assert!(matches!(&cut[1], Line::Bad { line: 3, why } if why.contains("cut short")));
        let long = lines(&[&[b'x'; LINE_BYTES + 5][..], b"\nO-2,1,2\n"].concat());
        assert!(matches!(&long[0], Line::Bad { why, .. } if why.contains("longer than")));
        assert!(matches!(&long[1], Line::Row { .. }));
    }

    #[test]
    fn headers_that_are_refused() {
        for (header, part) in [
            ("", "the file is empty"),
            ("order,order,amount,at_ms\n", "`order` is there twice"),
            ("order,,amount,at_ms\n", "column 2 has no name"),
            ("order,amount,at_sm\n", "no column `at_ms`: did you mean `at_sm`? there are"),
            ("order,amount\n", "no column `at_ms`: there are: order, amount"),
        ] {
            let error = open(header.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!(open("\u{feff}order,amount,at_ms\n".as_bytes()).unwrap().has("order"));
    }
}
