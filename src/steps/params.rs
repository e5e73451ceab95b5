//! The parameter types of the vocabulary: what a text must look like, and what it is then.
//!
//! The patterns are wider than the values, so that `199.0 CNY` is told as a wrong amount and not as an unknown step.

use std::str::FromStr;

use serde::Serialize;

use super::{Bound, SubjectKind};
use crate::config::{Percent, Span, nearest};
use crate::money::Money;
use crate::wire::Subject;

/// A name is an id inside a scenario; longer ones are a slip of the quotes.
pub const NAME_CHARS_MAX: usize = 64;

/// A type that may stand in braces in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct ParameterType {
    pub name: &'static str,
    /// One regular expression without groups of its own.
    pub pattern: &'static str,
    pub accepts: &'static str,
    pub is: &'static str,
}

pub const PARAMETER_TYPES: [ParameterType; 7] = [
    ParameterType {
        name: "money",
        pattern: r"-?[0-9][0-9.,]*(?:\s*(?:[A-Z]{3}|元))?",
        accepts: "`199.00 CNY`, `4,999.00 CNY`, `199.00 元`",
        is: "an exact amount; the currency is mandatory",
    },
    ParameterType {
        name: "duration",
        pattern: r"[0-9][0-9.]*\s*(?:毫秒|秒钟|秒|分钟|分|小时|天|[A-Za-z]+)",
        accepts: "`300 ms`, `60 s`, `5 min`, `90 秒`, `2 分钟`",
        is: "a whole number and one unit",
    },
    ParameterType {
        name: "percent",
        pattern: r"[0-9][0-9.]*\s*[%％]",
        accepts: "`70%`",
        is: "an exact share",
    },
    ParameterType {
        name: "severity",
        pattern: r"[Pp][0-9]",
        accepts: "`P0` … `P4`",
        is: "how grave an alert is",
    },
    ParameterType {
        name: "subject",
        pattern: r"[a-z]+|\p{Han}+",
        accepts: "order, refund, item, bid, merchant, payment, coupon, account, channel, warehouse, source / \
                  订单 退款 商品 出价 商家 支付 优惠券 账户 渠道 仓库 数据源",
        is: "what something is about",
    },
    ParameterType {
        name: "name",
        pattern: r#""[^"]*"|“[^”]*”|「[^」]*」"#,
        accepts: "`\"O-1\"`, `“O-1”`, `「O-1」`",
        is: "an id inside this scenario, or the id of a fault, alert, plan or channel",
    },
    ParameterType {
        name: "count",
        pattern: "[0-9]+",
        accepts: "`3`, `200`",
        is: "a whole number from 1 up",
    },
];

/// How grave: `P0` … `P4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Severity(pub u8);

impl FromStr for Severity {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Severity, ValueError> {
        match text.as_bytes() {
            [b'P', digit @ b'0'..=b'4'] => Ok(Severity(digit - b'0')),
            _ => Err(ValueError::Severity(text.to_owned())),
        }
    }
}

/// A text in the place of a parameter that is none of its values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    #[error("{0}")]
    Money(#[from] crate::money::MoneyError),
    #[error("amount `{0}` is negative: say who owes whom in the sentence instead")]
    Negative(String),
    #[error("{0}")]
    Unit(#[from] crate::config::UnitError),
    #[error("a duration of zero bounds nothing")]
    ZeroDuration,
    #[error("`{0}` is no severity: they are P0, P1, P2, P3, P4")]
    Severity(String),
    #[error("unknown kind of subject `{word}`: {help}")]
    Subject { word: String, help: String },
    #[error("a name may not be empty")]
    EmptyName,
    #[error(
        "`{0}` is no dependency: name a service and the one that it calls, as in `checkout/points`"
    )]
    NotAPair(String),
    #[error(
        "name `{0}` must be an id: ASCII letters, digits, `-`, `_`, `.`, the same in both languages"
    )]
    NotAnId(String),
    #[error("name of {0} characters is too long: {NAME_CHARS_MAX} at most")]
    LongName(usize),
    #[error("count `{0}` must be a whole number from 1 to {max}", max = u32::MAX)]
    Count(String),
}

/// Where in the step a value is wrong, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadValue {
    /// 0-based, in characters of the step's text.
    pub from: usize,
    pub length: usize,
    pub error: ValueError,
}

/// The texts that a sentence captured, in the order of its English expression.
#[derive(Clone, Debug)]
pub struct Captured<'t> {
    /// With their byte offset in `text`.
    pub values: Vec<(usize, &'t str)>,
    pub text: &'t str,
}

type Value<T> = Result<T, BadValue>;

impl Captured<'_> {
    fn read<T>(&self, index: usize, read: impl Fn(&str) -> Result<T, ValueError>) -> Value<T> {
        let (offset, text) = self.values[index];
        read(text).map_err(|error| BadValue {
            from: self.text[..offset].chars().count(),
            length: text.chars().count(),
            error,
        })
    }

    pub fn money(&self, index: usize) -> Value<Money> {
        self.read(index, |text| {
            let money: Money = text.parse()?;
            match money.minor {
                ..0 => Err(ValueError::Negative(text.to_owned())),
                _ => Ok(money),
            }
        })
    }

    pub fn within(&self, index: usize) -> Value<Bound> {
        self.read(index, |text| match text.parse::<Span>()?.0 {
            zero if zero.is_zero() => Err(ValueError::ZeroDuration),
            duration => Ok(Bound::within(duration)),
        })
    }

    pub fn percent(&self, index: usize) -> Value<Percent> {
        self.read(index, |text| Ok(text.parse()?))
    }

    pub fn severity(&self, index: usize) -> Value<Severity> {
        self.read(index, str::parse)
    }

    pub fn count(&self, index: usize) -> Value<u32> {
        self.read(index, |text| match text.parse() {
            Ok(count @ 1..) => Ok(count),
            _ => Err(ValueError::Count(text.to_owned())),
        })
    }

    pub fn name(&self, index: usize) -> Value<String> {
        self.read(index, read_name)
    }

    /// A subject's kind at `index` and its name at `index + 1`.
    pub fn subject(&self, index: usize) -> Value<Subject> {
        let kind = self.read(index, read_subject_kind)?;
        let name = match kind {
            SubjectKind::Dependency => self.read(index + 1, read_pair)?,
            _ => self.name(index + 1)?,
        };
        Ok(Subject::new(kind.en(), name))
    }
}

const QUOTES: [char; 5] = ['"', '“', '”', '「', '」'];

/// Two services: `checkout/points`.
fn read_pair(text: &str) -> Result<String, ValueError> {
    let pair = text.trim_matches(QUOTES);
    let no_pair = || ValueError::NotAPair(pair.to_owned());
    let (service, on) = pair.split_once('/').ok_or_else(no_pair)?;
    Ok(format!("{}/{}", read_name(service)?, read_name(on)?))
}

fn read_name(text: &str) -> Result<String, ValueError> {
    let name = text.trim_matches(QUOTES);
    let is_id = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match name.chars().count() {
        0 => Err(ValueError::EmptyName),
        count if count > NAME_CHARS_MAX => Err(ValueError::LongName(count)),
        _ if name.chars().all(is_id) => Ok(name.to_owned()),
        _ => Err(ValueError::NotAnId(name.to_owned())),
    }
}

fn read_subject_kind(text: &str) -> Result<SubjectKind, ValueError> {
    let known = SubjectKind::ALL;
    let found = known.into_iter().find(|kind| kind.en() == text || kind.zh() == text);
    found.ok_or_else(|| {
        let words = known.into_iter().flat_map(|kind| [kind.en(), kind.zh()]);
        let help = nearest(text, words).map_or_else(
            || known.map(SubjectKind::en).join(", "),
            |near| format!("did you mean `{near}`?"),
        );
        ValueError::Subject { word: text.to_owned(), help }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(text: &str) -> Captured<'_> {
        Captured { values: vec![(0, text)], text }
    }

    #[test]
    fn names() {
        for (text, expect) in [
            ("\"O-1\"", Ok("O-1")),
            ("“alipay”", Ok("alipay")),
            ("「app.price-guard.bypassed」", Ok("app.price-guard.bypassed")),
            ("\"\"", Err("may not be empty")),
            ("\"订单1\"", Err("must be an id")),
            ("\"O 1\"", Err("must be an id")),
        ] {
            match (captured(text).name(0), expect) {
                (Ok(name), Ok(expect)) => assert_eq!(name, expect),
                (Err(bad), Err(part)) => assert!(bad.error.to_string().contains(part)),
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
    }

    #[test]
    fn values_that_are_refused() {
        let money = |text| captured(text).money(0).unwrap_err().error.to_string();
        assert!(money("199.0 CNY").contains("2 digits"));
        assert!(money("199.00").contains("no currency"));
        assert!(money("-1.00 CNY").contains("negative"));
        assert!(captured("0 s").within(0).is_err());
        assert!(captured("0").count(0).is_err());
        assert!(captured("99999999999").count(0).is_err());
        assert!(captured("P5").severity(0).is_err());
        assert_eq!(captured("P0").severity(0).unwrap(), Severity(0));
        assert_eq!(captured("70%").percent(0).unwrap().to_string(), "70%");
        let pair = |text| Captured { values: vec![(0, "dependency"), (0, text)], text }.subject(0);
        assert_eq!(pair("\"checkout/points\"").unwrap().id, "checkout/points");
        for text in ["\"checkout\"", "\"/points\"", "\"a/b/c\""] {
            assert!(pair(text).is_err(), "{text}");
        }
        let subject = captured("ordr").subject(0).unwrap_err().error.to_string();
        assert_eq!(subject, "unknown kind of subject `ordr`: did you mean `order`?");
    }
}
