//! Whoever is told one event at a time, and need not take it. An event that is not taken sets its aggregate aside,
//! with all that comes later of it, and others go on; it is tried again after a pause that grows, and after enough
//! tries it waits for an operator. Where many are set aside the consumer is down, and the relay stands still until
//! it takes something: nothing heaps up but in the log, where it is anyhow.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Carrier, Noted, Round, Stands, rest};
use crate::aggregate_ref::Fault;
use crate::follower::{AnyFollower as _, At, FollowError, FollowerMessage, FollowerRef};
use crate::metrics::PARKED;
use domain::id::AggregateId;
use projections::outgoing::{CloudEvent, Kind};
use projections::position::Position;

/// Aggregates that are set aside and tried again by themselves. With so many the consumer is down.
const ASIDE_MAX: usize = 64;
/// The longest pause between two tries while the relay stands still.
const STANDING_PAUSE_MAX: Duration = Duration::from_secs(60);

/// The way to one consumer that is told one event at a time.
pub trait Messenger: Send + Sync + 'static {
    /// Whether the consumer is told of this.
    fn wants(&self, kind: &Kind) -> bool;

    /// One try; the reason where it was not taken.
    fn tell(&self, event: &CloudEvent) -> impl Future<Output = Result<(), String>> + Send;

    /// How long after so many tries in vain the next one comes; never, where these were enough.
    fn pause(&self, failures: u32) -> Option<Duration>;

    /// Tries that are under way at one time, each of another aggregate.
    fn at_once(&self) -> usize;
}

/// See the module.
pub struct Patient<M> {
    pub messenger: M,
    /// What the log calls it.
    pub name: String,
    /// What was recorded before is not told, in microseconds since 1970.
    pub since_us: i64,
    pub published: FollowerRef<()>,
    /// True when it is to stop.
    pub stops: watch::Receiver<bool>,
    pub aside: HashMap<AggregateId, Aside>,
}

/// An aggregate of which something was not taken.
pub struct Aside {
    failures: u32,
    /// None: it waits for an operator.
    due: Option<Instant>,
}

impl<M: Messenger> Carrier for Patient<M> {
    async fn stands(&mut self, _: &Position) -> Result<Stands, FollowError> {
        Ok(Stands { since_us: self.since_us, behind: Vec::new() })
    }

    fn wants(&self, kind: &Kind) -> bool {
        self.messenger.wants(kind)
    }

    async fn carry(&mut self, round: Round<'_>) -> Result<Vec<(At, String)>, FollowError> {
        let mut noted: BTreeMap<AggregateId, Vec<Noted>> = BTreeMap::new();
        for one in round.noted {
            noted.entry(one.at.aggregate_id).or_default().push(one);
        }
        let told: Vec<_> = noted.keys().copied().collect();
        let (this, is_patient) = (&*self, self.is_down());
        let telling: Vec<_> =
            noted.into_values().map(|noted| this.tell_all(noted, is_patient)).collect();
        let failed = stream::iter(telling).buffer_unordered(self.messenger.at_once());
        let failed: Vec<Option<(At, String)>> = failed.try_collect().await?;
        let failed: Vec<_> = failed.into_iter().flatten().collect();
        self.reckon(&told, &failed);
        Ok(failed)
    }

    fn is_due(&self, id: AggregateId) -> bool {
        let aside = self.aside.get(&id);
        aside.is_none_or(|aside| aside.due.is_some_and(|due| due <= Instant::now()))
    }
}

impl<M: Messenger> Patient<M> {
    /// Tells what is noted of one aggregate; gives what was not taken, and why. While the relay stands still it
    /// is patient with the first that is not.
    async fn tell_all(
        &self,
        noted: Vec<Noted>,
        is_patient: bool,
    ) -> Result<Option<(At, String)>, Fault> {
        for Noted { mut at, index, event } in noted {
            let mut failures = 0;
            while let Err(reason) = self.messenger.tell(&event).await {
                failures += 1;
                let pause = self.messenger.pause(failures).filter(|_| is_patient);
                let Some(pause) = pause else {
                    at.event = at.version + index;
                    return Ok(Some((at, reason)));
                };
                rest(&self.stops, pause.min(STANDING_PAUSE_MAX)).await?;
            }
        }
        Ok(None)
    }

    /// Notes what was taken of what was set aside, and when what was not is tried again.
    fn reckon(&mut self, told: &[AggregateId], failed: &[(At, String)]) {
        for id in told {
            if !failed.iter().any(|(at, _)| at.aggregate_id == *id) {
                self.aside.remove(id);
            }
        }
        for (at, reason) in failed {
            let aside = self.aside.entry(at.aggregate_id);
            let aside = aside.or_insert(Aside { failures: 0, due: None });
            aside.failures += 1;
            let pause = self.messenger.pause(aside.failures);
            aside.due = pause.map(|pause| Instant::now() + pause);
            let (consumer, kind, id) = (&*self.name, &at.aggregate_type, at.aggregate_id);
            let (failures, version) = (aside.failures, at.version);
            let Some(due) = aside.due else {
                tracing::error!(consumer, kind, %id, version, failures, reason, "it waits for an operator");
                PARKED.with(["outbox"]).inc();
                continue;
            };
            if failures == 1 {
                tracing::warn!(consumer, kind, %id, version, reason, "it is set aside and tried again");
            }
            let published = self.published.clone();
            tokio::spawn(async move {
                tokio::time::sleep_until(due).await;
                published.tell(FollowerMessage::TryParked);
            });
        }
    }

    fn is_down(&self) -> bool {
        self.aside.values().filter(|aside| aside.due.is_some()).count() >= ASIDE_MAX
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use projections::outgoing;

    /// Takes what is not told of this.
    struct Refuses(&'static str);

    impl Messenger for Refuses {
        fn wants(&self, _: &Kind) -> bool {
            true
        }

        async fn tell(&self, event: &CloudEvent) -> Result<(), String> {
            if event.id == self.0 { Err("it answered with 500".to_owned()) } else { Ok(()) }
        }

        fn pause(&self, _: u32) -> Option<Duration> {
            None
        }

        fn at_once(&self) -> usize {
            1
        }
    }

    #[tokio::test]
    async fn what_is_set_aside_names_the_event_that_was_not_taken() {
        let (_stop, stops) = watch::channel(false);
        let id = AggregateId(uuid::Uuid::from_u128(7));
        let at = |version| At {
            aggregate_type: "product".to_owned(),
            aggregate_id: id,
            version,
            shard: 1,
            seq: version,
            event: 0,
        };
        let kind = outgoing::kind("emporium.product.created.v1").expect("it is told");
        let noted = |version, index| {
            let id = format!("product/7/{}", version + index);
            Noted { at: at(version), index, event: CloudEvent { kind, id, body: String::new() } }
        };
        for (refused, event) in [("product/7/2", 2), ("product/7/4", 4), ("product/7/5", 5)] {
            let patient = Patient {
                messenger: Refuses(refused),
                name: "somebody".to_owned(),
                since_us: 0,
                published: FollowerRef::default(),
                stops: stops.clone(),
                aside: HashMap::new(),
            };
            let all = vec![noted(2, 0), noted(3, 0), noted(3, 1), noted(3, 2)];
            let told = patient.tell_all(all, false).await.expect("it goes on");
            let (at, reason) = told.expect("one is not taken");
            let version = if event == 2 { 2 } else { 3 };
            assert_eq!(
                (at.version, at.event_version(), reason.as_str()),
                (version, event, "it answered with 500")
            );
        }
    }
}
