//! What may be asked of an account.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Account, State, Status};
use crate::question::{Bounded, Question, Whole};

crate::questions!(Account { Whole, Standing });

/// Its members are what grows: at most [`MEMBERS_MAX`](super::MEMBERS_MAX) ids.
impl Bounded for Account {}

/// Where it stands; `None` for one that was never opened.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing;

impl Question<Account> for Standing {
    type Answer = Option<Status>;

    fn answer(&self, state: State, _: DateTime<Utc>) -> Option<Status> {
        state.status
    }
}
