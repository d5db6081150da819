//! The follower that settles e-mail addresses: runs [`react`] on what happened to users and sends
//! what comes of it, at least once for each event. Decides nothing.
//!
//! Its position is stored now and then and when it stops, only ever behind what was done. The
//! commands mean "already so" when they come again, and a refusal is final and harmless: the user
//! gave the address up since.
//!
//! [`react`]: sagas::registration::react

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::{TryStreamExt, stream};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::aggregate_ref::{AskError, Engine, Fault};
use super::checkpoint;
use super::core::CommandMeta;
use super::facts::decode;
use super::follower::{Cursor, wake};
use super::retry;
use domain::access::email_reservation::{self, EmailReservation};
use domain::access::user::User;
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use persistence::journal::Entry;
use projections::Fact;
use projections::position::Position;
use sagas::registration::react;

const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);
const NAME: checkpoint::Name =
    checkpoint::Name { kind: "follower", name: "registration", schema: 1 };
/// Users whose addresses are settled at one time.
const USERS_AT_ONCE: usize = 32;

/// What the follower is started with.
#[derive(Clone)]
pub struct RegistrationSetup {
    pub engine: Engine,
    /// Told how far everything is settled.
    pub settled: watch::Sender<Position>,
}

/// What the follower is told.
pub enum RegistrationMessage {
    /// Something became durable; answered with whether it is still behind.
    CatchUp(oneshot::Sender<bool>),
    Checkpoint,
}

/// See the module.
pub struct RegistrationActor;

/// What the follower works on.
pub struct RegistrationState {
    setup: RegistrationSetup,
    cursor: Cursor,
    stored: Position,
    principal: Arc<str>,
}

/// A command to an address' reservation, and the event that caused it.
struct Reaction {
    cause: Uuid,
    place: u32,
    reservation: AggregateId,
    command: email_reservation::Command,
}

impl Actor for RegistrationActor {
    type Msg = RegistrationMessage;
    type State = RegistrationState;
    type Arguments = RegistrationSetup;

    async fn pre_start(
        &self,
        myself: ActorRef<RegistrationMessage>,
        setup: RegistrationSetup,
    ) -> Result<RegistrationState, ActorProcessingErr> {
        let services = &setup.engine.services;
        let stored = checkpoint::load::<()>(services, NAME).await?;
        let stored = stored.map_or_else(Position::default, |((), position)| position);
        wake(services, myself.clone(), RegistrationMessage::CatchUp);
        myself.send_interval(CHECKPOINT_EVERY, || RegistrationMessage::Checkpoint);
        let cursor = Cursor::new(Arc::clone(services), stored.clone());
        Ok(RegistrationState { setup, cursor, stored, principal: "registration".into() })
    }

    async fn handle(
        &self,
        _: ActorRef<RegistrationMessage>,
        message: RegistrationMessage,
        state: &mut RegistrationState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RegistrationMessage::CatchUp(done) => {
                state.catch_up().await?;
                let _ = done.send(state.cursor.is_behind());
            }
            RegistrationMessage::Checkpoint => state.checkpoint().await,
        }
        Ok(())
    }

    async fn post_stop(
        &self,
        _: ActorRef<RegistrationMessage>,
        state: &mut RegistrationState,
    ) -> Result<(), ActorProcessingErr> {
        state.checkpoint().await;
        Ok(())
    }
}

impl RegistrationState {
    /// Settles what one turn brings. An error ends the actor before its position is stored, so that
    /// the next one does it again.
    async fn catch_up(&mut self) -> Result<(), Fault> {
        // In the order of each user's own log; those of others do not depend on it.
        let mut by_user: HashMap<Uuid, Vec<Reaction>> = HashMap::new();
        let advanced = self.cursor.advance(|entry| {
            if entry.aggregate_type.as_ref() == User::TYPE {
                by_user.entry(entry.aggregate_id).or_default().extend(reactions(entry));
            }
        });
        let advanced =
            advanced.await.map_err(|error| Fault::Unreadable { reason: error.to_string() })?;
        let this = &*self;
        let settling: Vec<_> =
            by_user.into_values().map(|reactions| Ok(this.send_all(reactions))).collect();
        stream::iter(settling).try_for_each_concurrent(USERS_AT_ONCE, |users| users).await?;
        if advanced {
            self.setup.settled.send_replace(self.cursor.position.clone());
        }
        Ok(())
    }

    async fn send_all(&self, reactions: Vec<Reaction>) -> Result<(), Fault> {
        for reaction in reactions {
            self.send(reaction).await?;
        }
        Ok(())
    }

    async fn send(&self, reaction: Reaction) -> Result<(), Fault> {
        let Reaction { cause, place, reservation, command } = reaction;
        let command_id =
            AggregateId::derived(&[b"registration", cause.as_bytes(), &place.to_be_bytes()]);
        let meta = CommandMeta {
            command_id: command_id.0,
            // Done again, it changes nothing; a key would only be kept for nothing.
            key: None,
            correlation_id: cause,
            causation_id: Some(cause),
            principal: Arc::clone(&self.principal),
            trace: None,
            expected_version: None,
        };
        let address = self.setup.engine.aggregate::<EmailReservation>(reservation);
        match retry::ask(&address, &command, &meta).await {
            Ok(_) => Ok(()),
            Err(AskError::Refused(refusal)) => {
                tracing::debug!(%refusal, %reservation, "the address was given up since");
                Ok(())
            }
            Err(AskError::Fault(fault)) if fault.retry_after().is_some() => Err(fault),
            // One broken reservation must not keep all others waiting. Nothing is lost by it: a
            // reservation that lapses is asked after at its holder's.
            Err(AskError::Fault(fault)) => {
                tracing::error!(%fault, %reservation, "an e-mail address was not settled");
                Ok(())
            }
        }
    }

    async fn checkpoint(&mut self) {
        let position = &self.cursor.position;
        if self.stored != *position
            && checkpoint::store(&self.setup.engine.services, NAME, (), position).await
        {
            self.stored = position.clone();
        }
    }
}

fn reactions(entry: &Entry) -> Vec<Reaction> {
    let facts = match decode(entry) {
        Ok(facts) => facts,
        Err(error) => {
            let (shard, seq) = (entry.shard, entry.seq);
            tracing::error!(%error, shard, seq, "entry left out by the registration of users");
            return Vec::new();
        }
    };
    let user = AggregateId(entry.aggregate_id);
    let mut all = Vec::new();
    for (version, fact) in (entry.version..).zip(facts) {
        let Some(Fact::User(event)) = fact else { continue };
        let cause = AggregateId::derived(&[b"event", user.as_bytes(), &version.to_be_bytes()]).0;
        for (place, (reservation, command)) in (0..).zip(react(user, &event)) {
            all.push(Reaction { cause, place, reservation, command });
        }
    }
    all
}
