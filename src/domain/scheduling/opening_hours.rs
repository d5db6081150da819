//! Opening hours: when a calendar takes bookings, in local time, by weekday, with exceptions by date.
//!
//! Owns what is open. Never knows what is booked.

use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;
use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use crate::scheduling::{
    free_busy::{Interval, merge},
    local_time::{self, NonexistentTime},
};

/// How many spans one day may have.
pub const SPANS_MAX: usize = 8;
/// How many dates may differ from their weekday.
pub const EXCEPTIONS_MAX: usize = 1_000;
/// The minute at which a day ends.
pub const MINUTES_OF_DAY: u16 = 1_440;

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
    pub exceptions: OrdMap<NaiveDate, Vec<Span>>,
}

/// Whether the spans of one day are in order, apart, and within a day.
pub fn are_spans_valid(spans: &[Span]) -> bool {
    spans.len() <= SPANS_MAX
        && spans.iter().all(|span| span.opens < span.closes && span.closes <= MINUTES_OF_DAY)
        && spans.windows(2).all(|pair| pair[0].closes < pair[1].opens)
}

/// Whether each weekday comes at most once, with valid spans.
pub fn is_week_valid(weekly: &[DayHours]) -> bool {
    weekly.len() <= 7
        && weekly.iter().all(|day| are_spans_valid(&day.spans))
        && (1..weekly.len()).all(|index| {
            weekly[..index].iter().all(|earlier| earlier.weekday != weekly[index].weekday)
        })
}

impl OpeningHours {
    fn spans(&self, date: NaiveDate) -> &[Span] {
        if let Some(spans) = self.exceptions.get(&date) {
            return spans;
        }
        let day = self.weekly.iter().find(|day| day.weekday == date.weekday());
        day.map_or(&[], |day| day.spans.as_slice())
    }

    /// When it is open within the range, in order and laid together. A span that starts in a gap
    /// of the clocks starts where the clocks land; one that ends in an hour that comes twice ends
    /// with the second. Costs time in proportion to the days of the range.
    pub fn open_intervals(&self, zone: Tz, range: &Interval) -> Vec<Interval> {
        let first = local_time::local(zone, range.start).date() - TimeDelta::days(1);
        let last = local_time::local(zone, range.end).date() + TimeDelta::days(1);
        let open = first.iter_days().take_while(|date| *date <= last).flat_map(|date| {
            self.spans(date).iter().filter_map(move |span| {
                let at = |minutes: u16| {
                    date.and_hms_opt(0, 0, 0)?
                        .checked_add_signed(TimeDelta::minutes(minutes.into()))
                };
                let start = local_time::resolve(zone, at(span.opens)?, NonexistentTime::Shift)?;
                let end: DateTime<Utc> = local_time::resolve_end(zone, at(span.closes)?)?;
                (start < end).then_some(Interval { start, end })
            })
        });
        merge(open, range)
    }

    /// Whether it is open during all of the interval.
    pub fn covers(&self, zone: Tz, interval: &Interval) -> bool {
        self.open_intervals(zone, interval).iter().any(|open| open.contains(interval))
    }
}

#[cfg(test)]
mod tests {
    use chrono::{NaiveDateTime, TimeZone};

    use super::*;

    const BERLIN: Tz = chrono_tz::Europe::Berlin;

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
        let closed: NaiveDate = "2026-04-06".parse().expect("a date");
        OpeningHours { weekly, exceptions: [(closed, vec![])].into_iter().collect() }
    }

    fn interval(start: &str, end: &str) -> Interval {
        let at = |text: &str| {
            let local: NaiveDateTime = format!("{text}:00").parse().expect("a local time");
            BERLIN.from_local_datetime(&local).latest().expect("an existing time").to_utc()
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
            assert_eq!(week().covers(BERLIN, &interval(start, end)), expected, "{start} to {end}");
        }
    }

    #[test]
    fn spans_out_of_order_or_bounds_are_invalid() {
        let spans = |pairs: &[(u16, u16)]| -> Vec<Span> {
            pairs.iter().map(|(opens, closes)| Span { opens: *opens, closes: *closes }).collect()
        };
        assert!(are_spans_valid(&spans(&[(0, 1_440)])) && are_spans_valid(&[]));
        for invalid in
            [&[(0, 1_441)][..], &[(60, 60)], &[(60, 0)], &[(0, 60), (60, 90)], &[(60, 90), (0, 30)]]
        {
            assert!(!are_spans_valid(&spans(invalid)), "{invalid:?}");
        }
        assert!(!are_spans_valid(&spans(
            &(0..9).map(|hour| (hour * 60, hour * 60 + 30)).collect::<Vec<_>>()
        )));
        let twice = DayHours { weekday: Weekday::Mon, spans: vec![] };
        assert!(!is_week_valid(&[twice.clone(), twice]));
        assert!(is_week_valid(&week().weekly));
    }
}
