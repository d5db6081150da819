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
            calendar::Refusal::NotCreated => &["calendarId"],
            calendar::Refusal::TitleInvalid => &["title"],
            calendar::Refusal::ZoneUnknown => &["timeZone"],
            calendar::Refusal::CapacityInvalid => &["availability", "capacity"],
            calendar::Refusal::OpeningExceptionInvalid => &["date"],
            calendar::Refusal::EventUnknown => &["eventId"],
            calendar::Refusal::OccurrenceUnknown => &["recurrenceId"],
            calendar::Refusal::TimeInvalid
            | calendar::Refusal::TimeNonexistent
            | calendar::Refusal::SlotFull
            | calendar::Refusal::OutsideOpeningHours => &["timing", "start"],
            calendar::Refusal::DurationInvalid => &["timing", "length"],
            calendar::Refusal::Recurrence(_) => &["timing", "recurrence"],
            calendar::Refusal::AlreadyCreated
            | calendar::Refusal::OpeningHoursInvalid
            | calendar::Refusal::EventAlreadyScheduled
            | calendar::Refusal::CalendarFull
            | calendar::Refusal::RangeInvalid => &[],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}
