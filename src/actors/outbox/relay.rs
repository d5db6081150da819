//! The follower under every consumer of the outbox: what happened becomes integration events, each told at least
//! once, those of one aggregate in the order of its log.
//!
//! An event that is not taken sets its aggregate aside, with all that comes later of it, and others go on; it is
//! tried again after a pause that grows, and after enough tries it waits for an operator. Where many are set
//! aside the consumer is down, and the relay stands still until it takes something: nothing heaps up but in the
//! log, where it is anyhow.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Carrier;
use crate::aggregate_ref::Fault;
use crate::checkpoint;
use crate::follower::{
    AnyFollower as _, At, Elsewhere, FollowError, Follower, FollowerMessage, FollowerRef, Moment,
    Parked, ParkedSet, Stored, Turn,
};
use crate::metrics::PARKED;
use crate::shard::{Limits, NodeServices};
use domain::id::AggregateId;
use persistence::cause::chain;
use persistence::journal::{Entry, JournalError, PageLimit, Seq, ShardId};
use projections::outgoing::{self, CloudEvent};
use projections::{Fact, Place};

/// Aggregates that are set aside and tried again by themselves. With so many the consumer is down.
const ASIDE_MAX: usize = 64;
/// What one turn reads at most, in bytes of entries: what it notes is in memory until it was told.
const TURN_BYTES_MAX: usize = 1 << 20;
/// The longest pause between two tries while the relay stands still.
const STANDING_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Shards of which it is found out at one time where to begin.
const SOUGHT_AT_ONCE: usize = 16;
/// How often it is tried to note where to begin, where others do so at the same time.
const BEGUN_TRIES: usize = 5;

/// See the module.
pub struct Relay<C> {
    pub services: Arc<NodeServices>,
    /// What its place is called.
    pub name: String,
    /// What was recorded before is not told, in microseconds since 1970.
    pub since_us: i64,
    pub carrier: C,
    pub published: FollowerRef<()>,
    /// True when it is to stop.
    pub stops: watch::Receiver<bool>,
    /// What events say of where they come from.
    pub source: String,
    noted: BTreeMap<AggregateId, Vec<Noted>>,
    stored: Stored,
    aside: HashMap<AggregateId, Aside>,
}

struct Noted {
    at: At,
    event: CloudEvent,
}

/// An aggregate of which something was not taken.
struct Aside {
    failures: u32,
    /// None: it waits for an operator.
    due: Option<Instant>,
}

/// What a relay is made of beside what it remembers.
pub struct RelaySetup<C> {
    pub services: Arc<NodeServices>,
    pub name: String,
    pub since_us: i64,
    pub carrier: C,
    pub published: FollowerRef<()>,
    pub stops: watch::Receiver<bool>,
}

impl<C: Carrier> Relay<C> {
    pub fn new(setup: RelaySetup<C>) -> Self {
        let RelaySetup { services, name, since_us, carrier, published, stops } = setup;
        Self {
            source: services.vault.installation.name(),
            services,
            name,
            since_us,
            carrier,
            published,
            stops,
            noted: BTreeMap::new(),
            stored: Stored::default(),
            aside: HashMap::new(),
        }
    }

    /// Where it stands. A shard where it has not begun begins behind what is too old to be told.
    async fn stands(&mut self) -> Result<(), FollowError> {
        let services = Arc::clone(&self.services);
        for _ in 0..BEGUN_TRIES {
            let found = services.acting.stands(&self.name, services.shards).await?;
            self.stored = Stored::of(found);
            let stored = &self.stored.position;
            let unbegun: Vec<ShardId> =
                (0..services.shards).filter(|shard| stored.seq(*shard) == 0).collect();
            let mut to = stored.clone();
            for (shard, seq) in self.beginnings(&unbegun).await? {
                to.set(shard, seq);
            }
            let (store, parked) = (&*services.acting, Arc::clone(&self.stored.parked));
            match self.stored.advance((store, &self.name), std::iter::empty(), &to, &parked).await {
                Err(FollowError::Elsewhere) => {}
                stood => return stood,
            }
        }
        Err(FollowError::Elsewhere)
    }

    async fn beginnings(&self, shards: &[ShardId]) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        if shards.is_empty() {
            return Ok(Vec::new());
        }
        let heads = self.services.journal.heads_told(shards).await?;
        let sought = heads.into_iter().map(|(shard, head)| self.beginning(shard, head));
        let sought: Vec<_> = sought.collect();
        stream::iter(sought).buffer_unordered(SOUGHT_AT_ONCE).try_collect().await
    }

    /// The last entry of a log that is too old to be told. Times in a log do not go back.
    async fn beginning(&self, shard: ShardId, head: Seq) -> Result<(ShardId, Seq), JournalError> {
        let (mut old, mut new) = (0, head + 1);
        // Most begin at the end.
        let mut looked = head;
        while old + 1 < new {
            let entry =
                self.services.journal.read_shard(shard, looked - 1, looked, PageLimit::default());
            let entry = entry.await?;
            if entry.first().is_some_and(|entry| entry.recorded_us >= self.since_us) {
                new = looked;
            } else {
                old = looked;
            }
            looked = old + (new - old) / 2;
        }
        Ok((shard, old))
    }

    /// Tells what is noted of one aggregate; gives what was not taken, and why. While the relay stands still it
    /// is patient with the first that is not.
    async fn tell_all(
        &self,
        noted: Vec<Noted>,
        is_patient: bool,
    ) -> Result<Option<(At, String)>, Fault> {
        for Noted { at, event } in noted {
            let mut failures = 0;
            while let Err(reason) = self.carrier.tell(&event).await {
                failures += 1;
                let pause = self.carrier.pause(failures).filter(|_| is_patient);
                let Some(pause) = pause else { return Ok(Some((at, reason))) };
                self.sleep(pause.min(STANDING_PAUSE_MAX)).await?;
            }
        }
        Ok(None)
    }

    async fn sleep(&self, pause: Duration) -> Result<(), Fault> {
        let stopped = async {
            let mut stops = self.stops.clone();
            // Whoever would say it is gone: that is a stop too.
            drop(stops.wait_for(|stops| *stops).await);
        };
        match tokio::time::timeout(pause, stopped).await {
            Err(_) => Ok(()),
            Ok(()) => Err(Fault::unavailable("the outbox stops", pause)),
        }
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
            let pause = self.carrier.pause(aside.failures);
            aside.due = pause.map(|pause| Instant::now() + pause);
            let (consumer, kind, id) = (&*self.name, &at.aggregate_type, at.aggregate_id);
            let (failures, version) = (aside.failures, at.version);
            let Some(due) = aside.due else {
                tracing::error!(consumer, kind, %id, version, failures, reason, "it waits for an operator");
                PARKED.with([Self::NAME.name]).inc();
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

impl<C: Carrier> Follower for Relay<C> {
    const NAME: checkpoint::Name = checkpoint::Name { kind: "follower", name: "outbox", schema: 1 };

    const STANDS_WHERE_STORED: bool = true;
    const PARTITIONED: bool = true;
    const TRIES_AGAIN: bool = true;
    /// What comes in between is one turn, and one write of where it stands.
    const PAUSE: Duration = Duration::from_millis(100);

    type Content = ();

    fn turn_bytes(_: &Limits) -> usize {
        TURN_BYTES_MAX
    }

    async fn begin(&mut self, _: &NodeServices) -> Result<Option<Moment<()>>, FollowError> {
        self.forget();
        self.stands().await?;
        let Stored { position, parked } = self.stored.clone();
        Ok(Some(Moment { content: (), position, parked }))
    }

    fn shows_the_same(&self) -> bool {
        true
    }

    async fn look(&mut self, services: &NodeServices) -> Result<Elsewhere, FollowError> {
        let found = services.acting.stands(&self.name, services.shards).await?;
        Ok(self.stored.look(found, services))
    }

    async fn store(&mut self, services: &NodeServices, moment: Arc<Moment<()>>) -> bool {
        let Moment { position, parked, .. } = &*moment;
        let store = (&*services.acting, &*self.name);
        let stored = self.stored.advance(store, std::iter::empty(), position, parked).await;
        if let Err(error) = &stored
            && !matches!(error, FollowError::Elsewhere)
        {
            tracing::warn!(error = %chain(error), consumer = self.name, "its place is not stored");
        }
        stored.is_ok()
    }

    fn wants(aggregate_type: &str, _: u64) -> bool {
        outgoing::tells(aggregate_type)
    }

    fn take(&mut self, (): &mut (), entry: &Entry, at: Place, fact: Fact) {
        if at.recorded_us < self.since_us {
            return;
        }
        let told = outgoing::told(&self.source, at, &fact);
        if let Some(event) = told.filter(|event| self.carrier.wants(event.kind)) {
            let noted = self.noted.entry(at.aggregate_id).or_default();
            noted.push(Noted { at: At::of(entry), event });
        }
    }

    fn is_due(&self, parked: &Parked) -> bool {
        let aside = self.aside.get(&parked.at.aggregate_id);
        aside.is_none_or(|aside| aside.due.is_some_and(|due| due <= Instant::now()))
    }

    fn forget(&mut self) {
        self.noted.clear();
    }

    async fn settle(&mut self, turn: Turn<'_>) -> Result<Vec<(At, String)>, FollowError> {
        if self.noted.is_empty() && self.stored.parked == *turn.parked {
            // Where it stands is stored with the next that is told, or with the next checkpoint.
            return Ok(Vec::new());
        }
        let noted = std::mem::take(&mut self.noted);
        let read: Vec<_> = noted.values().flatten().map(|noted| noted.at.shard).collect();
        let told: Vec<_> = noted.keys().copied().collect();
        let (this, is_patient) = (&*self, self.is_down());
        let telling: Vec<_> =
            noted.into_values().map(|noted| this.tell_all(noted, is_patient)).collect();
        let failed = stream::iter(telling).buffer_unordered(self.carrier.at_once());
        let failed: Vec<Option<(At, String)>> = failed.try_collect().await?;
        let failed: Vec<_> = failed.into_iter().flatten().collect();
        self.reckon(&told, &failed);
        let parked: Arc<ParkedSet> = turn.parked_with(&failed)?;
        let store = (&*Arc::clone(&self.services.acting), &*self.name.clone());
        self.stored.advance(store, read.into_iter(), turn.to, &parked).await?;
        Ok(failed)
    }
}
