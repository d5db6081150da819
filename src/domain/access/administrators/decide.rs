//! What the administrators decide: that one of them stays.

use super::{ADMINISTRATORS_MAX, Command, Event, Refusal, State};

pub(super) fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Count { user } if state.users.contains(user) => Ok(vec![]),
        Command::Count { .. } if state.users.len() >= ADMINISTRATORS_MAX => Err(Refusal::TooMany),
        Command::Count { user } => Ok(vec![Event::AdministratorCounted { user: *user }]),
        Command::Discount { user } if !state.users.contains(user) => Ok(vec![]),
        Command::Discount { .. } if state.users.len() == 1 => Err(Refusal::Last),
        Command::Discount { user } => Ok(vec![Event::AdministratorDiscounted { user: *user }]),
    }
}
