//! A calendar: one resource, one room, one person's time; and the promise that what is exclusive
//! is never booked twice.
//!
//! This folder owns what may be booked. One actor runs it, so a booking that was decided is a booking.
//! The grain of a calendar is one minute. A series goes on to the end of its rule, and one without an
//! end to the end of the calendar (the year 2199); conflicts are looked for over all of that, so that
//! nothing behind a horizon can collide later.

mod decide;
mod questions;
mod state;
mod timing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};

use super::agenda::{EventId, Replacement, Timing};
use super::opening_hours::{DayHours, EXCEPTIONS_MAX, HoursProblem, Span};
use super::recurrence::RecurrenceRefusal;
use super::zone::Zone;
use crate::access::owner::Owner;
use crate::aggregate::{self, Aggregate, Context, DomainEvent};
use crate::text::InvalidText;

pub use questions::{
    Booked, FreeBusy, Listed, Overview, Questions, Summary, WhatTakesPlace, WhenFree, Whose,
};
pub use state::{Availability, Details, ListedOccurrence, Page, Place, State};
pub use timing::{EndRequest, RecurrenceRequest, TimingRequest};

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Calendar;

/// The longest title or name, in characters.
pub const TITLE_CHARACTERS_MAX: usize = 200;
/// The longest an occurrence may last: 31 days, or as many exact minutes.
pub const DURATION_MINUTES_MAX: u32 = 44_640;
pub const DURATION_DAYS_MAX: u32 = 31;
/// How many events a calendar holds, past ones included.
pub const EVENTS_MAX: usize = 100_000;
/// How many of them may be series.
pub const SERIES_MAX: usize = 128;
/// How many extra dates (RDATE), and how many excluded ones (EXDATE), a series is scheduled with.
pub const DATES_MAX: usize = 500;
/// How many occurrences of a series may be cancelled or moved.
pub const EXCEPTIONS_OF_SERIES_MAX: usize = 2_000;
/// The most bookings at once that a calendar with a capacity may allow.
pub const CAPACITY_MAX: u32 = 10_000;
/// The longest range that may be asked about.
pub const RANGE_DAYS_MAX: i64 = 366;
/// The most occurrences listed at once.
pub const LISTED_MAX: usize = 1_000;
/// The most occurrences that are looked at to say when a calendar is busy.
pub const BUSY_MAX: usize = 50_000;

/// What may be asked of a calendar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    CreateCalendar {
        name: String,
        zone: String,
        availability: Availability,
        within_opening_hours: bool,
        /// Whose it is; nobody's, where the house keeps it. That is never changed.
        owner: Option<Owner>,
    },
    /// Replaces the hours of the whole week; weekdays that are not named are closed. What is
    /// booked already stays.
    SetOpeningHours {
        weekly: Vec<DayHours>,
    },
    /// Says what one date's hours are whatever its weekday; without spans it is closed.
    SetOpeningException {
        date: Date,
        spans: Vec<Span>,
    },
    ClearOpeningException {
        date: Date,
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
        recurrence_id: DateTime,
    },
    /// Moves or changes one occurrence of a series.
    ReplaceOccurrence {
        event_id: EventId,
        recurrence_id: DateTime,
        start: DateTime,
        end: EndRequest,
        /// `None`: the title of the event.
        title: Option<String>,
    },
}

/// What has happened to a calendar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    CalendarCreated {
        details: Details,
    },
    OpeningHoursSet {
        weekly: Vec<DayHours>,
    },
    OpeningExceptionSet {
        date: Date,
        spans: Vec<Span>,
    },
    OpeningExceptionCleared {
        date: Date,
    },
    /// Zone and owner are the calendar's: what lists events has no other word of it.
    EventScheduled {
        event_id: EventId,
        title: String,
        zone: Zone,
        owner: Option<Owner>,
        timing: Timing,
    },
    EventRescheduled {
        event_id: EventId,
        zone: Zone,
        timing: Timing,
    },
    EventRetitled {
        event_id: EventId,
        title: String,
    },
    EventCancelled {
        event_id: EventId,
    },
    OccurrenceCancelled {
        event_id: EventId,
        recurrence_id: DateTime,
    },
    OccurrenceReplaced {
        event_id: EventId,
        recurrence_id: DateTime,
        replacement: Replacement,
    },
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
    #[error("{problem}")]
    InvalidOpeningHours {
        /// The place of the day in what was asked for; `None` where one date was.
        day: Option<u32>,
        problem: HoursProblem,
    },
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
    #[error(
        "an event ends after it starts and lasts at most {DURATION_DAYS_MAX} days or \
         {DURATION_MINUTES_MAX} minutes, in whole minutes"
    )]
    InvalidDuration,
    #[error(transparent)]
    Recurrence(#[from] RecurrenceRefusal),
    #[error("the series has no such occurrence")]
    OccurrenceNotFound,
    #[error("the time{} is taken by event {by}", of(.at))]
    SlotTaken {
        by: EventId,
        /// The local start of the occurrence of a series.
        at: Option<DateTime>,
    },
    #[error("there are as many bookings at that time{} as there may be", of(.at))]
    SlotFull { at: Option<DateTime> },
    #[error(
        "the occurrence of {at} overlaps the one of {with}: a day's length that shall end where the \
         next begins is said in days (P1D), which are as long as the clocks make them"
    )]
    SeriesOverlapsItself { at: DateTime, with: DateTime },
    #[error(
        "whether there is room for all of this series takes too long to find out: give it an end, or \
         fewer occurrences"
    )]
    SeriesTooComplex,
    #[error(
        "at most {EXCEPTIONS_OF_SERIES_MAX} occurrences of a series are cancelled or moved: end this \
         one and schedule another"
    )]
    SeriesFull,
    #[error("the calendar is not open during all of that time{}", of(.at))]
    OutsideOpeningHours { at: Option<DateTime> },
    #[error(
        "a range ends after its start, at most {RANGE_DAYS_MAX} days later, within 1970 to 2199"
    )]
    InvalidRange,
    #[error("more than {BUSY_MAX} occurrences lie in this range: ask for a shorter one")]
    RangeTooLarge,
}

/// Which occurrence of a series is meant, for the end of a sentence.
fn of(at: &Option<DateTime>) -> String {
    at.map_or_else(String::new, |at| {
        format!(" of the occurrence of {}", at.strftime("%Y-%m-%dT%H:%M"))
    })
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "CALENDAR_NOT_FOUND",
            Self::AlreadyExists => "CALENDAR_EXISTS",
            Self::InvalidText(_) => "INVALID_TEXT",
            Self::InvalidTimeZone => "INVALID_TIME_ZONE",
            Self::InvalidCapacity => "INVALID_CAPACITY",
            Self::InvalidOpeningHours { .. } => "INVALID_OPENING_HOURS",
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
            Self::SlotFull { .. } => "SLOT_FULL",
            Self::SeriesOverlapsItself { .. } => "SERIES_CONFLICT",
            Self::SeriesTooComplex => "SERIES_TOO_COMPLEX",
            Self::SeriesFull => "SERIES_FULL",
            Self::OutsideOpeningHours { .. } => "SLOT_OUTSIDE_OPENING_HOURS",
            Self::InvalidRange => "INVALID_RANGE",
            Self::RangeTooLarge => "RANGE_TOO_LARGE",
        }
    }
}

impl Aggregate for Calendar {
    const TYPE: &'static str = "calendar";
    const STATE_SCHEMA: u32 = 3;

    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;
    type Questions = Questions;

    fn decide(state: &State, command: &Command, _: &Context) -> Result<Vec<Event>, Refusal> {
        decide::decide(state, command)
    }

    fn apply(state: &mut State, event: &Event) {
        state.apply(event);
    }
}
