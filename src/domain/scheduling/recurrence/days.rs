//! Which days a rule names: every filter of a rule on one day, and the walk over days that feeds it.

use jiff::civil::{Date, date};

use super::{Frequency, Rule};
use crate::scheduling::local_time::{date_of, day_number};

/// A day and where it stands in its month, its year and its week.
#[derive(Clone, Copy, Debug)]
pub(super) struct Day {
    /// Days since 1970.
    pub number: i64,
    pub year: i16,
    pub month: i8,
    pub day: i8,
    /// From Monday, 0.
    weekday: u8,
    /// From the first of January, 0.
    year_day: i16,
    days_in_month: i8,
    days_in_year: i16,
}

impl Day {
    pub fn of(date: Date) -> Self {
        Self {
            number: day_number(date),
            year: date.year(),
            month: date.month(),
            day: date.day(),
            weekday: date.weekday().to_monday_zero_offset() as u8,
            year_day: date.day_of_year() - 1,
            days_in_month: date.days_in_month(),
            days_in_year: date.days_in_year(),
        }
    }

    /// So many days later, 31 at most.
    fn later(self, days: i8) -> Self {
        if days > self.days_in_month - self.day {
            return Self::of(date_of(self.number + i64::from(days)));
        }
        Self {
            number: self.number + i64::from(days),
            day: self.day + days,
            weekday: (self.weekday + days as u8) % 7,
            year_day: self.year_day + i16::from(days),
            ..self
        }
    }
}

/// What a day must be: the parts of a rule that speak of days, completed from the start (a yearly
/// rule without another word means the start's month and day).
#[derive(Clone, Debug)]
pub(super) struct DayFilter {
    /// Bit n: the month n.
    months: u16,
    month_days: Vec<i8>,
    year_days: Vec<i16>,
    weeks: Vec<i8>,
    week_start: u8,
    /// Bit n: every weekday n.
    weekdays: u8,
    /// The n-th weekdays.
    numbered: Vec<(i16, u8)>,
    /// Numbered weekdays count within the year, and not within their month.
    counts_in_year: bool,
}

impl DayFilter {
    pub fn new(rule: &Rule, start: Day) -> Self {
        let names_days = !(rule.by_day.is_empty()
            && rule.by_month_day.is_empty()
            && rule.by_year_day.is_empty()
            && rule.by_week.is_empty());
        let mut months = rule.by_month.iter().fold(0, |months, month| months | 1_u16 << *month);
        let mut month_days = rule.by_month_day.clone();
        let mut weekdays = rule
            .by_day
            .iter()
            .filter(|day| day.nth.is_none())
            .fold(0, |days, day| days | 1_u8 << day.weekday);
        let by_start = !names_days;
        match rule.frequency {
            Frequency::Yearly if by_start => {
                month_days.push(start.day);
                if months == 0 {
                    months = 1 << start.month;
                }
            }
            // A week number alone means the weekday of the start in that week.
            Frequency::Yearly
                if rule.by_day.is_empty()
                    && month_days.is_empty()
                    && rule.by_year_day.is_empty() =>
            {
                weekdays = 1 << start.weekday;
            }
            Frequency::Monthly if by_start => month_days.push(start.day),
            Frequency::Weekly if by_start => weekdays = 1 << start.weekday,
            _ => {}
        }
        let numbered = rule.by_day.iter().filter_map(|day| Some((day.nth?, day.weekday))).collect();
        Self {
            months,
            month_days,
            year_days: rule.by_year_day.clone(),
            weeks: rule.by_week.clone(),
            week_start: rule.week_start,
            weekdays,
            numbered,
            counts_in_year: rule.frequency == Frequency::Yearly && rule.by_month.is_empty(),
        }
    }

    /// Whether it asks for nothing but weekdays, so that it says the same every week.
    pub fn is_weekly(&self) -> bool {
        self.is_by_date_free() && self.numbered.is_empty()
    }

    /// Whether every day passes.
    pub fn passes_all(&self) -> bool {
        self.is_weekly() && self.weekdays == 0
    }

    /// The weekdays that can pass; bit n, the weekday n.
    pub fn weekdays(&self) -> u8 {
        let numbered = self.numbered.iter().fold(0, |days, (_, weekday)| days | 1_u8 << weekday);
        match self.weekdays | numbered {
            0 => 0x7f,
            named => named,
        }
    }

    fn is_by_date_free(&self) -> bool {
        self.months == 0
            && self.month_days.is_empty()
            && self.year_days.is_empty()
            && self.weeks.is_empty()
    }

    fn passes_month(&self, month: i8) -> bool {
        self.months == 0 || self.months & (1 << month) != 0
    }

    pub fn passes(&self, day: &Day) -> bool {
        self.passes_month(day.month)
            && self.passes_weekday(day)
            && self.passes_month_day(day)
            && self.passes_year_day(day)
            && self.passes_week(day)
    }

    fn passes_weekday(&self, day: &Day) -> bool {
        if self.weekdays == 0 && self.numbered.is_empty() {
            return true;
        }
        if self.weekdays & (1 << day.weekday) != 0 {
            return true;
        }
        let (before, after) = if self.counts_in_year {
            (day.year_day, day.days_in_year - 1 - day.year_day)
        } else {
            (i16::from(day.day) - 1, i16::from(day.days_in_month - day.day))
        };
        self.numbered.iter().any(|(nth, weekday)| {
            *weekday == day.weekday && (*nth == before / 7 + 1 || *nth == -(after / 7 + 1))
        })
    }

    fn passes_month_day(&self, day: &Day) -> bool {
        self.month_days.is_empty()
            || self.month_days.contains(&day.day)
            || self.month_days.contains(&(day.day - day.days_in_month - 1))
    }

    fn passes_year_day(&self, day: &Day) -> bool {
        self.year_days.is_empty()
            || self.year_days.contains(&(day.year_day + 1))
            || self.year_days.contains(&(day.year_day - day.days_in_year))
    }

    /// Whether its week has one of the numbers, counted in the year to which the week belongs: the
    /// first week of a year is the first with four days in it.
    fn passes_week(&self, day: &Day) -> bool {
        if self.weeks.is_empty() {
            return true;
        }
        let first = self.first_week(day.year);
        let next = day.days_in_year + self.first_week(day.year + 1);
        let (begins, ends) = if day.year_day < first {
            (self.first_week(day.year - 1) - days_in_year(day.year - 1), first)
        } else if day.year_day < next {
            (first, next)
        } else {
            let year_after = days_in_year(day.year + 1) + self.first_week(day.year + 2);
            (next, day.days_in_year + year_after)
        };
        let number = (day.year_day - begins) / 7 + 1;
        let weeks = (ends - begins) / 7;
        self.weeks.iter().any(|week| {
            let week = i16::from(*week);
            week == number || week == number - weeks - 1
        })
    }

    /// Where the first week of a year begins, in days from the first of January.
    fn first_week(&self, year: i16) -> i16 {
        let new_year = Date::constant(year, 1, 1).weekday().to_monday_zero_offset();
        let since_week_start = (i16::from(new_year) + 7 - i16::from(self.week_start)) % 7;
        if since_week_start <= 3 { -since_week_start } else { 7 - since_week_start }
    }

    /// The next day that may pass.
    pub fn next(&self, day: Day) -> Day {
        if !self.passes_month(day.month) {
            let next = (day.month + 1..=12).find(|month| self.passes_month(*month));
            let in_next_year = || (1..=12).find(|month| self.passes_month(*month)).unwrap_or(1);
            return Day::of(match next {
                Some(month) => date(day.year, month, 1),
                None => date(day.year + 1, in_next_year(), 1),
            });
        }
        let to_next_month = day.days_in_month - day.day + 1;
        if self.month_days.is_empty() {
            let weekdays = u16::from(self.weekdays());
            let from_tomorrow = (weekdays | weekdays << 7) >> (day.weekday + 1);
            return day.later(from_tomorrow.trailing_zeros() as i8 + 1);
        }
        let of_month =
            |named: &i8| if *named > 0 { *named } else { day.days_in_month + 1 + *named };
        let later = self.month_days.iter().map(of_month).filter(|named| *named > day.day);
        let next = later.map(|named| named - day.day).min().unwrap_or(to_next_month);
        day.later(next.min(to_next_month))
    }

    /// Calls with the days from `first` to `last` that pass, in order. Returns how many it looked at.
    pub fn scan(&self, first: i64, last: i64, mut found: impl FnMut(&Day)) -> u64 {
        let mut steps = 0;
        let mut day = Day::of(date_of(first));
        while day.number <= last {
            steps += 1;
            if self.passes(&day) {
                found(&day);
            }
            day = self.next(day);
        }
        steps
    }
}

fn days_in_year(year: i16) -> i16 {
    Date::constant(year, 1, 1).days_in_year()
}
