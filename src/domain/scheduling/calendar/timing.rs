//! When an event shall take place, as it is asked for; and how that becomes what is stored.

use chrono::{NaiveDateTime, TimeDelta};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::{DATES_MAX, DURATION_MINUTES_MAX, Refusal};
use crate::scheduling::agenda::{SeriesTiming, Timing};
use crate::scheduling::local_time::{self, NonexistentTime};
use crate::scheduling::recurrence::{HORIZON_DAYS, OCCURRENCES_MAX, RecurrenceRefusal, Rule};

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

/// The real length of what starts and ends so, in minutes.
pub(super) fn read_minutes(
    zone: Tz,
    start: NaiveDateTime,
    end: EndRequest,
    nonexistent: NonexistentTime,
) -> Result<u32, Refusal> {
    if !local_time::is_storable(start) {
        return Err(Refusal::InvalidTime);
    }
    let minutes = match end {
        EndRequest::Minutes(minutes) => minutes,
        EndRequest::Local(end) => {
            if !local_time::is_storable(end) {
                return Err(Refusal::InvalidTime);
            }
            let start =
                local_time::resolve(zone, start, nonexistent).ok_or(Refusal::TimeNonexistent)?;
            let end = local_time::resolve_end(zone, end).ok_or(Refusal::TimeNonexistent)?;
            u32::try_from((end - start).num_minutes()).map_err(|_| Refusal::InvalidDuration)?
        }
    };
    if !(1..=DURATION_MINUTES_MAX).contains(&minutes) {
        return Err(Refusal::InvalidDuration);
    }
    Ok(minutes)
}

pub(super) fn read_timing(zone: Tz, request: &TimingRequest) -> Result<Timing, Refusal> {
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
) -> Result<SeriesTiming, Refusal> {
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
            "an extra date lies within ten years after the start".into(),
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
        return Err(RecurrenceRefusal::Invalid("no occurrence is left".into()).into());
    }
    Ok(SeriesTiming { rule, occurrences, extra, excluded })
}
