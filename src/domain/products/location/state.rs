//! The state of a location, and how each event moves it. Nothing here decides.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::scheduling::zone::Zone;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// `None` until created.
    pub details: Option<Details>,
    pub status: Status,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    pub name: String,
    pub kind: Kind,
    pub zone: Zone,
    pub address: String,
}

/// What kind of place it is. Nothing rests on it here: people find their way by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Goods are kept and sent from there.
    Warehouse,
    /// People buy there.
    Shop,
    /// Goods lie ready for whoever ordered them.
    PickupPoint,
    /// Somebody else's place, who sends for us.
    Supplier,
    /// On wheels, on its way, or nowhere.
    Other,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    #[default]
    Active,
    /// Nothing new comes in and nothing new is promised; what is there goes out.
    Closed,
}

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::LocationCreated { details } | Event::LocationRevised { details } => {
                self.details = Some(details.clone());
            }
            Event::LocationClosed {} => self.status = Status::Closed,
            Event::LocationReopened {} => self.status = Status::Active,
        }
    }
}
