//! The state of a person. Nothing here decides.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Event;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// When what was known of him was erased first.
    pub erased_at: Option<DateTime<Utc>>,
}

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        let Event::PersonErased { at, .. } = event;
        self.erased_at.get_or_insert(*at);
    }
}
