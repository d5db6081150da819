//! One event of a calendar: when it takes place, once or as a series.

use std::fmt;
use std::sync::{Arc, OnceLock};

use imbl::{OrdMap, OrdSet};
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Occurrence, Slot, occurrence};
use crate::scheduling::local_time::{Length, Minute, NonexistentTime};
use crate::scheduling::recurrence::{Pattern, Rule};
use crate::scheduling::zone::Zone;

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
    pub start: DateTime,
    pub length: Length,
    pub nonexistent: NonexistentTime,
    pub series: Option<SeriesTiming>,
}

/// How an event recurs, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SeriesTiming {
    /// `None`: only the start and the extra dates.
    pub rule: Option<String>,
    /// The local start behind which the rule names none, read from its COUNT or UNTIL when it was
    /// scheduled; `None`: it goes on.
    pub until: Option<DateTime>,
    /// Local starts beside the rule's, in order (RDATE).
    pub extra: Vec<DateTime>,
    /// Local starts that do not take place, in order (EXDATE).
    pub excluded: Vec<DateTime>,
}

/// One occurrence of a series that was moved or changed (RECURRENCE-ID).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replacement {
    pub start: DateTime,
    pub length: Length,
    /// `None`: the title of the event.
    pub title: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub title: String,
    pub start: DateTime,
    pub length: Length,
    pub nonexistent: NonexistentTime,
    pub series: Option<Series>,
    /// How often the event was changed since it was scheduled (RFC 5545, SEQUENCE).
    pub sequence: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    pub rule: Option<String>,
    pub until: Option<DateTime>,
    pub extra: OrdSet<DateTime>,
    pub excluded: OrdSet<DateTime>,
    pub replaced: OrdMap<DateTime, Replacement>,
    #[serde(skip)]
    pattern: Memory,
}

/// The rule as it was read, once, and shared by all versions of the state. A memory of a pure
/// function and no part of the state: neither stored nor compared.
#[derive(Clone, Default)]
struct Memory(Arc<OnceLock<Option<Pattern>>>);

impl PartialEq for Memory {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Memory")
    }
}

impl Entry {
    pub fn new(title: String, timing: &Timing, sequence: u32) -> Self {
        let series = timing.series.as_ref().map(|series| Series {
            rule: series.rule.clone(),
            until: series.until,
            extra: series.extra.iter().copied().collect(),
            excluded: series.excluded.iter().copied().collect(),
            replaced: OrdMap::new(),
            pattern: Memory::default(),
        });
        let Timing { start, length, nonexistent, .. } = *timing;
        Self { title, start, length, nonexistent, series, sequence }
    }

    /// The title of an occurrence.
    pub fn title(&self, recurrence_id: Option<DateTime>) -> &str {
        let replaced = self.series.as_ref().zip(recurrence_id);
        replaced
            .and_then(|(series, id)| series.replaced.get(&id))
            .and_then(|replacement| replacement.title.as_deref())
            .unwrap_or(&self.title)
    }

    /// Whether it is a series that has such an occurrence, which may have been moved.
    pub fn has_occurrence(&self, recurrence_id: DateTime) -> bool {
        self.series.as_ref().is_some_and(|series| {
            !series.excluded.contains(&recurrence_id) && series.names(self.start, recurrence_id)
        })
    }

    /// Whether an occurrence takes place just so already.
    pub fn takes_place_as(&self, recurrence_id: DateTime, wanted: &Replacement) -> bool {
        let Some(series) = &self.series else { return false };
        match series.replaced.get(&recurrence_id) {
            Some(known) => known == wanted,
            None => {
                let unchanged =
                    Replacement { start: recurrence_id, length: self.length, title: None };
                *wanted == unchanged && series.is_regular(&recurrence_id)
            }
        }
    }

    /// How many occurrences of the series were cancelled or moved.
    pub fn exception_count(&self) -> usize {
        self.series.as_ref().map_or(0, |series| series.excluded.len() + series.replaced.len())
    }

    /// What of it stands in the index: all but what follows from a rule.
    pub(super) fn slots(&self, id: EventId) -> Vec<(Slot, Length)> {
        let Some(series) = &self.series else {
            return vec![((Minute::of(self.start), id, None), self.length)];
        };
        let dated = series.dates(self.start).map(|date| {
            let date = Minute::of(date);
            ((date, id, Some(date)), self.length)
        });
        let moved = series.replaced.iter().map(|(recurrence_id, replacement)| {
            let start = Minute::of(replacement.start);
            ((start, id, Some(Minute::of(*recurrence_id))), replacement.length)
        });
        dated.chain(moved).collect()
    }

    /// The occurrence that the series names by this local start.
    pub(super) fn occurrence(&self, zone: &Zone, id: EventId, start: Minute) -> Option<Occurrence> {
        let start = start.local();
        occurrence(zone, id, Some(start), start, self.length, self.nonexistent)
    }
}

impl Series {
    /// The rule from its start on; `None` for a series of dates.
    pub(super) fn pattern(&self, start: DateTime) -> Option<&Pattern> {
        let read = || Some(Pattern::new(&Rule::parse(self.rule.as_deref()?).ok()?, start));
        self.pattern.0.get_or_init(read).as_ref()
    }

    /// Behind the last start that the rule names.
    pub(super) fn end(&self) -> Minute {
        self.until.map_or(Minute::LAST, Minute::of).plus(1)
    }

    /// The starts that the rule gives and that were neither cancelled nor moved.
    pub(super) fn regular(
        &self,
        start: DateTime,
        from: Minute,
        to: Minute,
    ) -> impl Iterator<Item = Minute> {
        let to = to.min(self.end());
        let walk = self.pattern(start).map(|pattern| pattern.walk(from, to));
        walk.into_iter().flatten().filter(|start| self.is_regular(&start.local()))
    }

    /// The dates that follow from no rule and were neither cancelled nor moved.
    pub(super) fn dates(&self, start: DateTime) -> impl Iterator<Item = DateTime> {
        let own = self.rule.is_none().then_some(start).filter(|own| !self.extra.contains(own));
        own.into_iter().chain(self.extra.iter().copied()).filter(|date| self.is_regular(date))
    }

    fn names(&self, start: DateTime, recurrence_id: DateTime) -> bool {
        let at = Minute::of(recurrence_id);
        at.local() == recurrence_id
            && (self.extra.contains(&recurrence_id)
                || match self.pattern(start) {
                    Some(pattern) => at < self.end() && pattern.matches(at),
                    None => recurrence_id == start,
                })
    }

    pub(super) fn is_regular(&self, recurrence_id: &DateTime) -> bool {
        let is_exceptional =
            self.excluded.contains(recurrence_id) || self.replaced.contains_key(recurrence_id);
        !is_exceptional
    }
}
