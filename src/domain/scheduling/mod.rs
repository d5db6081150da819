//! The context scheduling: calendars, and what takes place when.

pub mod zone;
pub mod local_time;
pub mod recurrence;
pub mod free_busy;
pub mod opening_hours;
pub mod agenda;
pub mod calendar;
