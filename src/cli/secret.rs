//! `emporium keys rotate` and `emporium secret rotate`: what was wrapped by a new master key; a new generation of a secret of the installation. What was made under an
//! older one is still told by every node; what is made from then on is made under the new one.

use serde_json::json;

use super::Failure;
use super::output::Output;
use persistence::cause::chain;
use persistence::clock::Clock;
use persistence::journal::{ShardId, ShardLeases};
use persistence::secrets::rotation::Rotated;
use persistence::secrets::{Installation, MasterKeys, Purpose, SecretStore};

/// The purpose of a name, if its secret can be rotated at all.
pub fn purpose(name: &str) -> Result<Purpose, Failure> {
    let purpose = Purpose::ALL.into_iter().find(|purpose| purpose.name() == name);
    match purpose {
        Some(Purpose::Index) => Err(Failure::Usage(
            "the secret of the blind index is never rotated: under a new one no address would be \
             found any more, and each could be registered a second time"
                .to_owned(),
        )),
        Some(Purpose::Webhooks) => Err(Failure::Usage(
            "the secrets of webhooks are rotated one by one, while both sides know both: \
             rotateWebhookSecret in the API"
                .to_owned(),
        )),
        Some(purpose) => Ok(purpose),
        None => Err(Failure::Usage(format!("{name:?} is no purpose: ids, inputs or tokens"))),
    }
}

/// Fails while a node holds a shard: it would not know the new generation, and make a second thing
/// where another was asked for the same under the new one.
pub async fn require_nobody(leases: &dyn ShardLeases, shards: u16) -> Result<(), Failure> {
    let all: Vec<ShardId> = (0..shards).collect();
    let looked = leases.look(&all).await;
    let held = looked.map_err(|error| Failure::failed("looking at the shards", chain(&error)))?;
    match held.iter().find_map(|holding| holding.owner.as_ref()) {
        None => Ok(()),
        Some(owner) => Err(Failure::Failed(format!(
            "{} holds shards: stop every node first, for one that runs does not know the new \
             secret. Where it has died, say --holders-died",
            owner.node
        ))),
    }
}

/// Makes the new generation and says which.
pub async fn rotate(
    store: &dyn SecretStore,
    master: &MasterKeys,
    purpose: Purpose,
    json: bool,
) -> Result<(), Failure> {
    let made = Installation::rotate(purpose, store, master, &Clock::system()).await;
    let generation = made.map_err(|error| Failure::failed("rotating the secret", chain(&error)))?;
    let mut output = Output::default();
    if json {
        output.json(&json!({ "purpose": purpose.name(), "generation": generation }))?;
    } else {
        output.line(&format!(
            "{}: generation {generation} is used from the next start on",
            purpose.name()
        ))?;
    }
    output.flush()
}

/// Says what was wrapped by the new master key.
pub fn print_rotated(rotated: Rotated, json: bool) -> Result<(), Failure> {
    let Rotated { secrets, persons } = rotated;
    let mut output = Output::default();
    if json {
        output.json(&json!({ "secrets": secrets, "persons": persons }))?;
    } else {
        output.line(&format!(
            "{secrets} secrets and the keys of {persons} persons are wrapped by the new master key; the old one \
             opens nothing more"
        ))?;
    }
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_rotated_says_why() {
        assert_eq!(purpose("ids").ok(), Some(Purpose::Ids));
        assert_eq!(purpose("inputs").ok(), Some(Purpose::Inputs));
        let refused = |name| match purpose(name) {
            Err(Failure::Usage(problem)) => problem,
            other => panic!("{other:?}"),
        };
        assert!(refused("index").contains("never rotated"));
        assert!(refused("persons").contains("ids, inputs or tokens"));
    }
}
