//! The refusals of calendars as clients see them.

use crate::errors::{SlotTaken, UserError, path_of};
use domain::aggregate::Refusal;
use domain::scheduling::calendar;

impl From<calendar::Refusal> for UserError {
    fn from(refusal: calendar::Refusal) -> Self {
        let path: &[&str] = match &refusal {
            calendar::Refusal::SlotTaken { by } => {
                return Self::SlotTaken(SlotTaken {
                    code: refusal.code().to_owned(),
                    message: refusal.to_string(),
                    path: path_of(&["timing", "start"]),
                    by: (*by).into(),
                });
            }
            calendar::Refusal::NotFound => &["calendarId"],
            calendar::Refusal::InvalidText(text) => return Self::text(text),
            calendar::Refusal::InvalidTimeZone => &["timeZone"],
            calendar::Refusal::InvalidCapacity => &["availability", "capacity"],
            calendar::Refusal::InvalidOpeningException => &["date"],
            calendar::Refusal::EventNotFound => &["eventId"],
            calendar::Refusal::OccurrenceNotFound => &["recurrenceId"],
            calendar::Refusal::InvalidTime
            | calendar::Refusal::TimeNonexistent
            | calendar::Refusal::SlotFull
            | calendar::Refusal::OutsideOpeningHours => &["timing", "start"],
            calendar::Refusal::InvalidDuration => &["timing", "length"],
            calendar::Refusal::Recurrence(_) => &["timing", "recurrence"],
            calendar::Refusal::AlreadyExists
            | calendar::Refusal::InvalidOpeningHours
            | calendar::Refusal::EventExists
            | calendar::Refusal::CalendarFull
            | calendar::Refusal::InvalidRange => &[],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}
