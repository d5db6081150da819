//! Opening hours: when a calendar takes bookings, in local time, by weekday, with exceptions by date.
//!
//! Owns what is open. Never knows what is booked.

use imbl::OrdMap;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::scheduling::{
    free_busy::{Interval, merge},
    local_time::{self, MINUTES_OF_DAY, Minute, date_of},
    zone::Zone,
};

/// How many spans one day may have.
pub const SPANS_MAX: usize = 8;
/// How many dates may differ from their weekday.
pub const EXCEPTIONS_MAX: usize = 1_000;

/// In the order of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Weekday {
    pub fn of(date: Date) -> Self {
        use jiff::civil::Weekday::{
            Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday,
        };
        match date.weekday() {
            Monday => Self::Mon,
            Tuesday => Self::Tue,
            Wednesday => Self::Wed,
            Thursday => Self::Thu,
            Friday => Self::Fri,
            Saturday => Self::Sat,
            Sunday => Self::Sun,
        }
    }
}

/// Open from `opens` up to `closes`, in minutes after midnight; `closes` may be 1,440.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub opens: u16,
    pub closes: u16,
}

/// The spans of one weekday, in order and apart. A day without spans is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayHours {
    pub weekday: Weekday,
    pub spans: Vec<Span>,
}

/// Closed on every day until something else is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OpeningHours {
    pub weekly: Vec<DayHours>,
    pub exceptions: OrdMap<Date, Vec<Span>>,
}

/// What is wrong with the spans of one day, and with which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum HoursProblem {
    #[error("a day has at most {SPANS_MAX} spans")]
    TooMany,
    #[error("a span closes at most 1440 minutes after midnight")]
    BeyondTheDay { span: u32 },
    #[error(
        "a span closes after it opens, on the same day; hours across midnight are written as two: \
         22:00 to 02:00 is 1320 to 1440 on the one day and 0 to 120 on the next"
    )]
    ClosesBeforeItOpens { span: u32 },
    #[error("the spans of a day are in order and apart; what touches is one span")]
    NotApart { span: u32 },
    #[error("a weekday comes once")]
    WeekdayTwice,
}

impl HoursProblem {
    /// The place of the span in its day.
    pub fn span(self) -> Option<u32> {
        match self {
            Self::BeyondTheDay { span }
            | Self::ClosesBeforeItOpens { span }
            | Self::NotApart { span } => Some(span),
            Self::TooMany | Self::WeekdayTwice => None,
        }
    }
}

/// Whether the spans of one day are in order, apart, and within a day.
pub fn check_spans(spans: &[Span]) -> Result<(), HoursProblem> {
    if spans.len() > SPANS_MAX {
        return Err(HoursProblem::TooMany);
    }
    let mut open_until = None;
    for (span, index) in spans.iter().zip(0..) {
        if i64::from(span.closes) > MINUTES_OF_DAY {
            return Err(HoursProblem::BeyondTheDay { span: index });
        }
        if span.opens >= span.closes {
            return Err(HoursProblem::ClosesBeforeItOpens { span: index });
        }
        if open_until.is_some_and(|until| until >= span.opens) {
            return Err(HoursProblem::NotApart { span: index });
        }
        open_until = Some(span.closes);
    }
    Ok(())
}

/// Whether each weekday comes at most once, with valid spans; and if not, the place of the day.
pub fn check_week(weekly: &[DayHours]) -> Result<(), (u32, HoursProblem)> {
    for (index, (day, place)) in weekly.iter().zip(0..).enumerate() {
        if weekly[..index].iter().any(|earlier| earlier.weekday == day.weekday) {
            return Err((place, HoursProblem::WeekdayTwice));
        }
        check_spans(&day.spans).map_err(|problem| (place, problem))?;
    }
    Ok(())
}

/// Whether two weeks are open at the same times, in whatever order their days are named.
pub fn same_week(one: &[DayHours], other: &[DayHours]) -> bool {
    let includes = |week: &[DayHours], other: &[DayHours]| {
        let mut open = other.iter().filter(|day| !day.spans.is_empty());
        open.all(|day| week.contains(day))
    };
    includes(one, other) && includes(other, one)
}

impl OpeningHours {
    fn spans(&self, date: Date) -> &[Span] {
        self.exceptions.get(&date).map_or_else(|| self.in_the_week(date), Vec::as_slice)
    }

    fn in_the_week(&self, date: Date) -> &[Span] {
        let weekday = Weekday::of(date);
        let day = self.weekly.iter().find(|day| day.weekday == weekday);
        day.map_or(&[], |day| day.spans.as_slice())
    }

    /// When it is open within the range, in order and laid together. A span that starts or ends in a
    /// gap of the clocks does so where the clocks land; in an hour that comes twice, with the first.
    /// Costs time in proportion to the days of the range.
    pub fn open_intervals(&self, zone: &Zone, range: &Interval) -> Vec<Interval> {
        let day = |instant| Minute::of(local_time::local(zone, instant)).day();
        let days = day(range.start) - 1..=day(range.end) + 1;
        let open = days.flat_map(|day| {
            self.spans(date_of(day)).iter().filter_map(move |span| {
                let at = |minutes: u16| {
                    let local = Minute(day * MINUTES_OF_DAY + i64::from(minutes)).local();
                    local_time::landing(zone, local)
                };
                let (start, end) = (at(span.opens)?, at(span.closes)?);
                (start < end).then_some(Interval { start, end })
            })
        });
        merge(open, range)
    }

    /// Whether it is open during all of the interval.
    pub fn covers(&self, zone: &Zone, interval: &Interval) -> bool {
        self.open_intervals(zone, interval).iter().any(|open| open.contains(interval))
    }

    /// Whether the hours of the week hold what starts so and lasts so many minutes of the clock on
    /// the wall, if no clock is moved and no date has hours of its own.
    pub fn cover_in_the_week(&self, start: Minute, length: i64) -> bool {
        let end = start.plus(length);
        let mut open_until = start;
        for day in start.day() - 1..=end.day() {
            for span in self.in_the_week(date_of(day)) {
                let at = |minutes: u16| Minute(day * MINUTES_OF_DAY + i64::from(minutes));
                if at(span.opens) <= open_until {
                    open_until = open_until.max(at(span.closes));
                }
            }
        }
        open_until >= end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn week() -> OpeningHours {
        let day = |weekday, spans: &[(u16, u16)]| DayHours {
            weekday,
            spans: spans
                .iter()
                .map(|(opens, closes)| Span { opens: *opens, closes: *closes })
                .collect(),
        };
        let weekly = vec![
            day(Weekday::Mon, &[(540, 720), (780, 1_080)]),
            day(Weekday::Sat, &[(1_320, 1_440)]),
            day(Weekday::Sun, &[(0, 240)]),
        ];
        let closed: Date = "2026-04-06".parse().expect("a date");
        OpeningHours { weekly, exceptions: [(closed, vec![])].into_iter().collect() }
    }

    fn berlin() -> Zone {
        "Europe/Berlin".parse().expect("a zone")
    }

    fn interval(start: &str, end: &str) -> Interval {
        let at = |text: &str| {
            let local = text.parse().expect("a local time");
            local_time::resolve(&berlin(), local, local_time::NonexistentTime::Skip)
                .expect("an existing time")
        };
        Interval { start: at(start), end: at(end) }
    }

    #[test]
    fn bookings_lie_within_spans() {
        for (start, end, expected) in [
            ("2026-03-02T09:00", "2026-03-02T12:00", true),
            ("2026-03-02T08:59", "2026-03-02T12:00", false),
            ("2026-03-02T09:00", "2026-03-02T12:01", false),
            ("2026-03-02T11:00", "2026-03-02T13:30", false),
            ("2026-03-02T17:59", "2026-03-02T18:00", true),
            // across midnight, where Saturday's last span meets Sunday's first
            ("2026-03-07T22:00", "2026-03-08T04:00", true),
            ("2026-03-07T23:00", "2026-03-08T04:01", false),
            // across the night with one hour less and the one with an hour more
            ("2026-03-28T22:00", "2026-03-29T04:00", true),
            ("2026-10-24T22:00", "2026-10-25T04:00", true),
            ("2026-03-03T09:00", "2026-03-03T10:00", false),
            // an exception closes a Monday
            ("2026-04-06T09:00", "2026-04-06T10:00", false),
            ("2026-04-13T09:00", "2026-04-13T10:00", true),
        ] {
            assert_eq!(
                week().covers(&berlin(), &interval(start, end)),
                expected,
                "{start} to {end}"
            );
        }
    }

    #[test]
    fn spans_out_of_order_or_bounds_are_named() {
        use HoursProblem::{BeyondTheDay, ClosesBeforeItOpens, NotApart, TooMany, WeekdayTwice};
        let spans = |pairs: &[(u16, u16)]| -> Vec<Span> {
            pairs.iter().map(|(opens, closes)| Span { opens: *opens, closes: *closes }).collect()
        };
        assert_eq!(check_spans(&spans(&[(0, 1_440)])), Ok(()));
        assert_eq!(check_spans(&[]), Ok(()));
        for (invalid, problem) in [
            (&[(0, 1_441)][..], BeyondTheDay { span: 0 }),
            (&[(60, 60)], ClosesBeforeItOpens { span: 0 }),
            (&[(0, 60), (1_320, 120)], ClosesBeforeItOpens { span: 1 }),
            (&[(0, 60), (60, 90)], NotApart { span: 1 }),
            (&[(60, 90), (0, 30)], NotApart { span: 1 }),
        ] {
            assert_eq!(check_spans(&spans(invalid)), Err(problem), "{invalid:?}");
        }
        let nine: Vec<_> = (0..9).map(|hour| (hour * 60, hour * 60 + 30)).collect();
        assert_eq!(check_spans(&spans(&nine)), Err(TooMany));
        let twice = DayHours { weekday: Weekday::Mon, spans: vec![] };
        assert_eq!(check_week(&[twice.clone(), twice]), Err((1, WeekdayTwice)));
        assert_eq!(check_week(&week().weekly), Ok(()));
    }

    #[test]
    fn hours_in_a_gap_or_an_hour_that_comes_twice() {
        let all_week = |opens, closes| {
            let days = [Weekday::Sat, Weekday::Sun];
            let weekly =
                days.map(|weekday| DayHours { weekday, spans: vec![Span { opens, closes }] });
            OpeningHours { weekly: weekly.to_vec(), exceptions: OrdMap::new() }
        };
        for (opens, closes, night, expected) in [
            // 02:00 is jumped over to 03:00: open from there
            (150, 300, "2026-03-29", Some(("2026-03-29T01:00Z", "2026-03-29T03:00Z"))),
            (0, 150, "2026-03-29", Some(("2026-03-28T23:00Z", "2026-03-29T01:00Z"))),
            (130, 170, "2026-03-29", None),
            // 02:30 comes twice: the first
            (0, 150, "2026-10-25", Some(("2026-10-24T22:00Z", "2026-10-25T00:30Z"))),
            (150, 300, "2026-10-25", Some(("2026-10-25T00:30Z", "2026-10-25T04:00Z"))),
        ] {
            let range = interval(&format!("{night}T00:00"), &format!("{night}T12:00"));
            let open = all_week(opens, closes).open_intervals(&berlin(), &range);
            let expected = expected.map(|(start, end)| Interval {
                start: start.parse().expect("an instant"),
                end: end.parse().expect("an instant"),
            });
            assert_eq!(open, Vec::from_iter(expected), "{opens} to {closes} on {night}");
        }
    }

    #[test]
    fn the_hours_of_the_week_hold_what_they_hold_on_an_ordinary_day() {
        for (start, minutes, expected) in [
            ("2026-03-02T09:00", 180, true),
            ("2026-03-02T08:59", 60, false),
            ("2026-03-02T09:00", 181, false),
            ("2026-03-07T22:00", 360, true),
            ("2026-03-07T22:00", 361, false),
            ("2026-03-08T03:00", 60, true),
            // no date has hours of its own here
            ("2026-04-06T09:00", 60, true),
        ] {
            let start = Minute::of(start.parse().expect("a local time"));
            assert_eq!(week().cover_in_the_week(start, minutes), expected, "{start:?}");
        }
    }
}
