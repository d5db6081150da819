//! Recurrence rules (RFC 5545, 3.3.10), expanded in local time that knows no zone.
//!
//! Owns which rules are taken and how far they reach. The text is read here, strictly, and only
//! sound parts go to the `rrule` crate, whose own reader is made for text that can be trusted.
//! The crate is given local times as if they were UTC, so its own ideas of clock changes never
//! matter; ours are in `local_time`.

use std::borrow::Cow;
use std::{fmt, str::FromStr};

use chrono::{DateTime, Month, NaiveDate, NaiveDateTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use rrule::{Frequency, NWeekday, RRule, RRuleSet, Unvalidated};
use serde::{Deserialize, Serialize};

use crate::scheduling::local_time;

/// The longest rule, in bytes.
pub const RULE_BYTES_MAX: usize = 512;
/// The most occurrences of one series. A rule that names more is refused; a rule without an end
/// is planned up to this number or its horizon, whichever comes first.
pub const OCCURRENCES_MAX: usize = 1_000;
/// How far after its first occurrence a series may reach.
pub const HORIZON_DAYS: i64 = 3_653;
/// The same for rules by the hour and by the minute, so that few matches in many steps stay cheap.
pub const HORIZON_HOURLY_DAYS: i64 = 366;
pub const HORIZON_MINUTELY_DAYS: i64 = 31;
/// The largest INTERVAL.
pub const INTERVAL_MAX: u16 = 1_000;
/// The most times of day (hours by minutes) of a rule by the day or longer.
pub const TIMES_OF_DAY_MAX: usize = 48;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum RecurrenceRefusal {
    #[error("not a recurrence rule that calendars take: {0}")]
    Invalid(Cow<'static, str>),
    #[error(
        "a series has at most {OCCURRENCES_MAX} occurrences within {HORIZON_DAYS} days ({HORIZON_HOURLY_DAYS} by the hour, {HORIZON_MINUTELY_DAYS} by the minute)"
    )]
    TooLong,
}

fn invalid(why: &'static str) -> RecurrenceRefusal {
    RecurrenceRefusal::Invalid(Cow::Borrowed(why))
}

/// A rule that was read and found sound.
#[derive(Clone, Debug)]
pub struct Rule {
    text: String,
    rule: RRule<Unvalidated>,
    count: Option<usize>,
    until: Option<Until>,
}

#[derive(Clone, Copy, Debug)]
enum Until {
    /// To the end of that day.
    Date(NaiveDate),
    Local(NaiveDateTime),
    Instant(DateTime<Utc>),
}

#[derive(Default)]
struct Parts {
    frequency: Option<Frequency>,
    interval: Option<u16>,
    count: Option<usize>,
    until: Option<Until>,
    week_start: Option<Weekday>,
    by_day: Vec<NWeekday>,
    by_month: Vec<Month>,
    by_month_day: Vec<i8>,
    by_year_day: Vec<i16>,
    by_week: Vec<i8>,
    by_hour: Vec<u8>,
    by_minute: Vec<u8>,
    by_position: Vec<i32>,
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

    /// The rule as it is stored: in upper case, without a prefix.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The local starts of the series, in order: the first is `start` itself. An UNTIL in UTC is
    /// read in the zone. Times that the clocks jump over are counted like all others here.
    pub fn plan(
        &self,
        start: NaiveDateTime,
        zone: Tz,
    ) -> Result<Vec<NaiveDateTime>, RecurrenceRefusal> {
        let horizon = start
            .checked_add_signed(TimeDelta::days(self.horizon_days()))
            .ok_or(RecurrenceRefusal::TooLong)?;
        let until = self.until.map(|until| match until {
            Until::Date(date) => date.and_hms_opt(23, 59, 59).unwrap_or(NaiveDateTime::MAX),
            Until::Local(local) => local,
            Until::Instant(instant) => local_time::local(zone, instant),
        });
        if until.is_some_and(|until| until > horizon)
            || self.count.is_some_and(|count| count > OCCURRENCES_MAX)
        {
            return Err(RecurrenceRefusal::TooLong);
        }
        let last = until.unwrap_or(horizon);
        let wanted = self.count.unwrap_or(OCCURRENCES_MAX + 1);
        let mut starts: Vec<NaiveDateTime> = self
            .occurrences(start)?
            .take_while(|occurrence| *occurrence <= last)
            .take(wanted)
            .collect();
        if starts.first() != Some(&start) {
            return Err(invalid("the start is the first occurrence"));
        }
        let is_cut_short = match self.count {
            Some(count) => starts.len() < count,
            None => until.is_some() && starts.len() > OCCURRENCES_MAX,
        };
        if is_cut_short {
            return Err(RecurrenceRefusal::TooLong);
        }
        starts.truncate(OCCURRENCES_MAX);
        Ok(starts)
    }

    /// The first `count` local starts: what [`plan`](Self::plan) found, from what was stored of it.
    pub fn replan(&self, start: NaiveDateTime, count: usize) -> Vec<NaiveDateTime> {
        self.occurrences(start)
            .map(|starts| starts.take(count.min(OCCURRENCES_MAX)).collect())
            .unwrap_or_default()
    }

    /// Endless as far as the rule is: COUNT and UNTIL are the caller's to apply. Each step costs
    /// at most the crate's own limit of 100,000 periods without a match.
    fn occurrences(
        &self,
        start: NaiveDateTime,
    ) -> Result<impl Iterator<Item = NaiveDateTime> + use<>, RecurrenceRefusal> {
        let start = rrule::Tz::UTC.from_utc_datetime(&start);
        let rule = self
            .rule
            .clone()
            .validate(start)
            .map_err(|_| invalid("the parts do not go together"))?;
        let set = RRuleSet::new(start).rrule(rule).limit();
        Ok((&set).into_iter().map(|occurrence| occurrence.naive_utc()))
    }

    fn horizon_days(&self) -> i64 {
        match self.rule.get_freq() {
            Frequency::Hourly => HORIZON_HOURLY_DAYS,
            Frequency::Minutely | Frequency::Secondly => HORIZON_MINUTELY_DAYS,
            Frequency::Yearly | Frequency::Monthly | Frequency::Weekly | Frequency::Daily => {
                HORIZON_DAYS
            }
        }
    }
}

impl Parts {
    fn read(&mut self, name: &str, value: &str) -> Result<(), RecurrenceRefusal> {
        match name {
            "FREQ" => {
                self.frequency = Some(match value {
                    "YEARLY" => Frequency::Yearly,
                    "MONTHLY" => Frequency::Monthly,
                    "WEEKLY" => Frequency::Weekly,
                    "DAILY" => Frequency::Daily,
                    "HOURLY" => Frequency::Hourly,
                    "MINUTELY" => Frequency::Minutely,
                    _ => {
                        return Err(invalid(
                            "FREQ is YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY or MINUTELY",
                        ));
                    }
                });
            }
            "INTERVAL" => {
                self.interval = Some(number(value, 1, INTERVAL_MAX, "INTERVAL is 1 to 1000")?)
            }
            "COUNT" => {
                self.count = Some(number(value, 1, usize::MAX, "COUNT is a positive number")?)
            }
            "UNTIL" => self.until = Some(read_until(value)?),
            "WKST" => self.week_start = Some(read_weekday(value)?),
            "BYDAY" => self.by_day = value.split(',').map(read_by_day).collect::<Result<_, _>>()?,
            "BYMONTH" => {
                self.by_month = numbers::<u8>(value, 1, 12, "BYMONTH is 1 to 12")?
                    .into_iter()
                    .map(|month| Month::try_from(month).map_err(|_| invalid("BYMONTH is 1 to 12")))
                    .collect::<Result<_, _>>()?;
            }
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
        let is_sub_daily = matches!(frequency, Frequency::Hourly | Frequency::Minutely);
        let has_numbered_day = self.by_day.iter().any(|day| matches!(day, NWeekday::Nth(..)));
        let has_other_by = !(self.by_day.is_empty()
            && self.by_month.is_empty()
            && self.by_month_day.is_empty()
            && self.by_year_day.is_empty()
            && self.by_week.is_empty()
            && self.by_hour.is_empty()
            && self.by_minute.is_empty());
        let refused = [
            (self.count.is_some() && self.until.is_some(), "UNTIL or COUNT, not both"),
            (!self.by_week.is_empty() && !is_yearly, "BYWEEKNO goes with YEARLY"),
            (
                !self.by_year_day.is_empty() && !is_yearly && !is_sub_daily,
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
            (!self.by_position.is_empty() && !has_other_by, "BYSETPOS needs another BY part"),
            (
                !is_sub_daily
                    && self.by_hour.len().max(1) * self.by_minute.len().max(1) > TIMES_OF_DAY_MAX,
                "at most 48 times of day",
            ),
        ];
        if let Some((_, reason)) = refused.into_iter().find(|(holds, _)| *holds) {
            return Err(invalid(reason));
        }
        let rule = RRule::new(frequency)
            .interval(self.interval.unwrap_or(1))
            .week_start(self.week_start.unwrap_or(Weekday::Mon))
            .by_weekday(self.by_day)
            .by_month(&self.by_month)
            .by_month_day(self.by_month_day)
            .by_year_day(self.by_year_day)
            .by_week_no(self.by_week)
            .by_hour(self.by_hour)
            .by_minute(self.by_minute)
            .by_set_pos(self.by_position);
        Ok(Rule { text: text.to_owned(), rule, count: self.count, until: self.until })
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

fn numbers<N: FromStr + PartialOrd + Copy>(
    text: &str,
    least: N,
    most: N,
    refusal: &'static str,
) -> Result<Vec<N>, RecurrenceRefusal> {
    text.split(',').map(|item| number(item, least, most, refusal)).collect()
}

/// Numbers from 1 to `most` or from -`most` to -1.
fn signed<N: TryFrom<i16> + fmt::Debug>(
    text: &str,
    most: i16,
    refusal: &'static str,
) -> Result<Vec<N>, RecurrenceRefusal> {
    numbers(text, -most, most, refusal)?
        .into_iter()
        .map(|value| N::try_from(value).ok().filter(|_| value != 0).ok_or(invalid(refusal)))
        .collect()
}

fn read_weekday(text: &str) -> Result<Weekday, RecurrenceRefusal> {
    Ok(match text {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => return Err(invalid("a weekday is MO, TU, WE, TH, FR, SA or SU")),
    })
}

fn read_by_day(text: &str) -> Result<NWeekday, RecurrenceRefusal> {
    // The text is ASCII, so every byte is a place to cut.
    let (count, weekday) = text.split_at(text.len().saturating_sub(2));
    let weekday = read_weekday(weekday)?;
    if count.is_empty() {
        return Ok(NWeekday::Every(weekday));
    }
    let refusal = "the number of a BYDAY is 1 to 53 or -53 to -1";
    let count: i16 = number(count, -53, 53, refusal)?;
    if count == 0 {
        return Err(invalid(refusal));
    }
    Ok(NWeekday::Nth(count, weekday))
}

fn read_until(text: &str) -> Result<Until, RecurrenceRefusal> {
    let refusal = invalid("UNTIL is YYYYMMDD, YYYYMMDDTHHMMSS or YYYYMMDDTHHMMSSZ");
    let until = match text.len() {
        8 => NaiveDate::parse_from_str(text, "%Y%m%d").map(Until::Date),
        15 => NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").map(Until::Local),
        16 => NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%SZ")
            .map(|utc| Until::Instant(utc.and_utc())),
        _ => return Err(refusal),
    };
    until.map_err(|_| refusal)
}

#[cfg(test)]
mod tests;
