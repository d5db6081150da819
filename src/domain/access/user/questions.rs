//! What may be asked of a user.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{State, Status, User};
use crate::question::{Bounded, Question, Whole};

crate::questions!(User { Whole, IsRegistered, Standing });

/// Its roles are what grows: at most [`ROLES_MAX`](super::ROLES_MAX).
impl Bounded for User {}

/// Whether there is a profile, of whatever standing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct IsRegistered;

/// Where a user stands; nothing, if there never was one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing;

impl Question<User> for Standing {
    type Answer = Option<Status>;

    fn answer(&self, state: State, _: DateTime<Utc>) -> Option<Status> {
        state.profile.map(|profile| profile.status)
    }
}

impl Question<User> for IsRegistered {
    type Answer = bool;

    fn answer(&self, state: State, _: DateTime<Utc>) -> bool {
        state.profile.is_some()
    }
}
