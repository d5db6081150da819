//! What is booked in one calendar, found quickly by time.
//!
//! Owns the events, their occurrences, and the question of how many there are at once. Never
//! decides whether something may be booked.
//!
//! Everything is kept in local time, so that replaying the log gives the same state whatever the
//! zone's rules become; instants are computed when asked for. Single events and moved occurrences
//! stand in an index by local start; a series is kept as its rule and expanded once. Clocks are
//! moved by a day at most, so a search by instant looks a margin further on both sides and then
//! compares instants.

use std::{
    fmt,
    ops::Bound,
    sync::{Arc, OnceLock},
};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::scheduling::{
    free_busy::{Interval, most_at_once},
    local_time::{self, NonexistentTime},
    recurrence::Rule,
};

/// How much further than the local times of a range its occurrences are looked for: the start of
/// the range and the start of the occurrence may each be moved by a day (Apia, Kwajalein).
const MARGIN: TimeDelta = TimeDelta::days(2);

/// The id of one event of a calendar; a client draws it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// When an event takes place, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timing {
    /// The local start of the first occurrence, in the calendar's zone.
    pub start: NaiveDateTime,
    /// How long each occurrence really lasts.
    pub minutes: u32,
    pub nonexistent: NonexistentTime,
    pub series: Option<SeriesTiming>,
}

/// How an event recurs, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeriesTiming {
    /// `None`: only the start and the extra dates.
    pub rule: Option<String>,
    /// How many occurrences the rule was planned to have.
    pub occurrences: u32,
    /// Local starts beside the rule's, in order (RDATE).
    pub extra: Vec<NaiveDateTime>,
    /// Local starts that do not take place, in order (EXDATE).
    pub excluded: Vec<NaiveDateTime>,
}

/// One occurrence of a series that was moved or changed (RECURRENCE-ID).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replacement {
    pub start: NaiveDateTime,
    pub minutes: u32,
    /// `None`: the title of the event.
    pub title: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub title: String,
    pub start: NaiveDateTime,
    pub minutes: u32,
    pub nonexistent: NonexistentTime,
    pub series: Option<Series>,
    /// How often the event was changed since it was scheduled (RFC 5545, SEQUENCE).
    pub sequence: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    pub rule: Option<String>,
    pub occurrences: u32,
    pub extra: OrdSet<NaiveDateTime>,
    pub excluded: OrdSet<NaiveDateTime>,
    pub replaced: OrdMap<NaiveDateTime, Replacement>,
    #[serde(skip)]
    expansion: Expansion,
}

/// The local starts of a series, computed once and shared by all versions of the state. A memory
/// of a pure function and no part of the state: neither stored nor compared.
#[derive(Clone, Default)]
struct Expansion(Arc<OnceLock<Vec<NaiveDateTime>>>);

impl PartialEq for Expansion {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Expansion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Expansion")
    }
}

/// One occurrence and the instants between which it takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    pub interval: Interval,
    pub event: EventId,
    /// The local start that the series gives it, by which one occurrence is named; `None` for a
    /// single event.
    pub recurrence_id: Option<NaiveDateTime>,
}

impl Entry {
    pub fn new(title: String, timing: &Timing, sequence: u32) -> Self {
        let series = timing.series.as_ref().map(|series| Series {
            rule: series.rule.clone(),
            occurrences: series.occurrences,
            extra: series.extra.iter().copied().collect(),
            excluded: series.excluded.iter().copied().collect(),
            replaced: OrdMap::new(),
            expansion: Expansion::default(),
        });
        Self {
            title,
            start: timing.start,
            minutes: timing.minutes,
            nonexistent: timing.nonexistent,
            series,
            sequence,
        }
    }

    /// The title of one occurrence.
    pub fn title(&self, recurrence_id: Option<NaiveDateTime>) -> &str {
        let replacement = recurrence_id
            .zip(self.series.as_ref())
            .and_then(|(id, series)| series.replaced.get(&id));
        replacement.and_then(|replacement| replacement.title.as_deref()).unwrap_or(&self.title)
    }

    /// Whether the series has an occurrence of this name that was not cancelled.
    pub fn has_occurrence(&self, recurrence_id: NaiveDateTime) -> bool {
        self.series.as_ref().is_some_and(|series| {
            !series.excluded.contains(&recurrence_id)
                && series.starts(self.start).binary_search(&recurrence_id).is_ok()
        })
    }
}

impl Series {
    /// All local starts in order, those that were cancelled or replaced included.
    fn starts(&self, start: NaiveDateTime) -> &[NaiveDateTime] {
        self.expansion.0.get_or_init(|| {
            let planned = match &self.rule {
                Some(rule) => Rule::parse(rule)
                    .map(|rule| rule.replan(start, self.occurrences as usize))
                    .unwrap_or_default(),
                None => vec![start],
            };
            let mut starts: Vec<NaiveDateTime> =
                planned.into_iter().chain(self.extra.iter().copied()).collect();
            starts.sort_unstable();
            starts.dedup();
            starts
        })
    }

    fn is_regular(&self, recurrence_id: &NaiveDateTime) -> bool {
        !self.excluded.contains(recurrence_id) && !self.replaced.contains_key(recurrence_id)
    }
}

/// What stands in the index: an occurrence with a start of its own.
type Slot = (NaiveDateTime, EventId, Option<NaiveDateTime>);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredAgenda", into = "StoredAgenda")]
pub struct Agenda {
    events: OrdMap<EventId, Entry>,
    /// Derived: single events and replaced occurrences by local start.
    slots: OrdMap<Slot, (u32, NonexistentTime)>,
    /// Derived: the lengths of the slots, counted; the greatest bounds how far back to look.
    lengths: OrdMap<u32, u32>,
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
        match &entry.series {
            None => self.add_slot((entry.start, id, None), entry.minutes, entry.nonexistent),
            Some(series) => {
                self.series.insert(id);
                for (recurrence_id, replacement) in &series.replaced {
                    let slot = (replacement.start, id, Some(*recurrence_id));
                    self.add_slot(slot, replacement.minutes, entry.nonexistent);
                }
            }
        }
        self.events.insert(id, entry);
    }

    pub fn remove(&mut self, id: EventId) {
        let Some(entry) = self.events.remove(&id) else {
            return;
        };
        match &entry.series {
            None => self.remove_slot((entry.start, id, None)),
            Some(series) => {
                self.series.remove(&id);
                for (recurrence_id, replacement) in &series.replaced {
                    self.remove_slot((replacement.start, id, Some(*recurrence_id)));
                }
            }
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
    pub fn exclude(&mut self, id: EventId, recurrence_id: NaiveDateTime) {
        self.forget_replacement(id, recurrence_id);
        if let Some(entry) = self.events.get_mut(&id) {
            entry.sequence = entry.sequence.saturating_add(1);
            if let Some(series) = &mut entry.series {
                series.excluded.insert(recurrence_id);
            }
        }
    }

    /// Moves or changes one occurrence of a series.
    pub fn replace(&mut self, id: EventId, recurrence_id: NaiveDateTime, replacement: Replacement) {
        self.forget_replacement(id, recurrence_id);
        let Some(entry) = self.events.get_mut(&id) else {
            return;
        };
        entry.sequence = entry.sequence.saturating_add(1);
        let nonexistent = entry.nonexistent;
        let Some(series) = &mut entry.series else {
            return;
        };
        let slot = (replacement.start, id, Some(recurrence_id));
        let minutes = replacement.minutes;
        series.replaced.insert(recurrence_id, replacement);
        self.add_slot(slot, minutes, nonexistent);
    }

    fn forget_replacement(&mut self, id: EventId, recurrence_id: NaiveDateTime) {
        let series = self.events.get_mut(&id).and_then(|entry| entry.series.as_mut());
        if let Some(replacement) = series.and_then(|series| series.replaced.remove(&recurrence_id))
        {
            self.remove_slot((replacement.start, id, Some(recurrence_id)));
        }
    }

    fn add_slot(&mut self, slot: Slot, minutes: u32, nonexistent: NonexistentTime) {
        self.slots.insert(slot, (minutes, nonexistent));
        let count = self.lengths.entry(minutes).or_default();
        *count = count.saturating_add(1);
    }

    fn remove_slot(&mut self, slot: Slot) {
        let Some((minutes, _)) = self.slots.remove(&slot) else {
            return;
        };
        match self.lengths.get(&minutes) {
            Some(count) if *count > 1 => {
                self.lengths.insert(minutes, count - 1);
            }
            _ => {
                self.lengths.remove(&minutes);
            }
        }
    }

    /// The occurrences that overlap the range, in no order. Costs O(log n) and one step for each
    /// occurrence that starts in the range or within the longest length and the margin before it.
    pub fn overlapping(&self, zone: Tz, range: Interval) -> impl Iterator<Item = Occurrence> {
        let first = local_time::local(zone, range.start) - MARGIN;
        let last = local_time::local(zone, range.end) + MARGIN;
        let of_slots = self.slots.range(self.slots_between(first, last)).filter_map(
            move |((start, event, recurrence_id), (minutes, nonexistent))| {
                occurrence(zone, *event, *recurrence_id, *start, *minutes, *nonexistent)
            },
        );
        let of_series = self.series.iter().filter_map(|id| self.events.get_key_value(id)).flat_map(
            move |(id, entry)| {
                let all =
                    entry.series.as_ref().map_or(&[][..], |series| series.starts(entry.start));
                let from = first - TimeDelta::minutes(entry.minutes.into());
                let within = &all[all.partition_point(|start| *start < from)
                    ..all.partition_point(|start| *start < last)];
                within
                    .iter()
                    .filter(|start| {
                        entry.series.as_ref().is_some_and(|series| series.is_regular(start))
                    })
                    .filter_map(move |start| {
                        occurrence(
                            zone,
                            *id,
                            Some(*start),
                            *start,
                            entry.minutes,
                            entry.nonexistent,
                        )
                    })
            },
        );
        of_slots.chain(of_series).filter(move |occurrence| occurrence.interval.overlaps(&range))
    }

    fn slots_between(
        &self,
        first: NaiveDateTime,
        last: NaiveDateTime,
    ) -> (Bound<Slot>, Bound<Slot>) {
        let longest = self.lengths.get_max().map_or(0, |(minutes, _)| *minutes);
        let least = (first - TimeDelta::minutes(longest.into()), EventId(Uuid::nil()), None);
        let beyond = (last, EventId(Uuid::nil()), None);
        (Bound::Included(least), Bound::Excluded(beyond))
    }

    /// How many slots a search of the range compares.
    #[cfg(test)]
    pub(crate) fn slots_near(&self, zone: Tz, range: Interval) -> usize {
        let first = local_time::local(zone, range.start) - MARGIN;
        let last = local_time::local(zone, range.end) + MARGIN;
        self.slots.range(self.slots_between(first, last)).count()
    }

    /// The first of the candidates, which are in order, during which more than `limit` would take
    /// place at once, and an event that is in its way (its own, if it is in its own way). What
    /// `is_replaced` names does not count: it makes room for the candidates.
    pub fn first_conflict(
        &self,
        zone: Tz,
        candidates: &[Occurrence],
        limit: usize,
        is_replaced: impl Fn(&Occurrence) -> bool,
    ) -> Option<EventId> {
        let longest = candidates
            .iter()
            .map(|candidate| candidate.interval.end - candidate.interval.start)
            .max()?;
        candidates.iter().enumerate().find_map(|(index, candidate)| {
            let range = candidate.interval;
            let before = candidates[..index]
                .iter()
                .rev()
                .take_while(|own| own.interval.start + longest > range.start);
            let after =
                candidates[index + 1..].iter().take_while(|own| own.interval.start < range.end);
            let own = before.chain(after).filter(|own| own.interval.overlaps(&range)).copied();
            let mut others: Vec<Occurrence> = self
                .overlapping(zone, range)
                .filter(|other| !is_replaced(other))
                .chain(own)
                .collect();
            if others.len() < limit {
                return None;
            }
            others.sort_unstable();
            let intervals: Vec<Interval> = others.iter().map(|other| other.interval).collect();
            (most_at_once(&intervals, &range) >= limit)
                .then(|| others.first().map(|other| other.event))?
        })
    }
}

/// The occurrence at a local start; `None` where the clocks jump over it and it is skipped.
pub fn occurrence(
    zone: Tz,
    event: EventId,
    recurrence_id: Option<NaiveDateTime>,
    start: NaiveDateTime,
    minutes: u32,
    nonexistent: NonexistentTime,
) -> Option<Occurrence> {
    let start: DateTime<Utc> = local_time::resolve(zone, start, nonexistent)?;
    let end = start.checked_add_signed(TimeDelta::minutes(minutes.into()))?;
    Some(Occurrence { interval: Interval { start, end }, event, recurrence_id })
}

/// The occurrences of a timing that is not booked yet, in order of their instants.
pub fn occurrences_of(zone: Tz, event: EventId, timing: &Timing) -> Vec<Occurrence> {
    let entry = Entry::new(String::new(), timing, 0);
    let at = |recurrence_id, start| {
        occurrence(zone, event, recurrence_id, start, timing.minutes, timing.nonexistent)
    };
    let mut occurrences: Vec<Occurrence> = match &entry.series {
        None => at(None, timing.start).into_iter().collect(),
        Some(series) => series
            .starts(timing.start)
            .iter()
            .filter(|start| series.is_regular(start))
            .filter_map(|start| at(Some(*start), *start))
            .collect(),
    };
    occurrences.sort_unstable();
    occurrences
}
