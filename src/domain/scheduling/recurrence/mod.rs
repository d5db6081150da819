//! Recurrence rules (RFC 5545, 3.3.10) on the clock on the wall: which local times a rule names,
//! for any stretch of time that is asked for, as far as calendars reach.
//!
//! Owns which rules are taken and what they mean. Knows no zone but to read an UNTIL in UTC: what
//! the clocks do to a local time is in `local_time`. Every walk is lazy and counts its steps.
//!
//! The expansion is ours. Of the crates there are, `rrule` loses days of rules by the minute and
//! takes BYWEEKNO for whole weeks; none can begin in the middle of a series without walking there.
//! The proof beside it is a comparison with python-dateutil (`dateutil_tests`), and with a check of
//! every minute by itself (`tests`).

mod days;
mod parse;
mod pattern;
#[cfg(test)]
mod dateutil_tests;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};

use super::local_time::{self, MINUTES_OF_DAY, Minute, NonexistentTime};
use super::zone::Zone;

pub(super) use pattern::least_common_multiple;
pub use pattern::{Pattern, Walk};

/// The longest rule, in bytes.
pub const RULE_BYTES_MAX: usize = 512;
/// The most occurrences on one day, unless the series has no more than [`DENSE_COUNT_MAX`] in all.
pub const PER_DAY_MAX: i64 = 96;
/// The most occurrences of a series that has more than [`PER_DAY_MAX`] on one day.
pub const DENSE_COUNT_MAX: usize = 1_000;
/// The largest COUNT.
pub const COUNT_MAX: u64 = 20_000;
/// The largest INTERVAL.
pub const INTERVAL_MAX: i64 = 1_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum RecurrenceRefusal {
    #[error("not a recurrence rule that calendars take: {0}")]
    Invalid(Cow<'static, str>),
    #[error(
        "this series is more than a calendar holds: COUNT is at most {COUNT_MAX} and is reached \
         before the year 2200; more than {PER_DAY_MAX} occurrences on one day need an end after at \
         most {DENSE_COUNT_MAX}; at most 500 extra and 500 excluded dates"
    )]
    TooLong,
}

fn invalid(why: &'static str) -> RecurrenceRefusal {
    RecurrenceRefusal::Invalid(Cow::Borrowed(why))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frequency {
    Yearly,
    Monthly,
    Weekly,
    Daily,
    Hourly,
    Minutely,
}

impl Frequency {
    fn is_sub_daily(self) -> bool {
        matches!(self, Self::Hourly | Self::Minutely)
    }
}

/// A weekday of a BYDAY, from Monday (0) to Sunday (6): every one, or the n-th of its month or year,
/// from the end where n is negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ByDay {
    nth: Option<i16>,
    weekday: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Never,
    Count(u64),
    /// To the end of that day.
    UntilDate(Date),
    UntilLocal(DateTime),
    UntilInstant(Timestamp),
}

/// A rule that was read and found sound. Lists are sorted, and each number stands once in them.
#[derive(Clone, Debug)]
pub struct Rule {
    text: String,
    frequency: Frequency,
    interval: i64,
    end: End,
    /// From Monday, 0.
    week_start: u8,
    by_day: Vec<ByDay>,
    by_month: Vec<i8>,
    by_month_day: Vec<i8>,
    by_year_day: Vec<i16>,
    by_week: Vec<i8>,
    by_hour: Vec<i8>,
    by_minute: Vec<i8>,
    by_position: Vec<i16>,
}

/// How far a rule reaches from a start, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    /// No local start lies behind this one; `None`: it goes on to the end of the calendar.
    pub until: Option<DateTime>,
    /// Starts before `until` that an UNTIL in UTC leaves out all the same: the clocks jump over
    /// them and they take place behind it.
    pub excluded: Vec<DateTime>,
}

impl Rule {
    /// The rule as it is stored: in upper case, without a prefix.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How far the series reaches that starts so. The start must be its first occurrence.
    pub fn reach(
        &self,
        start: DateTime,
        zone: &Zone,
        nonexistent: NonexistentTime,
    ) -> Result<Reach, RecurrenceRefusal> {
        let pattern = Pattern::new(self, start);
        if !pattern.matches(Minute::of(start)) {
            return Err(invalid(
                "the start is the first occurrence, and the rule does not name this one",
            ));
        }
        let reach = match self.end {
            End::Never => Reach { until: None, excluded: vec![] },
            End::Count(count) => Reach {
                until: Some(counted(&pattern, count, zone, nonexistent)?),
                excluded: vec![],
            },
            End::UntilDate(date) => up_to(date.at(23, 59, 0, 0)),
            End::UntilLocal(local) => up_to(local),
            End::UntilInstant(instant) => up_to_instant(&pattern, instant, zone),
        };
        if reach.until.is_some_and(|until| until < start) || reach.excluded.contains(&start) {
            return Err(invalid("UNTIL lies before the start"));
        }
        if pattern.per_day_max() > PER_DAY_MAX {
            let last = reach.until.map_or(Minute::LAST, Minute::of);
            let all = pattern.walk(Minute::of(start), last.plus(1));
            if all.take(DENSE_COUNT_MAX + 1).count() > DENSE_COUNT_MAX {
                return Err(RecurrenceRefusal::TooLong);
            }
        }
        Ok(reach)
    }
}

fn up_to(until: DateTime) -> Reach {
    let last = Minute::LAST.local();
    Reach { until: (until < last).then_some(until), excluded: vec![] }
}

/// The last of so many local starts. What is skipped because it does not exist is not counted.
fn counted(
    pattern: &Pattern,
    count: u64,
    zone: &Zone,
    nonexistent: NonexistentTime,
) -> Result<DateTime, RecurrenceRefusal> {
    if count > COUNT_MAX || count > pattern.count_max() {
        return Err(RecurrenceRefusal::TooLong);
    }
    let mut gaps = local_time::gaps(zone, pattern.start(), Minute::LAST).peekable();
    let takes_place = |start: &Minute| {
        if nonexistent == NonexistentTime::Shift {
            return true;
        }
        while gaps.next_if(|gap| gap.end <= *start).is_some() {}
        let is_near = gaps.peek().is_some_and(|gap| gap.end.plus(-gap.minutes) <= *start);
        !is_near || local_time::resolve(zone, start.local(), nonexistent).is_some()
    };
    let mut starts = pattern.walk(pattern.start(), Minute::LAST.plus(1)).filter(takes_place);
    let last = starts.nth(count.saturating_sub(1) as usize).ok_or(RecurrenceRefusal::TooLong)?;
    Ok(last.local())
}

/// An UNTIL in UTC bounds instants. They come in the order of the clock on the wall but for a time
/// that is jumped over and takes place later: within two days, each start is looked at itself.
fn up_to_instant(pattern: &Pattern, instant: Timestamp, zone: &Zone) -> Reach {
    let around = Minute::of(local_time::local(zone, instant));
    if around > Minute::LAST {
        return Reach { until: None, excluded: vec![] };
    }
    let from = around.plus(-2 * MINUTES_OF_DAY);
    let mut until = from;
    let mut late = vec![];
    for start in pattern.walk(from, around.plus(2 * MINUTES_OF_DAY)) {
        let at = local_time::resolve(zone, start.local(), NonexistentTime::Shift);
        if at.is_some_and(|at| at <= instant) {
            until = start;
        } else {
            late.push(start);
        }
    }
    let excluded = late.into_iter().filter(|start| *start < until).map(Minute::local).collect();
    Reach { until: Some(until.local()), excluded }
}
