//! What may be asked of a calendar. It may have a hundred thousand events, so that no question is
//! about all of it: a range of time and a number bound what takes place, and names bound the rest.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use jiff::{Timestamp, civil};
use serde::{Deserialize, Serialize};

use super::{Availability, Calendar, Details, ListedOccurrence, Page, Place, Refusal, State};
use crate::access::owner::Owner;
use crate::question::Question;
use crate::scheduling::agenda::{Entry, EventId};
use crate::scheduling::free_busy::Interval;
use crate::scheduling::local_time::Length;
use crate::scheduling::opening_hours::OpeningHours;
use crate::scheduling::zone::Zone;

crate::questions!(Calendar { Overview, WhatTakesPlace, WhenFree, Whose });

/// How it is kept; and of its events those that are named.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    pub events: Vec<EventId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// `None` until created.
    pub details: Option<Details>,
    /// With as many exceptions as there may be: some hundred kilobytes at most.
    pub opening_hours: OpeningHours,
    pub event_count: usize,
    /// Those that were asked for and are there.
    pub events: BTreeMap<EventId, Booked>,
}

/// One event or series.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Booked {
    pub title: String,
    /// The local start of the first occurrence.
    pub start: civil::DateTime,
    pub length: Length,
    pub is_series: bool,
    pub rule: Option<String>,
    /// The local time behind which the rule names no start.
    pub until: Option<civil::DateTime>,
    /// How often it was changed since it was scheduled.
    pub sequence: u32,
}

impl From<&Entry> for Booked {
    fn from(entry: &Entry) -> Self {
        Self {
            title: entry.title.clone(),
            start: entry.start,
            length: entry.length,
            is_series: entry.series.is_some(),
            rule: entry.series.as_ref().and_then(|series| series.rule.clone()),
            until: entry.series.as_ref().and_then(|series| series.until),
            sequence: entry.sequence,
        }
    }
}

impl Question<Calendar> for Overview {
    type Answer = Summary;

    fn answer(&self, state: State, _: DateTime<Utc>) -> Summary {
        let wanted = |id: &EventId| Some((*id, Booked::from(state.agenda.get(*id)?)));
        Summary {
            event_count: state.agenda.event_count(),
            events: self.events.iter().filter_map(wanted).collect(),
            details: state.details,
            opening_hours: state.opening_hours,
        }
    }
}

/// The first `limit` occurrences, at most [`LISTED_MAX`](super::LISTED_MAX), that overlap a range and are
/// behind a place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhatTakesPlace {
    pub start: Timestamp,
    pub end: Timestamp,
    pub limit: usize,
    pub after: Option<Place>,
    /// How many places are taken during each is wanted too.
    pub taken: bool,
}

/// Occurrences in order of their start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    pub zone: Zone,
    pub availability: Availability,
    pub occurrences: Vec<ListedOccurrence>,
    pub has_more: bool,
}

impl Question<Calendar> for WhatTakesPlace {
    type Answer = Result<Listed, Refusal>;

    fn answer(&self, state: State, _: DateTime<Utc>) -> Self::Answer {
        let page = state.occurrences(self.start, self.end, self.limit, self.after)?;
        let Page { mut occurrences, has_more } = page;
        if self.taken {
            state.count_taken(&mut occurrences);
        }
        let Details { zone, availability, .. } = state.details.ok_or(Refusal::NotFound)?;
        Ok(Listed { zone, availability, occurrences, has_more })
    }
}

/// When it is open and when it is busy within a range: the first `limit` intervals of each.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhenFree {
    pub start: Timestamp,
    pub end: Timestamp,
    pub limit: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FreeBusy {
    pub zone: Zone,
    pub busy: Vec<Interval>,
    /// Whether busy or not.
    pub open: Vec<Interval>,
    pub has_more: bool,
}

impl Question<Calendar> for WhenFree {
    type Answer = Result<FreeBusy, Refusal>;

    fn answer(&self, state: State, _: DateTime<Utc>) -> Self::Answer {
        let zone = zone_of(&state)?;
        let mut busy = state.busy(self.start, self.end)?;
        let mut open = state.open(self.start, self.end)?;
        let has_more = busy.len().max(open.len()) > self.limit;
        busy.truncate(self.limit);
        open.truncate(self.limit);
        Ok(FreeBusy { zone, busy, open, has_more })
    }
}

fn zone_of(state: &State) -> Result<Zone, Refusal> {
    state.details.as_ref().map(|details| details.zone.clone()).ok_or(Refusal::NotFound)
}

/// Whose it is, where it is anybody's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Whose;

impl Question<Calendar> for Whose {
    type Answer = Option<Owner>;

    fn answer(&self, state: State, _: DateTime<Utc>) -> Option<Owner> {
        state.details?.owner
    }
}
