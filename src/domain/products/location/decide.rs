//! What a location decides: that it has a name and a clock, and whether it is closed.

use super::{
    ADDRESS_CHARACTERS_MAX, Command, Details, Event, NAME_CHARACTERS_MAX, Refusal, State, Status,
};
use crate::scheduling::zone::Zone;
use crate::text::TextRule;

const NAME: TextRule = TextRule::line("name", NAME_CHARACTERS_MAX);
const ADDRESS: TextRule = TextRule::prose("address", ADDRESS_CHARACTERS_MAX);

pub(super) fn decide(state: &State, command: &Command) -> Result<Vec<Event>, Refusal> {
    if let Command::Create { name, kind, zone, address } = command {
        let details = Details {
            name: NAME.read(name)?,
            kind: *kind,
            zone: read_zone(zone)?,
            address: ADDRESS.read(address)?,
        };
        return match &state.details {
            Some(known) if *known == details => Ok(vec![]),
            Some(_) => Err(Refusal::AlreadyExists),
            None => Ok(vec![Event::LocationCreated { details }]),
        };
    }
    let known = state.details.as_ref().ok_or(Refusal::NotFound)?;
    match (command, state.status) {
        (Command::Close {}, Status::Active) => Ok(vec![Event::LocationClosed {}]),
        (Command::Reopen {}, Status::Closed) => Ok(vec![Event::LocationReopened {}]),
        (Command::Close {}, Status::Closed) | (Command::Reopen {}, Status::Active) => Ok(vec![]),
        // A closed one keeps its name: there is stock to be found there yet.
        (Command::Revise { name, kind, zone, address }, _) => {
            let mut details = known.clone();
            if let Some(name) = name {
                details.name = NAME.read(name)?;
            }
            if let Some(kind) = kind {
                details.kind = *kind;
            }
            if let Some(zone) = zone {
                details.zone = read_zone(zone)?;
            }
            if let Some(address) = address {
                details.address = ADDRESS.read(address)?;
            }
            if details == *known {
                return Ok(vec![]);
            }
            Ok(vec![Event::LocationRevised { details }])
        }
        (Command::Create { .. }, _) => Err(Refusal::AlreadyExists),
    }
}

fn read_zone(name: &str) -> Result<Zone, Refusal> {
    name.parse().map_err(|_| Refusal::InvalidTimeZone)
}
