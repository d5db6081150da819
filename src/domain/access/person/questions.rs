//! What may be asked of a person.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Person, State};
use crate::question::Question;

crate::questions!(Person { ErasedAt });

/// When what was known of him was erased, if it was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErasedAt;

impl Question<Person> for ErasedAt {
    type Answer = Option<DateTime<Utc>>;

    fn answer(&self, state: State, _: DateTime<Utc>) -> Option<DateTime<Utc>> {
        state.erased_at
    }
}
