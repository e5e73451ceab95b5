//! Durations and percentages as people write them in files and steps.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

/// Why a text is no duration or no percentage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error(
        "`{0}` is not a duration: write a whole number and one unit, like `300 ms`, `60 s`, `5 min`, `24 h`, `7 d`"
    )]
    Duration(String),
    #[error(
        "unknown unit `{unit}` in `{text}`: known are ms (毫秒), s (秒), min (分钟), h (小时), d (天)"
    )]
    Unit { text: String, unit: String },
    #[error("duration `{0}` is too long")]
    TooLong(String),
    #[error("`{0}` is not a percentage: write it like `70%` or `12.5%`")]
    Percent(String),
}

/// `300 ms`, `60 s`, `5 min`, `24 h`, `7 d`, `90 秒`, `2 分钟`: one unit each, whole numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

impl Span {
    pub const fn from_secs(secs: u64) -> Span {
        Span(Duration::from_secs(secs))
    }

    pub fn as_ms(self) -> i64 {
        i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX)
    }
}

impl FromStr for Span {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Span, UnitError> {
        let text = text.trim();
        let bad = || UnitError::Duration(text.to_owned());
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (number, unit) = (&text[..split], text[split..].trim());
        let number: u64 = number.parse().map_err(|_| bad())?;
        let unit_ms: u64 = match unit {
            "ms" | "毫秒" => 1,
            "s" | "秒" => 1000,
            "min" | "分钟" => 60_000,
            "h" | "小时" => 3_600_000,
            "d" | "天" => 86_400_000,
            _ if unit.starts_with(['.', ',']) => return Err(bad()),
            _ => return Err(UnitError::Unit { text: text.to_owned(), unit: unit.to_owned() }),
        };
        let ms = number.checked_mul(unit_ms).filter(|ms| i64::try_from(*ms).is_ok());
        Ok(Span(Duration::from_millis(ms.ok_or_else(|| UnitError::TooLong(text.to_owned()))?)))
    }
}

impl fmt::Display for Span {
    /// In the largest unit that keeps it whole and above one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s")];
        // `60 s` and `24 h` are how deadlines are spoken of; so a larger unit only from two up.
        let whole = |(unit_ms, unit): &(u128, &str)| {
            ms > 0 && ms.is_multiple_of(*unit_ms) && (ms / unit_ms > 1 || *unit == "s")
        };
        match units.iter().find(|unit| whole(unit)) {
            Some((unit_ms, unit)) => write!(f, "{} {unit}", ms / unit_ms),
            None => write!(f, "{ms} ms"),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `70%`, exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(pub Decimal);

impl FromStr for Percent {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Percent, UnitError> {
        let bad = || UnitError::Percent(text.to_owned());
        let number = text.trim().strip_suffix(['%', '％']).ok_or_else(bad)?.trim_end();
        if !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(bad());
        }
        Decimal::from_str_exact(number).map(|d| Percent(d.normalize())).map_err(|_| bad())
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expect) in [
            ("300 ms", Ok((300, "300 ms"))),
            ("60 s", Ok((60_000, "60 s"))),
            ("90 秒", Ok((90_000, "90 s"))),
            ("2 分钟", Ok((120_000, "2 min"))),
            ("60 min", Ok((3_600_000, "60 min"))),
            ("24 h", Ok((86_400_000, "24 h"))),
            ("7 d", Ok((604_800_000, "7 d"))),
            ("5min", Ok((300_000, "5 min"))),
            ("60", Err("is not a duration")),
            ("", Err("is not a duration")),
            ("1.5 s", Err("is not a duration")),
            ("60 seconds", Err("unknown unit `seconds`")),
            ("99999999999999999 d", Err("too long")),
        ] {
            match (text.parse::<Span>(), expect) {
                (Ok(span), Ok((ms, printed))) => {
                    assert_eq!((span.as_ms(), span.to_string().as_str()), (ms, printed), "{text}");
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (got, expect) => panic!("{text}: {got:?} instead of {expect:?}"),
            }
        }
    }

    #[test]
    fn percentages_are_exact() {
        for (text, expect) in [("70%", Some("70%")), ("12.50 %", Some("12.5%")), ("0.1", None)] {
            assert_eq!(text.parse::<Percent>().ok().map(|p| p.to_string()).as_deref(), expect);
        }
    }
}
