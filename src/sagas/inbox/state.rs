//! The state of a message, and how each event moves it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Content, Event};

/// How far a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    #[default]
    Applying,
    Applied,
    /// An operator gave it up.
    Dropped,
}

impl Phase {
    /// As people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applying => "APPLYING",
            Self::Applied => "APPLIED",
            Self::Dropped => "DROPPED",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// None before the first event.
    pub content: Option<Content>,
    pub phase: Phase,
    /// Failed tries since it was received, or taken up again.
    pub attempts: u32,
    /// Not before this time is it tried again.
    pub next_at: Option<DateTime<Utc>>,
    /// Parked.
    pub stalled: bool,
}

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::MessageReceived { content, .. } => {
                self.content = Some(content.clone());
                self.enter(Phase::Applying);
            }
            Event::MessageApplied {} => self.enter(Phase::Applied),
            Event::MessageFailed { attempt, next_at, .. } => {
                self.attempts = *attempt;
                self.next_at = Some(*next_at);
            }
            Event::MessageParked { .. } => {
                self.stalled = true;
                self.next_at = None;
            }
            Event::MessageResumed {} => self.enter(self.phase),
            Event::MessageDropped { .. } => self.enter(Phase::Dropped),
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.attempts = 0;
        self.next_at = None;
        self.stalled = false;
    }
}
