//! The follower under every consumer of the outbox: what happened becomes integration events, each told at least
//! once, those of one aggregate in the order of its log. How they are told is the affair of its [`Carrier`].

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use super::{Carrier, Noted, Round, Stands};
use crate::checkpoint;
use crate::follower::{
    At, Elsewhere, FollowError, Follower, Moment, Parked, ParkedSet, Stored, Turn,
};
use crate::shard::{Limits, NodeServices};
use persistence::cause::chain;
use persistence::journal::{Entry, JournalError, PageLimit, Seq, ShardId};
use projections::outgoing;
use projections::{Fact, Place};

/// What one turn reads at most, in bytes of entries: what it notes is in memory until it was told.
const TURN_BYTES_MAX: usize = 1 << 20;
/// Shards of which it is found out at one time where to begin.
const SOUGHT_AT_ONCE: usize = 16;
/// How often it is tried to note where to begin, where others do so at the same time.
const BEGUN_TRIES: usize = 5;

/// See the module.
pub struct Relay<C> {
    services: Arc<NodeServices>,
    /// What its place is called.
    name: String,
    carrier: C,
    /// What events say of where they come from.
    source: String,
    noted: Vec<Noted>,
    stored: Stored,
}

impl<C: Carrier> Relay<C> {
    pub fn new(services: Arc<NodeServices>, name: String, carrier: C) -> Self {
        let source = services.vault.installation.name();
        Self { services, name, carrier, source, noted: Vec::new(), stored: Stored::default() }
    }

    /// Where it stands. A shard where it has not begun begins behind what is too old to be told; one where the
    /// consumer knows less than he was told goes back to that.
    async fn stands(&mut self) -> Result<(), FollowError> {
        let services = Arc::clone(&self.services);
        for _ in 0..BEGUN_TRIES {
            let found = services.acting.stands(&self.name, services.shards).await?;
            self.stored = Stored::of(found);
            let stored = self.stored.position.clone();
            let Stands { since_us, behind } = self.carrier.stands(&stored).await?;
            let forgotten = behind.iter().filter(|(_, seq)| seq.is_none()).map(|(shard, _)| *shard);
            let unbegun = (0..services.shards).filter(|shard| stored.seq(*shard) == 0);
            let sought: BTreeSet<ShardId> = unbegun.chain(forgotten).collect();
            let mut to = stored.clone();
            for (shard, seq) in self.beginnings(sought, since_us).await? {
                let told = Some(stored.seq(shard)).filter(|told| *told > 0);
                to.set(shard, told.map_or(seq, |told| told.min(seq)));
            }
            for (shard, seq) in &behind {
                if let Some(seq) = seq.filter(|seq| *seq < to.seq(*shard)) {
                    to.set(*shard, seq);
                }
            }
            let changed = (0..services.shards).filter(|shard| to.seq(*shard) != stored.seq(*shard));
            let (store, parked) = (&*services.acting, Arc::clone(&self.stored.parked));
            match self.stored.advance((store, &self.name), changed, &to, &parked).await {
                Ok(()) => return self.carrier.begins(&to).await,
                Err(FollowError::Elsewhere) => {}
                Err(error) => return Err(error),
            }
        }
        Err(FollowError::Elsewhere)
    }

    async fn beginnings(
        &self,
        shards: BTreeSet<ShardId>,
        since_us: i64,
    ) -> Result<Vec<(ShardId, Seq)>, JournalError> {
        if shards.is_empty() {
            return Ok(Vec::new());
        }
        let shards: Vec<_> = shards.into_iter().collect();
        let heads = self.services.journal.heads_told(&shards).await?;
        let sought = heads.into_iter().map(|(shard, head)| self.beginning(shard, head, since_us));
        let sought: Vec<_> = sought.collect();
        stream::iter(sought).buffer_unordered(SOUGHT_AT_ONCE).try_collect().await
    }

    /// The last entry of a log that is too old to be told. Times in a log do not go back.
    async fn beginning(
        &self,
        shard: ShardId,
        head: Seq,
        since_us: i64,
    ) -> Result<(ShardId, Seq), JournalError> {
        let (mut old, mut new) = (0, head + 1);
        // Most begin at the end.
        let mut looked = head;
        while old + 1 < new {
            let entry =
                self.services.journal.read_shard(shard, looked - 1, looked, PageLimit::default());
            let entry = entry.await?;
            if entry.first().is_some_and(|entry| entry.recorded_us >= since_us) {
                new = looked;
            } else {
                old = looked;
            }
            looked = old + (new - old) / 2;
        }
        Ok((shard, old))
    }
}

impl<C: Carrier> Follower for Relay<C> {
    const NAME: checkpoint::Name = checkpoint::Name { kind: "follower", name: "outbox", schema: 1 };

    const STANDS_WHERE_STORED: bool = true;
    const PARTITIONED: bool = true;
    const TRIES_AGAIN: bool = true;
    /// What comes in between is one turn, and one write of where it stands.
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

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

    async fn look(&mut self, services: &NodeServices) -> Result<Elsewhere, FollowError> {
        let found = services.acting.stands(&self.name, services.shards).await?;
        Ok(self.stored.look(found, services))
    }

    async fn store(&mut self, services: &NodeServices, moment: Arc<Moment<()>>) -> bool {
        let Moment { position, parked, .. } = &*moment;
        let round = Round { noted: Vec::new(), from: &self.stored.position, to: position };
        let stored = match self.carrier.carry(round).await {
            Ok(_) => {
                let store = (&*services.acting, &*self.name);
                self.stored.advance(store, std::iter::empty(), position, parked).await
            }
            Err(error) => Err(error),
        };
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

    fn take(&mut self, (): &mut (), entry: &Entry, place: Place, fact: Fact) {
        let told = outgoing::told(&self.source, place, &fact);
        if let Some(event) = told.filter(|event| self.carrier.wants(event.kind)) {
            let (at, index) = (At::of(entry), place.version - entry.version);
            self.noted.push(Noted { at, index, event });
        }
    }

    fn is_due(&self, parked: &Parked) -> bool {
        self.carrier.is_due(parked.at.aggregate_id)
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
        let read: Vec<_> = noted.iter().map(|noted| noted.at.shard).collect();
        let round = Round { noted, from: &self.stored.position, to: turn.to };
        let failed = self.carrier.carry(round).await?;
        let parked: Arc<ParkedSet> = turn.parked_with(&failed)?;
        let store = (&*Arc::clone(&self.services.acting), &*self.name.clone());
        self.stored.advance(store, read.into_iter(), turn.to, &parked).await?;
        Ok(failed)
    }
}
