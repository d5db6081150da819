//! The state of an account, and how each event moves it. Nothing here decides.

use imbl::OrdSet;
use serde::{Deserialize, Serialize};

use super::Event;
use crate::id::AggregateId;

/// Where an account stands. `Closed` is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    Open,
    Suspended,
    Closed,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// `None` until opened.
    pub status: Option<Status>,
    pub name: String,
    pub members: OrdSet<AggregateId>,
    /// Why it is suspended or closed.
    pub reason: Option<String>,
}

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::AccountOpened { name } => {
                self.status = Some(Status::Open);
                self.name.clone_from(name);
            }
            Event::AccountRenamed { name } => self.name.clone_from(name),
            Event::AccountSuspended { reason } => self.stand(Status::Suspended, Some(reason)),
            Event::AccountReinstated {} => self.stand(Status::Open, None),
            Event::AccountClosed { reason } => self.stand(Status::Closed, Some(reason)),
            Event::MemberAdmitted { user } => _ = self.members.insert(*user),
            Event::MemberDismissed { user } => _ = self.members.remove(user),
        }
    }

    fn stand(&mut self, status: Status, reason: Option<&String>) {
        self.status = Some(status);
        self.reason = reason.cloned();
    }
}
