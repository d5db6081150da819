//! The state of a role, and how each event moves it. Nothing here decides.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::access::permission::Permissions;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// `None` until defined.
    pub details: Option<Details>,
    pub permissions: Permissions,
    pub is_retired: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Details {
    pub name: String,
    pub purpose: String,
}

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::RoleDefined { details } | Event::RoleDescribed { details } => {
                self.details = Some(details.clone());
            }
            Event::PermissionGranted { permission } => {
                self.permissions = self.permissions.with(*permission);
            }
            Event::PermissionRevoked { permission } => {
                self.permissions = self.permissions.without(*permission);
            }
            Event::RoleRetired {} => self.is_retired = true,
        }
    }
}
