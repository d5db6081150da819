//! The context scheduling in the API: calendars, what is booked in them, and when they are free.

mod inputs;
mod lists;
mod places;
mod mutation;
mod query;
mod refusals;
mod types;

pub use lists::{CalendarConnection, CalendarOrder, CalendarWhere, EventState};
pub use types::CalendarNode;

use async_graphql::MergedObject;

use crate::guard::Need::Some as Of;
use crate::guard::Needs;
use domain::access::permission::Permission::{CalendarsRead, CalendarsWrite};
use mutation::{CalendarCommands, CalendarCreation};

#[derive(MergedObject, Default)]
pub struct SchedulingQuery(query::CalendarQuery, lists::CalendarLists);

#[derive(MergedObject, Default)]
pub struct SchedulingMutation(CalendarCommands, CalendarCreation);

/// What the root fields of this context need.
pub const NEEDS: Needs = &[
    (Of(CalendarsRead), &["calendar", "calendars", "calendarEvents", "events", "freeBusy"]),
    (Of(CalendarsWrite), &["createCalendar", "scheduleEvent"]),
    (Of(CalendarsWrite), CalendarCommands::FIELDS),
];
