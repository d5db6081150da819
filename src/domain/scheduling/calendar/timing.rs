//! When an event shall take place, as it is asked for; and how that becomes what is stored.

use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::{DATES_MAX, DURATION_DAYS_MAX, DURATION_MINUTES_MAX, Refusal};
use crate::scheduling::agenda::{SeriesTiming, Timing};
use crate::scheduling::local_time::{self, Length, Minute, NonexistentTime};
use crate::scheduling::recurrence::{Pattern, Reach, RecurrenceRefusal, Rule};
use crate::scheduling::zone::Zone;

/// When an event shall take place, as it is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimingRequest {
    /// Local time in the calendar's zone, whole minutes.
    pub start: DateTime,
    pub end: EndRequest,
    pub nonexistent: NonexistentTime,
    pub recurrence: Option<RecurrenceRequest>,
}

/// How long an occurrence lasts. A local end gives the exact length of the first occurrence to all of
/// a series (RFC 5545, 3.8.5.3); like every local time that comes twice, it is the first of both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum EndRequest {
    Length(Length),
    Local(DateTime),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecurrenceRequest {
    pub rule: Option<String>,
    /// Local starts beside the rule's, none before the start (RDATE).
    pub extra: Vec<DateTime>,
    /// Local starts that shall not take place (EXDATE); those that would not anyway are dropped.
    pub excluded: Vec<DateTime>,
}

/// The length of what starts and ends so.
pub(super) fn read_length(
    zone: &Zone,
    start: DateTime,
    end: EndRequest,
    nonexistent: NonexistentTime,
) -> Result<Length, Refusal> {
    if !local_time::is_storable(start) {
        return Err(Refusal::InvalidTime);
    }
    let length = match end {
        EndRequest::Length(length) => length,
        EndRequest::Local(end) => {
            if !local_time::is_storable(end) {
                return Err(Refusal::InvalidTime);
            }
            let start =
                local_time::resolve(zone, start, nonexistent).ok_or(Refusal::TimeNonexistent)?;
            let end = local_time::resolve(zone, end, NonexistentTime::Shift)
                .ok_or(Refusal::TimeNonexistent)?;
            let minutes = end.duration_since(start).as_mins();
            Length::minutes(u32::try_from(minutes).map_err(|_| Refusal::InvalidDuration)?)
        }
    };
    let is_too_long = length.days > DURATION_DAYS_MAX
        || length.local_minutes() > i64::from(DURATION_MINUTES_MAX)
        || length == Length::default();
    if is_too_long { Err(Refusal::InvalidDuration) } else { Ok(length) }
}

pub(super) fn read_timing(zone: &Zone, request: &TimingRequest) -> Result<Timing, Refusal> {
    let TimingRequest { start, end, nonexistent, .. } = *request;
    let length = read_length(zone, start, end, nonexistent)?;
    let series = match &request.recurrence {
        None => None,
        Some(recurrence) => Some(read_series(zone, start, nonexistent, recurrence)?),
    };
    Ok(Timing { start, length, nonexistent, series })
}

fn read_series(
    zone: &Zone,
    start: DateTime,
    nonexistent: NonexistentTime,
    request: &RecurrenceRequest,
) -> Result<SeriesTiming, Refusal> {
    if request.extra.len() > DATES_MAX || request.excluded.len() > DATES_MAX {
        return Err(RecurrenceRefusal::TooLong.into());
    }
    if request.extra.iter().any(|time| !local_time::is_storable(*time) || *time < start) {
        let reason = "an extra date is a whole minute from the start to the year 2199";
        return Err(RecurrenceRefusal::Invalid(reason.into()).into());
    }
    let rule = request.rule.as_deref().map(Rule::parse).transpose()?;
    let reach = match &rule {
        Some(rule) => rule.reach(start, zone, nonexistent)?,
        None => Reach { until: None, excluded: vec![] },
    };
    let pattern = rule.as_ref().map(|rule| Pattern::new(rule, start));
    let is_named = |time: &DateTime| match &pattern {
        Some(pattern) => {
            reach.until.is_none_or(|until| *time <= until) && pattern.matches(Minute::of(*time))
        }
        None => *time == start,
    };
    let extra = sorted(request.extra.iter().copied().filter(|time| !is_named(time)));
    let asked = request.excluded.iter().filter(|time| local_time::is_storable(**time));
    let asked = asked.filter(|time| is_named(time) || extra.binary_search(time).is_ok());
    let excluded = sorted(asked.chain(&reach.excluded).copied());
    let dates = extra.iter().chain([&start]);
    let has_date = dates.into_iter().any(|date| excluded.binary_search(date).is_err());
    let has_other = pattern.as_ref().is_some_and(|pattern| {
        let end = reach.until.map_or(Minute::LAST, Minute::of).plus(1);
        let mut starts = pattern.walk(Minute::of(start), end);
        starts.any(|time| excluded.binary_search(&time.local()).is_err())
    });
    if !has_date && !has_other {
        return Err(RecurrenceRefusal::Invalid("no occurrence is left".into()).into());
    }
    let rule = rule.map(|rule| rule.text().to_owned());
    Ok(SeriesTiming { rule, until: reach.until, extra, excluded })
}

/// In order, each once.
fn sorted(times: impl Iterator<Item = DateTime>) -> Vec<DateTime> {
    let mut times: Vec<DateTime> = times.collect();
    times.sort_unstable();
    times.dedup();
    times
}
