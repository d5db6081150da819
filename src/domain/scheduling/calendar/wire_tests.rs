//! What a calendar sends and is answered with, as other nodes and versions read it.

use super::*;
use crate::id::AggregateId;
use crate::question::Version;
use crate::scheduling::local_time::{Length, NonexistentTime};
use crate::scheduling::opening_hours::Weekday;
use crate::testing::{uuid, wire};
use crate::text::TextProblem;

fn time(text: &str) -> DateTime {
    text.parse().expect("a local time")
}

fn commands() -> Vec<Command> {
    let (event_id, date) = (EventId(uuid(1)), time("2026-03-09T00:00:00").date());
    let spans = vec![Span { opens: 540, closes: 1_020 }];
    let once = TimingRequest {
        start: time("2026-03-02T09:00:00"),
        end: EndRequest::Length(Length::days(1)),
        nonexistent: NonexistentTime::Shift,
        recurrence: None,
    };
    let series = TimingRequest {
        end: EndRequest::Local(time("2026-03-02T10:00:00")),
        nonexistent: NonexistentTime::Skip,
        recurrence: Some(RecurrenceRequest {
            rule: Some("FREQ=WEEKLY;COUNT=4".to_owned()),
            extra: vec![time("2026-03-03T09:00:00")],
            excluded: vec![time("2026-03-09T09:00:00")],
        }),
        ..once.clone()
    };
    let recurrence_id = time("2026-03-16T09:00:00");
    vec![
        Command::CreateCalendar {
            name: "Room 1".to_owned(),
            zone: "Europe/Berlin".to_owned(),
            availability: Availability::Capacity { bookings: 2 },
            within_opening_hours: true,
            owner: Some(Owner::Account { id: AggregateId(uuid(7)) }),
        },
        Command::SetOpeningHours {
            weekly: vec![DayHours { weekday: Weekday::Mon, spans: spans.clone() }],
        },
        Command::SetOpeningException { date, spans },
        Command::ClearOpeningException { date },
        Command::ScheduleEvent { event_id, title: "Cut".to_owned(), timing: once },
        Command::RescheduleEvent { event_id, timing: series },
        Command::RetitleEvent { event_id, title: "Colour".to_owned() },
        Command::CancelEvent { event_id },
        Command::CancelOccurrence { event_id, recurrence_id },
        Command::ReplaceOccurrence {
            event_id,
            recurrence_id,
            start: time("2026-03-17T09:00:00"),
            end: EndRequest::Length(Length::minutes(30)),
            title: Some("Cut and colour".to_owned()),
        },
    ]
}

fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::NotFound,
        Refusal::AlreadyExists,
        InvalidText { field: "title".to_owned(), problem: TextProblem::Empty }.into(),
        Refusal::InvalidTimeZone,
        Refusal::InvalidCapacity,
        Refusal::InvalidOpeningHours {
            day: Some(1),
            problem: HoursProblem::ClosesBeforeItOpens { span: 0 },
        },
        Refusal::InvalidOpeningException,
        Refusal::EventNotFound,
        Refusal::EventExists,
        Refusal::CalendarFull,
        Refusal::InvalidTime,
        Refusal::TimeNonexistent,
        Refusal::InvalidDuration,
        RecurrenceRefusal::Invalid("FREQ is missing".into()).into(),
        RecurrenceRefusal::TooLong.into(),
        Refusal::OccurrenceNotFound,
        Refusal::SlotTaken { by: EventId(uuid(2)), at: Some(time("2026-03-16T09:00:00")) },
        Refusal::SlotFull { at: None },
        Refusal::SeriesOverlapsItself {
            at: time("2026-03-29T09:00:00"),
            with: time("2026-03-28T09:00:00"),
        },
        Refusal::SeriesTooComplex,
        Refusal::SeriesFull,
        Refusal::OutsideOpeningHours { at: None },
        Refusal::InvalidRange,
        Refusal::RangeTooLarge,
    ]
}

fn answers() -> wire::Answers<Calendar> {
    let (event_id, zone) = (EventId(uuid(1)), "Europe/Berlin".parse::<Zone>().expect("a zone"));
    let spans = vec![Span { opens: 540, closes: 1_020 }];
    let timing = Timing {
        start: time("2026-03-02T09:00:00"),
        length: Length::minutes(60),
        nonexistent: NonexistentTime::Shift,
        series: None,
    };
    let owner = Some(Owner::User { id: AggregateId(uuid(8)) });
    let details = Details {
        name: "Room 1".to_owned(),
        zone: zone.clone(),
        availability: Availability::Exclusive {},
        within_opening_hours: true,
        owner,
    };
    let at = |text: &str| text.parse().expect("an instant");
    let (start, end) = (at("2026-03-01T12:00:00Z"), at("2026-03-03T12:00:00Z"));
    wire::Answers::after(&[
        Event::CalendarCreated { details },
        Event::OpeningHoursSet { weekly: vec![DayHours { weekday: Weekday::Mon, spans }] },
        Event::EventScheduled { event_id, title: "Cut".to_owned(), zone, owner, timing },
    ])
    .to(Version)
    .to(Overview { events: vec![event_id, EventId(uuid(2))] })
    .to(WhatTakesPlace { start, end, limit: 10, after: None, taken: true })
    .to(WhatTakesPlace {
        start,
        end,
        limit: 10,
        after: Some((end, end, event_id, None)),
        taken: false,
    })
    .to(WhenFree { start, end, limit: 10 })
    .to(WhenFree { start, end, limit: 0 })
    .to(WhenFree { start: end, end: start, limit: 10 })
    .to(Whose)
}

#[test]
fn what_crosses_keeps_its_form() {
    wire::golden::<Calendar>(&commands(), &refusals(), answers());
}
