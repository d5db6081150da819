//! The refusals of calendars as clients see them.

use crate::errors::{SlotTaken, UserError, path_of};
use domain::aggregate::Refusal;
use domain::scheduling::calendar::CalendarRefusal;

impl From<CalendarRefusal> for UserError {
    fn from(refusal: CalendarRefusal) -> Self {
        let path: &[&str] = match &refusal {
            CalendarRefusal::SlotTaken { by } => {
                return Self::SlotTaken(SlotTaken {
                    code: refusal.code().to_owned(),
                    message: refusal.to_string(),
                    path: path_of(&["timing", "start"]),
                    by: (*by).into(),
                });
            }
            CalendarRefusal::NotCreated => &["calendarId"],
            CalendarRefusal::TitleInvalid => &["title"],
            CalendarRefusal::ZoneUnknown => &["timeZone"],
            CalendarRefusal::CapacityInvalid => &["availability", "capacity"],
            CalendarRefusal::OpeningExceptionInvalid => &["date"],
            CalendarRefusal::EventUnknown => &["eventId"],
            CalendarRefusal::OccurrenceUnknown => &["recurrenceId"],
            CalendarRefusal::TimeInvalid
            | CalendarRefusal::TimeNonexistent
            | CalendarRefusal::SlotFull
            | CalendarRefusal::OutsideOpeningHours => &["timing", "start"],
            CalendarRefusal::DurationInvalid => &["timing", "length"],
            CalendarRefusal::Recurrence(_) => &["timing", "recurrence"],
            CalendarRefusal::AlreadyCreated
            | CalendarRefusal::OpeningHoursInvalid
            | CalendarRefusal::EventAlreadyScheduled
            | CalendarRefusal::CalendarFull
            | CalendarRefusal::RangeInvalid => &[],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}
