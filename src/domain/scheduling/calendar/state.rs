//! The state of a calendar: how it is kept, what is booked, what may be asked about a range of
//! time, and how each event moves it. Nothing here decides.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{BUSY_MAX, Event, LISTED_MAX, RANGE_DAYS_MAX, Refusal};
use crate::access::owner::Owner;
use crate::scheduling::agenda::{Agenda, Entry, EventId, Occurrence};
use crate::scheduling::free_busy::{AtOnce, Interval, merge};
use crate::scheduling::local_time;
use crate::scheduling::opening_hours::OpeningHours;
use crate::scheduling::zone::Zone;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// `None` until created.
    pub details: Option<Details>,
    pub opening_hours: OpeningHours,
    pub agenda: Agenda,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    pub name: String,
    pub zone: Zone,
    pub availability: Availability,
    /// Bookings outside the opening hours are refused. Until hours are set, all are outside.
    pub within_opening_hours: bool,
    /// Whose it is; nobody's, where the house keeps it.
    pub owner: Option<Owner>,
}

/// How many bookings may hold at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Availability {
    /// One.
    Exclusive {},
    /// As many as this, 1 to [`CAPACITY_MAX`](super::CAPACITY_MAX).
    Capacity {
        bookings: u32,
    },
    Unlimited {},
}

impl Availability {
    pub(super) fn limit(self) -> Option<usize> {
        match self {
            Self::Exclusive {} => Some(1),
            Self::Capacity { bookings } => Some(bookings as usize),
            Self::Unlimited {} => None,
        }
    }
}

/// One occurrence, for those who may see what it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedOccurrence {
    pub place: Place,
    pub event_id: EventId,
    /// `None` for a single event.
    pub recurrence_id: Option<DateTime>,
    pub title: String,
    /// What the clock on the wall shows when it starts.
    pub local_start: DateTime,
    pub interval: Interval,
    /// How many bookings hold at once during it, at most, itself included; `None` where that was not
    /// asked for, or more than [`BUSY_MAX`] would have to be looked at.
    pub taken: Option<u32>,
}

/// The place of an occurrence among all of its calendar: by start, then end, event and name.
pub type Place = (Timestamp, Timestamp, EventId, Option<DateTime>);

impl Occurrence {
    fn place(&self) -> Place {
        (self.interval.start, self.interval.end, self.event, self.recurrence_id)
    }
}

/// A part of a list.
#[derive(Debug)]
pub struct Page {
    pub occurrences: Vec<ListedOccurrence>,
    pub has_more: bool,
}

impl State {
    /// When the calendar is busy within the range: in order, laid together, clipped to the range.
    pub fn busy(&self, start: Timestamp, end: Timestamp) -> Result<Vec<Interval>, Refusal> {
        let (details, range) = self.read_range(start, end)?;
        let occurrences = self.agenda.overlapping(&details.zone, range);
        let intervals: Vec<Interval> =
            occurrences.map(|occurrence| occurrence.interval).take(BUSY_MAX + 1).collect();
        if intervals.len() > BUSY_MAX {
            return Err(Refusal::RangeTooLarge);
        }
        Ok(merge(intervals, &range))
    }

    /// When the calendar is open within the range, whether busy or not.
    pub fn open(&self, start: Timestamp, end: Timestamp) -> Result<Vec<Interval>, Refusal> {
        let (details, range) = self.read_range(start, end)?;
        Ok(self.opening_hours.open_intervals(&details.zone, &range))
    }

    /// The first `limit` occurrences, at most [`LISTED_MAX`], behind a place and overlapping the range,
    /// in order of their start. Looks no further than the page reaches: day by day, then by more at a
    /// time as long as nothing is found.
    pub fn occurrences(
        &self,
        start: Timestamp,
        end: Timestamp,
        limit: usize,
        after: Option<Place>,
    ) -> Result<Page, Refusal> {
        let (details, range) = self.read_range(start, end)?;
        let limit = limit.min(LISTED_MAX);
        let mut found: Vec<Occurrence> = vec![];
        // What began before the range and reaches into it is listed with its first moments.
        let mut from = after.map_or(range.start, |after| after.0.max(range.start));
        let mut days = 1;
        while from < range.end && found.len() <= limit {
            let hours = SignedDuration::from_hours(24 * days);
            let to = from.checked_add(hours).unwrap_or(range.end).min(range.end);
            let within = Interval { start: from, end: to };
            let before = found.len();
            let near = self.agenda.overlapping(&details.zone, within);
            let begins_here = |occurrence: &Occurrence| {
                let begins = occurrence.interval.start.max(range.start);
                begins >= from && after.is_none_or(|after| after < occurrence.place())
            };
            found.extend(near.filter(begins_here));
            found[before..].sort_unstable();
            days = if found.len() > before { 1 } else { days * 2 };
            from = to;
        }
        let has_more = found.len() > limit;
        found.truncate(limit);
        let listed = found.into_iter().filter_map(|occurrence| {
            let entry = self.agenda.get(occurrence.event)?;
            Some(ListedOccurrence {
                place: occurrence.place(),
                event_id: occurrence.event,
                recurrence_id: occurrence.recurrence_id,
                title: entry.title(occurrence.recurrence_id).to_owned(),
                local_start: local_time::local(&details.zone, occurrence.interval.start),
                interval: occurrence.interval,
                taken: None,
            })
        });
        Ok(Page { occurrences: listed.collect(), has_more })
    }

    /// Says of each how many places are taken during it.
    pub(super) fn count_taken(&self, listed: &mut [ListedOccurrence]) {
        let intervals = || listed.iter().map(|listed| listed.interval);
        let (Some(details), Some(start), Some(end)) = (
            self.details.as_ref(),
            intervals().map(|interval| interval.start).min(),
            intervals().map(|interval| interval.end).max(),
        ) else {
            return;
        };
        let near = self.agenda.overlapping(&details.zone, Interval { start, end });
        let near: Vec<Interval> = near.map(|near| near.interval).take(BUSY_MAX + 1).collect();
        if near.len() > BUSY_MAX {
            return;
        }
        let at_once = AtOnce::of(&near);
        for listed in listed {
            listed.taken = Some(at_once.most_within(&listed.interval));
        }
    }

    fn read_range(
        &self,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<(&Details, Interval), Refusal> {
        let details = self.details.as_ref().ok_or(Refusal::NotFound)?;
        let year = |instant| local_time::local(&Zone::UTC, instant).year();
        let is_sane = local_time::YEARS.contains(&year(start))
            && local_time::YEARS.contains(&year(end))
            && start < end
            && end.duration_since(start) <= SignedDuration::from_hours(24 * RANGE_DAYS_MAX);
        if !is_sane {
            return Err(Refusal::InvalidRange);
        }
        Ok((details, Interval { start, end }))
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::CalendarCreated { details } => self.details = Some(details.clone()),
            Event::OpeningHoursSet { weekly } => self.opening_hours.weekly = weekly.clone(),
            Event::OpeningExceptionSet { date, spans } => {
                self.opening_hours.exceptions.insert(*date, spans.clone());
            }
            Event::OpeningExceptionCleared { date } => {
                self.opening_hours.exceptions.remove(date);
            }
            Event::EventScheduled { event_id, title, timing, .. } => {
                self.agenda.insert(*event_id, Entry::new(title.clone(), timing, 0));
            }
            Event::EventRescheduled { event_id, timing, .. } => {
                if let Some(entry) = self.agenda.get(*event_id) {
                    let entry =
                        Entry::new(entry.title.clone(), timing, entry.sequence.saturating_add(1));
                    self.agenda.insert(*event_id, entry);
                }
            }
            Event::EventRetitled { event_id, title } => {
                self.agenda.retitle(*event_id, title.clone())
            }
            Event::EventCancelled { event_id } => self.agenda.remove(*event_id),
            Event::OccurrenceCancelled { event_id, recurrence_id } => {
                self.agenda.exclude(*event_id, *recurrence_id)
            }
            Event::OccurrenceReplaced { event_id, recurrence_id, replacement } => {
                self.agenda.replace(*event_id, *recurrence_id, replacement.clone());
            }
        }
    }
}
