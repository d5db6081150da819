//! What clients say of times: when something takes place, how it recurs, when a calendar is open.

use async_graphql::{Enum, InputObject, OneofObject};

use super::types::Weekday;
use crate::scalars::{Duration, LocalDateTime, Natural};
use domain::scheduling::calendar::{Availability, EndRequest, RecurrenceRequest, TimingRequest};
use domain::scheduling::local_time::{Length, NonexistentTime};
use domain::scheduling::opening_hours::{DayHours, Span};

/// How many bookings may hold at once.
#[derive(InputObject)]
pub struct AvailabilityInput {
    pub kind: super::types::AvailabilityKind,
    /// For the kind `CAPACITY` only.
    pub capacity: Option<Natural>,
}

impl AvailabilityInput {
    /// A capacity that is missing counts as none, which the rules refuse.
    pub fn read(&self) -> Availability {
        use super::types::AvailabilityKind::{Capacity, Exclusive, Unlimited};
        match self.kind {
            Exclusive => Availability::Exclusive {},
            Capacity => {
                Availability::Capacity { bookings: self.capacity.map_or(0, |capacity| capacity.0) }
            }
            Unlimited => Availability::Unlimited {},
        }
    }
}

/// What happens at a local time that the clocks jump over.
#[derive(Enum, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[graphql(remote = "NonexistentTime")]
pub enum NonexistentTimePolicy {
    /// Takes place later by the length of the jump.
    #[default]
    Shift,
    /// Does not take place.
    Skip,
}

/// How long an occurrence lasts.
#[derive(OneofObject)]
pub enum LengthInput {
    /// Days and whole minutes, 31 days at most. A day ends at the same local time as it began,
    /// whatever the clocks do (`P1D` from midnight is one day of the calendar); hours and minutes are
    /// exact (`PT24H`).
    Duration(Duration),
    /// Until then, in the calendar's time zone; the first of two where that time comes twice. The
    /// exact length of the first occurrence is that of all.
    Until(LocalDateTime),
}

impl LengthInput {
    /// Parts of a minute count as a length that the rules refuse.
    pub fn read(&self) -> EndRequest {
        match self {
            Self::Duration(duration) if duration.seconds % 60 != 0 => {
                EndRequest::Length(Length::default())
            }
            Self::Duration(duration) => {
                let minutes = u32::try_from(duration.seconds / 60).unwrap_or(u32::MAX);
                EndRequest::Length(Length { days: duration.days, minutes })
            }
            Self::Until(end) => EndRequest::Local(end.0),
        }
    }
}

/// How an event recurs.
#[derive(InputObject)]
pub struct RecurrenceInput {
    /// RFC 5545, such as `FREQ=WEEKLY;BYDAY=MO;COUNT=10`. Without COUNT or UNTIL it goes on to the end
    /// of the calendar, the year 2199.
    pub rule: Option<String>,
    /// Local starts beside the rule's.
    #[graphql(default)]
    pub extra: Vec<LocalDateTime>,
    /// Local starts that do not take place.
    #[graphql(default)]
    pub excluded: Vec<LocalDateTime>,
}

/// When an event takes place, in the calendar's time zone.
#[derive(InputObject)]
pub struct TimingInput {
    /// A whole minute.
    pub start: LocalDateTime,
    pub length: LengthInput,
    #[graphql(default)]
    pub nonexistent: NonexistentTimePolicy,
    pub recurrence: Option<RecurrenceInput>,
}

impl TimingInput {
    pub fn read(self) -> TimingRequest {
        let times = |times: Vec<LocalDateTime>| times.into_iter().map(|time| time.0).collect();
        TimingRequest {
            start: self.start.0,
            end: self.length.read(),
            nonexistent: self.nonexistent.into(),
            recurrence: self.recurrence.map(|recurrence| RecurrenceRequest {
                rule: recurrence.rule,
                extra: times(recurrence.extra),
                excluded: times(recurrence.excluded),
            }),
        }
    }
}

/// Open from `opens` up to `closes`, in minutes after midnight; `closes` may be 1440. Hours across
/// midnight are two spans: 22:00 to 02:00 is 1320 to 1440 on the one day and 0 to 120 on the next.
#[derive(InputObject)]
pub struct OpeningSpanInput {
    pub opens: Natural,
    pub closes: Natural,
}

#[derive(InputObject)]
pub struct DayHoursInput {
    pub weekday: Weekday,
    pub spans: Vec<OpeningSpanInput>,
}

pub fn spans(spans: &[OpeningSpanInput]) -> Vec<Span> {
    // What is beyond all days is beyond this one too.
    let minute = |of: Natural| u16::try_from(of.0).unwrap_or(u16::MAX);
    let read =
        |span: &OpeningSpanInput| Span { opens: minute(span.opens), closes: minute(span.closes) };
    spans.iter().map(read).collect()
}

pub fn week(days: &[DayHoursInput]) -> Vec<DayHours> {
    let read =
        |day: &DayHoursInput| DayHours { weekday: day.weekday.into(), spans: spans(&day.spans) };
    days.iter().map(read).collect()
}
