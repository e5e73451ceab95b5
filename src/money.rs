//! Money: checked integer minor units and a currency.
//!
//! Owns parsing, printing and exact arithmetic of amounts. Never touches a float. All three programs share it.
//! Try it: `cargo test --lib money`. Not covered: exchange rates, rounding (nothing here ever rounds).

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An ISO 4217 currency that the platform trades in, with its number of minor digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Currency {
    Cny,
    Usd,
    Eur,
    Gbp,
    Hkd,
    Jpy,
}

impl Currency {
    pub const ALL: [Currency; 6] =
        [Currency::Cny, Currency::Usd, Currency::Eur, Currency::Gbp, Currency::Hkd, Currency::Jpy];

    /// The ISO 4217 code.
    pub fn code(self) -> &'static str {
        match self {
            Currency::Cny => "CNY",
            Currency::Usd => "USD",
            Currency::Eur => "EUR",
            Currency::Gbp => "GBP",
            Currency::Hkd => "HKD",
            Currency::Jpy => "JPY",
        }
    }

    /// Digits after the decimal point (ISO 4217).
    pub fn scale(self) -> u32 {
        match self {
            Currency::Jpy => 0,
            _ => 2,
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    /// Accepts the ISO code, and `元` for CNY.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let text = text.trim();
        if text == "元" {
            return Ok(Currency::Cny);
        }
        Currency::ALL
            .into_iter()
            .find(|currency| currency.code() == text)
            .ok_or_else(|| MoneyError::Currency(text.to_owned()))
    }
}

/// Why a text is no amount of money, or why two amounts cannot be combined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    #[error("amount `{0}` has no currency: write for example `199.00 CNY`")]
    NoCurrency(String),
    #[error("unknown currency `{0}`: known are CNY (or 元), USD, EUR, GBP, HKD, JPY")]
    Currency(String),
    #[error(
        "`{0}` is not an exact amount: write digits with commas for thousands, like `4,999.00`"
    )]
    Digits(String),
    #[error("`{amount}` must have {scale} digits after the point in {currency}")]
    Scale { amount: String, currency: Currency, scale: u32 },
    #[error("amount `{0}` is too large")]
    Overflow(String),
    #[error("cannot combine {0} with {1}: the currencies differ")]
    Mixed(Currency, Currency),
}

/// An exact amount: `minor` units (fen, cents) of `currency`. Signed: a loss is positive, a gain negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Money {
    pub minor: i64,
    pub currency: Currency,
}

impl Money {
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Money { minor, currency }
    }

    pub const fn cny(minor: i64) -> Self {
        Money::new(minor, Currency::Cny)
    }

    pub const fn zero(currency: Currency) -> Self {
        Money::new(0, currency)
    }

    /// Sum. Errors on differing currencies and on overflow.
    pub fn checked_add(self, other: Money) -> Result<Money, MoneyError> {
        self.combine(other, i64::checked_add)
    }

    /// Difference. Errors on differing currencies and on overflow.
    pub fn checked_sub(self, other: Money) -> Result<Money, MoneyError> {
        self.combine(other, i64::checked_sub)
    }

    /// Product with a count. Errors on overflow.
    pub fn checked_mul(self, count: i64) -> Result<Money, MoneyError> {
        let minor =
            self.minor.checked_mul(count).ok_or_else(|| MoneyError::Overflow(self.to_string()))?;
        Ok(Money { minor, ..self })
    }

    /// The amount as a decimal in major units: `19990` fen is `199.90`.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.minor, self.currency.scale())
    }

    /// From a decimal in major units. Errors where it is finer than the currency's minor unit: nothing is rounded.
    pub fn from_decimal(amount: Decimal, currency: Currency) -> Result<Money, MoneyError> {
        let scale_error =
            || MoneyError::Scale { amount: amount.to_string(), currency, scale: currency.scale() };
        let mut scaled = amount.normalize();
        if scaled.scale() > currency.scale() {
            return Err(scale_error());
        }
        scaled.rescale(currency.scale());
        let minor = i64::try_from(scaled.mantissa())
            .map_err(|_| MoneyError::Overflow(amount.to_string()))?;
        if scaled.scale() != currency.scale() {
            return Err(MoneyError::Overflow(amount.to_string()));
        }
        Ok(Money { minor, currency })
    }

    fn combine(self, other: Money, op: fn(i64, i64) -> Option<i64>) -> Result<Money, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::Mixed(self.currency, other.currency));
        }
        let minor =
            op(self.minor, other.minor).ok_or_else(|| MoneyError::Overflow(self.to_string()))?;
        Ok(Money { minor, ..self })
    }

    /// The amount in major units without the currency and without thousands separators: `1999.00`.
    pub fn plain_amount(self) -> String {
        self.to_decimal().to_string()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = self.plain_amount();
        let (sign, digits) =
            plain.strip_prefix('-').map_or(("", plain.as_str()), |rest| ("-", rest));
        let (whole, fraction) =
            digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
        let mut grouped = String::new();
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index) % 3 == 0 {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        match fraction {
            Some(fraction) => write!(f, "{sign}{grouped}.{fraction} {}", self.currency),
            None => write!(f, "{sign}{grouped} {}", self.currency),
        }
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    /// Accepts `199.00 CNY`, `4,999.00 CNY`, `199.00 元`, `-0.01 USD`. The scale must be the currency's own.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let text = text.trim();
        let split = text
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',' | '-')))
            .ok_or_else(|| MoneyError::NoCurrency(text.to_owned()))?;
        let (amount, currency) = (text[..split].trim(), text[split..].trim());
        if currency.is_empty() {
            return Err(MoneyError::NoCurrency(text.to_owned()));
        }
        let currency: Currency = currency.parse()?;
        parse_amount(amount, currency)
    }
}

fn parse_amount(amount: &str, currency: Currency) -> Result<Money, MoneyError> {
    let bad = || MoneyError::Digits(amount.to_owned());
    let (negative, digits) = amount.strip_prefix('-').map_or((false, amount), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').map_or((digits, ""), |(w, f)| (w, f));
    if whole.is_empty() || (digits.contains('.') && fraction.is_empty()) {
        return Err(bad());
    }
    let groups: Vec<&str> = whole.split(',').collect();
    let grouped_well = groups.len() == 1
        || (!groups[0].is_empty()
            && groups[0].len() <= 3
            && groups[1..].iter().all(|g| g.len() == 3));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if !grouped_well || !groups.iter().all(|g| all_digits(g)) || !all_digits(fraction) {
        return Err(bad());
    }
    if fraction.len() != currency.scale() as usize {
        return Err(MoneyError::Scale {
            amount: amount.to_owned(),
            currency,
            scale: currency.scale(),
        });
    }
    let joined = format!("{}{}", groups.concat(), fraction);
    let minor: i64 = joined.parse().map_err(|_| MoneyError::Overflow(amount.to_owned()))?;
    Ok(Money { minor: if negative { -minor } else { minor }, currency })
}

impl Serialize for Money {
    /// As one string, `1999.00 CNY`: exact in every JSON reader.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{} {}", self.plain_amount(), self.currency))
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_money() {
        for (text, minor, printed) in [
            ("199.00 CNY", 19_900, "199.00 CNY"),
            ("4,999.00 CNY", 499_900, "4,999.00 CNY"),
            ("199.00 元", 19_900, "199.00 CNY"),
            ("199.00元", 19_900, "199.00 CNY"),
            ("-0.01 USD", -1, "-0.01 USD"),
            ("1,234,567 JPY", 1_234_567, "1,234,567 JPY"),
        ] {
            let money: Money = text.parse().unwrap();
            assert_eq!((money.minor, money.to_string().as_str()), (minor, printed), "{text}");
            let json = serde_json::to_string(&money).unwrap();
            assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        }
    }

    #[test]
    fn texts_that_are_not() {
        for text in [
            "199.00",
            "199 CNY",
            "199.0 CNY",
            "1,99.00 CNY",
            "1e3 CNY",
            "12.345 CNY",
            ". CNY",
            "1.00 BTC",
            "",
        ] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
    }

    #[test]
    fn arithmetic_is_checked() {
        let yuan = Money::cny(100);
        assert_eq!(yuan.checked_sub(Money::cny(1)).unwrap().minor, 99);
        assert!(yuan.checked_add(Money::new(1, Currency::Usd)).is_err());
        assert!(Money::cny(i64::MAX).checked_add(yuan).is_err());
        assert!(Money::from_decimal(Decimal::new(12345, 3), Currency::Cny).is_err());
        assert_eq!(
            Money::from_decimal(Decimal::new(1999, 1), Currency::Cny).unwrap().minor,
            19_990
        );
    }
}
