//! What an account decides: where it stands, and who belongs to it.

use super::{
    Command, Event, MEMBERS_MAX, NAME_CHARACTERS_MAX, REASON_CHARACTERS_MAX, Refusal, State, Status,
};
use crate::text::TextRule;

const NAME: TextRule = TextRule::line("name", NAME_CHARACTERS_MAX);
const REASON: TextRule = TextRule::line("reason", REASON_CHARACTERS_MAX);

pub(super) fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
    let Some(status) = state.status else {
        return match command {
            Command::Open { name } => Ok(vec![Event::AccountOpened { name: NAME.read(name)? }]),
            _ => Err(Refusal::NotFound),
        };
    };
    let illegal = Err(Refusal::IllegalTransition { from: status });
    match (command, status) {
        (Command::Open { name }, _) if NAME.read(name)? == state.name => Ok(vec![]),
        (Command::Open { .. }, _) => Err(Refusal::AlreadyExists),
        (Command::Close { .. }, Status::Closed) => Ok(vec![]),
        (_, Status::Closed) => illegal,
        (Command::Close { reason }, _) => {
            Ok(vec![Event::AccountClosed { reason: REASON.read(reason)? }])
        }
        (Command::Rename { name }, _) => {
            let name = NAME.read(name)?;
            Ok(if name == state.name { vec![] } else { vec![Event::AccountRenamed { name }] })
        }
        (Command::Suspend { reason }, Status::Open) => {
            Ok(vec![Event::AccountSuspended { reason: REASON.read(reason)? }])
        }
        (Command::Reinstate {}, Status::Suspended) => Ok(vec![Event::AccountReinstated {}]),
        (Command::Suspend { .. }, _) | (Command::Reinstate {}, _) => illegal,
        (Command::Dismiss { user }, _) if !state.members.contains(user) => Ok(vec![]),
        (Command::Dismiss { user }, _) => Ok(vec![Event::MemberDismissed { user: *user }]),
        (Command::Admit { user }, _) if state.members.contains(user) => Ok(vec![]),
        (Command::Admit { .. }, _) if state.members.len() >= MEMBERS_MAX => {
            Err(Refusal::TooManyMembers)
        }
        (Command::Admit { user }, _) => Ok(vec![Event::MemberAdmitted { user: *user }]),
    }
}
