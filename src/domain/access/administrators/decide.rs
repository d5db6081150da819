//! What the administrators decide: that one of them stays.

use super::{ADMINISTRATORS_MAX, Command, Event, Refusal, State};

pub(super) fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Count { user, .. } if state.users.contains(user) => Ok(vec![]),
        // How he stood then he may stand no more.
        Command::Count { user, version } if state.released(*user) >= Some(*version) => Ok(vec![]),
        Command::Count { .. } if state.users.len() >= ADMINISTRATORS_MAX => Err(Refusal::TooMany),
        Command::Count { user, .. } => Ok(vec![Event::AdministratorCounted { user: *user }]),
        Command::Release { user, .. } if !state.users.iter().any(|other| other != user) => {
            Err(Refusal::Last)
        }
        Command::Release { user, version }
            if !state.users.contains(user) && state.released(*user) >= Some(*version) =>
        {
            Ok(vec![])
        }
        Command::Release { user, version } => {
            // It never goes back: whoever asks late asks for what was.
            let version = state.released(*user).map_or(*version, |known| known.max(*version));
            Ok(vec![Event::AdministratorReleased { user: *user, version }])
        }
    }
}
