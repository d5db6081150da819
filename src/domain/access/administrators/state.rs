//! The state of the administrators, and how each event moves it. Nothing here decides.

use imbl::{OrdSet, Vector};
use serde::{Deserialize, Serialize};

use super::{Event, RELEASES_MAX};
use crate::id::AggregateId;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub users: OrdSet<AggregateId>,
    /// Who was released, and as he stood at which version of his; the last ones, the oldest first.
    pub releases: Vector<(AggregateId, u64)>,
}

impl State {
    /// As of which version a user was released last.
    pub(super) fn released(&self, user: AggregateId) -> Option<u64> {
        let mut of_user = self.releases.iter().rev().filter(|(known, _)| *known == user);
        of_user.next().map(|(_, version)| *version)
    }

    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::AdministratorCounted { user } => _ = self.users.insert(*user),
            Event::AdministratorReleased { user, version } => {
                self.users.remove(user);
                self.releases.retain(|(known, _)| known != user);
                self.releases.push_back((*user, *version));
                if self.releases.len() > RELEASES_MAX {
                    self.releases.pop_front();
                }
            }
        }
    }
}
