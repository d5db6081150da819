//! What is noted of a person.

use chrono::{DateTime, Utc};

use super::{Command, Event, REASON_CHARACTERS_MAX, Refusal, State};
use crate::text::TextRule;

const REASON: TextRule = TextRule::line("reason", REASON_CHARACTERS_MAX);

pub(super) fn decide(
    state: &State,
    command: &Command,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    let Command::Erase { person, reason } = command;
    let reason = REASON.read(reason)?;
    if state.erased_at.is_some() {
        return Ok(vec![]);
    }
    Ok(vec![Event::PersonErased { person: *person, reason, at: now }])
}
