//! The context scheduling in the API: calendars, what is booked in them, and when they are free.

mod inputs;
mod mutation;
mod query;
mod refusals;
mod types;

pub use mutation::SchedulingMutation;
pub use query::SchedulingQuery;
pub use types::CalendarNode;
