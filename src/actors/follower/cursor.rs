//! A cursor over the logs of all shards: every entry exactly once, in shard order, from memory
//! while it keeps up and from the journal while it does not.

use std::sync::Arc;
use std::time::Duration;

use ractor::{ActorRef, Message};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::FollowError;
use super::published::FollowerRef;
use crate::feed::Behind;
use crate::metrics::FOLLOWER_READ;
use crate::shard::NodeServices;
use persistence::journal::{Entry, JournalError, PageLimit, SHARD_RECORD, Seq, ShardId};
use projections::position::Position;

/// Entries of one shard that are taken before the next shard has its turn.
const TURN: usize = 1_024;
/// The part of a pause that is kept even if somebody waits.
const HASTE: u32 = 20;

/// See the module.
pub struct Cursor {
    services: Arc<NodeServices>,
    pub position: Position,
    /// What is read in one turn, in bytes.
    bytes_max: usize,
    /// The shard that the next turn begins with: the one before had no time for it.
    first: ShardId,
    /// It reads the shards that are served here, and no others.
    pub is_partitioned: bool,
    /// The last turn left for the next one what it could have read.
    is_cut: bool,
}

impl Cursor {
    pub fn new(services: Arc<NodeServices>, position: Position, bytes_max: usize) -> Self {
        Self { services, position, bytes_max, first: 0, is_partitioned: false, is_cut: false }
    }

    /// Gives `each` what became durable behind the position, at most one turn a shard, and moves
    /// the position. What goes on in another log waits until the first was read to its seal, so that
    /// each aggregate's events come in their order. False: there was nothing. After an error the
    /// position means nothing any more.
    pub async fn advance(
        &mut self,
        mut each: impl FnMut(&Entry) -> Result<(), FollowError>,
    ) -> Result<bool, FollowError> {
        let services = Arc::clone(&self.services);
        let (feed, slots) = (&services.feed, &services.slots);
        let mut ahead: Vec<_> = self
            .ahead()
            .filter(|(shard, _)| !self.is_partitioned || feed.is_read_here(*shard))
            .collect();
        let begun = ahead.partition_point(|(shard, _)| *shard < self.first);
        ahead.rotate_left(begun);
        self.first = 0;
        self.is_cut = false;
        let mut bytes = 0;
        for (shard, head) in &ahead {
            if bytes >= self.bytes_max {
                (self.first, self.is_cut) = (*shard, true);
                break;
            }
            let after = self.position.seq(*shard);
            let through_max = slots.readable_through(*shard, |shard| self.position.seq(shard));
            if after >= through_max {
                continue;
            }
            match feed.behind(*shard, after, TURN) {
                Behind::Nothing => {}
                Behind::Recent(recent) => {
                    let readable =
                        |(list, index): &(Arc<Vec<Entry>>, usize)| list[*index].seq <= through_max;
                    for (list, index) in recent.into_iter().take_while(readable) {
                        if bytes >= self.bytes_max {
                            break;
                        }
                        bytes += list[index].weight();
                        self.take(*shard, &list[index], &mut each)?;
                    }
                }
                Behind::Journal { through } => {
                    let through = through.min(through_max);
                    let journal = &self.services.journal;
                    let page = journal.read_shard(*shard, after, through, PageLimit::default());
                    let page = match page.await {
                        // The logs of other databases go on.
                        Err(_) if journal.is_away(*shard) => continue,
                        page => page?,
                    };
                    if page.is_empty() {
                        let gap = format!(
                            "shard {shard} has nothing behind {after}, but its head is {through}"
                        );
                        return Err(JournalError::Corrupt(gap.into()).into());
                    }
                    FOLLOWER_READ.add(page.len() as u64);
                    for entry in &page {
                        bytes += entry.weight();
                        self.take(*shard, entry, &mut each)?;
                    }
                }
            }
            self.is_cut |= self.position.seq(*shard) < through_max.min(*head);
        }
        Ok(!ahead.is_empty())
    }

    /// Whether logs that are read elsewhere go further than is known to be done of them.
    pub fn is_behind_others(&self) -> bool {
        let feed = &self.services.feed;
        let mut ahead = feed.ahead_of(|shard| self.position.seq(shard));
        ahead.any(|(shard, _)| !feed.is_read_here(shard))
    }

    /// When the next turn is due.
    pub fn next(&self) -> Next {
        if self.is_cut {
            return Next::AtOnce;
        }
        if self.ahead().next().is_some() { Next::AfterPause } else { Next::WhenRung }
    }

    /// The logs that go further, with their heads. What the database of a log does not tell now is there when
    /// it answers again, and a ring says so.
    fn ahead(&self) -> impl Iterator<Item = (ShardId, Seq)> {
        let Self { services, position, .. } = self;
        let ahead = services.feed.ahead_of(|shard| position.seq(shard));
        ahead.filter(|(shard, _)| !services.journal.is_away(*shard))
    }

    fn take(
        &mut self,
        shard: ShardId,
        entry: &Entry,
        each: &mut impl FnMut(&Entry) -> Result<(), FollowError>,
    ) -> Result<(), FollowError> {
        debug_assert_eq!(entry.seq, self.position.seq(shard) + 1, "a follower never skips");
        self.position.set(shard, entry.seq);
        if entry.aggregate_type.as_ref() == SHARD_RECORD { Ok(()) } else { each(entry) }
    }
}

/// When a follower's next turn is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The last one left something that was there.
    AtOnce,
    /// Something has come since.
    AfterPause,
    /// There is nothing.
    WhenRung,
}

/// Tells `actor` to take a turn whenever something became durable, first of all at once. It
/// answers each with when the next is due, and is told again only after its answer: one message stands
/// for all that became durable in between, and others have their turn. Two turns are `pause` apart;
/// a part of it, where somebody waits for what `published` has not come to.
pub fn wake<M: Message, C: Send + Sync + 'static>(
    services: &NodeServices,
    actor: ActorRef<M>,
    (published, pause): (FollowerRef<C>, Duration),
    turn: impl Fn(oneshot::Sender<Next>) -> M + Send + 'static,
) {
    let mut notifier = services.feed.notifier();
    notifier.mark_changed();
    tokio::spawn(async move {
        let (mut last, mut next) = (Instant::now(), Next::WhenRung);
        loop {
            if next == Next::WhenRung && notifier.changed().await.is_err() {
                return;
            }
            if next != Next::AtOnce && !pause.is_zero() {
                let _ = timeout_at(last + pause, published.wanted()).await;
                sleep_until(last + pause / HASTE).await;
            }
            last = Instant::now();
            // What rang before this turn is taken in it.
            notifier.mark_unchanged();
            let (done, answered) = oneshot::channel();
            if actor.cast(turn(done)).is_err() {
                return;
            }
            next = answered.await.unwrap_or(Next::WhenRung);
        }
    });
}
