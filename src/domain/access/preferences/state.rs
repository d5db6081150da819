//! The state of preferences, and how each event moves it. Nothing here decides.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::Event;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    pub values: OrdMap<String, String>,
}

impl State {
    pub(super) fn apply(&mut self, event: &Event) {
        match event {
            Event::PreferenceSet { name, value } => {
                self.values.insert(name.clone(), value.clone());
            }
            Event::PreferenceCleared { name } => _ = self.values.remove(name),
        }
    }
}
