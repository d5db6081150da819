//! Money: integer minor units of an ISO 4217 currency, and the only places where it is rounded.
//!
//! Every operation is checked and no floating point is involved. Rounding is half to even; shares
//! are made by largest remainder, so that they always sum to the whole. Exchange rates live elsewhere.

use std::cmp::Reverse;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A currency with 0, 2 or 3 decimals; stored and sent as its three letters.
///
/// The units of account and metals that ISO 4217 lists without decimals or with four (`XAU`,
/// `CLF`) are not currencies that anybody pays in, and are unknown here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: [u8; 3],
    exponent: u8,
}

impl Currency {
    /// The currency of an upper-case ISO 4217 code.
    pub fn from_code(code: &str) -> Result<Self, MoneyError> {
        let unknown = || MoneyError::UnknownCurrency { code: code.chars().take(8).collect() };
        let known = iso_currency::Currency::from_code(code).ok_or_else(unknown)?;
        let exponent = match known.exponent() {
            Some(exponent @ (0 | 2 | 3)) => exponent as u8,
            _ => return Err(unknown()),
        };
        let code = known.code().as_bytes().try_into().map_err(|_| unknown())?;
        Ok(Self { code, exponent })
    }

    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).expect("ISO 4217 codes are ASCII letters")
    }

    /// The number of decimals of the major unit: 0, 2 or 3.
    pub fn exponent(&self) -> u32 {
        u32::from(self.exponent)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_code(&code).map_err(serde::de::Error::custom)
    }
}

/// A share of something, in whole millionths, from 0 to 1: a tax rate or a discount.
/// Millionths and not basis points, because real taxes have them: 8.875 % in New York City.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "u32", into = "u32")]
pub struct Rate {
    millionths: u32,
}

impl Rate {
    pub const ZERO: Self = Self { millionths: 0 };
    const ONE_MILLIONTHS: u32 = 1_000_000;

    /// Refuses what is more than 1.
    pub fn from_millionths(millionths: u32) -> Result<Self, MoneyError> {
        if millionths > Self::ONE_MILLIONTHS {
            return Err(MoneyError::RateTooHigh);
        }
        Ok(Self { millionths })
    }

    /// 1,900 basis points are 19 %.
    pub fn from_basis_points(basis_points: u32) -> Result<Self, MoneyError> {
        Self::from_millionths(basis_points.checked_mul(100).ok_or(MoneyError::RateTooHigh)?)
    }

    pub fn millionths(&self) -> u32 {
        self.millionths
    }
}

impl TryFrom<u32> for Rate {
    type Error = MoneyError;

    fn try_from(millionths: u32) -> Result<Self, MoneyError> {
        Self::from_millionths(millionths)
    }
}

impl From<Rate> for u32 {
    fn from(rate: Rate) -> u32 {
        rate.millionths
    }
}

/// An amount in minor units (cents, yen, fils); may be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Money {
    pub minor: i64,
    pub currency: Currency,
}

/// Why an amount cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum MoneyError {
    #[error("{code} is not a currency that is traded here")]
    UnknownCurrency { code: String },
    #[error("an amount in {found} where {expected} is needed")]
    CurrencyMismatch { expected: Currency, found: Currency },
    #[error("the amount is out of range")]
    Overflow,
    #[error("the amount is not written as {currency} is")]
    Malformed { currency: Currency },
    #[error("a rate is more than one")]
    RateTooHigh,
    #[error("nothing to share by: the weights sum to zero")]
    NoWeights,
}

impl MoneyError {
    /// The stable code that clients see.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownCurrency { .. } => "INVALID_CURRENCY",
            Self::CurrencyMismatch { .. } => "CURRENCY_MISMATCH",
            Self::Overflow => "AMOUNT_OUT_OF_RANGE",
            Self::Malformed { .. } => "INVALID_AMOUNT",
            Self::RateTooHigh => "INVALID_RATE",
            Self::NoWeights => "INVALID_WEIGHTS",
        }
    }
}

impl Money {
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    pub fn is_zero(&self) -> bool {
        self.minor == 0
    }

    pub fn is_negative(&self) -> bool {
        self.minor < 0
    }

    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.with(self.minor.checked_add(other.minor))
    }

    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        self.with(self.minor.checked_sub(other.minor))
    }

    /// So many of it.
    pub fn checked_mul(self, quantity: i64) -> Result<Self, MoneyError> {
        self.with(self.minor.checked_mul(quantity))
    }

    /// The rate of it, rounded half to even to the minor unit. Cannot overflow: a rate is at most 1.
    pub fn at_rate(self, rate: Rate) -> Self {
        let exact = i128::from(self.minor) * i128::from(rate.millionths);
        let rounded = divide_half_even(exact, i128::from(Rate::ONE_MILLIONTHS));
        let minor = i64::try_from(rounded).expect("a share is not larger than the whole");
        Self { minor, ..self }
    }

    /// What is left without the rate of what is left: amount / (1 + rate), rounded half to even to
    /// the minor unit. 15.00 without 19 % is 12.61. Cannot overflow: it is not larger than the amount.
    pub fn without_rate(self, rate: Rate) -> Self {
        let whole = i128::from(Rate::ONE_MILLIONTHS);
        let exact = i128::from(self.minor) * whole;
        let rounded = divide_half_even(exact, whole + i128::from(rate.millionths));
        let minor = i64::try_from(rounded).expect("what is left is not larger than the whole");
        Self { minor, ..self }
    }

    /// Parts in proportion to the weights, by largest remainder (the earlier of equals first):
    /// each is within one minor unit of its exact share and together they are the whole.
    pub fn prorate(self, weights: &[u64]) -> Result<Vec<Self>, MoneyError> {
        let sum: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
        if sum == 0 {
            return Err(MoneyError::NoWeights);
        }
        let whole = u128::from(self.minor.unsigned_abs());
        let exact = |weight: u64| whole * u128::from(weight);
        let mut shares: Vec<u128> = weights.iter().map(|weight| exact(*weight) / sum).collect();
        let missing = whole - shares.iter().sum::<u128>();
        let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
        by_remainder.sort_by_key(|index| (Reverse(exact(weights[*index]) % sum), *index));
        for index in by_remainder.into_iter().take(missing as usize) {
            shares[index] += 1;
        }
        let signed = |share: u128| {
            let share = i128::try_from(share).expect("a share is not larger than the whole");
            let share = if self.minor < 0 { -share } else { share };
            let minor = i64::try_from(share).expect("a share is not larger than the whole");
            Self { minor, ..self }
        };
        Ok(shares.into_iter().map(signed).collect())
    }

    /// Reads what [`decimal`](Self::decimal) writes, and nothing else: all the decimals of the
    /// currency, no sign but a minus, no spaces, no leading zeros, no minus zero.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let malformed = || MoneyError::Malformed { currency };
        // 19 digits, a sign and a point: whatever is longer is not an i64.
        if text.len() > 21 {
            return Err(malformed());
        }
        let (negative, magnitude) = match text.strip_prefix('-') {
            Some(magnitude) => (true, magnitude),
            None => (false, text),
        };
        let (major, minor) = match currency.exponent() {
            0 => (magnitude, ""),
            _ => magnitude.split_once('.').ok_or_else(malformed)?,
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let leading_zero = major.len() > 1 && major.starts_with('0');
        if major.is_empty()
            || leading_zero
            || minor.len() != currency.exponent as usize
            || !digits(major)
            || !digits(minor)
        {
            return Err(malformed());
        }
        let magnitude: i128 = format!("{major}{minor}").parse().map_err(|_| malformed())?;
        if negative && magnitude == 0 {
            return Err(malformed());
        }
        let signed = if negative { -magnitude } else { magnitude };
        let minor = i64::try_from(signed).map_err(|_| MoneyError::Overflow)?;
        Ok(Self { minor, currency })
    }

    /// The amount in major units with all of the currency's decimals: `-0.05`, `12.34`, `500`.
    pub fn decimal(&self) -> String {
        let sign = if self.minor < 0 { "-" } else { "" };
        let magnitude = self.minor.unsigned_abs();
        match self.currency.exponent() {
            0 => format!("{sign}{magnitude}"),
            exponent => {
                let unit = 10_u64.pow(exponent);
                let (major, minor) = (magnitude / unit, magnitude % unit);
                format!("{sign}{major}.{minor:0width$}", width = exponent as usize)
            }
        }
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            return Ok(());
        }
        Err(MoneyError::CurrencyMismatch { expected: self.currency, found: other.currency })
    }

    fn with(self, minor: Option<i64>) -> Result<Self, MoneyError> {
        Ok(Self { minor: minor.ok_or(MoneyError::Overflow)?, ..self })
    }
}

impl fmt::Display for Money {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.decimal(), self.currency)
    }
}

/// Divides by a positive divisor, rounding to the nearest and halves to the even neighbour.
fn divide_half_even(dividend: i128, divisor: i128) -> i128 {
    let (floor, remainder) = (dividend.div_euclid(divisor), dividend.rem_euclid(divisor));
    match (remainder * 2).cmp(&divisor) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => floor + (floor & 1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::from_code(code).expect("a currency")
    }

    fn euro(minor: i64) -> Money {
        Money::new(minor, currency("EUR"))
    }

    fn any_currency() -> impl Strategy<Value = Currency> {
        prop::sample::select(vec!["EUR", "JPY", "KWD", "USD", "CLP", "TND"]).prop_map(currency)
    }

    #[test]
    fn tax_is_rounded_by_line_and_not_by_unit() {
        let rate = Rate::from_basis_points(1_900).expect("a rate");
        let with_tax = |net: Money| net.checked_add(net.at_rate(rate)).expect("in range");
        let by_line = with_tax(euro(108).checked_mul(3).expect("in range"));
        assert_eq!(by_line.decimal(), "3.86");
        let by_unit = with_tax(euro(108)).checked_mul(3).expect("in range");
        assert_eq!(by_unit.decimal(), "3.87");
    }

    #[test]
    fn halves_go_to_the_even_neighbour_on_both_sides_of_zero() {
        let half = Rate::from_basis_points(5_000).expect("a rate");
        let halves: Vec<i64> =
            [-5, -3, -1, 1, 3, 5].map(|minor| euro(minor).at_rate(half).minor).into();
        assert_eq!(halves, [-2, -2, 0, 0, 2, 2]);
        let new_york = Rate::from_millionths(88_750).expect("a rate");
        assert_eq!(euro(10_000).at_rate(new_york).minor, 888, "887.5 goes up to the even 888");
    }

    #[test]
    fn amounts_are_written_with_the_decimals_of_their_currency() {
        for (minor, code, text) in [
            (1_234, "EUR", "12.34"),
            (-5, "EUR", "-0.05"),
            (500, "JPY", "500"),
            (1_500, "KWD", "1.500"),
            (i64::MIN, "EUR", "-92233720368547758.08"),
        ] {
            let money = Money::new(minor, currency(code));
            assert_eq!(money.decimal(), text);
            assert_eq!(Money::parse(text, money.currency), Ok(money));
        }
    }

    #[test]
    fn parsing_is_strict() {
        for text in [
            "", "-", "1", "1.2", "1.234", "01.00", "+1.00", " 1.00", "1,00", "-0.00", ".50",
            "1e2.00", "١.٠٠", "--1.00",
        ] {
            let refused = Money::parse(text, currency("EUR")).map_err(|error| error.code());
            assert_eq!(refused, Err("INVALID_AMOUNT"), "{text:?}");
        }
        let refused = Money::parse("1.0", currency("JPY")).map_err(|error| error.code());
        assert_eq!(refused, Err("INVALID_AMOUNT"));
        assert_eq!(
            Money::parse("92233720368547758.08", currency("EUR")),
            Err(MoneyError::Overflow)
        );
    }

    #[test]
    fn currencies_do_not_mix_and_odd_ones_are_unknown() {
        let yen = Money::new(1, currency("JPY"));
        assert_eq!(
            euro(1).checked_add(yen).map_err(|error| error.code()),
            Err("CURRENCY_MISMATCH")
        );
        assert_eq!(
            euro(1).checked_sub(yen).map_err(|error| error.code()),
            Err("CURRENCY_MISMATCH")
        );
        for code in ["XAU", "CLF", "XXX", "eur", "EURO", ""] {
            let refused = Currency::from_code(code).map_err(|error| error.code());
            assert_eq!(refused, Err("INVALID_CURRENCY"), "{code:?}");
        }
    }

    #[test]
    fn money_is_stored_as_minor_units_and_a_code() {
        let text = serde_json::to_string(&euro(1_234)).expect("serialises");
        assert_eq!(text, r#"{"minor":1234,"currency":"EUR"}"#);
        assert_eq!(serde_json::from_str::<Money>(&text).expect("decodes"), euro(1_234));
        assert!(serde_json::from_str::<Money>(r#"{"minor":1,"currency":"XAU"}"#).is_err());
        assert!(serde_json::from_str::<Money>(r#"{"minor":1.5,"currency":"EUR"}"#).is_err());
        assert!(serde_json::from_str::<Rate>("1000001").is_err());
    }

    #[test]
    fn the_largest_remainders_get_the_odd_cents() {
        let minors = |money: Money, weights: &[u64]| -> Vec<i64> {
            money.prorate(weights).expect("weights").iter().map(|part| part.minor).collect()
        };
        assert_eq!(minors(euro(100), &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(minors(euro(-100), &[1, 1, 1]), [-34, -33, -33]);
        assert_eq!(minors(euro(10), &[0, 3, 1]), [0, 8, 2], "7.5 and 2.5: the earlier of equals");
        assert_eq!(euro(1).prorate(&[0, 0]), Err(MoneyError::NoWeights));
        assert_eq!(euro(1).prorate(&[]), Err(MoneyError::NoWeights));
    }

    proptest! {
        #[test]
        fn shares_sum_to_the_whole_and_are_fair(
            minor in any::<i64>(),
            weights in prop::collection::vec(any::<u64>(), 1..40),
        ) {
            prop_assume!(weights.iter().any(|weight| *weight > 0));
            let parts = euro(minor).prorate(&weights).expect("some weight");
            prop_assert_eq!(parts.iter().map(|part| i128::from(part.minor)).sum::<i128>(), i128::from(minor));
            let sum: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
            for (part, weight) in parts.iter().zip(&weights) {
                let exact_floor = (i128::from(minor).abs() * i128::from(*weight)) / sum;
                let distance = i128::from(part.minor).abs() - exact_floor;
                prop_assert!((0..=1).contains(&distance), "{part} is off by {distance}");
            }
        }

        #[test]
        fn what_is_written_can_be_read(minor in any::<i64>(), currency in any_currency()) {
            let money = Money::new(minor, currency);
            prop_assert_eq!(Money::parse(&money.decimal(), currency), Ok(money));
        }

        #[test]
        fn what_can_be_read_is_written_the_same(text in "-?[0-9]{1,20}(\\.[0-9]{0,4})?", currency in any_currency()) {
            if let Ok(money) = Money::parse(&text, currency) {
                prop_assert_eq!(money.decimal(), text);
            }
        }

        #[test]
        fn nothing_panics_and_sums_are_exact(left in any::<i64>(), right in any::<i64>(), millionths in any::<u32>()) {
            let exact = |result: Result<Money, MoneyError>, exact: i128| match result {
                Ok(money) => i128::from(money.minor) == exact,
                Err(error) => error == MoneyError::Overflow && i64::try_from(exact).is_err(),
            };
            let (wide_left, wide_right) = (i128::from(left), i128::from(right));
            prop_assert!(exact(euro(left).checked_add(euro(right)), wide_left + wide_right));
            prop_assert!(exact(euro(left).checked_sub(euro(right)), wide_left - wide_right));
            prop_assert!(exact(euro(left).checked_mul(right), wide_left * wide_right));
            if let Ok(rate) = Rate::from_millionths(millionths % 1_000_001) {
                let share = i128::from(euro(left).at_rate(rate).minor);
                let error = share * 1_000_000 - wide_left * i128::from(rate.millionths());
                prop_assert!(error.abs() <= 500_000);
            }
        }
    }
}
