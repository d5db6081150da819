//! A place that keeps stock: what it is called, what kind of place it is, where it stands, by which
//! clock it lives.
//!
//! This folder owns what one location is. It knows no stock: a stock item names the location that it
//! is at, and whoever asks a stock item for something new asks the location first.
//!
//! ```text
//! Active -> Closed -> Active   (closed, it takes in nothing and promises nothing; what is there goes out)
//! ```

mod decide;
mod questions;
mod state;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;

use serde::{Deserialize, Serialize};

use crate::aggregate::{self, Aggregate, Context, DomainEvent};
use crate::text::InvalidText;

pub use questions::{Questions, Standing};
pub use state::{Details, Kind, State, Status};

/// The marker of this kind of aggregate.
#[derive(Debug)]
pub struct Location;

pub const NAME_CHARACTERS_MAX: usize = 200;
/// The longest address, in characters; it may have several lines.
pub const ADDRESS_CHARACTERS_MAX: usize = 1_000;

/// What may be asked of a location.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum Command {
    Create {
        name: String,
        kind: Kind,
        zone: String,
        /// As it stands on a parcel; may be empty.
        address: String,
    },
    /// Changes what is given; `None` leaves it as it is.
    Revise {
        name: Option<String>,
        kind: Option<Kind>,
        zone: Option<String>,
        address: Option<String>,
    },
    /// It takes in nothing any more.
    Close {},
    /// It does again.
    Reopen {},
}

/// What has happened to a location.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data", rename_all_fields = "camelCase")]
pub enum Event {
    LocationCreated { details: Details },
    LocationRevised { details: Details },
    LocationClosed {},
    LocationReopened {},
}

impl DomainEvent for Event {}

/// Why a location will not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all_fields = "camelCase")]
pub enum Refusal {
    #[error("there is no such location")]
    NotFound,
    #[error("this location exists already, with other particulars")]
    AlreadyExists,
    #[error("the location is closed: nothing new comes in, what is there goes out")]
    Closed,
    #[error(transparent)]
    InvalidText(#[from] InvalidText),
    #[error("not a time zone of the IANA database")]
    InvalidTimeZone,
}

impl aggregate::Refusal for Refusal {
    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "LOCATION_NOT_FOUND",
            Self::AlreadyExists => "LOCATION_EXISTS",
            Self::Closed => "LOCATION_CLOSED",
            Self::InvalidText(_) => "INVALID_TEXT",
            Self::InvalidTimeZone => "INVALID_TIME_ZONE",
        }
    }
}

impl Aggregate for Location {
    const TYPE: &'static str = "location";
    const STATE_SCHEMA: u32 = 1;

    type State = State;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;
    type Questions = Questions;

    fn decide(state: &State, command: &Command, _: &Context) -> Result<Vec<Event>, Refusal> {
        decide::decide(state, command)
    }

    fn apply(state: &mut State, event: &Event) {
        state.apply(event);
    }
}
