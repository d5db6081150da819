//! Lists of calendars, and of what is booked in all of them. When exactly a series takes place, and how many
//! places are left, its calendar says (`calendarEvents`).

use async_graphql::{Context, Enum, InputObject, Object, Result};

use super::CalendarNode;
use crate::gate;
use crate::ids::{PublicAccountId, PublicCalendarId, PublicEventId, PublicUserId};
use crate::lists::{connection, views};
use crate::rows::{
    Compared, DateTimeFilter, Direction, OneOf, TextFilter, Window, filters, list, row_connection,
    rows,
};
use crate::scalars::{GivenPosition, Instant, TimeZone, micros};
use domain::access::permission::Permission::CalendarsRead;
use domain::aggregate::Aggregate as _;
use domain::scheduling::agenda::EventId;
use domain::scheduling::calendar::Calendar;
use projections::plan::{BRANCHES_MAX, Filter, Ordering};
use projections::table::{Key, Value};
use projections::tables::calendars::Calendars;
use projections::tables::events::{self, ENDLESS, Events};

connection!(CalendarConnection, CalendarEdge, CalendarNode);

/// The beginning of a name, or all of it; whatever its case.
#[derive(InputObject, Clone)]
pub struct CalendarNameFilter {
    eq: Option<String>,
    starts_with: Option<String>,
}

impl CalendarNameFilter {
    fn on(&self, column: &'static str) -> Filter {
        let Self { eq, starts_with } = self.clone();
        TextFilter { eq, r#in: None, starts_with }.on_lower(column)
    }
}

filters! {
    /// Which calendars.
    CalendarWhere {
        user_id: OneOf<PublicUserId> = "owner",
        account_id: OneOf<PublicAccountId> = "owner",
        name: CalendarNameFilter = "name",
        created_at: DateTimeFilter = "created_us",
    }
}

/// What calendars are ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalendarOrderField {
    Name,
    CreatedAt,
}

#[derive(InputObject, Clone, Copy)]
pub struct CalendarOrder {
    field: CalendarOrderField,
    #[graphql(default_with = "Direction::Ascending")]
    direction: Direction,
}

impl CalendarOrder {
    const BY_NAME: Ordering = Ordering { column: "name", descending: false };

    fn ordering(self) -> Ordering {
        let column = match self.field {
            CalendarOrderField::Name => "name",
            CalendarOrderField::CreatedAt => "created_us",
        };
        Ordering { column, descending: self.direction == Direction::Descending }
    }
}

/// Whether an event is to take place.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventState {
    Scheduled,
    Cancelled,
}

impl Compared for EventState {
    fn value(&self) -> Value {
        i64::from(*self == Self::Cancelled).into()
    }
}

filters! {
    /// Which events. A series is one event, from its first start to the end of its last occurrence.
    EventWhere {
        calendar_id: OneOf<PublicCalendarId> = "calendar",
        state: OneOf<EventState> = "is_cancelled",
        starts_at: DateTimeFilter = "starts_us",
        ends_at: DateTimeFilter = "ends_us",
    }
}

/// What events are ordered by.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventOrderField {
    /// When the first occurrence starts.
    StartsAt,
    /// When the last occurrence ends; series without an end come last.
    EndsAt,
}

#[derive(InputObject, Clone, Copy)]
pub struct EventOrder {
    field: EventOrderField,
    #[graphql(default_with = "Direction::Ascending")]
    direction: Direction,
}

impl EventOrder {
    const BY_START: Ordering = Ordering { column: "starts_us", descending: false };

    fn ordering(self) -> Ordering {
        let column = match self.field {
            EventOrderField::StartsAt => "starts_us",
            EventOrderField::EndsAt => "ends_us",
        };
        Ordering { column, descending: self.direction == Direction::Descending }
    }
}

const CALENDAR_WORDS: &[(&str, &str)] =
    &[("created_us", "createdAt"), ("owner", "userId or accountId")];
const EVENT_WORDS: &[(&str, &str)] = &[
    ("calendar", "calendarId"),
    ("is_cancelled", "state"),
    ("starts_us", "startsAt"),
    ("ends_us", "endsAt"),
    // Whose they are is asked by the gate.
    ("owner", ""),
];

/// An event as a list has it.
pub struct ListedEvent {
    key: Key,
    row: events::Row,
}

impl ListedEvent {
    fn of(key: Key, row: events::Row) -> Self {
        Self { key, row }
    }
}

/// An event of a calendar, or a series of them.
#[Object]
impl ListedEvent {
    async fn calendar_id(&self) -> PublicCalendarId {
        self.key.id.into()
    }

    async fn event_id(&self) -> PublicEventId {
        EventId(self.key.part).into()
    }

    async fn title(&self) -> &str {
        &self.row.title
    }

    async fn state(&self) -> EventState {
        if self.row.is_cancelled { EventState::Cancelled } else { EventState::Scheduled }
    }

    /// Whether it recurs, or has further dates.
    async fn is_series(&self) -> bool {
        self.row.is_series
    }

    /// When its first occurrence starts.
    async fn starts_at(&self) -> Option<Instant> {
        micros(self.row.starts_us)
    }

    /// When its last occurrence ends; null for a series without an end.
    async fn ends_at(&self) -> Option<Instant> {
        (self.row.ends_us != ENDLESS).then(|| micros(self.row.ends_us)).flatten()
    }

    /// The calendar's.
    async fn time_zone(&self) -> TimeZone {
        TimeZone(self.row.zone.clone())
    }

    async fn scheduled_at(&self) -> Option<Instant> {
        micros(self.row.scheduled_us)
    }

    async fn changed_at(&self) -> Option<Instant> {
        micros(self.row.changed_us)
    }
}

row_connection!(ListedEventConnection, ListedEventEdge, ListedEvent);

/// Those of the calendars that a filter names that are open to the caller.
async fn open_ones(context: &Context<'_>, named: &OneOf<PublicCalendarId>) -> Result<Vec<Value>> {
    let mut open = Vec::new();
    for id in named.eq.iter().chain(named.r#in.iter().flatten()).take(BRANCHES_MAX + 1) {
        if gate::permits::<Calendar>(context, (*id).into(), CalendarsRead).await? {
            open.push(id.value());
        }
    }
    Ok(open)
}

list! {
    CalendarConnection of calendars: Calendars, where CalendarWhere, by CalendarOrder;
    KINDS = [Calendar::TYPE], WORDS = CALENDAR_WORDS;
    asked = |filter, order_by| {
        let filter = filter.map_or(Filter::EVERYTHING, |filter| filter.filter());
        (filter, order_by.map_or(CalendarOrder::BY_NAME, CalendarOrder::ordering))
    };
    shown = CalendarConnection;
}

#[derive(Default)]
pub struct CalendarLists;

#[Object]
impl CalendarLists {
    /// Calendars, by name where nothing else is said.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn calendars(
        &self,
        context: &Context<'_>,
        r#where: Option<CalendarWhere>,
        order_by: Option<CalendarOrder>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<CalendarConnection> {
        let window = Window { first, after, last, before, at_least };
        window.list(context, r#where, order_by).await
    }

    /// Events of all calendars, by when they start where nothing else is said. A series is one of them.
    #[expect(clippy::too_many_arguments, reason = "they are the arguments of a connection")]
    #[graphql(complexity = "rows(first, last) * child_complexity + 1")]
    async fn events(
        &self,
        context: &Context<'_>,
        r#where: Option<EventWhere>,
        order_by: Option<EventOrder>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        at_least: Option<GivenPosition>,
    ) -> Result<ListedEventConnection> {
        let named = match r#where.as_ref().and_then(|filter| filter.calendar_id.as_ref()) {
            Some(calendars) => Some(open_ones(context, calendars).await?),
            None => None,
        };
        let filter = r#where.map_or(Filter::EVERYTHING, |filter| filter.filter());
        // Where no state is said, each is asked for.
        let states = [EventState::Scheduled, EventState::Cancelled].map(|state| state.value());
        let filter = Filter::All(vec![filter, Filter::OneOf("is_cancelled", states.into())]);
        let ordering = order_by.map_or(EventOrder::BY_START, EventOrder::ordering);
        let window = Window { first, after, last, before, at_least };
        let table = &views(context).events;
        // Of calendars that are named each decides; of others whose the event is.
        let open = match named {
            Some(named) if named.is_empty() => None,
            Some(named) => Some(Filter::All(vec![filter, Filter::OneOf("calendar", named)])),
            None => gate::reached::<Events>(context, filter)?,
        };
        let page = window.page_of_open(context, table, open, ordering, EVENT_WORDS).await?;
        Ok(ListedEventConnection(page.nodes::<Events, _>(ListedEvent::of)))
    }
}
