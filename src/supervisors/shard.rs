//! The supervisor of one shard: starts a failed aggregate again after its backoff, leaves a
//! quarantined one alone, passivates idle ones. A failure of one aggregate touches no other.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef, SupervisionEvent};

use crate::metrics::RESTARTS;
use actors::shard::{ActivationKey, Shard};

/// What a shard's supervisor is told.
pub enum ShardMessage {
    /// The backoff of a failed aggregate is over.
    Restart(ActivationKey),
    /// Time to look for idle aggregates.
    Sweep,
}

/// See the module. Its state is the shared shard.
pub struct ShardSupervisor;

impl Actor for ShardSupervisor {
    type Msg = ShardMessage;
    type State = Arc<Shard>;
    type Arguments = Arc<Shard>;

    async fn pre_start(
        &self,
        myself: ActorRef<ShardMessage>,
        shard: Arc<Shard>,
    ) -> Result<Arc<Shard>, ActorProcessingErr> {
        *shard.supervisor.write() = Some(myself.get_cell());
        let idle = Duration::from_secs(shard.services.limits.idle_seconds.max(1));
        myself.send_interval(idle / 4, || ShardMessage::Sweep);
        Ok(shard)
    }

    async fn handle(
        &self,
        _: ActorRef<ShardMessage>,
        message: ShardMessage,
        shard: &mut Arc<Shard>,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            ShardMessage::Restart(key) => {
                if let Some(activation) = shard.find(&key) {
                    RESTARTS.with(["aggregate"]).inc();
                    activation.restart();
                }
            }
            ShardMessage::Sweep => {
                let idle_us = shard.services.limits.idle_seconds * 1_000_000;
                shard.passivate_idle(shard.services.monotonic_us().saturating_sub(idle_us));
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<ShardMessage>,
        event: SupervisionEvent,
        shard: &mut Arc<Shard>,
    ) -> Result<(), ActorProcessingErr> {
        // Failures are rare: a scan of the shard's live aggregates costs less than a map of all.
        if let SupervisionEvent::ActorFailed(actor, error) = event {
            let failed = Some(actor.get_id());
            let activation =
                shard.activations().into_iter().find(|activation| activation.actor_id() == failed);
            if let Some(activation) = activation
                && let Some(backoff) = activation.failed(&error.to_string())
            {
                let key = activation.key();
                myself.send_after(backoff, move || ShardMessage::Restart(key));
            }
        }
        Ok(())
    }
}
