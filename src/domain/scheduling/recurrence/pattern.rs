//! A rule and its start: the endless row of local times that they name, from any place on.
//!
//! Time is cut into the rule's periods (for rules by the hour and by the minute: into days), each
//! of which is filled by itself. So a walk can begin anywhere, costs what it walks over, and never
//! looks further than it was told.

use jiff::civil::DateTime;

use super::days::{Day, DayFilter};
use super::{Frequency, Rule};
use crate::scheduling::local_time::{MINUTES_OF_DAY, Minute, date_of, day_number};

/// See the module. Knows no end: COUNT and UNTIL are the caller's to apply.
#[derive(Clone, Debug)]
pub struct Pattern {
    frequency: Frequency,
    interval: i64,
    start: Minute,
    start_day: Day,
    week_start: u8,
    days: DayFilter,
    /// Of rules by the day and longer: the times of day in order, in minutes after midnight.
    times: Vec<i64>,
    /// Of rules by the hour and by the minute: bit n, the hour or the minute n.
    hours: u32,
    minutes: u64,
    positions: Vec<i16>,
}

impl Pattern {
    pub fn new(rule: &Rule, start: DateTime) -> Self {
        let start_day = Day::of(start.date());
        let is_sub_daily = rule.frequency.is_sub_daily();
        let or_start = |listed: &[i8], own: i8, needs_own: bool| -> Vec<i8> {
            match listed {
                [] if needs_own => vec![own],
                listed => listed.to_vec(),
            }
        };
        let hours = or_start(&rule.by_hour, start.hour(), !is_sub_daily);
        let by_minute = rule.frequency == Frequency::Minutely;
        let minutes = or_start(&rule.by_minute, start.minute(), !by_minute);
        let times = if is_sub_daily { vec![] } else { times_of_day(&hours, &minutes) };
        let bits = |listed: &[i8]| match listed {
            [] => u64::MAX,
            listed => listed.iter().fold(0, |bits, number| bits | 1_u64 << *number),
        };
        Self {
            frequency: rule.frequency,
            interval: rule.interval,
            start: Minute::of(start),
            start_day,
            week_start: rule.week_start,
            days: DayFilter::new(rule, start_day),
            times,
            hours: (bits(&hours) & u64::from(u32::MAX)) as u32,
            minutes: bits(&minutes),
            positions: rule.by_position.clone(),
        }
    }

    pub fn start(&self) -> Minute {
        self.start
    }

    /// Whether it names this time.
    pub fn matches(&self, at: Minute) -> bool {
        self.walk(at, at.plus(1)).next().is_some()
    }

    /// The times from `from` up to, and not including, `to`, in order.
    pub fn walk(&self, from: Minute, to: Minute) -> Walk<'_> {
        let from = from.max(self.start);
        let to = to.min(Minute::LAST.plus(1));
        let period = self.period_at(from.day());
        Walk { pattern: self, from, to, period, found: vec![], next: 0, steps: 0 }
    }

    /// After how many minutes the same times come again, if that is so for every rule of its kind.
    pub fn repeats_after(&self) -> Option<i64> {
        if !self.days.is_weekly() {
            return None;
        }
        const WEEK: i64 = 7 * MINUTES_OF_DAY;
        let by_weekday = !self.days.passes_all();
        match self.frequency {
            Frequency::Yearly | Frequency::Monthly => None,
            Frequency::Weekly => Some(self.interval * WEEK),
            Frequency::Daily => {
                let period = self.interval * MINUTES_OF_DAY;
                Some(if by_weekday { least_common_multiple(period, WEEK) } else { period })
            }
            Frequency::Hourly | Frequency::Minutely => {
                let unit = if self.frequency == Frequency::Hourly { 60 } else { 1 };
                let within = if by_weekday { WEEK } else { MINUTES_OF_DAY };
                Some(least_common_multiple(self.interval * unit, within))
            }
        }
    }

    /// The most times on one day, or some more than that.
    pub fn per_day_max(&self) -> i64 {
        let minutes = i64::from(self.minutes.count_ones()).min(60);
        let hours = i64::from(self.hours.count_ones()).min(24);
        match self.frequency {
            Frequency::Hourly => hours.min((24 + self.interval - 1) / self.interval) * minutes,
            Frequency::Minutely if MINUTES_OF_DAY % self.interval == 0 => {
                let phase = self.start.0.rem_euclid(self.interval);
                let times = (phase..MINUTES_OF_DAY).step_by(self.interval as usize);
                times.filter(|minute| self.is_time(*minute)).count() as i64
            }
            Frequency::Minutely => {
                (hours * minutes).min((MINUTES_OF_DAY + self.interval - 1) / self.interval)
            }
            _ => self.times.len() as i64,
        }
    }

    /// How far apart two neighbouring times are at least, in minutes.
    pub fn apart_min(&self) -> i64 {
        match self.frequency {
            Frequency::Minutely => self.interval,
            Frequency::Hourly if self.minutes.count_ones() == 1 => self.interval * 60,
            Frequency::Hourly => 1,
            _ => {
                let wrapped = self.times.first().map(|first| first + MINUTES_OF_DAY);
                let next = self.times.iter().skip(1).copied().chain(wrapped);
                let apart = self.times.iter().zip(next).map(|(one, next)| next - one);
                apart.min().unwrap_or(MINUTES_OF_DAY)
            }
        }
    }

    /// When in a day and on which weekdays something of a length that starts by this pattern takes
    /// place, or some more than that.
    pub fn places(&self, length: i64) -> Places {
        Places { minutes: self.minutes_of_day(length), weekdays: self.weekdays(length) }
    }

    fn weekdays(&self, length: i64) -> u8 {
        let latest = self.times.last().copied().unwrap_or(MINUTES_OF_DAY - 1);
        let starts = self.days.weekdays();
        (0..=(latest + length - 1) / MINUTES_OF_DAY)
            .take(7)
            .fold(0, |covered, later| covered | (starts << later | starts >> (7 - later)) & 0x7f)
    }

    fn minutes_of_day(&self, length: i64) -> MinutesOfDay {
        let mut minutes = MinutesOfDay::default();
        if !self.frequency.is_sub_daily() {
            self.times.iter().for_each(|time| minutes.add(*time, length));
        } else if self.frequency == Frequency::Minutely && MINUTES_OF_DAY % self.interval == 0 {
            let phase = self.start.0.rem_euclid(self.interval);
            let times = (phase..MINUTES_OF_DAY).step_by(self.interval as usize);
            times.filter(|time| self.is_time(*time)).for_each(|time| minutes.add(time, length));
        } else {
            let times = (0..MINUTES_OF_DAY).filter(|time| self.is_time(*time));
            times.for_each(|time| minutes.add(time, length));
        }
        minutes
    }

    fn is_time(&self, minute_of_day: i64) -> bool {
        self.hours & (1 << (minute_of_day / 60)) != 0
            && self.minutes & (1 << (minute_of_day % 60)) != 0
    }

    /// The first period of the rule that ends behind the beginning of a day.
    fn period_at(&self, day: i64) -> i64 {
        let first = self.start_day;
        let passed = match self.frequency {
            Frequency::Yearly => i64::from(date_of(day).year() - first.year),
            Frequency::Monthly => {
                let date = date_of(day);
                i64::from(date.year() - first.year) * 12 + i64::from(date.month() - first.month)
            }
            Frequency::Weekly => (day - self.first_week()).div_euclid(7),
            Frequency::Daily => day - first.number,
            Frequency::Hourly | Frequency::Minutely => return day - first.number,
        };
        (passed + self.interval - 1) / self.interval
    }

    /// The day on which the week of the start begins.
    fn first_week(&self) -> i64 {
        // 1970 began on a Thursday.
        let weekday = (self.start_day.number + 3).rem_euclid(7);
        self.start_day.number - (weekday - i64::from(self.week_start)).rem_euclid(7)
    }

    /// The first and the last day of a period.
    fn period(&self, number: i64) -> (i64, i64) {
        let first = self.start_day;
        match self.frequency {
            Frequency::Yearly => {
                let year = year_of(i64::from(first.year) + number * self.interval);
                let new_year = day_number(jiff::civil::date(year, 1, 1));
                (new_year, day_number(jiff::civil::date(year, 12, 31)))
            }
            Frequency::Monthly => {
                let months = i64::from(first.year) * 12 + i64::from(first.month) - 1
                    + number * self.interval;
                let month = (months.rem_euclid(12) + 1) as i8;
                let begins = jiff::civil::date(year_of(months.div_euclid(12)), month, 1);
                (day_number(begins), day_number(begins.last_of_month()))
            }
            Frequency::Weekly => {
                let begins = self.first_week() + number * self.interval * 7;
                (begins, begins + 6)
            }
            Frequency::Daily => {
                let day = first.number + number * self.interval;
                (day, day)
            }
            Frequency::Hourly | Frequency::Minutely => {
                (first.number + number, first.number + number)
            }
        }
    }

    /// The period that comes behind one: of a rule by the hour or by the minute, the next day that may
    /// have a time.
    fn period_after(&self, number: i64) -> i64 {
        let next = number + 1;
        if !self.frequency.is_sub_daily() {
            return next;
        }
        let first = self.start_day.number;
        if !self.days.passes_all() {
            return self.days.next(Day::of(date_of(first + number))).number - first;
        }
        let unit = if self.frequency == Frequency::Hourly { 60 } else { 1 };
        let start = self.start.0.div_euclid(unit) * unit;
        let (length, midnight) = (self.interval * unit, (first + next) * MINUTES_OF_DAY);
        if length <= MINUTES_OF_DAY {
            return next;
        }
        let at = start + (midnight - start + length - 1).div_euclid(length) * length;
        at.div_euclid(MINUTES_OF_DAY) - first
    }

    /// No fewer than there are until the end of the calendar.
    pub fn count_max(&self) -> u64 {
        let days = Minute::LAST.day() - self.start_day.number + 1;
        let by_distance = (Minute::LAST.0 - self.start.0) / self.apart_min().max(1) + 1;
        by_distance.min(days * self.per_day_max()).unsigned_abs()
    }

    /// Puts the times of a period between the bounds into `found`, in order. Returns the steps.
    fn fill(&self, number: i64, from: Minute, to: Minute, found: &mut Vec<Minute>) -> u64 {
        let (mut first, mut last) = self.period(number);
        if self.frequency.is_sub_daily() {
            return self.fill_day(first, found);
        }
        // A position counts within the whole period.
        if self.positions.is_empty() {
            first = first.max(from.day());
            last = last.min(to.day());
        }
        let steps = self.days.scan(first, last, |day| {
            let midnight = day.number * MINUTES_OF_DAY;
            found.extend(self.times.iter().map(|time| Minute(midnight + time)));
        });
        self.select(found, 0);
        steps + found.len() as u64
    }

    /// The times of one day of a rule by the hour or by the minute.
    fn fill_day(&self, day: i64, found: &mut Vec<Minute>) -> u64 {
        let mut passes = false;
        let steps = self.days.scan(day, day, |_| passes = true);
        if !passes {
            return steps;
        }
        let midnight = day * MINUTES_OF_DAY;
        if self.frequency == Frequency::Minutely {
            let phase = (self.start.0 - midnight).rem_euclid(self.interval);
            let times = (phase..MINUTES_OF_DAY).step_by(self.interval as usize);
            let named = times.filter(|minute| self.is_time(*minute));
            found.extend(named.map(|minute| Minute(midnight + minute)));
            if !self.positions.is_empty() && !self.positions.iter().any(|place| place.abs() == 1) {
                found.clear();
            }
            return steps + MINUTES_OF_DAY as u64 / self.interval as u64 / 8;
        }
        let phase = (self.start.0.div_euclid(60) - day * 24).rem_euclid(self.interval);
        for hour in (phase..24).step_by(self.interval as usize) {
            if self.hours & (1 << hour) == 0 {
                continue;
            }
            let begins = found.len();
            let minutes = (0..60).filter(|minute| self.minutes & (1 << minute) != 0);
            found.extend(minutes.map(|minute| Minute(midnight + hour * 60 + minute)));
            self.select(found, begins);
        }
        steps + found.len() as u64
    }

    /// Leaves of what stands from `begins` on, which is one period, the places of BYSETPOS.
    fn select(&self, found: &mut Vec<Minute>, begins: usize) {
        if self.positions.is_empty() {
            return;
        }
        let all = found.split_off(begins);
        let place = |position: &i16| {
            let from_end = usize::from(position.unsigned_abs());
            match position {
                1.. => Some(from_end - 1),
                _ => all.len().checked_sub(from_end),
            }
        };
        let mut places: Vec<usize> = self.positions.iter().filter_map(place).collect();
        places.sort_unstable();
        places.dedup();
        found.extend(places.into_iter().filter_map(|place| all.get(place)));
    }
}

/// Where occurrences can be, whatever the date: what has no place in common never meets.
#[derive(Clone, Debug)]
pub struct Places {
    minutes: MinutesOfDay,
    /// Bit n: the weekday n.
    weekdays: u8,
}

impl Places {
    pub fn meet(&self, other: &Self) -> bool {
        self.weekdays & other.weekdays != 0 && self.minutes.meets(&other.minutes)
    }
}

/// A set of minutes of the day, a bit for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct MinutesOfDay([u64; 23]);

impl MinutesOfDay {
    /// Adds as many minutes as `length` from one on, past midnight to the next day's.
    fn add(&mut self, from: i64, length: i64) {
        for minute in from..from + length.min(MINUTES_OF_DAY) {
            let minute = (minute % MINUTES_OF_DAY) as usize;
            self.0[minute / 64] |= 1 << (minute % 64);
        }
    }

    fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(one, another)| one & another != 0)
    }
}

/// The times of a [`Pattern`] within bounds.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    pattern: &'a Pattern,
    from: Minute,
    to: Minute,
    /// The next one to be filled.
    period: i64,
    found: Vec<Minute>,
    next: usize,
    steps: u64,
}

impl Walk<'_> {
    /// How many days and times were looked at.
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

impl Iterator for Walk<'_> {
    type Item = Minute;

    fn next(&mut self) -> Option<Minute> {
        loop {
            while let Some(at) = self.found.get(self.next).copied() {
                self.next += 1;
                if at >= self.to {
                    return None;
                }
                if at >= self.from {
                    return Some(at);
                }
            }
            let (begins, _) = self.pattern.period(self.period);
            if begins * MINUTES_OF_DAY >= self.to.0 {
                return None;
            }
            self.found.clear();
            self.next = 0;
            let filled = self.pattern.fill(self.period, self.from, self.to, &mut self.found);
            self.steps += 1 + filled;
            self.period = self.pattern.period_after(self.period);
        }
    }
}

fn times_of_day(hours: &[i8], minutes: &[i8]) -> Vec<i64> {
    let at = |hour: &i8, minute: &i8| i64::from(*hour) * 60 + i64::from(*minute);
    hours.iter().flat_map(|hour| minutes.iter().map(move |minute| at(hour, minute))).collect()
}

/// A year of the calendar's own range of dates.
fn year_of(year: i64) -> i16 {
    year.clamp(-9_999, 9_999) as i16
}

pub(crate) fn least_common_multiple(one: i64, other: i64) -> i64 {
    let (mut a, mut b) = (one, other);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    one / a.max(1) * other
}
