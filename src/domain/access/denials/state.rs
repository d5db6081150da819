//! How many were named already, and whose they were. Nothing here decides.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::Event;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// How many are named.
    pub named: u32,
    /// By caller: at most [`NAMED_MAX`](super::NAMED_MAX).
    pub of_callers: OrdMap<Arc<str>, u32>,
    /// How many attempts are counted alone.
    pub others: u64,
}

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        let Event::DenialsNoted { denials, others } = event;
        for denial in denials {
            self.named += 1;
            *self.of_callers.entry(denial.by.as_str().into()).or_default() += 1;
        }
        self.others = self.others.saturating_add(*others);
    }
}
