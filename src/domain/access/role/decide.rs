//! What a role decides: that it has a name, and what it permits.

use super::{Command, Details, Event, NAME_CHARACTERS_MAX, PURPOSE_CHARACTERS_MAX, Refusal, State};
use crate::access::permission::Permissions;
use crate::text::TextRule;

const NAME: TextRule = TextRule::line("name", NAME_CHARACTERS_MAX);
const PURPOSE: TextRule = TextRule::prose("purpose", PURPOSE_CHARACTERS_MAX);

pub(super) fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
    if let Command::Define { name, purpose, permissions } = command {
        let details = Details { name: NAME.read(name)?, purpose: PURPOSE.read(purpose)? };
        let wanted: Permissions = permissions.iter().copied().collect();
        return match &state.details {
            Some(known) if *known == details && state.permissions == wanted => Ok(vec![]),
            Some(_) => Err(Refusal::AlreadyExists),
            None => {
                let granted =
                    wanted.iter().map(|permission| Event::PermissionGranted { permission });
                Ok(std::iter::once(Event::RoleDefined { details }).chain(granted).collect())
            }
        };
    }
    let known = state.details.as_ref().ok_or(Refusal::NotFound)?;
    match command {
        Command::Retire {} if state.is_retired => Ok(vec![]),
        Command::Retire {} => Ok(vec![Event::RoleRetired {}]),
        _ if state.is_retired => Err(Refusal::Retired),
        Command::Describe { name, purpose } => {
            let mut details = known.clone();
            if let Some(name) = name {
                details.name = NAME.read(name)?;
            }
            if let Some(purpose) = purpose {
                details.purpose = PURPOSE.read(purpose)?;
            }
            Ok(if details == *known { vec![] } else { vec![Event::RoleDescribed { details }] })
        }
        Command::Grant { permission } if state.permissions.has(*permission) => Ok(vec![]),
        Command::Grant { permission } => {
            Ok(vec![Event::PermissionGranted { permission: *permission }])
        }
        Command::Revoke { permission } if !state.permissions.has(*permission) => Ok(vec![]),
        Command::Revoke { permission } => {
            Ok(vec![Event::PermissionRevoked { permission: *permission }])
        }
        Command::Define { .. } => Err(Refusal::AlreadyExists),
    }
}
