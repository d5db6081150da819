//! What may be done to calendars.

use async_graphql::{Context, InputObject, Object, Result};

use super::CalendarNode;
use super::inputs::{
    AvailabilityInput, DayHoursInput, LengthInput, OpeningSpanInput, TimingInput, spans, week,
};
use crate::context::{Ask, payload};
use crate::ids::{PublicCalendarId, PublicEventId};
use crate::scalars::{Date, LocalDateTime, Long, TimeZone};
use domain::scheduling::agenda::EventId;
use domain::scheduling::calendar::{Calendar, Command};

payload! {
    CalendarPayload { calendar: CalendarNode = Calendar }
}

pub struct ScheduleEventPayload {
    event: PublicEventId,
    payload: CalendarPayload,
}

/// Beside the calendar, the id of the new event.
#[Object]
impl ScheduleEventPayload {
    /// Null if nothing was done.
    async fn event_id(&self) -> Option<PublicEventId> {
        self.payload.is_done().then_some(self.event)
    }

    #[graphql(flatten)]
    async fn payload(&self) -> &CalendarPayload {
        &self.payload
    }
}

#[derive(InputObject)]
pub struct CreateCalendarInput {
    pub name: String,
    pub time_zone: TimeZone,
    pub availability: AvailabilityInput,
    /// Bookings outside the opening hours are refused; until hours are set, all are outside.
    #[graphql(default)]
    pub within_opening_hours: bool,
    pub idempotency_key: Option<String>,
}

/// Inputs that name a calendar and say something more.
macro_rules! calendar_inputs {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* })+) => {$(
        $(#[$doc])*
        #[derive(InputObject)]
        pub struct $name {
            pub calendar_id: PublicCalendarId,
            $($(#[$field_doc])* pub $field: $type,)*
            pub expected_version: Option<Long>,
            pub idempotency_key: Option<String>,
        }

        impl $name {
            fn target(&mut self) -> Target {
                Target {
                    calendar: self.calendar_id,
                    expected_version: self.expected_version,
                    key: self.idempotency_key.take(),
                }
            }
        }
    )+};
}

calendar_inputs! {
    SetOpeningHoursInput {
        /// A weekday that is not named is closed.
        days: Vec<DayHoursInput>
    }
    SetOpeningExceptionInput {
        date: Date,
        /// Closed on that date if there are none.
        spans: Vec<OpeningSpanInput>
    }
    ClearOpeningExceptionInput {
        date: Date
    }
    ScheduleEventInput {
        title: String,
        timing: TimingInput
    }
    RescheduleEventInput {
        event_id: PublicEventId,
        timing: TimingInput
    }
    RetitleEventInput {
        event_id: PublicEventId,
        title: String
    }
    CancelEventInput {
        event_id: PublicEventId
    }
    CancelOccurrenceInput {
        event_id: PublicEventId,
        /// The local start that the series gives it.
        recurrence_id: LocalDateTime
    }
    ReplaceOccurrenceInput {
        event_id: PublicEventId,
        /// The local start that the series gives it.
        recurrence_id: LocalDateTime,
        start: LocalDateTime,
        length: LengthInput,
        /// The title of the event unless given.
        title: Option<String>
    }
}

struct Target {
    calendar: PublicCalendarId,
    expected_version: Option<Long>,
    key: Option<String>,
}

#[derive(Default)]
pub struct SchedulingMutation;

type Payload<T> = Result<Option<T>>;

#[Object]
impl SchedulingMutation {
    async fn create_calendar(
        &self,
        context: &Context<'_>,
        input: CreateCalendarInput,
    ) -> Payload<CalendarPayload> {
        let ask = Ask::new(context, input.idempotency_key, None)?;
        let id = ask.new_id("createCalendar");
        let command = Command::CreateCalendar {
            name: input.name,
            zone: input.time_zone.0.name().to_owned(),
            availability: input.availability.read(),
            within_opening_hours: input.within_opening_hours,
        };
        let change = ask.send::<Calendar>(id, command).await?;
        Ok(Some(CalendarPayload::new(id, change)))
    }

    /// Replaces the hours of the whole week. What is booked already stays.
    async fn set_opening_hours(
        &self,
        context: &Context<'_>,
        mut input: SetOpeningHoursInput,
    ) -> Payload<CalendarPayload> {
        tell(context, input.target(), Command::SetOpeningHours { weekly: week(&input.days) }).await
    }

    /// Says what one date's hours are whatever its weekday.
    async fn set_opening_exception(
        &self,
        context: &Context<'_>,
        mut input: SetOpeningExceptionInput,
    ) -> Payload<CalendarPayload> {
        let command =
            Command::SetOpeningException { date: input.date.0, spans: spans(&input.spans) };
        tell(context, input.target(), command).await
    }

    async fn clear_opening_exception(
        &self,
        context: &Context<'_>,
        mut input: ClearOpeningExceptionInput,
    ) -> Payload<CalendarPayload> {
        tell(context, input.target(), Command::ClearOpeningException { date: input.date.0 }).await
    }

    /// Books an event or a series. Its id follows from the idempotency key, if there is one.
    async fn schedule_event(
        &self,
        context: &Context<'_>,
        mut input: ScheduleEventInput,
    ) -> Payload<ScheduleEventPayload> {
        let target = input.target();
        let ask = Ask::new(context, target.key, target.expected_version)?;
        let event_id = EventId(ask.new_id("scheduleEvent").0);
        let (title, timing) = (input.title, input.timing.read());
        let command = Command::ScheduleEvent { event_id, title, timing };
        let change = ask.send::<Calendar>(target.calendar.into(), command).await?;
        let payload = CalendarPayload::new(target.calendar.into(), change);
        Ok(Some(ScheduleEventPayload { event: event_id.into(), payload }))
    }

    /// Gives an event, or a whole series, another time. Exceptions of the series are forgotten.
    async fn reschedule_event(
        &self,
        context: &Context<'_>,
        mut input: RescheduleEventInput,
    ) -> Payload<CalendarPayload> {
        let target = input.target();
        let (event_id, timing) = (input.event_id.into(), input.timing.read());
        tell(context, target, Command::RescheduleEvent { event_id, timing }).await
    }

    async fn retitle_event(
        &self,
        context: &Context<'_>,
        mut input: RetitleEventInput,
    ) -> Payload<CalendarPayload> {
        let target = input.target();
        let (event_id, title) = (input.event_id.into(), input.title);
        tell(context, target, Command::RetitleEvent { event_id, title }).await
    }

    /// Cancels an event, or a whole series.
    async fn cancel_event(
        &self,
        context: &Context<'_>,
        mut input: CancelEventInput,
    ) -> Payload<CalendarPayload> {
        let event_id = input.event_id.into();
        tell(context, input.target(), Command::CancelEvent { event_id }).await
    }

    /// Cancels one occurrence of a series.
    async fn cancel_occurrence(
        &self,
        context: &Context<'_>,
        mut input: CancelOccurrenceInput,
    ) -> Payload<CalendarPayload> {
        let (event_id, recurrence_id) = (input.event_id.into(), input.recurrence_id.0);
        tell(context, input.target(), Command::CancelOccurrence { event_id, recurrence_id }).await
    }

    /// Moves or changes one occurrence of a series.
    async fn replace_occurrence(
        &self,
        context: &Context<'_>,
        mut input: ReplaceOccurrenceInput,
    ) -> Payload<CalendarPayload> {
        let target = input.target();
        let command = Command::ReplaceOccurrence {
            event_id: input.event_id.into(),
            recurrence_id: input.recurrence_id.0,
            start: input.start.0,
            end: input.length.read(),
            title: input.title,
        };
        let ask = Ask::new(context, target.key, target.expected_version)?;
        let change = ask.send::<Calendar>(target.calendar.into(), command).await?;
        // Its times stand beside the id, not within a timing.
        let change = change.map_err(|error| error.at("timing", ""));
        Ok(Some(CalendarPayload::new(target.calendar.into(), change)))
    }
}

async fn tell(context: &Context<'_>, target: Target, command: Command) -> Payload<CalendarPayload> {
    let ask = Ask::new(context, target.key, target.expected_version)?;
    let change = ask.send::<Calendar>(target.calendar.into(), command).await?;
    Ok(Some(CalendarPayload::new(target.calendar.into(), change)))
}
