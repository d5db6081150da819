//! Reading a rule, strictly: what is not understood is refused, and the refusal says what it is.

use std::str::FromStr;

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

use super::{
    ByDay, End, Frequency, INTERVAL_MAX, PER_DAY_MAX, RULE_BYTES_MAX, RecurrenceRefusal, Rule,
    invalid,
};

#[derive(Default)]
struct Parts {
    frequency: Option<Frequency>,
    interval: Option<i64>,
    count: Option<u64>,
    until: Option<End>,
    week_start: Option<u8>,
    by_day: Vec<ByDay>,
    by_month: Vec<i8>,
    by_month_day: Vec<i8>,
    by_year_day: Vec<i16>,
    by_week: Vec<i8>,
    by_hour: Vec<i8>,
    by_minute: Vec<i8>,
    by_position: Vec<i16>,
}

impl Rule {
    /// Reads `FREQ=…;…`, in any case, with or without `RRULE:` before it. FREQ is MINUTELY or
    /// longer, because calendars know whole minutes; UNTIL xor COUNT; every number in its range;
    /// only the combinations that the RFC's table allows.
    pub fn parse(text: &str) -> Result<Self, RecurrenceRefusal> {
        if text.len() > RULE_BYTES_MAX || !text.is_ascii() {
            return Err(invalid("at most 512 bytes of ASCII"));
        }
        let text = text.trim().to_ascii_uppercase();
        let text = text.strip_prefix("RRULE:").unwrap_or(&text);
        let mut parts = Parts::default();
        let mut seen: Vec<&str> = vec![];
        for part in text.split(';') {
            let (name, value) = part.split_once('=').ok_or(invalid("every part is NAME=VALUE"))?;
            if seen.contains(&name) {
                return Err(invalid("every part comes once"));
            }
            seen.push(name);
            parts.read(name, value)?;
        }
        parts.check(text)
    }
}

impl Parts {
    fn read(&mut self, name: &str, value: &str) -> Result<(), RecurrenceRefusal> {
        match name {
            "FREQ" => self.frequency = Some(read_frequency(value)?),
            "INTERVAL" => {
                self.interval = Some(number(value, 1, INTERVAL_MAX, "INTERVAL is 1 to 1000")?)
            }
            "COUNT" => self.count = Some(number(value, 1, u64::MAX, "COUNT is a positive number")?),
            "UNTIL" => self.until = Some(read_until(value)?),
            "WKST" => self.week_start = Some(read_weekday(value)?),
            "BYDAY" => {
                self.by_day = value.split(',').map(read_by_day).collect::<Result<_, _>>()?;
            }
            "BYMONTH" => self.by_month = numbers(value, 1, 12, "BYMONTH is 1 to 12")?,
            "BYMONTHDAY" => {
                self.by_month_day = signed(value, 31, "BYMONTHDAY is 1 to 31 or -31 to -1")?
            }
            "BYYEARDAY" => {
                self.by_year_day = signed(value, 366, "BYYEARDAY is 1 to 366 or -366 to -1")?
            }
            "BYWEEKNO" => self.by_week = signed(value, 53, "BYWEEKNO is 1 to 53 or -53 to -1")?,
            "BYHOUR" => self.by_hour = numbers(value, 0, 23, "BYHOUR is 0 to 23")?,
            "BYMINUTE" => self.by_minute = numbers(value, 0, 59, "BYMINUTE is 0 to 59")?,
            "BYSECOND" => {
                drop(numbers::<u8>(value, 0, 0, "BYSECOND is 0: calendars know whole minutes")?)
            }
            "BYSETPOS" => {
                self.by_position = signed(value, 366, "BYSETPOS is 1 to 366 or -366 to -1")?
            }
            _ => return Err(invalid("an unknown part")),
        }
        Ok(())
    }

    /// The table of RFC 5545, 3.3.10, and what it says around it.
    fn check(self, text: &str) -> Result<Rule, RecurrenceRefusal> {
        let frequency = self.frequency.ok_or(invalid("FREQ is missing"))?;
        let is_yearly = frequency == Frequency::Yearly;
        let has_numbered_day = self.by_day.iter().any(|day| day.nth.is_some());
        let refused = [
            (self.count.is_some() && self.until.is_some(), "UNTIL or COUNT, not both"),
            (!self.by_week.is_empty() && !is_yearly, "BYWEEKNO goes with YEARLY"),
            (
                !self.by_year_day.is_empty() && !is_yearly && !frequency.is_sub_daily(),
                "BYYEARDAY does not go with DAILY, WEEKLY or MONTHLY",
            ),
            (
                !self.by_month_day.is_empty() && frequency == Frequency::Weekly,
                "BYMONTHDAY does not go with WEEKLY",
            ),
            (
                has_numbered_day && !(is_yearly || frequency == Frequency::Monthly),
                "BYDAY with numbers goes with MONTHLY or YEARLY",
            ),
            (
                has_numbered_day && !self.by_week.is_empty(),
                "BYDAY with numbers does not go with BYWEEKNO",
            ),
            (
                !self.by_position.is_empty() && !self.has_other_by(),
                "BYSETPOS needs another BY part",
            ),
            (
                !frequency.is_sub_daily() && self.times_of_day() > PER_DAY_MAX,
                "BYHOUR and BYMINUTE name at most 96 times of day",
            ),
            (
                is_yearly && !self.by_position.is_empty() && self.times_of_day() > 8,
                "BYSETPOS of a year goes with at most 8 times of day",
            ),
        ];
        if let Some((_, reason)) = refused.into_iter().find(|(holds, _)| *holds) {
            return Err(invalid(reason));
        }
        let end = match (self.count, self.until) {
            (Some(count), _) => End::Count(count),
            (None, Some(until)) => until,
            (None, None) => End::Never,
        };
        Ok(Rule {
            text: text.to_owned(),
            frequency,
            interval: self.interval.unwrap_or(1),
            end,
            week_start: self.week_start.unwrap_or(0),
            by_day: self.by_day,
            by_month: self.by_month,
            by_month_day: self.by_month_day,
            by_year_day: self.by_year_day,
            by_week: self.by_week,
            by_hour: self.by_hour,
            by_minute: self.by_minute,
            by_position: self.by_position,
        })
    }

    fn times_of_day(&self) -> i64 {
        (self.by_hour.len().max(1) * self.by_minute.len().max(1)) as i64
    }

    fn has_other_by(&self) -> bool {
        !(self.by_day.is_empty()
            && self.by_month.is_empty()
            && self.by_month_day.is_empty()
            && self.by_year_day.is_empty()
            && self.by_week.is_empty()
            && self.by_hour.is_empty()
            && self.by_minute.is_empty())
    }
}

fn number<N: FromStr + PartialOrd>(
    text: &str,
    least: N,
    most: N,
    refusal: &'static str,
) -> Result<N, RecurrenceRefusal> {
    let value: N = text.parse().map_err(|_| invalid(refusal))?;
    if value < least || value > most {
        return Err(invalid(refusal));
    }
    Ok(value)
}

/// In order, each once.
fn numbers<N: FromStr + Ord + Copy>(
    text: &str,
    least: N,
    most: N,
    refusal: &'static str,
) -> Result<Vec<N>, RecurrenceRefusal> {
    let read = text.split(',').map(|item| number(item, least, most, refusal));
    let mut numbers: Vec<N> = read.collect::<Result<_, _>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// Numbers from 1 to `most` or from -`most` to -1.
fn signed<N: TryFrom<i16>>(
    text: &str,
    most: i16,
    refusal: &'static str,
) -> Result<Vec<N>, RecurrenceRefusal> {
    let narrow = |value: i16| N::try_from(value).ok().filter(|_| value != 0);
    let read = numbers(text, -most, most, refusal)?;
    read.into_iter().map(|value| narrow(value).ok_or(invalid(refusal))).collect()
}

fn read_frequency(text: &str) -> Result<Frequency, RecurrenceRefusal> {
    Ok(match text {
        "YEARLY" => Frequency::Yearly,
        "MONTHLY" => Frequency::Monthly,
        "WEEKLY" => Frequency::Weekly,
        "DAILY" => Frequency::Daily,
        "HOURLY" => Frequency::Hourly,
        "MINUTELY" => Frequency::Minutely,
        "SECONDLY" => {
            return Err(invalid("FREQ is not SECONDLY: calendars know whole minutes"));
        }
        _ => return Err(invalid("FREQ is YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY or MINUTELY")),
    })
}

fn read_weekday(text: &str) -> Result<u8, RecurrenceRefusal> {
    let days = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    let found = days.iter().position(|day| *day == text);
    found.map(|day| day as u8).ok_or(invalid("a weekday is MO, TU, WE, TH, FR, SA or SU"))
}

fn read_by_day(text: &str) -> Result<ByDay, RecurrenceRefusal> {
    // The text is ASCII, so every byte is a place to cut.
    let (count, weekday) = text.split_at(text.len().saturating_sub(2));
    let weekday = read_weekday(weekday)?;
    if count.is_empty() {
        return Ok(ByDay { nth: None, weekday });
    }
    let refusal = "the number of a BYDAY is 1 to 53 or -53 to -1";
    match number(count, -53, 53, refusal)? {
        0 => Err(invalid(refusal)),
        nth => Ok(ByDay { nth: Some(nth), weekday }),
    }
}

fn read_until(text: &str) -> Result<End, RecurrenceRefusal> {
    let refusal = invalid("UNTIL is YYYYMMDD, YYYYMMDDTHHMMSS or YYYYMMDDTHHMMSSZ");
    let is_spelled = text.bytes().enumerate().all(|(index, byte)| match index {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    });
    if !is_spelled {
        return Err(refusal);
    }
    let local = |text| DateTime::strptime("%Y%m%dT%H%M%S", text).ok();
    let until = match text.len() {
        8 => Date::strptime("%Y%m%d", text).ok().map(End::UntilDate),
        15 => local(text).map(End::UntilLocal),
        16 => local(&text[..15])
            .and_then(|utc| Offset::UTC.to_timestamp(utc).ok())
            .map(End::UntilInstant),
        _ => None,
    };
    until.ok_or(refusal)
}
