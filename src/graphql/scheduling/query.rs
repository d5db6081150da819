//! Questions about calendars.

use async_graphql::{Context, Object, Result};

use super::CalendarNode;
use super::places::Places;
use super::types::{FreeBusyNode, OccurrenceEdge, OccurrenceNode, OccurrencesNode};
use crate::context::{AsOf, ask, load, past, position_of, take_values};
use crate::errors::coded;
use crate::ids::PublicCalendarId;
use crate::lists::Listed as _;
use crate::scalars::{Instant, TimeZone};
use domain::aggregate::Refusal;
use domain::scheduling::calendar::{self, Calendar, WhatTakesPlace, WhenFree};

/// The longest range that is answered, in days.
const DAYS_MAX: i64 = 366;
/// Intervals that `freeBusy` lists of one kind.
const INTERVALS_MAX: usize = 10_000;

#[derive(Default)]
pub struct CalendarQuery;

#[Object]
impl CalendarQuery {
    /// A calendar, now or as it was.
    #[graphql(complexity = "past(&as_of) + child_complexity")]
    async fn calendar(
        &self,
        context: &Context<'_>,
        id: PublicCalendarId,
        as_of: Option<AsOf>,
    ) -> Result<Option<CalendarNode>> {
        Ok(load::<Calendar>(context, id.into(), as_of).await?.map(CalendarNode::whole))
    }

    #[expect(clippy::too_many_arguments, reason = "they are the field's arguments")]
    /// What takes place in a calendar from `start` up to `end`, a year at most, in order of its start;
    /// what began before and goes on comes first.
    #[graphql(complexity = "past(&as_of) + days(&start, &end) + first as usize * child_complexity")]
    async fn calendar_events(
        &self,
        context: &Context<'_>,
        calendar_id: PublicCalendarId,
        start: Instant,
        end: Instant,
        #[graphql(default = 100)] first: i32,
        after: Option<String>,
        as_of: Option<AsOf>,
    ) -> Result<Option<OccurrencesNode>> {
        let places = Places::of(context, calendar_id.into());
        let after = after.map(|after| places.read(&after)).transpose()?;
        let limit = usize::try_from(first).unwrap_or(0);
        let (start, end) = (start.timestamp(), end.timestamp());
        let taken = asks_for_places(context);
        let question = WhatTakesPlace { start, end, limit, after, taken };
        let Some(told) = ask(context, calendar_id.into(), &question, as_of).await? else {
            return Ok(None);
        };
        let position = position_of(&told);
        let Some(listed) = unless_refused(told.answer)? else { return Ok(None) };
        Ok(Some(OccurrencesNode {
            time_zone: TimeZone(listed.zone),
            edges: listed
                .occurrences
                .into_iter()
                .map(|occurrence| OccurrenceEdge {
                    cursor: places.write(&occurrence.place),
                    node: OccurrenceNode::new(occurrence, listed.availability),
                })
                .collect(),
            has_more: listed.has_more,
            has_previous: after.is_some(),
            position,
        }))
    }

    /// When a calendar is open and when it is busy from `start` up to `end`, a year at most.
    #[graphql(complexity = "past(&as_of) + days(&start, &end) * child_complexity")]
    async fn free_busy(
        &self,
        context: &Context<'_>,
        calendar_id: PublicCalendarId,
        start: Instant,
        end: Instant,
        as_of: Option<AsOf>,
    ) -> Result<Option<FreeBusyNode>> {
        let (start, end) = (start.timestamp(), end.timestamp());
        let question = WhenFree { start, end, limit: INTERVALS_MAX };
        let Some(told) = ask(context, calendar_id.into(), &question, as_of).await? else {
            return Ok(None);
        };
        let position = position_of(&told);
        let Some(free) = unless_refused(told.answer)? else { return Ok(None) };
        if free.has_more {
            let message = format!("more than {INTERVALS_MAX} intervals; ask for a shorter range");
            return Err(coded("RANGE_TOO_LARGE", message));
        }
        take_values(context, free.busy.len() + free.open.len())?;
        Ok(Some(FreeBusyNode {
            time_zone: TimeZone(free.zone),
            busy: free.busy.into_iter().map(Into::into).collect(),
            open: free.open.into_iter().map(Into::into).collect(),
            position,
        }))
    }
}

/// Whether a selection asks how many places are taken: they are counted for nobody else.
fn asks_for_places(context: &Context<'_>) -> bool {
    let look = context.look_ahead();
    let occurrences = [look.field("occurrences"), look.field("edges").field("node")];
    occurrences.iter().any(|node| node.field("taken").exists() || node.field("left").exists())
}

/// What a range costs: whatever takes place is looked through day by day, and a day has an interval
/// or two.
fn days(start: &Instant, end: &Instant) -> usize {
    let days = (end.0 - start.0).num_days().clamp(0, DAYS_MAX) + 1;
    usize::try_from(days).unwrap_or(1)
}

/// The answer, or why there can be none, such as of a range that is too long; nothing where there is
/// no calendar.
fn unless_refused<T>(answer: std::result::Result<T, calendar::Refusal>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(calendar::Refusal::NotFound) => Ok(None),
        Err(refusal) => Err(coded(refusal.code(), refusal.to_string())),
    }
}
