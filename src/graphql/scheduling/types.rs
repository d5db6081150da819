//! Calendars and what takes place in them as clients see them.

use async_graphql::connection::PageInfo;
use async_graphql::{Context, Enum, Object, SimpleObject};

use crate::context::{Loaded, Viewed, wanted};
use crate::ids::{PublicAccountId, PublicEventId, PublicUserId};
use crate::lists::{Asked, Known, Listed};
use crate::positions::PositionToken;
use crate::scalars::{Date, Duration, Instant, LocalDateTime, Long, TimeZone};
use domain::access::owner::Owner;
use domain::scheduling::calendar::{Availability, Calendar, Details, ListedOccurrence, Overview};
use domain::scheduling::free_busy::Interval;
use domain::scheduling::local_time::Length;
use domain::scheduling::opening_hours::Span;
use projections::table::Stored;
use projections::tables::calendars;

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "domain::scheduling::opening_hours::Weekday")]
pub enum Weekday {
    #[graphql(name = "MONDAY")]
    Mon,
    #[graphql(name = "TUESDAY")]
    Tue,
    #[graphql(name = "WEDNESDAY")]
    Wed,
    #[graphql(name = "THURSDAY")]
    Thu,
    #[graphql(name = "FRIDAY")]
    Fri,
    #[graphql(name = "SATURDAY")]
    Sat,
    #[graphql(name = "SUNDAY")]
    Sun,
}

#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AvailabilityKind {
    /// One booking at a time.
    Exclusive,
    /// As many as `capacity`.
    Capacity,
    Unlimited,
}

pub struct CalendarNode(pub Known<Calendar, calendars::Row>);

/// What a row says of a calendar: how it was made. What is booked changes its version and not its row.
const HELD: &[&str] =
    &["name", "userId", "accountId", "timeZone", "availability", "capacity", "withinOpeningHours"];

impl Listed for CalendarNode {
    type Of = Calendar;

    fn whole(loaded: Loaded<Calendar>) -> Self {
        Self(loaded.into())
    }

    fn of_row(row: &Stored, asked: &Asked<'_>) -> Option<Self> {
        Known::of_row(row, asked, &[HELD]).map(|(known, _)| Self(known))
    }
}

impl CalendarNode {
    fn details(&self) -> Option<&Details> {
        match &self.0 {
            Known::Whole(calendar) => calendar.state().details.as_ref(),
            Known::Row(_, _, row) => Some(&row.details),
        }
    }
}

/// The time of one resource, room or person.
#[Object(name = "Calendar")]
impl CalendarNode {
    #[graphql(flatten)]
    async fn aggregate(&self) -> &Known<Calendar, calendars::Row> {
        &self.0
    }

    async fn name(&self) -> Option<&str> {
        self.details().map(|details| details.name.as_str())
    }

    /// The user whose it is, for good; null where it is an account's or the house's.
    async fn user_id(&self) -> Option<PublicUserId> {
        match self.details()?.owner? {
            Owner::User { id } => Some(id.into()),
            Owner::Guest { .. } | Owner::Account { .. } => None,
        }
    }

    /// The account whose it is, for good.
    async fn account_id(&self) -> Option<PublicAccountId> {
        self.details()?.owner?.account().map(PublicAccountId::from)
    }

    async fn time_zone(&self) -> Option<TimeZone> {
        self.details().map(|details| TimeZone(details.zone.clone()))
    }

    async fn availability(&self) -> Option<AvailabilityKind> {
        let details = self.details()?;
        Some(match details.availability {
            Availability::Exclusive {} => AvailabilityKind::Exclusive,
            Availability::Capacity { .. } => AvailabilityKind::Capacity,
            Availability::Unlimited {} => AvailabilityKind::Unlimited,
        })
    }

    /// How many bookings may hold at once; null for no limit.
    async fn capacity(&self) -> Option<u32> {
        capacity(self.details()?.availability)
    }

    /// Whether bookings outside the opening hours are refused.
    async fn within_opening_hours(&self) -> Option<bool> {
        self.details().map(|details| details.within_opening_hours)
    }

    /// The hours of the week; a day that is not named is closed.
    #[graphql(complexity = "7 * child_complexity + 1")]
    async fn opening_hours(&self) -> Vec<DayHoursNode> {
        let days = self.0.loaded().state().opening_hours.weekly.iter();
        let day = |day: &domain::scheduling::opening_hours::DayHours| DayHoursNode {
            weekday: day.weekday.into(),
            spans: spans(&day.spans),
        };
        days.map(day).collect()
    }

    /// Dates from `from` on, in order, whose hours are not their weekday's; at most `first`.
    #[graphql(complexity = "first as usize * child_complexity + 1")]
    async fn opening_exceptions(
        &self,
        from: Option<Date>,
        #[graphql(default = 20)] first: i32,
    ) -> Vec<ExceptionNode> {
        let exceptions = &self.0.loaded().state().opening_hours.exceptions;
        let from = from.map_or(jiff::civil::Date::MIN, |date| date.0);
        let listed = exceptions.range(from..).take(usize::try_from(first).unwrap_or(0));
        listed
            .map(|(date, hours)| ExceptionNode { date: Date(*date), spans: spans(hours) })
            .collect()
    }

    async fn event_count(&self) -> Long {
        Long(self.0.loaded().state().event_count as i64)
    }

    /// One event or series.
    async fn event(&self, id: PublicEventId) -> Option<EventNode> {
        let event = self.0.loaded().state().events.get(&id.into())?;
        Some(EventNode {
            id,
            title: event.title.clone(),
            start: LocalDateTime(event.start),
            length: event.length.into(),
            recurrence_rule: event.rule.clone(),
            recurs_until: event.until.map(LocalDateTime),
            is_series: event.is_series,
            sequence: event.sequence,
        })
    }
}

impl Viewed for Calendar {
    type View = Overview;

    fn view(context: &Context<'_>) -> Overview {
        let events = wanted::<PublicEventId>(context, "event", "id");
        Overview { events: events.into_iter().map(Into::into).collect() }
    }
}

fn spans(spans: &[Span]) -> Vec<SpanNode> {
    let node = |span: &Span| SpanNode { opens: span.opens, closes: span.closes };
    spans.iter().map(node).collect()
}

/// Open from `opens` up to `closes`, in minutes after midnight.
#[derive(SimpleObject)]
#[graphql(name = "OpeningSpan")]
pub struct SpanNode {
    opens: u16,
    closes: u16,
}

#[derive(SimpleObject)]
#[graphql(name = "DayHours")]
pub struct DayHoursNode {
    weekday: Weekday,
    // There are at most 8.
    #[graphql(complexity = "8 * child_complexity + 1")]
    spans: Vec<SpanNode>,
}

/// The hours of one date whatever its weekday; closed without spans.
#[derive(SimpleObject)]
#[graphql(name = "OpeningException")]
pub struct ExceptionNode {
    date: Date,
    // There are at most 8.
    #[graphql(complexity = "8 * child_complexity + 1")]
    spans: Vec<SpanNode>,
}

/// An event, or a series of them.
#[derive(SimpleObject)]
#[graphql(name = "CalendarEvent")]
pub struct EventNode {
    id: PublicEventId,
    title: String,
    /// In the calendar's time zone.
    start: LocalDateTime,
    /// How long each occurrence lasts: days as the clocks make them, then exact hours and minutes.
    length: Duration,
    /// RFC 5545.
    recurrence_rule: Option<String>,
    /// The local time behind which the rule names no start, read from its COUNT or UNTIL; null for a
    /// rule that goes on to the end of the calendar, the year 2199.
    recurs_until: Option<LocalDateTime>,
    is_series: bool,
    /// How often it was changed since it was scheduled.
    sequence: u32,
}

impl From<Length> for Duration {
    fn from(length: Length) -> Self {
        Self { days: length.days, seconds: u64::from(length.minutes) * 60 }
    }
}

/// One time at which an event takes place.
#[derive(SimpleObject, Clone)]
#[graphql(name = "Occurrence")]
pub struct OccurrenceNode {
    event_id: PublicEventId,
    /// The local start that the series gives it, by which it is named; null for a single event.
    recurrence_id: Option<LocalDateTime>,
    title: String,
    local_start: LocalDateTime,
    start: Instant,
    end: Instant,
    /// How many bookings may hold at once; null for no limit.
    capacity: Option<u32>,
    /// How many hold at once during it, at most, itself included; null where tens of thousands of
    /// bookings would have to be looked at.
    taken: Option<u32>,
    /// How many more may be booked for all of that time; null for no limit.
    left: Option<u32>,
}

impl OccurrenceNode {
    pub fn new(listed: ListedOccurrence, availability: Availability) -> Self {
        let capacity = capacity(availability);
        let left = capacity.zip(listed.taken).map(|(of, taken)| of.saturating_sub(taken));
        Self {
            capacity,
            taken: listed.taken,
            left,
            event_id: listed.event_id.into(),
            recurrence_id: listed.recurrence_id.map(LocalDateTime),
            title: listed.title,
            local_start: LocalDateTime(listed.local_start),
            start: listed.interval.start.into(),
            end: listed.interval.end.into(),
        }
    }
}

/// One row of what takes place.
#[derive(SimpleObject)]
pub struct OccurrenceEdge {
    pub cursor: String,
    pub node: OccurrenceNode,
}

fn capacity(availability: Availability) -> Option<u32> {
    match availability {
        Availability::Exclusive {} => Some(1),
        Availability::Capacity { bookings } => Some(bookings),
        Availability::Unlimited {} => None,
    }
}

pub struct OccurrencesNode {
    pub time_zone: TimeZone,
    pub edges: Vec<OccurrenceEdge>,
    pub has_more: bool,
    pub has_previous: bool,
    pub position: PositionToken,
}

/// One page of what takes place in a range of time.
#[Object(name = "Occurrences")]
impl OccurrencesNode {
    async fn time_zone(&self) -> &TimeZone {
        &self.time_zone
    }

    async fn edges(&self) -> &[OccurrenceEdge] {
        &self.edges
    }

    /// What the edges lead to.
    async fn occurrences(&self) -> Vec<&OccurrenceNode> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    /// Whether the range has more behind this page: ask again with `after`, the end cursor.
    async fn has_more(&self) -> bool {
        self.has_more
    }

    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: self.has_previous,
            has_next_page: self.has_more,
            start_cursor: self.edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: self.edges.last().map(|edge| edge.cursor.clone()),
        }
    }

    async fn position(&self) -> &PositionToken {
        &self.position
    }
}

/// From `start` up to, and not including, `end`.
#[derive(SimpleObject)]
#[graphql(name = "Interval")]
pub struct IntervalNode {
    start: Instant,
    end: Instant,
}

impl From<Interval> for IntervalNode {
    fn from(interval: Interval) -> Self {
        Self { start: interval.start.into(), end: interval.end.into() }
    }
}

/// When a calendar is open and when it is busy, and nothing of what takes place.
#[derive(SimpleObject)]
#[graphql(name = "FreeBusy")]
pub struct FreeBusyNode {
    pub time_zone: TimeZone,
    pub busy: Vec<IntervalNode>,
    pub open: Vec<IntervalNode>,
    pub position: PositionToken,
}
