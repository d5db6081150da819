//! From local time to an instant: what is stored is what the clock on the wall shows, and the
//! zone's present rules say which instant that is.
//!
//! Owns the policy for local times that do not exist or exist twice. Never stores an instant.

use chrono::{DateTime, Datelike, LocalResult, NaiveDateTime, Offset, TimeZone, Timelike, Utc};
use chrono_tz::{GapInfo, Tz};
use serde::{Deserialize, Serialize};

/// The years in which a local time may lie: far enough from the ends of every date type that no
/// sum of a time and a bounded duration overflows.
pub const YEARS: std::ops::RangeInclusive<i32> = 1970..=2199;

/// What happens at a local time that the clocks jump over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NonexistentTime {
    /// Takes place later by the length of the jump (RFC 5545, 3.3.5: the offset before the gap).
    #[default]
    Shift,
    /// Does not take place.
    Skip,
}

/// Whether a local time is one that a calendar stores: whole minutes, within [`YEARS`].
pub fn is_storable(local: NaiveDateTime) -> bool {
    YEARS.contains(&local.year()) && local.second() == 0 && local.nanosecond() == 0
}

/// The instant of a local time; of two, the first. `None` where it does not exist and is skipped.
pub fn resolve(
    zone: Tz,
    local: NaiveDateTime,
    nonexistent: NonexistentTime,
) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.to_utc()),
        LocalResult::None => match nonexistent {
            NonexistentTime::Shift => shifted(zone, local),
            NonexistentTime::Skip => None,
        },
    }
}

/// The instant of a local time at which something ends; of two, the last.
pub fn resolve_end(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    match zone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(_, time) => Some(time.to_utc()),
        LocalResult::None => shifted(zone, local),
    }
}

fn shifted(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    let (_, offset_before) = GapInfo::new(&local, &zone)?.begin?;
    local.checked_sub_offset(offset_before.fix()).map(|utc| utc.and_utc())
}

/// What the clock on the wall shows at an instant.
pub fn local(zone: Tz, instant: DateTime<Utc>) -> NaiveDateTime {
    zone.from_utc_datetime(&instant.naive_utc()).naive_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zone, local time, instant when shifted, instant when skipped.
    const TRANSITIONS: &[(&str, &str, &str, Option<&str>)] = &[
        // Berlin, forward on 29 March 2026 from 02:00 to 03:00
        ("Europe/Berlin", "2026-03-29T01:59", "2026-03-29T00:59Z", Some("2026-03-29T00:59Z")),
        ("Europe/Berlin", "2026-03-29T02:00", "2026-03-29T01:00Z", None),
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:30Z", None),
        ("Europe/Berlin", "2026-03-29T02:59", "2026-03-29T01:59Z", None),
        ("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00Z", Some("2026-03-29T01:00Z")),
        // and back on 25 October from 03:00 to 02:00
        ("Europe/Berlin", "2026-10-25T01:59", "2026-10-24T23:59Z", Some("2026-10-24T23:59Z")),
        ("Europe/Berlin", "2026-10-25T02:00", "2026-10-25T00:00Z", Some("2026-10-25T00:00Z")),
        ("Europe/Berlin", "2026-10-25T02:59", "2026-10-25T00:59Z", Some("2026-10-25T00:59Z")),
        ("Europe/Berlin", "2026-10-25T03:00", "2026-10-25T02:00Z", Some("2026-10-25T02:00Z")),
        // New York, forward on 8 March from 02:00 to 03:00
        ("America/New_York", "2026-03-08T01:59", "2026-03-08T06:59Z", Some("2026-03-08T06:59Z")),
        ("America/New_York", "2026-03-08T02:30", "2026-03-08T07:30Z", None),
        ("America/New_York", "2026-03-08T03:00", "2026-03-08T07:00Z", Some("2026-03-08T07:00Z")),
        // and back on 1 November from 02:00 to 01:00
        ("America/New_York", "2026-11-01T00:59", "2026-11-01T04:59Z", Some("2026-11-01T04:59Z")),
        ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30Z", Some("2026-11-01T05:30Z")),
        ("America/New_York", "2026-11-01T02:00", "2026-11-01T07:00Z", Some("2026-11-01T07:00Z")),
        // Sydney, back on 5 April from 03:00 to 02:00
        ("Australia/Sydney", "2026-04-05T02:30", "2026-04-04T15:30Z", Some("2026-04-04T15:30Z")),
        ("Australia/Sydney", "2026-04-05T03:00", "2026-04-04T17:00Z", Some("2026-04-04T17:00Z")),
        // and forward on 4 October from 02:00 to 03:00
        ("Australia/Sydney", "2026-10-04T02:30", "2026-10-03T16:30Z", None),
        ("Australia/Sydney", "2026-10-04T03:00", "2026-10-03T16:00Z", Some("2026-10-03T16:00Z")),
        // Lord Howe moves by half an hour
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:45Z", None),
        // Apia left out 30 December 2011
        ("Pacific/Apia", "2011-12-30T12:00", "2011-12-30T22:00Z", None),
    ];

    fn naive(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").expect("a local time")
    }

    fn instant(text: &str) -> DateTime<Utc> {
        naive(text.trim_end_matches('Z')).and_utc()
    }

    #[test]
    fn local_times_around_transitions_resolve_as_promised() {
        for (zone, time, shift, skip) in TRANSITIONS {
            let (zone, time): (Tz, _) = (zone.parse().expect("a zone"), naive(time));
            assert_eq!(
                resolve(zone, time, NonexistentTime::Shift),
                Some(instant(shift)),
                "{zone} {time}"
            );
            assert_eq!(
                resolve(zone, time, NonexistentTime::Skip),
                skip.map(instant),
                "{zone} {time}"
            );
        }
    }

    #[test]
    fn ends_take_the_second_of_two() {
        let berlin = chrono_tz::Europe::Berlin;
        assert_eq!(
            resolve_end(berlin, naive("2026-10-25T02:30")),
            Some(instant("2026-10-25T01:30Z"))
        );
        assert_eq!(
            resolve_end(berlin, naive("2026-03-29T02:30")),
            Some(instant("2026-03-29T01:30Z"))
        );
    }

    #[test]
    fn only_whole_minutes_of_sane_years_are_stored() {
        assert!(is_storable(naive("2026-03-29T02:30")));
        assert!(!is_storable(naive("1969-12-31T23:59")));
        assert!(!is_storable(naive("2200-01-01T00:00")));
        assert!(!is_storable(naive("2026-03-29T02:30") + chrono::TimeDelta::seconds(1)));
        assert!(!is_storable(naive("2026-03-29T02:30") + chrono::TimeDelta::nanoseconds(1)));
        assert!(!is_storable(NaiveDateTime::MAX) && !is_storable(NaiveDateTime::MIN));
    }
}
