//! The state of a calendar: how it is kept, what is booked, what may be asked about a range of
//! time, and how each event moves it. Nothing here decides.

use chrono::{DateTime, Datelike, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{Event, LISTED_MAX, RANGE_DAYS_MAX, Refusal};
use crate::scheduling::agenda::{Agenda, Entry, EventId, Occurrence};
use crate::scheduling::free_busy::{Interval, merge};
use crate::scheduling::local_time;
use crate::scheduling::opening_hours::OpeningHours;

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

impl State {
    /// When the calendar is busy within the range: in order, laid together, clipped to the range.
    pub fn busy(&self, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Vec<Interval>, Refusal> {
        let (details, range) = self.read_range(start, end)?;
        let occurrences = self.agenda.overlapping(details.zone, range);
        Ok(merge(occurrences.map(|occurrence| occurrence.interval), &range))
    }

    /// When the calendar is open within the range, whether busy or not.
    pub fn open(&self, start: DateTime<Utc>, end: DateTime<Utc>) -> Result<Vec<Interval>, Refusal> {
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
    ) -> Result<(Vec<ListedOccurrence<'_>>, bool), Refusal> {
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
    ) -> Result<(&Details, Interval), Refusal> {
        let details = self.details.as_ref().ok_or(Refusal::NotFound)?;
        let is_sane = local_time::YEARS.contains(&start.year())
            && local_time::YEARS.contains(&end.year())
            && start < end
            && end - start <= TimeDelta::days(RANGE_DAYS_MAX);
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
