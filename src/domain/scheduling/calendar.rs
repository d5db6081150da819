//! A calendar: one resource, one room, one person's time; and the promise that what is exclusive
//! is never booked twice.
//!
//! Owns what may be booked. One actor runs it, so a booking that was decided is a booking.
//! The grain of a calendar is one minute. Series are planned when they are scheduled, as far as
//! `recurrence` says, and conflicts are looked for over all that was planned: there is nothing
//! behind a horizon that could collide later.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::{
    aggregate::{Aggregate, Context, DomainEvent, Refusal},
    scheduling::{
        agenda::{
            Agenda, Entry, EventId, Occurrence, Replacement, SeriesTiming, Timing, occurrence,
            occurrences_of,
        },
        free_busy::{Interval, merge},
        local_time::{self, NonexistentTime},
        opening_hours::{
            DayHours, EXCEPTIONS_MAX, OpeningHours, Span, are_spans_valid, is_week_valid,
        },
        recurrence::{HORIZON_DAYS, OCCURRENCES_MAX, RecurrenceRefusal, Rule},
    },
};

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

#[derive(Debug)]
pub struct Calendar;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CalendarState {
    /// `None` until created.
    pub details: Option<Details>,
    pub opening_hours: OpeningHours,
    pub agenda: Agenda,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    pub name: String,
    pub zone: Tz,
    pub availability: Availability,
    /// Bookings outside the opening hours are refused. Until hours are set, all are outside.
    pub within_opening_hours: bool,
}

/// How many bookings may hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Availability {
    /// One.
    Exclusive {},
    /// As many as this, 1 to [`CAPACITY_MAX`].
    Capacity {
        bookings: u32,
    },
    Unlimited {},
}

impl Availability {
    fn limit(self) -> Option<usize> {
        match self {
            Self::Exclusive {} => Some(1),
            Self::Capacity { bookings } => Some(bookings as usize),
            Self::Unlimited {} => None,
        }
    }
}

/// When an event shall take place, as it is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimingRequest {
    /// Local time in the calendar's zone, whole minutes.
    pub start: NaiveDateTime,
    pub end: EndRequest,
    pub nonexistent: NonexistentTime,
    pub recurrence: Option<RecurrenceRequest>,
}

/// How long an occurrence lasts. The local end of a series gives the real length of its first
/// occurrence to all (RFC 5545, 3.8.5.3).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum EndRequest {
    Minutes(u32),
    Local(NaiveDateTime),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecurrenceRequest {
    pub rule: Option<String>,
    /// Local starts beside the rule's, none before the start (RDATE).
    pub extra: Vec<NaiveDateTime>,
    /// Local starts that shall not take place (EXDATE); those that would not anyway are dropped.
    pub excluded: Vec<NaiveDateTime>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CalendarCommand {
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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum CalendarEvent {
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

impl DomainEvent for CalendarEvent {}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CalendarRefusal {
    #[error("there is no such calendar")]
    NotCreated,
    #[error("this calendar exists already")]
    AlreadyCreated,
    #[error("a name or title has 1 to {TITLE_CHARACTERS_MAX} characters and no control characters")]
    TitleInvalid,
    #[error("not a time zone of the IANA database")]
    ZoneUnknown,
    #[error("a capacity is 1 to {CAPACITY_MAX} bookings")]
    CapacityInvalid,
    #[error("opening hours are spans in order and apart, 0 to 1440 minutes after midnight")]
    OpeningHoursInvalid,
    #[error(
        "a calendar has at most {EXCEPTIONS_MAX} dates with hours of their own, from 1970 to 2199"
    )]
    OpeningExceptionInvalid,
    #[error("there is no such event")]
    EventUnknown,
    #[error("an event with this id is scheduled already")]
    EventAlreadyScheduled,
    #[error("the calendar is full: {EVENTS_MAX} events, {SERIES_MAX} series")]
    CalendarFull,
    #[error("a time is a whole minute from 1970 to 2199")]
    TimeInvalid,
    #[error("this local time does not exist: the clocks jump over it")]
    TimeNonexistent,
    #[error("an event lasts 1 to {DURATION_MINUTES_MAX} minutes")]
    DurationInvalid,
    #[error(transparent)]
    Recurrence(#[from] RecurrenceRefusal),
    #[error("the series has no such occurrence")]
    OccurrenceUnknown,
    #[error("the time is taken by event {by}")]
    SlotTaken { by: EventId },
    #[error("there are as many bookings at that time as there may be")]
    SlotFull,
    #[error("the calendar is not open during all of that time")]
    OutsideOpeningHours,
    #[error(
        "a range ends after its start, at most {RANGE_DAYS_MAX} days later, within 1970 to 2199"
    )]
    RangeInvalid,
}

impl Refusal for CalendarRefusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotCreated => "CALENDAR_NOT_FOUND",
            Self::AlreadyCreated => "CALENDAR_ALREADY_CREATED",
            Self::TitleInvalid => "TITLE_INVALID",
            Self::ZoneUnknown => "TIME_ZONE_UNKNOWN",
            Self::CapacityInvalid => "CAPACITY_INVALID",
            Self::OpeningHoursInvalid => "OPENING_HOURS_INVALID",
            Self::OpeningExceptionInvalid => "OPENING_EXCEPTION_INVALID",
            Self::EventUnknown => "EVENT_NOT_FOUND",
            Self::EventAlreadyScheduled => "EVENT_ALREADY_SCHEDULED",
            Self::CalendarFull => "CALENDAR_FULL",
            Self::TimeInvalid => "TIME_INVALID",
            Self::TimeNonexistent => "LOCAL_TIME_NONEXISTENT",
            Self::DurationInvalid => "DURATION_INVALID",
            Self::Recurrence(RecurrenceRefusal::Invalid(_)) => "RECURRENCE_INVALID",
            Self::Recurrence(RecurrenceRefusal::TooLong) => "RECURRENCE_TOO_LONG",
            Self::OccurrenceUnknown => "OCCURRENCE_NOT_FOUND",
            Self::SlotTaken { .. } => "SLOT_TAKEN",
            Self::SlotFull => "SLOT_FULL",
            Self::OutsideOpeningHours => "OUTSIDE_OPENING_HOURS",
            Self::RangeInvalid => "RANGE_INVALID",
        }
    }
}

use CalendarCommand as Command;
use CalendarEvent as Event;
use CalendarRefusal as Refused;

impl Aggregate for Calendar {
    const TYPE: &'static str = "calendar";
    const STATE_SCHEMA: u32 = 1;
    type State = CalendarState;
    type Command = CalendarCommand;
    type Event = CalendarEvent;
    type Refusal = CalendarRefusal;

    fn decide(
        state: &CalendarState,
        command: &Command,
        _context: &Context,
    ) -> Result<Vec<Event>, Refused> {
        if let Command::CreateCalendar { name, zone, availability, within_opening_hours } = command
        {
            if state.details.is_some() {
                return Err(Refused::AlreadyCreated);
            }
            if let Availability::Capacity { bookings } = availability
                && !(1..=CAPACITY_MAX).contains(bookings)
            {
                return Err(Refused::CapacityInvalid);
            }
            let details = Details {
                name: read_title(name)?,
                zone: zone.parse().map_err(|_| Refused::ZoneUnknown)?,
                availability: *availability,
                within_opening_hours: *within_opening_hours,
            };
            return Ok(vec![Event::CalendarCreated { details }]);
        }
        let details = state.details.as_ref().ok_or(Refused::NotCreated)?;
        let zone = details.zone;
        let event = match command {
            Command::CreateCalendar { .. } => return Err(Refused::AlreadyCreated),
            Command::SetOpeningHours { weekly } => {
                if !is_week_valid(weekly) {
                    return Err(Refused::OpeningHoursInvalid);
                }
                Event::OpeningHoursSet { weekly: weekly.clone() }
            }
            Command::SetOpeningException { date, spans } => {
                if !are_spans_valid(spans) {
                    return Err(Refused::OpeningHoursInvalid);
                }
                let exceptions = &state.opening_hours.exceptions;
                let has_room = exceptions.len() < EXCEPTIONS_MAX || exceptions.contains_key(date);
                if !has_room || !local_time::YEARS.contains(&date.year()) {
                    return Err(Refused::OpeningExceptionInvalid);
                }
                Event::OpeningExceptionSet { date: *date, spans: spans.clone() }
            }
            Command::ClearOpeningException { date } => {
                if !state.opening_hours.exceptions.contains_key(date) {
                    return Ok(vec![]);
                }
                Event::OpeningExceptionCleared { date: *date }
            }
            Command::ScheduleEvent { event_id, title, timing } => {
                if state.agenda.get(*event_id).is_some() {
                    return Err(Refused::EventAlreadyScheduled);
                }
                let title = read_title(title)?;
                if state.agenda.event_count() >= EVENTS_MAX {
                    return Err(Refused::CalendarFull);
                }
                require_room_for_series(state, timing, false)?;
                let timing = read_timing(zone, timing)?;
                let occurrences = occurrences_of(zone, *event_id, &timing);
                require_bookable(state, details, &occurrences, |_| false)?;
                Event::EventScheduled { event_id: *event_id, title, zone, timing }
            }
            Command::RescheduleEvent { event_id, timing } => {
                let entry = state.agenda.get(*event_id).ok_or(Refused::EventUnknown)?;
                require_room_for_series(state, timing, entry.series.is_some())?;
                let timing = read_timing(zone, timing)?;
                if Entry::new(entry.title.clone(), &timing, entry.sequence) == *entry {
                    return Ok(vec![]);
                }
                let occurrences = occurrences_of(zone, *event_id, &timing);
                require_bookable(state, details, &occurrences, |other| other.event == *event_id)?;
                Event::EventRescheduled { event_id: *event_id, zone, timing }
            }
            Command::RetitleEvent { event_id, title } => {
                let entry = state.agenda.get(*event_id).ok_or(Refused::EventUnknown)?;
                let title = read_title(title)?;
                if entry.title == title {
                    return Ok(vec![]);
                }
                Event::EventRetitled { event_id: *event_id, title }
            }
            Command::CancelEvent { event_id } => {
                state.agenda.get(*event_id).ok_or(Refused::EventUnknown)?;
                Event::EventCancelled { event_id: *event_id }
            }
            Command::CancelOccurrence { event_id, recurrence_id } => {
                require_occurrence(state, *event_id, *recurrence_id)?;
                Event::OccurrenceCancelled { event_id: *event_id, recurrence_id: *recurrence_id }
            }
            Command::ReplaceOccurrence { event_id, recurrence_id, start, end, title } => {
                let entry = require_occurrence(state, *event_id, *recurrence_id)?;
                let minutes = read_minutes(zone, *start, *end, entry.nonexistent)?;
                let title = title.as_deref().map(read_title).transpose()?;
                let named = Some(*recurrence_id);
                let moved = occurrence(zone, *event_id, named, *start, minutes, entry.nonexistent)
                    .ok_or(Refused::TimeNonexistent)?;
                require_bookable(state, details, &[moved], |other| {
                    other.event == *event_id && other.recurrence_id == named
                })?;
                Event::OccurrenceReplaced {
                    event_id: *event_id,
                    recurrence_id: *recurrence_id,
                    replacement: Replacement { start: *start, minutes, title },
                }
            }
        };
        Ok(vec![event])
    }

    fn apply(state: &mut CalendarState, event: &Event) {
        match event {
            Event::CalendarCreated { details } => state.details = Some(details.clone()),
            Event::OpeningHoursSet { weekly } => state.opening_hours.weekly = weekly.clone(),
            Event::OpeningExceptionSet { date, spans } => {
                state.opening_hours.exceptions.insert(*date, spans.clone());
            }
            Event::OpeningExceptionCleared { date } => {
                state.opening_hours.exceptions.remove(date);
            }
            Event::EventScheduled { event_id, title, timing, .. } => {
                state.agenda.insert(*event_id, Entry::new(title.clone(), timing, 0));
            }
            Event::EventRescheduled { event_id, timing, .. } => {
                if let Some(entry) = state.agenda.get(*event_id) {
                    let entry =
                        Entry::new(entry.title.clone(), timing, entry.sequence.saturating_add(1));
                    state.agenda.insert(*event_id, entry);
                }
            }
            Event::EventRetitled { event_id, title } => {
                state.agenda.retitle(*event_id, title.clone())
            }
            Event::EventCancelled { event_id } => state.agenda.remove(*event_id),
            Event::OccurrenceCancelled { event_id, recurrence_id } => {
                state.agenda.exclude(*event_id, *recurrence_id)
            }
            Event::OccurrenceReplaced { event_id, recurrence_id, replacement } => {
                state.agenda.replace(*event_id, *recurrence_id, replacement.clone());
            }
        }
    }
}

/// One occurrence, for those who may see what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedOccurrence<'a> {
    pub event_id: EventId,
    /// `None` for a single event.
    pub recurrence_id: Option<NaiveDateTime>,
    pub title: &'a str,
    /// What the clock on the wall shows when it starts.
    pub local_start: NaiveDateTime,
    pub interval: Interval,
}

impl CalendarState {
    /// When the calendar is busy within the range: in order, laid together, clipped to the range.
    pub fn busy(&self, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Vec<Interval>, Refused> {
        let (details, range) = self.read_range(start, end)?;
        let occurrences = self.agenda.overlapping(details.zone, range);
        Ok(merge(occurrences.map(|occurrence| occurrence.interval), &range))
    }

    /// When the calendar is open within the range, whether busy or not.
    pub fn open(&self, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Vec<Interval>, Refused> {
        let (details, range) = self.read_range(start, end)?;
        Ok(self.opening_hours.open_intervals(details.zone, &range))
    }

    /// The first `limit` occurrences, at most [`LISTED_MAX`], that overlap the range, in order of
    /// their start; and whether there are more.
    pub fn occurrences(
        &self,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
        limit: usize,
    ) -> Result<(Vec<ListedOccurrence<'_>>, bool), Refused> {
        let (details, range) = self.read_range(start, end)?;
        let mut found: Vec<Occurrence> = self.agenda.overlapping(details.zone, range).collect();
        found.sort_unstable();
        let limit = limit.min(LISTED_MAX);
        let has_more = found.len() > limit;
        let listed = found
            .into_iter()
            .take(limit)
            .filter_map(|occurrence| {
                let entry = self.agenda.get(occurrence.event)?;
                Some(ListedOccurrence {
                    event_id: occurrence.event,
                    recurrence_id: occurrence.recurrence_id,
                    title: entry.title(occurrence.recurrence_id),
                    local_start: local_time::local(details.zone, occurrence.interval.start),
                    interval: occurrence.interval,
                })
            })
            .collect();
        Ok((listed, has_more))
    }

    fn read_range(
        &self,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> Result<(&Details, Interval), Refused> {
        let details = self.details.as_ref().ok_or(Refused::NotCreated)?;
        let is_sane = local_time::YEARS.contains(&start.year())
            && local_time::YEARS.contains(&end.year())
            && start < end
            && end - start <= TimeDelta::days(RANGE_DAYS_MAX);
        if !is_sane {
            return Err(Refused::RangeInvalid);
        }
        Ok((details, Interval { start, end }))
    }
}

fn require_room_for_series(
    state: &CalendarState,
    timing: &TimingRequest,
    has_room: bool,
) -> Result<(), Refused> {
    if timing.recurrence.is_some() && !has_room && state.agenda.series_count() >= SERIES_MAX {
        return Err(Refused::CalendarFull);
    }
    Ok(())
}

fn require_occurrence(
    state: &CalendarState,
    event_id: EventId,
    recurrence_id: NaiveDateTime,
) -> Result<&Entry, Refused> {
    let entry = state.agenda.get(event_id).ok_or(Refused::EventUnknown)?;
    if !entry.has_occurrence(recurrence_id) {
        return Err(Refused::OccurrenceUnknown);
    }
    Ok(entry)
}

/// Refuses occurrences for which there is no room. Says which event is in the way, never what it is.
fn require_bookable(
    state: &CalendarState,
    details: &Details,
    occurrences: &[Occurrence],
    is_replaced: impl Fn(&Occurrence) -> bool,
) -> Result<(), Refused> {
    if occurrences.is_empty() {
        return Err(Refused::TimeNonexistent);
    }
    let is_open =
        |occurrence: &Occurrence| state.opening_hours.covers(details.zone, &occurrence.interval);
    if details.within_opening_hours && !occurrences.iter().all(is_open) {
        return Err(Refused::OutsideOpeningHours);
    }
    let Some(limit) = details.availability.limit() else {
        return Ok(());
    };
    match state.agenda.first_conflict(details.zone, occurrences, limit, is_replaced) {
        None => Ok(()),
        Some(by) if limit == 1 => Err(Refused::SlotTaken { by }),
        Some(_) => Err(Refused::SlotFull),
    }
}

fn read_title(text: &str) -> Result<String, Refused> {
    let text = text.trim();
    // A character has at most four bytes: the first test keeps the second from counting megabytes.
    let fits = !text.is_empty()
        && text.len() <= 4 * TITLE_CHARACTERS_MAX
        && text.chars().count() <= TITLE_CHARACTERS_MAX
        && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(Refused::TitleInvalid) }
}

/// The real length of what starts and ends so, in minutes.
fn read_minutes(
    zone: Tz,
    start: NaiveDateTime,
    end: EndRequest,
    nonexistent: NonexistentTime,
) -> Result<u32, Refused> {
    if !local_time::is_storable(start) {
        return Err(Refused::TimeInvalid);
    }
    let minutes = match end {
        EndRequest::Minutes(minutes) => minutes,
        EndRequest::Local(end) => {
            if !local_time::is_storable(end) {
                return Err(Refused::TimeInvalid);
            }
            let start =
                local_time::resolve(zone, start, nonexistent).ok_or(Refused::TimeNonexistent)?;
            let end = local_time::resolve_end(zone, end).ok_or(Refused::TimeNonexistent)?;
            u32::try_from((end - start).num_minutes()).map_err(|_| Refused::DurationInvalid)?
        }
    };
    if !(1..=DURATION_MINUTES_MAX).contains(&minutes) {
        return Err(Refused::DurationInvalid);
    }
    Ok(minutes)
}

fn read_timing(zone: Tz, request: &TimingRequest) -> Result<Timing, Refused> {
    let minutes = read_minutes(zone, request.start, request.end, request.nonexistent)?;
    let series = match &request.recurrence {
        None => None,
        Some(recurrence) => Some(read_series(zone, request.start, recurrence)?),
    };
    Ok(Timing { start: request.start, minutes, nonexistent: request.nonexistent, series })
}

fn read_series(
    zone: Tz,
    start: NaiveDateTime,
    request: &RecurrenceRequest,
) -> Result<SeriesTiming, Refused> {
    if request.extra.len() > DATES_MAX || request.excluded.len() > DATES_MAX {
        return Err(RecurrenceRefusal::TooLong.into());
    }
    let (rule, planned) = match &request.rule {
        None => (None, vec![start]),
        Some(text) => {
            let rule = Rule::parse(text)?;
            let planned = rule.plan(start, zone)?;
            (Some(rule.text().to_owned()), planned)
        }
    };
    let mut extra = request.extra.clone();
    extra.sort_unstable();
    extra.dedup();
    let horizon = TimeDelta::days(HORIZON_DAYS);
    if extra
        .iter()
        .any(|time| !local_time::is_storable(*time) || *time < start || *time - start > horizon)
    {
        return Err(RecurrenceRefusal::Invalid(
            "an extra date lies within ten years after the start",
        )
        .into());
    }
    if planned.last().is_some_and(|last| !local_time::is_storable(*last)) {
        return Err(RecurrenceRefusal::TooLong.into());
    }
    let occurrences = u32::try_from(planned.len()).map_err(|_| RecurrenceRefusal::TooLong)?;
    if planned.len() + extra.len() > OCCURRENCES_MAX {
        // A rule without an end was cut to the most there may be; what comes beside it is too much.
        return Err(RecurrenceRefusal::TooLong.into());
    }
    let mut excluded: Vec<NaiveDateTime> = request
        .excluded
        .iter()
        .filter(|time| planned.binary_search(time).is_ok() || extra.binary_search(time).is_ok())
        .copied()
        .collect();
    excluded.sort_unstable();
    excluded.dedup();
    let all =
        planned.len() + extra.iter().filter(|time| planned.binary_search(time).is_err()).count();
    if excluded.len() >= all {
        return Err(RecurrenceRefusal::Invalid("no occurrence is left").into());
    }
    Ok(SeriesTiming { rule, occurrences, extra, excluded })
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
