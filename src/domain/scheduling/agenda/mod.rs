//! What is booked in one calendar, found quickly by time.
//!
//! Owns the events, their occurrences, and the question of how many there are at once. Never
//! decides whether something may be booked.
//!
//! Everything is kept in local time, so that replaying the log gives the same state whatever the
//! zone's rules become; instants are computed when asked for. Single events, extra dates and moved
//! occurrences stand in an index by local start; a series is kept as its rule, and its occurrences
//! are computed for the stretch of time that is asked for, so that one without an end costs no more
//! than another. Clocks are moved by a day at most, so a search by instant looks a margin further on
//! both sides and then compares instants.

mod conflicts;
mod entry;
#[cfg(test)]
mod tests;

use std::ops::Bound;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::scheduling::{
    free_busy::Interval,
    local_time::{self, Length, MINUTES_OF_DAY, Minute, NonexistentTime},
    zone::Zone,
};
use jiff::civil::DateTime;

pub use conflicts::{Clash, STEPS_MAX, Wanted, require_room};
pub use entry::{Entry, EventId, Replacement, Series, SeriesTiming, Timing};

/// How much further than the local times of a range its occurrences are looked for: the start of
/// the range and the start of the occurrence may each be moved by a day (Apia, Kwajalein).
const MARGIN: i64 = 2 * MINUTES_OF_DAY;

/// One occurrence and the instants between which it takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    pub interval: Interval,
    pub event: EventId,
    /// The local start that the series gives it, by which one occurrence is named; `None` for a
    /// single event.
    pub recurrence_id: Option<DateTime>,
}

/// What stands in the index: an occurrence with a start of its own.
type Slot = (Minute, EventId, Option<Minute>);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredAgenda", into = "StoredAgenda")]
pub struct Agenda {
    events: OrdMap<EventId, Entry>,
    /// Derived: single events, extra dates and replaced occurrences by local start.
    slots: OrdMap<Slot, (Length, NonexistentTime)>,
    /// Derived: the lengths of the slots in local minutes, counted; the greatest bounds how far back
    /// to look.
    lengths: OrdMap<i64, u32>,
    /// Derived: the events that are series.
    series: OrdSet<EventId>,
}

/// What a snapshot holds of an agenda; the rest follows from it.
#[derive(Clone, Serialize, Deserialize)]
struct StoredAgenda {
    events: OrdMap<EventId, Entry>,
}

impl From<StoredAgenda> for Agenda {
    fn from(stored: StoredAgenda) -> Self {
        let mut agenda = Self::default();
        for (id, entry) in stored.events {
            agenda.insert(id, entry);
        }
        agenda
    }
}

impl From<Agenda> for StoredAgenda {
    fn from(agenda: Agenda) -> Self {
        Self { events: agenda.events }
    }
}

impl Agenda {
    pub fn get(&self, id: EventId) -> Option<&Entry> {
        self.events.get(&id)
    }

    pub fn event_count(&self) -> usize {
        self.events.len()
    }

    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// Puts an event in the place of the one with the same id, if there is one.
    pub fn insert(&mut self, id: EventId, entry: Entry) {
        self.remove(id);
        for (slot, length) in entry.slots(id) {
            self.add_slot(slot, length, entry.nonexistent);
        }
        if entry.series.is_some() {
            self.series.insert(id);
        }
        self.events.insert(id, entry);
    }

    pub fn remove(&mut self, id: EventId) {
        let Some(entry) = self.events.remove(&id) else {
            return;
        };
        self.series.remove(&id);
        for (slot, _) in entry.slots(id) {
            self.remove_slot(slot);
        }
    }

    /// Gives an event another title.
    pub fn retitle(&mut self, id: EventId, title: String) {
        if let Some(entry) = self.events.get_mut(&id) {
            entry.title = title;
            entry.sequence = entry.sequence.saturating_add(1);
        }
    }

    /// Takes one occurrence out of a series.
    pub fn exclude(&mut self, id: EventId, recurrence_id: DateTime) {
        self.forget_slot(id, recurrence_id);
        if let Some(entry) = self.events.get_mut(&id) {
            entry.sequence = entry.sequence.saturating_add(1);
            if let Some(series) = &mut entry.series {
                series.replaced.remove(&recurrence_id);
                series.excluded.insert(recurrence_id);
            }
        }
    }

    /// Moves or changes one occurrence of a series.
    pub fn replace(&mut self, id: EventId, recurrence_id: DateTime, replacement: Replacement) {
        self.forget_slot(id, recurrence_id);
        let Some(entry) = self.events.get_mut(&id) else {
            return;
        };
        entry.sequence = entry.sequence.saturating_add(1);
        let nonexistent = entry.nonexistent;
        let Some(series) = &mut entry.series else {
            return;
        };
        let slot = (Minute::of(replacement.start), id, Some(Minute::of(recurrence_id)));
        let length = replacement.length;
        series.replaced.insert(recurrence_id, replacement);
        self.add_slot(slot, length, nonexistent);
    }

    /// Takes out of the index where an occurrence stands, if it stands there.
    fn forget_slot(&mut self, id: EventId, recurrence_id: DateTime) {
        let Some(series) = self.events.get(&id).and_then(|entry| entry.series.as_ref()) else {
            return;
        };
        let moved = series.replaced.get(&recurrence_id).map(|replacement| replacement.start);
        let start = Minute::of(moved.unwrap_or(recurrence_id));
        self.remove_slot((start, id, Some(Minute::of(recurrence_id))));
    }

    fn add_slot(&mut self, slot: Slot, length: Length, nonexistent: NonexistentTime) {
        self.slots.insert(slot, (length, nonexistent));
        let count = self.lengths.entry(length.local_minutes()).or_default();
        *count = count.saturating_add(1);
    }

    fn remove_slot(&mut self, slot: Slot) {
        let Some((length, _)) = self.slots.remove(&slot) else {
            return;
        };
        let minutes = length.local_minutes();
        match self.lengths.get(&minutes) {
            Some(count) if *count > 1 => {
                self.lengths.insert(minutes, count - 1);
            }
            _ => {
                self.lengths.remove(&minutes);
            }
        }
    }

    /// The series, each with its entry.
    fn all_series(&self) -> impl Iterator<Item = (EventId, &Entry, &Series)> {
        let entries = self.series.iter().filter_map(|id| self.events.get_key_value(id));
        entries.filter_map(|(id, entry)| Some((*id, entry, entry.series.as_ref()?)))
    }

    /// The longest of all slots, in local minutes.
    fn longest_slot(&self) -> i64 {
        self.lengths.get_max().map_or(0, |(minutes, _)| *minutes)
    }

    /// The occurrences that overlap the range, in no order. Costs O(log n) and one step for each
    /// occurrence that starts in the range or within the longest length and the margin before it.
    pub fn overlapping(&self, zone: &Zone, range: Interval) -> impl Iterator<Item = Occurrence> {
        let first = Minute::of(local_time::local(zone, range.start)).plus(-MARGIN);
        let last = Minute::of(local_time::local(zone, range.end)).plus(MARGIN);
        let of_slots = self.slots.range(self.slots_between(first, last)).filter_map(
            move |((start, event, recurrence_id), (length, nonexistent))| {
                let recurrence_id = recurrence_id.map(Minute::local);
                occurrence(zone, *event, recurrence_id, start.local(), *length, *nonexistent)
            },
        );
        let of_series = self.all_series().flat_map(move |(id, entry, series)| {
            let from = first.plus(-entry.length.local_minutes());
            let starts = series.regular(entry.start, from, last);
            starts.filter_map(move |start| entry.occurrence(zone, id, start))
        });
        of_slots.chain(of_series).filter(move |occurrence| occurrence.interval.overlaps(&range))
    }

    fn slots_between(&self, first: Minute, last: Minute) -> (Bound<Slot>, Bound<Slot>) {
        let least = (first.plus(-self.longest_slot()), EventId(Uuid::nil()), None);
        let beyond = (last, EventId(Uuid::nil()), None);
        (Bound::Included(least), Bound::Excluded(beyond))
    }

    /// How many slots a search of the range compares.
    #[cfg(test)]
    pub(crate) fn slots_near(&self, zone: &Zone, range: Interval) -> usize {
        let first = Minute::of(local_time::local(zone, range.start)).plus(-MARGIN);
        let last = Minute::of(local_time::local(zone, range.end)).plus(MARGIN);
        self.slots.range(self.slots_between(first, last)).count()
    }
}

/// The occurrence at a local start; `None` where it does not take place.
pub fn occurrence(
    zone: &Zone,
    event: EventId,
    recurrence_id: Option<DateTime>,
    start: DateTime,
    length: Length,
    nonexistent: NonexistentTime,
) -> Option<Occurrence> {
    let (start, end) = local_time::span(zone, start, length, nonexistent)?;
    Some(Occurrence { interval: Interval { start, end }, event, recurrence_id })
}
