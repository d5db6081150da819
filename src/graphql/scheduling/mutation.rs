//! What may be done to calendars.

use async_graphql::{Context, InputObject, Object, OneofObject, Result};

use super::CalendarNode;
use super::inputs::{
    AvailabilityInput, DayHoursInput, LengthInput, OpeningSpanInput, TimingInput, spans, week,
};
use crate::errors::{FORBIDDEN, coded};
use crate::gate;
use crate::ids::{PublicAccountId, PublicCalendarId, PublicEventId, PublicUserId};
use crate::mutation::{Answer, Payload, inputs, made, mutations, payload, request, send};
use crate::scalars::{Date, LocalDateTime, Long, TimeZone};
use application::calendars;
use domain::access::owner::Owner;
use domain::access::permission::Permission::CalendarsWrite;
use domain::scheduling::calendar::{Calendar, Command};

payload! {
    CalendarPayload { calendar: CalendarNode = Calendar }
}

payload! {
    /// Beside the calendar, the id of the new event.
    ScheduleEventPayload: CalendarPayload { event_id: PublicEventId }
}

/// Whose a calendar is.
#[derive(OneofObject)]
pub enum CalendarOwnerInput {
    UserId(PublicUserId),
    AccountId(PublicAccountId),
}

#[derive(InputObject)]
pub struct CreateCalendarInput {
    pub name: String,
    pub time_zone: TimeZone,
    pub availability: AvailabilityInput,
    /// Bookings outside the opening hours are refused; until hours are set, all are outside.
    #[graphql(default)]
    pub within_opening_hours: bool,
    /// Whose it is, for good; without one it is the house's.
    pub owner: Option<CalendarOwnerInput>,
    pub idempotency_key: Option<String>,
    /// Does nothing, and says what it would do.
    #[graphql(default)]
    pub dry_run: bool,
}

inputs! {
    Calendar { calendar_id: PublicCalendarId } |input| input.calendar_id.into();
    { expected_version: Option<Long>, idempotency_key: Option<String> };

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

mutations! { CalendarCommands {
    /// Replaces the hours of the whole week. What is booked already stays.
    fn set_opening_hours(input: SetOpeningHoursInput) -> CalendarPayload =
        Command::SetOpeningHours { weekly: week(&input.days) };

    /// Says what one date's hours are whatever its weekday.
    fn set_opening_exception(input: SetOpeningExceptionInput) -> CalendarPayload =
        Command::SetOpeningException { date: input.date.0, spans: spans(&input.spans) };

    fn clear_opening_exception(input: ClearOpeningExceptionInput) -> CalendarPayload =
        Command::ClearOpeningException { date: input.date.0 };

    /// Gives an event, or a whole series, another time. Exceptions of the series are forgotten.
    fn reschedule_event(input: RescheduleEventInput) -> CalendarPayload =
        Command::RescheduleEvent { event_id: input.event_id.into(), timing: input.timing.read() };

    fn retitle_event(input: RetitleEventInput) -> CalendarPayload =
        Command::RetitleEvent { event_id: input.event_id.into(), title: input.title };

    /// Cancels an event, or a whole series.
    fn cancel_event(input: CancelEventInput) -> CalendarPayload =
        Command::CancelEvent { event_id: input.event_id.into() };

    /// Cancels one occurrence of a series.
    fn cancel_occurrence(input: CancelOccurrenceInput) -> CalendarPayload =
        Command::CancelOccurrence {
            event_id: input.event_id.into(),
            recurrence_id: input.recurrence_id.0,
        };

    /// Moves or changes one occurrence of a series.
    fn replace_occurrence(input: ReplaceOccurrenceInput) -> CalendarPayload =
        Command::ReplaceOccurrence {
            event_id: input.event_id.into(),
            recurrence_id: input.recurrence_id.0,
            start: input.start.0,
            end: input.length.read(),
            title: input.title,
        },
        // Its times stand beside the id, not within a timing.
        "timing" is "";
} }

/// Who is to own a new calendar, as far as the caller may make him one.
fn owner(context: &Context<'_>, wanted: Option<CalendarOwnerInput>) -> Result<Option<Owner>> {
    let owner = match wanted {
        None if gate::grants(context).may_everywhere(CalendarsWrite) => return Ok(None),
        None => return Err(coded(FORBIDDEN, "calendars without an owner are not open to you")),
        Some(CalendarOwnerInput::UserId(id)) => Owner::User { id: id.into() },
        Some(CalendarOwnerInput::AccountId(id)) => Owner::Account { id: id.into() },
    };
    Ok(Some(gate::owner(context, CalendarsWrite, owner)))
}

/// The mutations that make something, under ids that follow from their keys.
#[derive(Default)]
pub struct CalendarCreation;

#[Object]
impl CalendarCreation {
    async fn create_calendar(
        &self,
        context: &Context<'_>,
        input: CreateCalendarInput,
    ) -> Answer<CalendarPayload> {
        let owner = owner(context, input.owner)?;
        let request = request(context, input.idempotency_key, None)?.rehearsed(input.dry_run);
        let command = Command::CreateCalendar {
            name: input.name,
            zone: input.time_zone.0.name().to_owned(),
            availability: input.availability.read(),
            within_opening_hours: input.within_opening_hours,
            owner,
        };
        made(calendars::create(&request, owner, command).await)
    }

    /// Books an event or a series. Its id follows from the idempotency key, if there is one.
    async fn schedule_event(
        &self,
        context: &Context<'_>,
        mut input: ScheduleEventInput,
    ) -> Answer<ScheduleEventPayload> {
        let target = input.target(context).await?;
        let id = target.id;
        let request = target.request(context)?;
        let made = PublicEventId(request.new_name("scheduleEvent"));
        let (event_id, title, timing) = (made.into(), input.title, input.timing.read());
        let command = Command::ScheduleEvent { event_id, title, timing };
        let payload = CalendarPayload::new(id, send::<Calendar>(&request, id, command).await?);
        Ok(Some(ScheduleEventPayload { made, payload }))
    }
}
