//! What a calendar decides: what may be booked, and what is in the way.

use jiff::civil::DateTime;

use super::timing::{read_length, read_timing};
use super::{
    Availability, CAPACITY_MAX, Command, Details, EVENTS_MAX, EXCEPTIONS_OF_SERIES_MAX, Event,
    Refusal, SERIES_MAX, State, TITLE_CHARACTERS_MAX, TimingRequest,
};
use crate::scheduling::agenda::{
    Clash, Entry, EventId, Replacement, Timing, Wanted, occurrence, require_room,
};
use crate::scheduling::local_time;
use crate::scheduling::opening_hours::{EXCEPTIONS_MAX, check_spans, check_week, same_week};
use crate::text::TextRule;

const NAME: TextRule = TextRule::line("name", TITLE_CHARACTERS_MAX);
const TITLE: TextRule = TextRule::line("title", TITLE_CHARACTERS_MAX);

pub(super) fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
    if let Command::CreateCalendar { name, zone, availability, within_opening_hours, owner } =
        command
    {
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
            owner: *owner,
        };
        return Ok(vec![Event::CalendarCreated { details }]);
    }
    let details = state.details.as_ref().ok_or(Refusal::NotFound)?;
    let zone = &details.zone;
    let event = match command {
        Command::CreateCalendar { .. } => return Err(Refusal::AlreadyExists),
        Command::SetOpeningHours { weekly } => {
            check_week(weekly).map_err(|(day, problem)| Refusal::InvalidOpeningHours {
                day: Some(day),
                problem,
            })?;
            if same_week(weekly, &state.opening_hours.weekly) {
                return Ok(vec![]);
            }
            Event::OpeningHoursSet { weekly: weekly.clone() }
        }
        Command::SetOpeningException { date, spans } => {
            check_spans(spans)
                .map_err(|problem| Refusal::InvalidOpeningHours { day: None, problem })?;
            let exceptions = &state.opening_hours.exceptions;
            if exceptions.get(date) == Some(spans) {
                return Ok(vec![]);
            }
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
            require_bookable(state, details, *event_id, &timing)?;
            let (zone, owner) = (zone.clone(), details.owner);
            Event::EventScheduled { event_id: *event_id, title, zone, owner, timing }
        }
        Command::RescheduleEvent { event_id, timing } => {
            let entry = state.agenda.get(*event_id).ok_or(Refusal::EventNotFound)?;
            require_room_for_series(state, timing, entry.series.is_some())?;
            let timing = read_timing(zone, timing)?;
            if Entry::new(entry.title.clone(), &timing, entry.sequence) == *entry {
                return Ok(vec![]);
            }
            require_bookable(state, details, *event_id, &timing)?;
            Event::EventRescheduled { event_id: *event_id, zone: zone.clone(), timing }
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
            let entry = require_occurrence(state, *event_id, *recurrence_id)?;
            require_room_for_exception(entry)?;
            Event::OccurrenceCancelled { event_id: *event_id, recurrence_id: *recurrence_id }
        }
        Command::ReplaceOccurrence { event_id, recurrence_id, start, end, title } => {
            let entry = require_occurrence(state, *event_id, *recurrence_id)?;
            let length = read_length(zone, *start, *end, entry.nonexistent)?;
            let title = title.as_deref().map(|title| TITLE.read(title)).transpose()?;
            let replacement = Replacement { start: *start, length, title };
            if entry.takes_place_as(*recurrence_id, &replacement) {
                return Ok(vec![]);
            }
            require_room_for_exception(entry)?;
            let named = Some(*recurrence_id);
            let moved = occurrence(zone, *event_id, named, *start, length, entry.nonexistent)
                .ok_or(Refusal::TimeNonexistent)?;
            let mut others = state.agenda.clone();
            others.exclude(*event_id, *recurrence_id);
            require_room(&others, &wanted(state, details), &moved).map_err(refused)?;
            Event::OccurrenceReplaced {
                event_id: *event_id,
                recurrence_id: *recurrence_id,
                replacement,
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
    recurrence_id: DateTime,
) -> Result<&Entry, Refusal> {
    let entry = state.agenda.get(event_id).ok_or(Refusal::EventNotFound)?;
    if !entry.has_occurrence(recurrence_id) {
        return Err(Refusal::OccurrenceNotFound);
    }
    Ok(entry)
}

fn require_room_for_exception(entry: &Entry) -> Result<(), Refusal> {
    if entry.exception_count() >= EXCEPTIONS_OF_SERIES_MAX {
        return Err(Refusal::SeriesFull);
    }
    Ok(())
}

fn wanted<'a>(state: &'a State, details: &'a Details) -> Wanted<'a> {
    Wanted {
        zone: &details.zone,
        limit: details.availability.limit(),
        hours: details.within_opening_hours.then_some(&state.opening_hours),
    }
}

/// Refuses an event for which there is no room; one that is booked makes room for itself.
fn require_bookable(
    state: &State,
    details: &Details,
    id: EventId,
    timing: &Timing,
) -> Result<(), Refusal> {
    let entry = Entry::new(String::new(), timing, 0);
    let wanted = wanted(state, details);
    let found = if state.agenda.get(id).is_some() {
        let mut others = state.agenda.clone();
        others.remove(id);
        others.require_room_for(&wanted, id, &entry)
    } else {
        state.agenda.require_room_for(&wanted, id, &entry)
    };
    found.map_err(refused)
}

/// Says which event is in the way, never what it is.
fn refused(clash: Clash) -> Refusal {
    match clash {
        Clash::Never => Refusal::TimeNonexistent,
        Clash::Closed { at } => Refusal::OutsideOpeningHours { at },
        Clash::Taken { at, by } => Refusal::SlotTaken { by, at },
        Clash::Full { at } => Refusal::SlotFull { at },
        Clash::Itself { at, with } => Refusal::SeriesOverlapsItself { at, with },
        Clash::TooMuch => Refusal::SeriesTooComplex,
    }
}
