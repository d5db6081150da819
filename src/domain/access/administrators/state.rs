//! The state of the administrators, and how each event moves it. Nothing here decides.

use imbl::OrdSet;
use serde::{Deserialize, Serialize};

use super::Event;
use crate::id::AggregateId;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub users: OrdSet<AggregateId>,
}

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::AdministratorCounted { user } => _ = self.users.insert(*user),
            Event::AdministratorDiscounted { user } => _ = self.users.remove(user),
        }
    }
}
