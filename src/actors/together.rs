//! Has many aggregates of one kind in memory at once: those of a page whose rows do not say all that is
//! asked. Their logs are read in one question, where a recovery of each would ask its own.
//!
//! Only short logs come so, and only to aggregates that nobody has recovered yet; whatever else is wanted
//! recovers by itself as ever, and so does everything where the question fails. Nothing here is told to
//! a client: whoever reads one of them next says what there is, or why it cannot be read.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::activation::{Activation, Permit};
use super::aggregate::{GivenLog, Message};
use super::aggregate_ref::Engine;
use super::metrics::READ_TOGETHER;
use super::recovery::SHORT;
use super::request::until;
use domain::aggregate::Aggregate;
use domain::id::AggregateId;
use persistence::journal::{Entry, LOGS_READ_AT_ONCE_MAX};

/// One that is not in memory, with a place that keeps it from being passivated meanwhile.
struct Cold<A: Aggregate> {
    activation: Arc<Activation<A>>,
    _permit: Permit<A>,
}

impl Engine {
    /// Has these in memory, as far as their shards are served here. Only of what is known to have a log:
    /// each of them gets an actor.
    pub async fn load_together<A: Aggregate>(&self, ids: &[AggregateId]) {
        let cold: Vec<Cold<A>> = ids.iter().filter_map(|id| self.cold(*id)).collect();
        // One alone is read as ever.
        if cold.len() < 2 {
            return;
        }
        let Some(until) = until(self.services.deadline()) else { return };
        let mut cold = cold.into_iter().peekable();
        while cold.peek().is_some() {
            let part: Vec<_> = cold.by_ref().take(LOGS_READ_AT_ONCE_MAX).collect();
            if tokio::time::timeout_at(until, self.recover_together(part)).await.is_err() {
                return;
            }
        }
    }

    /// It has an actor from here on: what is read of its log afterwards is all of it, until that writes.
    fn cold<A: Aggregate>(&self, id: AggregateId) -> Option<Cold<A>> {
        let aggregate = self.aggregate::<A>(id);
        if !id.is_well_formed() || !aggregate.may_read() || aggregate.is_live() {
            return None;
        }
        let admit = |activation: &Arc<Activation<A>>| {
            let permit = activation.admit(0)?;
            Ok(Cold { activation: Arc::clone(activation), _permit: permit })
        };
        aggregate.live(admit).ok()
    }

    async fn recover_together<A: Aggregate>(&self, cold: Vec<Cold<A>>) {
        let ids: Vec<_> = cold.iter().map(|one| one.activation.id.0).collect();
        let Ok(Some(logs)) = self.services.journal.read_logs(A::TYPE, &ids, SHORT).await else {
            return;
        };
        READ_TOGETHER.add(ids.len() as u64);
        let recovering = cold.iter().zip(logs).map(|(one, log)| {
            let (done, recovered) = oneshot::channel();
            one.activation.tell(Message::Load { done, log: whole(log) });
            recovered
        });
        futures::future::join_all(recovering).await;
    }
}

/// A log that ends before the last version that was asked for was read whole. An empty one is nobody's
/// word for that there is none: its recovery looks itself.
fn whole(log: Vec<Entry>) -> GivenLog {
    let ends = log.last().is_some_and(|last| last.last_version() < SHORT);
    ends.then_some(log)
}
