//! The refusals of calendars as clients see them.

use crate::errors::{SlotTaken, UserError, path_of};
use crate::scalars::LocalDateTime;
use application::calendars;
use domain::aggregate::Refusal;
use domain::scheduling::calendar;
use domain::scheduling::opening_hours::HoursProblem;

impl From<calendars::Refusal> for UserError {
    fn from(refusal: calendars::Refusal) -> Self {
        let path = match refusal {
            calendars::Refusal::Calendar(refusal) => return refusal.into(),
            calendars::Refusal::NoUser => ["owner", "userId"],
            calendars::Refusal::NoAccount => ["owner", "accountId"],
        };
        Self::plain(refusal.code(), &refusal, &path)
    }
}

impl From<calendar::Refusal> for UserError {
    fn from(refusal: calendar::Refusal) -> Self {
        let path: &[&str] = match &refusal {
            calendar::Refusal::SlotTaken { by, at } => {
                return Self::SlotTaken(SlotTaken {
                    code: refusal.code().to_owned(),
                    message: refusal.to_string(),
                    path: path_of(&["timing", "start"]),
                    by: (*by).into(),
                    occurrence: at.map(LocalDateTime),
                });
            }
            calendar::Refusal::InvalidOpeningHours { day, problem } => {
                let path = hours_path(*day, *problem);
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                return Self::plain(refusal.code(), &refusal, &path);
            }
            calendar::Refusal::NotFound => &["calendarId"],
            calendar::Refusal::InvalidText(text) => return Self::text(text),
            calendar::Refusal::InvalidTimeZone => &["timeZone"],
            calendar::Refusal::InvalidCapacity => &["availability", "capacity"],
            calendar::Refusal::InvalidOpeningException => &["date"],
            calendar::Refusal::EventNotFound | calendar::Refusal::SeriesFull => &["eventId"],
            calendar::Refusal::OccurrenceNotFound => &["recurrenceId"],
            calendar::Refusal::InvalidTime
            | calendar::Refusal::TimeNonexistent
            | calendar::Refusal::SlotFull { .. }
            | calendar::Refusal::OutsideOpeningHours { .. } => &["timing", "start"],
            calendar::Refusal::InvalidDuration | calendar::Refusal::SeriesOverlapsItself { .. } => {
                &["timing", "length"]
            }
            calendar::Refusal::Recurrence(_) | calendar::Refusal::SeriesTooComplex => {
                &["timing", "recurrence"]
            }
            calendar::Refusal::AlreadyExists
            | calendar::Refusal::EventExists
            | calendar::Refusal::CalendarFull
            | calendar::Refusal::InvalidRange
            | calendar::Refusal::RangeTooLarge => &[],
        };
        Self::plain(refusal.code(), &refusal, path)
    }
}

/// The place of the span, or of the day, that is at fault.
fn hours_path(day: Option<u32>, problem: HoursProblem) -> Vec<String> {
    let mut path = vec![];
    if let Some(day) = day {
        path.extend(["days".to_owned(), day.to_string()]);
    }
    match (problem, problem.span()) {
        (HoursProblem::WeekdayTwice, _) => path.push("weekday".to_owned()),
        (_, None) => path.push("spans".to_owned()),
        (_, Some(span)) => path.extend(["spans".to_owned(), span.to_string()]),
    }
    path
}
