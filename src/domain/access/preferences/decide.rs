//! What preferences decide: that names are names, and how many there are.

use super::{
    Command, Event, NAME_BYTES_MAX, PREFERENCES_MAX, Refusal, State, VALUE_CHARACTERS_MAX,
};
use crate::text::{TextRule, is_token};

const VALUE: TextRule = TextRule {
    field: "value",
    characters_max: VALUE_CHARACTERS_MAX,
    empty_allowed: true,
    lines_allowed: false,
};

pub(super) fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Set { name, value } => {
            if !is_token(name, NAME_BYTES_MAX) {
                return Err(Refusal::InvalidName);
            }
            let value = VALUE.read(value)?;
            match state.values.get(name) {
                Some(known) if *known == value => Ok(vec![]),
                None if state.values.len() >= PREFERENCES_MAX => Err(Refusal::TooMany),
                _ => Ok(vec![Event::PreferenceSet { name: name.clone(), value }]),
            }
        }
        Command::Clear { name } if !state.values.contains_key(name) => Ok(vec![]),
        Command::Clear { name } => Ok(vec![Event::PreferenceCleared { name: name.clone() }]),
    }
}
