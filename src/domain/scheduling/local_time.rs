//! From local time to an instant: what is stored is what the clock on the wall shows, and the
//! zone's present rules say which instant that is.
//!
//! Owns the policy for local times that do not exist or exist twice, and how long a day is. Never
//! stores an instant.

use std::fmt;

use jiff::civil::{Date, DateTime, date};
use jiff::tz::AmbiguousOffset;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::zone::Zone;

/// The years in which a local time may lie. A calendar ends with the last of them, and so does a
/// series that names no end: what goes on for ever here can be looked through.
pub const YEARS: std::ops::RangeInclusive<i16> = 1970..=2199;

/// The minutes of a day whose clocks are not moved.
pub const MINUTES_OF_DAY: i64 = 1_440;

/// What happens at a local time that the clocks jump over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NonexistentTime {
    /// Takes place later by the length of the jump (RFC 5545, 3.3.5: the offset before the gap).
    #[default]
    Shift,
    /// Does not take place, and is not counted (RFC 5545, 3.3.10).
    Skip,
}

/// How long something lasts: first so many days of the calendar, then so many exact minutes (RFC
/// 5545, 3.3.6). Two days from midnight end at midnight, whatever the clocks do meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Length {
    pub days: u32,
    pub minutes: u32,
}

impl Length {
    pub const fn minutes(minutes: u32) -> Self {
        Self { days: 0, minutes }
    }

    pub const fn days(days: u32) -> Self {
        Self { days, minutes: 0 }
    }

    /// What it comes to where no clock is moved, in minutes.
    pub fn local_minutes(self) -> i64 {
        i64::from(self.days) * MINUTES_OF_DAY + i64::from(self.minutes)
    }
}

/// Whether a local time is one that a calendar stores: whole minutes, within [`YEARS`].
pub fn is_storable(local: DateTime) -> bool {
    YEARS.contains(&local.year()) && local.second() == 0 && local.subsec_nanosecond() == 0
}

/// A whole minute on the clock on the wall, counted from 1970: what can be compared and added to
/// as if no clock were ever moved.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(pub i64);

const EPOCH: Date = date(1970, 1, 1);

impl Minute {
    /// The last one of [`YEARS`].
    pub const LAST: Self = Self(84_006 * MINUTES_OF_DAY - 1);

    pub fn of(local: DateTime) -> Self {
        let day = day_number(local.date());
        Self(day * MINUTES_OF_DAY + i64::from(local.hour()) * 60 + i64::from(local.minute()))
    }

    /// What the clock shows. Beyond [`YEARS`] by less than ten years on either side at most.
    pub fn local(self) -> DateTime {
        let minute = self.0.rem_euclid(MINUTES_OF_DAY);
        let (hour, minute) = ((minute / 60) as i8, (minute % 60) as i8);
        date_of(self.day()).at(hour, minute, 0, 0)
    }

    /// The day in which it lies, counted from 1970.
    pub fn day(self) -> i64 {
        self.0.div_euclid(MINUTES_OF_DAY)
    }

    #[must_use]
    pub fn plus(self, minutes: i64) -> Self {
        Self(self.0.saturating_add(minutes))
    }
}

impl fmt::Debug for Minute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.local(), formatter)
    }
}

/// Days since 1970.
pub fn day_number(date: Date) -> i64 {
    date.duration_since(EPOCH).as_hours() / 24
}

/// The date so many days after 1970 began.
pub fn date_of(day: i64) -> Date {
    EPOCH.saturating_add(SignedDuration::from_hours(day.saturating_mul(24)))
}

/// The instant of a local time; of two, the first. `None` where it does not exist and is skipped.
pub fn resolve(zone: &Zone, local: DateTime, nonexistent: NonexistentTime) -> Option<Timestamp> {
    let offset = match zone.rules().to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset,
        AmbiguousOffset::Fold { before, .. } => before,
        AmbiguousOffset::Gap { before, .. } => match nonexistent {
            NonexistentTime::Shift => before,
            NonexistentTime::Skip => return None,
        },
    };
    offset.to_timestamp(local).ok()
}

/// The instant of a local time; of one that the clocks jump over, the moment at which they jump.
pub fn landing(zone: &Zone, local: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.rules().to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        AmbiguousOffset::Gap { after, .. } => {
            let before_jump = after.to_timestamp(local).ok()?;
            zone.rules().following(before_jump).next().map(|jump| jump.timestamp())
        }
        _ => ambiguous.earlier().ok(),
    }
}

/// From when to when something takes place that starts so; `None` where it does not, because its
/// start is skipped or the whole of it is jumped over.
pub fn span(
    zone: &Zone,
    start: DateTime,
    length: Length,
    nonexistent: NonexistentTime,
) -> Option<(Timestamp, Timestamp)> {
    let from = resolve(zone, start, nonexistent)?;
    let nominal = match length.days {
        0 => from,
        days => {
            let end = Minute::of(start).plus(i64::from(days) * MINUTES_OF_DAY).local();
            resolve(zone, end, NonexistentTime::Shift)?
        }
    };
    let to = nominal.checked_add(SignedDuration::from_mins(length.minutes.into())).ok()?;
    (from < to).then_some((from, to))
}

/// What the clock on the wall shows at an instant.
pub fn local(zone: &Zone, instant: Timestamp) -> DateTime {
    zone.rules().to_datetime(instant)
}

/// One jump of the clocks over a stretch of local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first local time that exists behind it.
    pub end: Minute,
    /// How far the clocks jump, in minutes; a part of one counts as one.
    pub minutes: i64,
}

/// The jumps between two local times and a little around them, in order.
pub fn gaps(zone: &Zone, from: Minute, to: Minute) -> impl Iterator<Item = Gap> {
    let instant = |minute: Minute| resolve(zone, minute.local(), NonexistentTime::Shift);
    let first = instant(from.plus(-2 * MINUTES_OF_DAY)).unwrap_or(Timestamp::MIN);
    let last = instant(to.plus(2 * MINUTES_OF_DAY)).unwrap_or(Timestamp::MAX);
    let mut offset = zone.rules().to_offset(first);
    let transitions = zone.rules().following(first);
    transitions.take_while(move |jump| jump.timestamp() <= last).filter_map(move |jump| {
        let before = std::mem::replace(&mut offset, jump.offset());
        let seconds = i64::from(jump.offset().seconds() - before.seconds());
        let minutes = seconds.div_euclid(60) + i64::from(seconds % 60 != 0);
        let end = Minute::of(jump.offset().to_datetime(jump.timestamp()));
        (seconds > 0).then_some(Gap { end, minutes })
    })
}

#[cfg(test)]
#[path = "local_time_tests.rs"]
mod tests;
