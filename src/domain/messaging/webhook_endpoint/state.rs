//! The state of an endpoint, and how each event moves it. Nothing here decides.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Event, PARKED_MAX};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// `None` until registered.
    pub details: Option<Details>,
    pub status: Status,
    pub secret: Secret,
    pub telling: Telling,
    /// Events that it is not told of, by their names, in the order in which an operator parked them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parked: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    pub url: String,
    /// The types of the events that it is told, in order; none: all.
    pub types: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    #[default]
    Active,
    Paused,
    Removed,
}

/// Which secret signs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    pub number: u32,
    /// Until when the one before it signs too.
    pub previous_until: Option<DateTime<Utc>>,
}

impl Default for Secret {
    fn default() -> Self {
        Self { number: 1, previous_until: None }
    }
}

impl Secret {
    /// Those that sign at this time, the present one first.
    pub fn signing(&self, now: DateTime<Utc>) -> impl Iterator<Item = u32> + use<> {
        let number = self.number;
        let has_previous = self.previous_until.is_some_and(|until| now < until);
        std::iter::once(number).chain(has_previous.then_some(number - 1))
    }
}

/// One going through the logs: its number, and since when what happened is told in it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Telling {
    pub number: u32,
    pub since: DateTime<Utc>,
}

impl Default for Telling {
    fn default() -> Self {
        Self { number: 1, since: DateTime::UNIX_EPOCH }
    }
}

impl State {
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::EndpointRegistered { details, since } => {
                self.details = Some(details.clone());
                self.telling.since = *since;
            }
            Event::EndpointRevised { details } => self.details = Some(details.clone()),
            Event::EndpointPaused {} => self.status = Status::Paused,
            Event::EndpointResumed {} => self.status = Status::Active,
            Event::SecretRotated { number, previous_until } => {
                self.secret = Secret { number: *number, previous_until: Some(*previous_until) };
            }
            Event::ReplayBegun { number, since } => {
                self.telling = Telling { number: *number, since: *since };
                self.parked.clear();
            }
            Event::EventParked { event } => {
                if self.parked.len() >= PARKED_MAX {
                    self.parked.remove(0);
                }
                self.parked.push(event.clone());
            }
            Event::EndpointRemoved {} => self.status = Status::Removed,
        }
    }
}
