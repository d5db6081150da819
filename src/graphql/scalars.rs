//! The scalars of the schema, and the amounts built on them. A scalar that cannot be read is an
//! error with the code `INVALID_VALUE`; it never reaches an aggregate.

use std::borrow::Cow;
use std::fmt::Display;

use async_graphql::registry::Registry;
use async_graphql::{
    InputObject, InputType, InputValueError, InputValueResult, Object, Scalar, ScalarType, Value,
};
use chrono::{DateTime, SecondsFormat, Utc};
use jiff::{Timestamp, civil};
use uuid::Uuid;

use super::errors::INVALID_VALUE;
use super::places;
use documents::ScalarRule;
use domain::commerce::order::OrderNumber;
use domain::money::{Currency, Money, MoneyError};
use domain::scheduling::zone::Zone;

/// The scalars of the schema by their names there, for [`documents`].
pub const RULES: [ScalarRule; 9] = [
    ScalarRule::of::<Date>("Date"),
    ScalarRule::of::<Instant>("DateTime"),
    ScalarRule::of::<Duration>("Duration"),
    ScalarRule::of::<LocalDateTime>("LocalDateTime"),
    ScalarRule::of::<Long>("Long"),
    ScalarRule::of::<TypedNumber>("OrderNumber"),
    ScalarRule::of::<GivenPosition>("Position"),
    ScalarRule::of::<TimeZone>("TimeZone"),
    ScalarRule::of::<Uuid>("UUID"),
];

/// Why a scalar could not be read.
fn invalid<T: ScalarType + async_graphql::InputType>(reason: impl Display) -> InputValueError<T> {
    InputValueError::custom(reason).with_extension("code", INVALID_VALUE)
}

macro_rules! textual_scalar {
    ($(#[$doc:meta])* $name:ident, $graphql:literal, $expected:literal, $read:expr, $write:expr) => {
        $(#[$doc])*
        #[Scalar(name = $graphql)]
        impl ScalarType for $name {
            fn parse(value: Value) -> InputValueResult<Self> {
                let read: fn(&str) -> Option<Self> = $read;
                match &value {
                    Value::String(text) => read(text).ok_or_else(|| invalid($expected)),
                    _ => Err(invalid($expected)),
                }
            }

            fn is_valid(value: &Value) -> bool {
                matches!(value, Value::String(_))
            }

            fn to_value(&self) -> Value {
                let write: fn(&Self) -> String = $write;
                Value::String(write(self))
            }
        }
    };
}

/// A whole number that is not negative: an `Int` in the schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Natural(pub u32);

impl InputType for Natural {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        <i32 as InputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <i32 as InputType>::create_type_info(registry)
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        let known = match &value {
            Some(Value::Number(number)) => number.as_u64(),
            _ => None,
        };
        let known = known.and_then(|number| u32::try_from(number).ok());
        let expected = "a whole number that is not negative was expected";
        known.map(Self).ok_or_else(|| places::refuse(INVALID_VALUE, value.as_ref(), expected))
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}

/// A whole number of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Long(pub i64);

/// A whole number of 64 bits. Written as a number; read from a number or from its digits as text,
/// for clients whose numbers end at 2^53.
#[Scalar(name = "Long")]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        let number = match &value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| invalid("a whole number of 64 bits was expected"))
    }

    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::Number(_) | Value::String(_))
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}

impl From<u64> for Long {
    /// Versions and numbers of log entries: counted one by one, they do not reach 2^63.
    fn from(number: u64) -> Self {
        Self(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant(pub DateTime<Utc>);

textual_scalar!(
    /// An instant, RFC 3339 (`2026-03-29T01:30:00Z`): written in UTC, read with any offset.
    Instant,
    "DateTime",
    "an instant such as 2026-03-29T01:30:00Z was expected",
    |text| DateTime::parse_from_rfc3339(text).ok().map(|time| Instant(time.to_utc())),
    |instant| instant.0.to_rfc3339_opts(SecondsFormat::AutoSi, true)
);

/// The number of an order, as somebody typed it.
#[derive(Clone, Copy, Debug)]
pub struct TypedNumber(pub OrderNumber);

textual_scalar!(
    /// The number of an order (`4T7K-9QHM-2XWB`), in whatever case, with or without the signs.
    TypedNumber,
    "OrderNumber",
    "a number of an order such as 4T7K-9QHM-2XWB was expected: a character was mistyped",
    |text| OrderNumber::read(text).map(TypedNumber),
    |number| number.0.to_string()
);

impl Instant {
    /// The instant as calendars take it; what is beyond all of their years is the end of them.
    pub fn timestamp(self) -> Timestamp {
        let (seconds, nanoseconds) = (self.0.timestamp(), self.0.timestamp_subsec_nanos());
        let end = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::new(seconds, nanoseconds as i32).unwrap_or(end)
    }
}

/// What is kept in microseconds since 1970 UTC; none beyond all years.
pub fn micros(microseconds: i64) -> Option<Instant> {
    DateTime::from_timestamp_micros(microseconds).map(Instant)
}

impl From<Timestamp> for Instant {
    fn from(time: Timestamp) -> Self {
        let nanoseconds = time.subsec_nanosecond().unsigned_abs();
        Self(DateTime::from_timestamp(time.as_second(), nanoseconds).unwrap_or_default())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalDateTime(pub civil::DateTime);

textual_scalar!(
    /// What the clock on the wall shows (`2026-03-29T02:30`, seconds allowed), in a time zone that
    /// is said elsewhere.
    LocalDateTime,
    "LocalDateTime",
    "a local time such as 2026-03-29T02:30 was expected",
    |text| {
        let minutes = civil::DateTime::strptime("%Y-%m-%dT%H:%M", text);
        let time = minutes.or_else(|_| civil::DateTime::strptime("%Y-%m-%dT%H:%M:%S", text));
        time.ok().map(LocalDateTime)
    },
    |local| local.0.strftime("%Y-%m-%dT%H:%M:%S").to_string()
);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(pub civil::Date);

textual_scalar!(
    /// A date of the calendar (`2026-03-29`).
    Date,
    "Date",
    "a date such as 2026-03-29 was expected",
    |text| civil::Date::strptime("%Y-%m-%d", text).ok().map(Date),
    |date| date.0.strftime("%Y-%m-%d").to_string()
);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeZone(pub Zone);

textual_scalar!(
    /// A time zone of the IANA database (`Europe/Berlin`).
    TimeZone,
    "TimeZone",
    "a time zone such as Europe/Berlin was expected",
    |text| text.parse().ok().map(TimeZone),
    |zone| zone.0.name().to_owned()
);

/// Days of the calendar, and exact seconds beside them. Where no calendar is meant a day is 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration {
    pub days: u32,
    pub seconds: u64,
}

textual_scalar!(
    /// A length of time in days, hours, minutes and seconds, ISO 8601 (`PT1H30M`, `P2D`), not
    /// negative. Weeks, months and years are not taken. In a calendar a day ends at the same local
    /// time as it began, whatever the clocks do; hours, minutes and seconds are exact.
    Duration,
    "Duration",
    "a length of time such as PT1H30M was expected",
    |text| read_duration(text),
    |duration| write_duration(*duration)
);

impl Duration {
    /// In seconds, a day being 24 hours.
    pub fn exact_seconds(self) -> u64 {
        u64::from(self.days).saturating_mul(86_400).saturating_add(self.seconds)
    }
}

/// The longest text of a duration.
const DURATION_BYTES_MAX: usize = 40;

fn read_duration(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix('P').filter(|_| text.len() <= DURATION_BYTES_MAX)?;
    let (days, time) = match rest.split_once('T') {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (rest, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let days = u32::try_from(read_units(days, &[('D', 1)])?).ok()?;
    let seconds = read_units(time, &[('H', 3_600), ('M', 60), ('S', 1)])?;
    Some(Duration { days, seconds })
}

/// Numbers with their units, in the order of `units`, each at most once.
fn read_units(mut text: &str, units: &[(char, u64)]) -> Option<u64> {
    let mut units = units.iter();
    let mut sum = 0_u64;
    while !text.is_empty() {
        let end = text.find(|character: char| !character.is_ascii_digit())?;
        let unit = text[end..].chars().next()?;
        let (_, length) = units.find(|(name, _)| *name == unit)?;
        let number: u64 = text[..end].parse().ok()?;
        sum = sum.checked_add(number.checked_mul(*length)?)?;
        text = &text[end + unit.len_utf8()..];
    }
    Some(sum)
}

fn write_duration(duration: Duration) -> String {
    let Duration { days, seconds } = duration;
    let mut text = String::from("P");
    if days > 0 {
        text.push_str(&format!("{days}D"));
    }
    let parts = [(seconds / 3_600, 'H'), (seconds / 60 % 60, 'M'), (seconds % 60, 'S')];
    let is_whole_days = seconds == 0 && days > 0;
    if !is_whole_days {
        text.push('T');
    }
    for (number, unit) in parts {
        if number > 0 {
            text.push_str(&format!("{number}{unit}"));
        }
    }
    if seconds == 0 && days == 0 {
        text.push_str("0S");
    }
    text
}

/// A position as a client gave it: read where it is used (`PositionToken` is what was given out).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenPosition(pub String);

textual_scalar!(
    /// How far in the logs something was read: opaque, to be given back as it came.
    GivenPosition,
    "Position",
    "a position as this server gave it was expected",
    |text| Some(GivenPosition(text.to_owned())),
    |position| position.0.clone()
);

/// An amount of money.
pub struct MoneyOutput(pub Money);

/// An amount of money.
#[Object(name = "Money")]
impl MoneyOutput {
    /// In major units, with all decimals of the currency (`12.34`, `500`).
    async fn amount(&self) -> String {
        self.0.decimal()
    }

    /// In minor units (cents, yen, fils).
    async fn minor(&self) -> Long {
        Long(self.0.minor)
    }

    /// ISO 4217.
    async fn currency(&self) -> &str {
        self.0.currency.code()
    }
}

/// An amount of money.
#[derive(InputObject)]
#[graphql(name = "MoneyInput")]
pub struct MoneyInput {
    /// In major units with all decimals of the currency: `12.34` EUR, `500` JPY.
    pub amount: String,
    /// ISO 4217, upper case.
    pub currency: String,
}

impl MoneyInput {
    pub fn read(&self) -> Result<Money, MoneyError> {
        Money::parse(&self.amount, Currency::from_code(&self.currency)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, seconds) in
            [("PT15M", 900), ("PT1H30M", 5_400), ("P2D", 172_800), ("P1DT1S", 86_401), ("PT0S", 0)]
        {
            let duration = read_duration(text).expect(text);
            assert_eq!(duration.exact_seconds(), seconds, "{text}");
            assert_eq!(read_duration(&write_duration(duration)), Some(duration), "{text}");
        }
        for bad in [
            "",
            "P",
            "PT",
            "P1DT",
            "15M",
            "PT-5M",
            "PT1.5H",
            "PT5M1H",
            "PT5M5M",
            "P1W",
            "PT5",
            "PT99999999999999999999S",
            "PT9223372036854775807H",
            "P4294967296D",
        ] {
            assert_eq!(read_duration(bad), None, "{bad}");
        }
        for (days, seconds, text) in
            [(0, 5_401, "PT1H30M1S"), (0, 0, "PT0S"), (2, 0, "P2D"), (1, 3_600, "P1DT1H")]
        {
            assert_eq!(write_duration(Duration { days, seconds }), text);
        }
    }

    #[test]
    fn longs_span_64_bits_and_nothing_else() {
        let read = |json: &str| {
            let value: Value = serde_json::from_str(json).expect("JSON");
            <Long as ScalarType>::parse(value).ok().map(|long| long.0)
        };
        assert_eq!(read("9223372036854775807"), Some(i64::MAX));
        assert_eq!(read("\"-9223372036854775808\""), Some(i64::MIN));
        for bad in ["9223372036854775808", "1.5", "\"1.0\"", "\"\"", "true", "null", "[1]"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
