//! Exact decimals: small ones in a word that is copied, wide ones in as many digits as they take.
//!
//! Two columns of `DECIMAL(65,30)` are added, subtracted, multiplied and compared without losing a digit. What has more than
//! [`MAX_DIGITS`] is no number but `None`: nothing is ever rounded, except where it is asked for by name.

use std::cmp::Ordering;
use std::fmt;

use num_bigint::{BigInt, Sign};
use rust_decimal::Decimal;

/// Digits of the product of two numbers of 65 digits, MySQL's widest: one more factor does not fit.
pub const MAX_DIGITS: u32 = 130;
/// Digits of a decimal after the point beyond which [`Decimal`] would round.
const SMALL_SCALE: u32 = 28;

/// A decimal. Wide only where it does not fit a small one: equal numbers are equal in form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Number {
    Small(Decimal),
    Wide(Box<Wide>),
}

/// `mantissa` · 10^-`scale`, without zeros at the end of a fraction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wide {
    mantissa: BigInt,
    scale: u32,
}

fn ten_to(power: u32) -> BigInt {
    BigInt::from(10).pow(power)
}

impl Wide {
    fn of(number: &Number) -> Wide {
        match number {
            Number::Small(small) => {
                Wide { mantissa: small.mantissa().into(), scale: small.scale() }
            }
            Number::Wide(wide) => (**wide).clone(),
        }
    }

    fn at_scale(&self, scale: u32) -> BigInt {
        &self.mantissa * ten_to(scale - self.scale)
    }

    /// In its one form; None where it has too many digits.
    fn fit(mut self) -> Option<Number> {
        let zero = BigInt::ZERO;
        if self.mantissa == zero {
            return Some(Number::Small(Decimal::ZERO));
        }
        while self.scale > 0 && &self.mantissa % 10 == zero {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        let small = i128::try_from(&self.mantissa).ok().filter(|_| self.scale <= SMALL_SCALE);
        let small = small.and_then(|m| Decimal::try_from_i128_with_scale(m, self.scale).ok());
        if let Some(small) = small {
            return Some(Number::Small(small));
        }
        let is_over =
            self.scale > MAX_DIGITS || self.mantissa.magnitude() >= ten_to(MAX_DIGITS).magnitude();
        (!is_over).then(|| Number::Wide(Box::new(self)))
    }
}

impl Number {
    /// From plain digits (`-12.50`); None where they are none, or too many.
    pub fn parse(text: &str) -> Option<Number> {
        if let Ok(small) = Decimal::from_str_exact(text) {
            return Some(Number::Small(small));
        }
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let is_plain = !whole.is_empty() && (digits.len() == whole.len() || !fraction.is_empty());
        let are_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        // Zeros in front and at the end are allowed, but not without any end.
        let is_bounded = digits.len() <= 2 * MAX_DIGITS as usize;
        if !is_plain || !is_bounded || !are_digits(whole) || !are_digits(fraction) {
            return None;
        }
        let magnitude: BigInt = format!("{whole}{fraction}").parse().ok()?;
        let mantissa = if text.starts_with('-') { -magnitude } else { magnitude };
        Wide { mantissa, scale: u32::try_from(fraction.len()).ok()? }.fit()
    }

    pub fn add(&self, other: &Number) -> Option<Number> {
        if let (Number::Small(left), Number::Small(right)) = (self, other)
            && let Some(sum) = small_sum(*left, *right)
        {
            return Some(Number::Small(sum));
        }
        let (left, right) = (Wide::of(self), Wide::of(other));
        let scale = left.scale.max(right.scale);
        Wide { mantissa: left.at_scale(scale) + right.at_scale(scale), scale }.fit()
    }

    pub fn sub(&self, other: &Number) -> Option<Number> {
        self.add(&other.negated())
    }

    pub fn mul(&self, other: &Number) -> Option<Number> {
        if let (Number::Small(left), Number::Small(right)) = (self, other)
            && let Some(product) = small_product(*left, *right)
        {
            return Some(Number::Small(product));
        }
        let (left, right) = (Wide::of(self), Wide::of(other));
        let scale = left.scale + right.scale;
        Wide { mantissa: left.mantissa * right.mantissa, scale }.fit()
    }

    pub fn negated(&self) -> Number {
        match self {
            Number::Small(small) => Number::Small(-*small),
            Number::Wide(wide) => {
                Number::Wide(Box::new(Wide { mantissa: -&wide.mantissa, scale: wide.scale }))
            }
        }
    }

    pub fn abs(&self) -> Number {
        if self.is_negative() { self.negated() } else { self.clone() }
    }

    fn is_negative(&self) -> bool {
        match self {
            Number::Small(small) => small.is_sign_negative(),
            Number::Wide(wide) => wide.mantissa.sign() == Sign::Minus,
        }
    }

    /// To so many digits after the point, what is finer away from zero.
    pub fn rounded_away(&self, scale: u32) -> Option<Number> {
        if let Number::Small(small) = self {
            let away = rust_decimal::RoundingStrategy::AwayFromZero;
            return Some(Number::Small(small.round_dp_with_strategy(scale, away)));
        }
        let wide = Wide::of(self);
        if wide.scale <= scale {
            return Some(self.clone());
        }
        let unit = ten_to(wide.scale - scale);
        let mut mantissa = &wide.mantissa / &unit;
        if &mantissa * &unit != wide.mantissa {
            mantissa += if self.is_negative() { -1 } else { 1 };
        }
        Wide { mantissa, scale }.fit()
    }

    /// None where it is wide.
    pub fn small(&self) -> Option<Decimal> {
        match self {
            Number::Small(small) => Some(*small),
            Number::Wide(_) => None,
        }
    }

    /// None where it has a fraction, or does not fit.
    pub fn integer(&self) -> Option<i128> {
        match self {
            Number::Small(small) if small.fract().is_zero() => {
                Some(small.trunc().normalize().mantissa())
            }
            Number::Wide(wide) if wide.scale == 0 => i128::try_from(&wide.mantissa).ok(),
            _ => None,
        }
    }
}

/// None where it does not fit: `Decimal`'s own addition would round.
fn small_sum(left: Decimal, right: Decimal) -> Option<Decimal> {
    let scale = left.scale().max(right.scale());
    let at_scale = |number: Decimal| {
        let factor = 10_i128.checked_pow(scale - number.scale())?;
        number.mantissa().checked_mul(factor)
    };
    small_fit(at_scale(left)?.checked_add(at_scale(right)?)?, scale)
}

/// None where it does not fit: `Decimal`'s own multiplication would round.
fn small_product(left: Decimal, right: Decimal) -> Option<Decimal> {
    let (left, right) = (left.normalize(), right.normalize());
    small_fit(left.mantissa().checked_mul(right.mantissa())?, left.scale() + right.scale())
}

fn small_fit(mut mantissa: i128, mut scale: u32) -> Option<Decimal> {
    while scale > 0 && mantissa % 10 == 0 && (scale > SMALL_SCALE || mantissa.abs() >> 96 != 0) {
        mantissa /= 10;
        scale -= 1;
    }
    Decimal::try_from_i128_with_scale(mantissa, scale).ok()
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        if let (Number::Small(left), Number::Small(right)) = (self, other) {
            return left.cmp(right);
        }
        let (left, right) = (Wide::of(self), Wide::of(other));
        let scale = left.scale.max(right.scale);
        left.at_scale(scale).cmp(&right.at_scale(scale))
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Without zeros at the end of a fraction.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = match self {
            Number::Small(small) => return write!(f, "{}", small.normalize()),
            Number::Wide(wide) => wide,
        };
        let (sign, scale) = (if self.is_negative() { "-" } else { "" }, wide.scale as usize);
        let digits = format!("{:0>width$}", wide.mantissa.magnitude(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

impl From<Decimal> for Number {
    fn from(small: Decimal) -> Number {
        Number::Small(small)
    }
}

macro_rules! from_integers {
    ($($int:ty),*) => {$(
        impl From<$int> for Number {
            fn from(int: $int) -> Number {
                Number::Small(Decimal::from(int))
            }
        }
    )*};
}
from_integers!(i32, u32, i64, u64, usize);

impl From<i128> for Number {
    fn from(int: i128) -> Number {
        // 39 digits always fit.
        Wide { mantissa: int.into(), scale: 0 }.fit().expect("invariant: an i128 has 39 digits")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Number {
        Number::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn sums_differences_and_products() {
        let full = "99999999999999999999999999999999999.999999999999999999999999999999";
        let tiny = "0.000000000000000000000000000001";
        for (left, sign, right, expect) in [
            ("0.1", '+', "0.2", Some("0.3")),
            (full, '+', tiny, Some("100000000000000000000000000000000000")),
            (full, '-', full, Some("0")),
            (
                tiny,
                '-',
                full,
                Some("-99999999999999999999999999999999999.999999999999999999999999999998"),
            ),
            (
                tiny,
                '*',
                tiny,
                Some("0.000000000000000000000000000000000000000000000000000000000001"),
            ),
            ("100000000000000000000000000000000000", '*', tiny, Some("100000")),
            ("7922816251426433759354395033", '*', "100", Some("792281625142643375935439503300")),
        ] {
            let (l, r) = (number(left), number(right));
            let got = match sign {
                '+' => l.add(&r),
                '-' => l.sub(&r),
                _ => l.mul(&r),
            };
            assert_eq!(got.map(|n| n.to_string()).as_deref(), expect, "{left} {sign} {right}");
        }
        let full = number(full);
        let square = full.mul(&full).expect("130 digits");
        assert!(square.mul(&full).is_none(), "195 digits");
    }

    #[test]
    fn order_form_and_rounding() {
        let (wide, wider) = (number(&"9".repeat(40)), number(&format!("{}.5", "9".repeat(40))));
        assert!(wide < wider && wide > number("1") && wider.negated() < number("-1"));
        assert_eq!(number(&format!("0{}.0", "9".repeat(40))), wide);
        assert_eq!(wide.sub(&number(&format!("{}8", "9".repeat(39)))), Some(number("1")));
        assert_eq!(wider.rounded_away(0), Some(number(&format!("1{}", "0".repeat(40)))));
        assert_eq!(wider.negated().rounded_away(0), Some(number(&format!("-1{}", "0".repeat(40)))));
        assert_eq!(wide.integer(), None);
        assert_eq!(Number::from(i128::MIN).integer(), Some(i128::MIN));
        for text in ["", ".", "1e3", "--1", "1.2.3", &"9".repeat(131)] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    /// `text` in units of 10^-30.
    fn units(text: &str) -> BigInt {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        format!("{whole}{fraction:0<30}").parse().expect("digits")
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 300, failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn as_integers_say(left in "-?[0-9]{1,35}(\\.[0-9]{1,30})?", right in "-?[0-9]{1,35}(\\.[0-9]{1,30})?") {
            let (l, r) = (number(&left), number(&right));
            let (lu, ru) = (units(&left), units(&right));
            prop_assert_eq!(units(&l.add(&r).unwrap().to_string()), &lu + &ru);
            prop_assert_eq!(units(&l.sub(&r).unwrap().to_string()), &lu - &ru);
            prop_assert_eq!(l.cmp(&r), lu.cmp(&ru));
            prop_assert_eq!(&number(&l.to_string()), &l);
            let product = Wide::of(&l.mul(&r).unwrap());
            prop_assert_eq!(product.at_scale(60), lu * ru);
        }
    }
}
