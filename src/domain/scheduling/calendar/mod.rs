//! A calendar: one resource, one room, one person's time; and the promise that what is exclusive
//! is never booked twice.
//!
//! This folder owns what may be booked. One actor runs it, so a booking that was decided is a booking.
//! The grain of a calendar is one minute. Series are planned when they are scheduled, as far as
//! `recurrence` says, and conflicts are looked for over all that was planned: there is nothing
//! behind a horizon that could collide later.

mod decide;
mod state;
mod timing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use chrono::{NaiveDate, NaiveDateTime};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::agenda::{EventId, Replacement, Timing};
use super::opening_hours::{DayHours, EXCEPTIONS_MAX, Span};
use super::recurrence::RecurrenceRefusal;
use crate::aggregate::{self, Aggregate, Context, DomainEvent};
use crate::text::InvalidText;

pub use state::{Availability, Details, ListedOccurrence, State};
pub use timing::{EndRequest, RecurrenceRequest, TimingRequest};

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Calendar;

/// The longest title or name, in characters.
pub const TITLE_CHARACTERS_MAX: usize = 200;
/// The longest an occurrence may last: 31 days.
pub const DURATION_MINUTES_MAX: u32 = 44_640;
/// How many events a calendar holds, past ones included.
pub const EVENTS_MAX: usize = 100_000;
/// How many of them may be series.
pub const SERIES_MAX: usize = 128;
/// How many extra dates (RDATE), and how many excluded ones (EXDATE), a series is scheduled with.
pub const DATES_MAX: usize = 500;
/// The most bookings at once that a calendar with a capacity may allow.
pub const CAPACITY_MAX: u32 = 10_000;
/// The longest range that may be asked about.
pub const RANGE_DAYS_MAX: i64 = 366;
/// The most occurrences listed at once.
pub const LISTED_MAX: usize = 1_000;

/// What may be asked of a calendar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    CreateCalendar {
        name: String,
        zone: String,
        availability: Availability,
        within_opening_hours: bool,
    },
    /// Replaces the hours of the whole week; weekdays that are not named are closed. What is
    /// booked already stays.
    SetOpeningHours {
        weekly: Vec<DayHours>,
    },
    /// Says what one date's hours are whatever its weekday; without spans it is closed.
    SetOpeningException {
        date: NaiveDate,
        spans: Vec<Span>,
    },
    ClearOpeningException {
        date: NaiveDate,
    },
    ScheduleEvent {
        event_id: EventId,
        title: String,
        timing: TimingRequest,
    },
    /// Gives an event, or a whole series, another time. Exceptions of the series are forgotten.
    RescheduleEvent {
        event_id: EventId,
        timing: TimingRequest,
    },
    RetitleEvent {
        event_id: EventId,
        title: String,
    },
    CancelEvent {
        event_id: EventId,
    },
    CancelOccurrence {
        event_id: EventId,
        recurrence_id: NaiveDateTime,
    },
    /// Moves or changes one occurrence of a series.
    ReplaceOccurrence {
        event_id: EventId,
        recurrence_id: NaiveDateTime,
        start: NaiveDateTime,
        end: EndRequest,
        /// `None`: the title of the event.
        title: Option<String>,
    },
}

/// What has happened to a calendar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    CalendarCreated { details: Details },
    OpeningHoursSet { weekly: Vec<DayHours> },
    OpeningExceptionSet { date: NaiveDate, spans: Vec<Span> },
    OpeningExceptionCleared { date: NaiveDate },
    EventScheduled { event_id: EventId, title: String, zone: Tz, timing: Timing },
    EventRescheduled { event_id: EventId, zone: Tz, timing: Timing },
    EventRetitled { event_id: EventId, title: String },
    EventCancelled { event_id: EventId },
    OccurrenceCancelled { event_id: EventId, recurrence_id: NaiveDateTime },
    OccurrenceReplaced { event_id: EventId, recurrence_id: NaiveDateTime, replacement: Replacement },
}

impl DomainEvent for Event {}

/// Why a calendar will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("there is no such calendar")]
    NotFound,
    #[error("this calendar exists already")]
    AlreadyExists,
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
    #[error("not a time zone of the IANA database")]
    InvalidTimeZone,
    #[error("a capacity is 1 to {CAPACITY_MAX} bookings")]
    InvalidCapacity,
    #[error("opening hours are spans in order and apart, 0 to 1440 minutes after midnight")]
    InvalidOpeningHours,
    #[error(
        "a calendar has at most {EXCEPTIONS_MAX} dates with hours of their own, from 1970 to 2199"
    )]
    InvalidOpeningException,
    #[error("there is no such event")]
    EventNotFound,
    #[error("an event with this id is scheduled already")]
    EventExists,
    #[error("the calendar is full: {EVENTS_MAX} events, {SERIES_MAX} series")]
    CalendarFull,
    #[error("a time is a whole minute from 1970 to 2199")]
    InvalidTime,
    #[error("this local time does not exist: the clocks jump over it")]
    TimeNonexistent,
    #[error("an event lasts 1 to {DURATION_MINUTES_MAX} minutes")]
    InvalidDuration,
    #[error(transparent)]
    Recurrence(#[from] RecurrenceRefusal),
    #[error("the series has no such occurrence")]
    OccurrenceNotFound,
    #[error("the time is taken by event {by}")]
    SlotTaken { by: EventId },
    #[error("there are as many bookings at that time as there may be")]
    SlotFull,
    #[error("the calendar is not open during all of that time")]
    OutsideOpeningHours,
    #[error(
        "a range ends after its start, at most {RANGE_DAYS_MAX} days later, within 1970 to 2199"
    )]
    InvalidRange,
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "CALENDAR_NOT_FOUND",
            Self::AlreadyExists => "CALENDAR_EXISTS",
            Self::InvalidText(_) => "INVALID_TEXT",
            Self::InvalidTimeZone => "INVALID_TIME_ZONE",
            Self::InvalidCapacity => "INVALID_CAPACITY",
            Self::InvalidOpeningHours => "INVALID_OPENING_HOURS",
            Self::InvalidOpeningException => "INVALID_OPENING_EXCEPTION",
            Self::EventNotFound => "EVENT_NOT_FOUND",
            Self::EventExists => "EVENT_EXISTS",
            Self::CalendarFull => "CALENDAR_FULL",
            Self::InvalidTime => "INVALID_TIME",
            Self::TimeNonexistent => "LOCAL_TIME_NONEXISTENT",
            Self::InvalidDuration => "INVALID_DURATION",
            Self::Recurrence(RecurrenceRefusal::Invalid(_)) => "INVALID_RECURRENCE",
            Self::Recurrence(RecurrenceRefusal::TooLong) => "RECURRENCE_TOO_LONG",
            Self::OccurrenceNotFound => "OCCURRENCE_NOT_FOUND",
            Self::SlotTaken { .. } => "SLOT_TAKEN",
            Self::SlotFull => "SLOT_FULL",
            Self::OutsideOpeningHours => "SLOT_OUTSIDE_OPENING_HOURS",
            Self::InvalidRange => "INVALID_RANGE",
        }
    }
}

impl Aggregate for Calendar {
    const TYPE: &'static str = "calendar";
    const STATE_SCHEMA: u32 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(state: &State, command: &Command, _: &Context) -> Result<Vec<Event>, Refusal> {
        decide::decide(state, command)
    }

    fn apply(state: &mut State, event: &Event) {
        state.apply(event);
    }
}
