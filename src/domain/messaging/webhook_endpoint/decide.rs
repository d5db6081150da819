//! What an endpoint decides: that its address and its types are ones, which secret signs, and from where it is
//! told.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    Command, Details, Event, OVERLAP_SECONDS_MAX, Refusal, State, Status, TYPE_BYTES_MAX,
    TYPES_MAX, URL_BYTES_MAX,
};
use crate::text::is_token;

pub(super) fn decide(
    state: &State,
    command: &Command,
    now: DateTime<Utc>,
) -> Result<Vec<Event>, Refusal> {
    if let Command::Register { url, types } = command {
        let details = Details { url: read_url(url)?, types: read_types(types)? };
        return match &state.details {
            Some(known) if *known == details && state.status != Status::Removed => Ok(vec![]),
            Some(_) => Err(Refusal::AlreadyExists),
            None => Ok(vec![Event::EndpointRegistered { details, since: now }]),
        };
    }
    let known = state.details.as_ref().ok_or(Refusal::NotFound)?;
    match (command, state.status) {
        (Command::Remove {}, Status::Removed) => Ok(vec![]),
        (_, Status::Removed) => Err(Refusal::Removed),
        (Command::Remove {}, _) => Ok(vec![Event::EndpointRemoved {}]),
        (Command::Pause {}, Status::Active) => Ok(vec![Event::EndpointPaused {}]),
        (Command::Resume {}, Status::Paused) => Ok(vec![Event::EndpointResumed {}]),
        (Command::Pause {} | Command::Resume {}, _) => Ok(vec![]),
        (Command::Revise { url, types }, _) => {
            let mut details = known.clone();
            if let Some(url) = url {
                details.url = read_url(url)?;
            }
            if let Some(types) = types {
                details.types = read_types(types)?;
            }
            let is_new = details != *known;
            Ok(is_new.then_some(Event::EndpointRevised { details }).into_iter().collect())
        }
        (Command::RotateSecret { overlap_seconds }, _) => {
            if !(0..=OVERLAP_SECONDS_MAX).contains(overlap_seconds) {
                return Err(Refusal::InvalidOverlap { max: OVERLAP_SECONDS_MAX });
            }
            let previous_until = now + TimeDelta::seconds(*overlap_seconds);
            let number = state.secret.number + 1;
            Ok(vec![Event::SecretRotated { number, previous_until }])
        }
        (Command::Replay { since }, _) => {
            if *since > now {
                return Err(Refusal::InvalidSince);
            }
            let number = state.telling.number + 1;
            Ok(vec![Event::ReplayBegun { number, since: *since }])
        }
        (Command::Park { event }, _) => {
            if !is_event(event) {
                return Err(Refusal::InvalidEvent);
            }
            let is_new = !state.parked.contains(event);
            let event = event.clone();
            Ok(is_new.then_some(Event::EventParked { event }).into_iter().collect())
        }
        (Command::Register { .. }, _) => Err(Refusal::AlreadyExists),
    }
}

/// Whether it may be asked at all is for whoever asks it to say: here it only is an address.
fn read_url(url: &str) -> Result<String, Refusal> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    let is_url = is_token(url, URL_BYTES_MAX)
        && !host.is_empty()
        && !host.contains('@')
        && !url.contains(['#', '\\', '"', '<', '>']);
    if is_url { Ok(url.to_owned()) } else { Err(Refusal::InvalidUrl { max: URL_BYTES_MAX }) }
}

/// Whether it is the name of an event; whether there is such a one is not asked.
fn is_event(name: &str) -> bool {
    let mut parts = name.split('/');
    let kind = parts.next().is_some_and(|kind| is_token(kind, TYPE_BYTES_MAX));
    let id =
        parts.next().is_some_and(|id| Uuid::try_parse(id).is_ok_and(|read| read.to_string() == id));
    let version = parts.next().and_then(|version| version.parse::<u64>().ok());
    kind && id && version.is_some_and(|version| version > 0) && parts.next().is_none()
}

/// Each once, in the order of their names.
fn read_types(types: &[String]) -> Result<Vec<String>, Refusal> {
    let is_type = |name: &String| is_token(name, TYPE_BYTES_MAX);
    let mut read = types.to_vec();
    read.sort_unstable();
    read.dedup();
    if read.len() > TYPES_MAX || read.len() < types.len() || !read.iter().all(is_type) {
        return Err(Refusal::InvalidTypes { max: TYPES_MAX });
    }
    Ok(read)
}
