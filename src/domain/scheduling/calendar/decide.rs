//! What a calendar decides: what may be booked, and what is in the way.

use chrono::{Datelike, NaiveDateTime};

use super::timing::{read_minutes, read_timing};
use super::{
    Availability, CAPACITY_MAX, Command, Details, EVENTS_MAX, Event, Refusal, SERIES_MAX, State,
    TITLE_CHARACTERS_MAX, TimingRequest,
};
use crate::scheduling::agenda::{
    Entry, EventId, Occurrence, Replacement, occurrence, occurrences_of,
};
use crate::scheduling::local_time;
use crate::scheduling::opening_hours::{EXCEPTIONS_MAX, are_spans_valid, is_week_valid};
use crate::text::TextRule;

const NAME: TextRule = TextRule::line("name", TITLE_CHARACTERS_MAX);
const TITLE: TextRule = TextRule::line("title", TITLE_CHARACTERS_MAX);

pub(super) fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
    if let Command::CreateCalendar { name, zone, availability, within_opening_hours } = command {
        if state.details.is_some() {
            return Err(Refusal::AlreadyExists);
        }
        if let Availability::Capacity { bookings } = availability
            && !(1..=CAPACITY_MAX).contains(bookings)
        {
            return Err(Refusal::InvalidCapacity);
        }
        let details = Details {
            name: NAME.read(name)?,
            zone: zone.parse().map_err(|_| Refusal::InvalidTimeZone)?,
            availability: *availability,
            within_opening_hours: *within_opening_hours,
        };
        return Ok(vec![Event::CalendarCreated { details }]);
    }
    let details = state.details.as_ref().ok_or(Refusal::NotFound)?;
    let zone = details.zone;
    let event = match command {
        Command::CreateCalendar { .. } => return Err(Refusal::AlreadyExists),
        Command::SetOpeningHours { weekly } => {
            if !is_week_valid(weekly) {
                return Err(Refusal::InvalidOpeningHours);
            }
            Event::OpeningHoursSet { weekly: weekly.clone() }
        }
        Command::SetOpeningException { date, spans } => {
            if !are_spans_valid(spans) {
                return Err(Refusal::InvalidOpeningHours);
            }
            let exceptions = &state.opening_hours.exceptions;
            let has_room = exceptions.len() < EXCEPTIONS_MAX || exceptions.contains_key(date);
            if !has_room || !local_time::YEARS.contains(&date.year()) {
                return Err(Refusal::InvalidOpeningException);
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
                return Err(Refusal::EventExists);
            }
            let title = TITLE.read(title)?;
            if state.agenda.event_count() >= EVENTS_MAX {
                return Err(Refusal::CalendarFull);
            }
            require_room_for_series(state, timing, false)?;
            let timing = read_timing(zone, timing)?;
            let occurrences = occurrences_of(zone, *event_id, &timing);
            require_bookable(state, details, &occurrences, |_| false)?;
            Event::EventScheduled { event_id: *event_id, title, zone, timing }
        }
        Command::RescheduleEvent { event_id, timing } => {
            let entry = state.agenda.get(*event_id).ok_or(Refusal::EventNotFound)?;
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
            let entry = state.agenda.get(*event_id).ok_or(Refusal::EventNotFound)?;
            let title = TITLE.read(title)?;
            if entry.title == title {
                return Ok(vec![]);
            }
            Event::EventRetitled { event_id: *event_id, title }
        }
        Command::CancelEvent { event_id } => {
            state.agenda.get(*event_id).ok_or(Refusal::EventNotFound)?;
            Event::EventCancelled { event_id: *event_id }
        }
        Command::CancelOccurrence { event_id, recurrence_id } => {
            require_occurrence(state, *event_id, *recurrence_id)?;
            Event::OccurrenceCancelled { event_id: *event_id, recurrence_id: *recurrence_id }
        }
        Command::ReplaceOccurrence { event_id, recurrence_id, start, end, title } => {
            let entry = require_occurrence(state, *event_id, *recurrence_id)?;
            let minutes = read_minutes(zone, *start, *end, entry.nonexistent)?;
            let title = title.as_deref().map(|title| TITLE.read(title)).transpose()?;
            let named = Some(*recurrence_id);
            let moved = occurrence(zone, *event_id, named, *start, minutes, entry.nonexistent)
                .ok_or(Refusal::TimeNonexistent)?;
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

fn require_room_for_series(
    state: &State,
    timing: &TimingRequest,
    has_room: bool,
) -> Result<(), Refusal> {
    if timing.recurrence.is_some() && !has_room && state.agenda.series_count() >= SERIES_MAX {
        return Err(Refusal::CalendarFull);
    }
    Ok(())
}

fn require_occurrence(
    state: &State,
    event_id: EventId,
    recurrence_id: NaiveDateTime,
) -> Result<&Entry, Refusal> {
    let entry = state.agenda.get(event_id).ok_or(Refusal::EventNotFound)?;
    if !entry.has_occurrence(recurrence_id) {
        return Err(Refusal::OccurrenceNotFound);
    }
    Ok(entry)
}

/// Refuses occurrences for which there is no room. Says which event is in the way, never what it is.
fn require_bookable(
    state: &State,
    details: &Details,
    occurrences: &[Occurrence],
    is_replaced: impl Fn(&Occurrence) -> bool,
) -> Result<(), Refusal> {
    if occurrences.is_empty() {
        return Err(Refusal::TimeNonexistent);
    }
    let is_open =
        |occurrence: &Occurrence| state.opening_hours.covers(details.zone, &occurrence.interval);
    if details.within_opening_hours && !occurrences.iter().all(is_open) {
        return Err(Refusal::OutsideOpeningHours);
    }
    let Some(limit) = details.availability.limit() else {
        return Ok(());
    };
    match state.agenda.first_conflict(details.zone, occurrences, limit, is_replaced) {
        None => Ok(()),
        Some(by) if limit == 1 => Err(Refusal::SlotTaken { by }),
        Some(_) => Err(Refusal::SlotFull),
    }
}
