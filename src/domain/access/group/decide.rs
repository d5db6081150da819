//! What a group decides: who is in it, and how many.

use super::{Command, DEPTH_MAX, Details, Event, MEMBERS_MAX, NAME_CHARACTERS_MAX, Refusal, State};
use crate::id::AggregateId;
use crate::text::TextRule;

const NAME: TextRule = TextRule::line("name", NAME_CHARACTERS_MAX);

pub(super) fn decide(
    state: &State,
    command: &Command,
    own: AggregateId,
) -> Result<Vec<Event>, Refusal> {
    if let Command::Create { name, within } = command {
        let details = Details { name: NAME.read(name)?, within: within.clone() };
        if within.len() > DEPTH_MAX {
            return Err(Refusal::TooDeep);
        }
        return match &state.details {
            Some(known) if *known == details => Ok(vec![]),
            _ if state.details.is_some() || within.contains(&own) => Err(Refusal::AlreadyExists),
            _ => Ok(vec![Event::GroupCreated { details }]),
        };
    }
    let known = state.details.as_ref().ok_or(Refusal::NotFound)?;
    match command {
        Command::Dissolve {} if state.is_dissolved => Ok(vec![]),
        Command::Dissolve {} => Ok(vec![Event::GroupDissolved {}]),
        _ if state.is_dissolved => Err(Refusal::Dissolved),
        Command::Rename { name } => {
            let name = NAME.read(name)?;
            Ok(if name == known.name { vec![] } else { vec![Event::GroupRenamed { name }] })
        }
        Command::Join { user } if state.members.contains(user) => Ok(vec![]),
        Command::Join { .. } if state.members.len() >= MEMBERS_MAX => Err(Refusal::TooManyMembers),
        Command::Join { user } => Ok(vec![Event::GroupJoined { user: *user }]),
        Command::Leave { user } if !state.members.contains(user) => Ok(vec![]),
        Command::Leave { user } => Ok(vec![Event::GroupLeft { user: *user }]),
        Command::Create { .. } => Err(Refusal::AlreadyExists),
    }
}
