//! The state of a group, and how each event moves it. Nothing here decides.

use imbl::OrdSet;
use serde::{Deserialize, Serialize};

use super::Event;
use crate::id::AggregateId;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// `None` until created.
    pub details: Option<Details>,
    pub members: OrdSet<AggregateId>,
    pub is_dissolved: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    pub name: String,
    /// The groups that it lies in, the nearest last.
    pub within: Vec<AggregateId>,
}

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::GroupCreated { details } => self.details = Some(details.clone()),
            Event::GroupRenamed { name } => {
                if let Some(details) = &mut self.details {
                    details.name.clone_from(name);
                }
            }
            Event::GroupJoined { user } => _ = self.members.insert(*user),
            Event::GroupLeft { user } => _ = self.members.remove(user),
            Event::GroupDissolved {} => {
                self.is_dissolved = true;
                self.members.clear();
            }
        }
    }
}
