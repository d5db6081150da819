//! The feed of committed entries to followers: the batches that were committed last, in memory, each
//! shard's entries in them, and a notifier. Who falls behind what is kept catches up from the
//! journal: nothing is lost and nobody is waited for.
//!
//! Entries lie in the batch that was committed with them, and are never copied: a shard keeps where
//! they lie. So a batch is kept or goes as a whole, and the bound is on batches, for all shards
//! together: a small entry of a quiet shard can keep no large batch alive.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

use persistence::journal::{Entry, Seq, ShardId};
use projections::position::Position;

type Batch = Arc<Vec<Entry>>;

/// An entry within the batch that was committed with it.
pub type Shared = (Batch, usize);

/// See the module.
pub struct Feed {
    bytes_max: usize,
    recent: Mutex<Recent>,
    shards: Vec<FedShard>,
    notifier: watch::Sender<()>,
}

/// The batches that are kept, in the order in which they came.
#[derive(Default)]
struct Recent {
    batches: VecDeque<(Batch, usize)>,
    bytes: usize,
}

#[derive(Default)]
struct FedShard {
    head: AtomicU64,
    /// It is served here, and its commits are what moves the head.
    fed: AtomicBool,
    /// It is served nowhere until an operator says so.
    stopped: AtomicBool,
    /// Contiguous. Of a shard that is served here it goes up to the head, or is empty.
    window: Mutex<VecDeque<Shared>>,
}

/// What stands behind a position.
pub enum Behind {
    /// Nothing yet.
    Nothing,
    /// These, contiguous.
    Recent(Vec<Shared>),
    /// More than memory holds: read the journal through this number.
    Journal { through: Seq },
}

impl Feed {
    /// For shards `0..shards`, with batches of at most `bytes_max` altogether (the last one always).
    pub fn new(shards: u16, bytes_max: usize) -> Self {
        let shards = (0..shards).map(|_| FedShard::default()).collect();
        let (recent, notifier) = (Mutex::default(), watch::channel(()).0);
        Self { bytes_max, recent, shards, notifier }
    }

    fn of(&self, shard: ShardId) -> &FedShard {
        &self.shards[usize::from(shard)]
    }

    /// A shard is served from here on, with this head.
    pub fn open(&self, shard: ShardId, head: Seq) {
        let fed = self.of(shard);
        let mut window = fed.window.lock();
        window.clear();
        fed.fed.store(true, Ordering::Release);
        fed.head.store(head, Ordering::Release);
        drop(window);
        self.notifier.send_replace(());
    }

    /// It is not served here any more.
    pub fn close(&self, shard: ShardId) {
        let fed = self.of(shard);
        let mut window = fed.window.lock();
        fed.fed.store(false, Ordering::Release);
        window.clear();
    }

    /// Whether a shard is served here.
    pub fn is_fed(&self, shard: ShardId) -> bool {
        let fed = self.shards.get(usize::from(shard));
        fed.is_some_and(|fed| fed.fed.load(Ordering::Acquire))
    }

    /// Its log went backwards, and ends there now. What is left of it is what everybody knew of it: a node that
    /// has not read that yet, because it was started since, reads it.
    pub fn stop(&self, shard: ShardId, found: Seq) {
        // Entries that memory holds may be of those that are lost.
        self.of(shard).window.lock().clear();
        self.of(shard).stopped.store(true, Ordering::Release);
        self.heard(shard, found);
    }

    /// An operator has accepted that.
    pub fn resume(&self, shard: ShardId) {
        self.of(shard).window.lock().clear();
        self.of(shard).stopped.store(false, Ordering::Release);
    }

    /// Whether this node does what there is to do once for the entries of a shard: where it is served
    /// here, or nowhere.
    pub fn is_read_here(&self, shard: ShardId) -> bool {
        self.is_fed(shard) || self.of(shard).stopped.load(Ordering::Acquire)
    }

    /// The log of a shard that is served elsewhere goes at least as far as this.
    pub fn heard(&self, shard: ShardId, head: Seq) {
        let Some(fed) = self.shards.get(usize::from(shard)) else { return };
        let window = fed.window.lock();
        let is_news = !fed.fed.load(Ordering::Acquire) && head > fed.head.load(Ordering::Acquire);
        if is_news {
            fed.head.store(head, Ordering::Release);
        }
        drop(window);
        if is_news {
            self.notifier.send_replace(());
        }
    }

    /// Entries of shards that are served elsewhere, as whoever serves them tells: of each shard in order.
    /// What is known already, or is of a shard that is served here by now, is passed over.
    pub fn told(&self, entries: Vec<Entry>) {
        let is_news = |entry: &Entry| {
            let fed = self.shards.get(usize::from(entry.shard));
            fed.is_some_and(|fed| {
                !fed.fed.load(Ordering::Acquire) && last(&fed.window.lock()) < Some(entry.seq)
            })
        };
        let batch: Batch = Arc::new(entries.into_iter().filter(is_news).collect());
        let mut bytes = 0;
        for (index, entry) in batch.iter().enumerate() {
            let fed = self.of(entry.shard);
            let mut window = fed.window.lock();
            if fed.fed.load(Ordering::Acquire) {
                // It was taken by this node meanwhile.
                continue;
            }
            bytes += weight(entry);
            if last(&window).is_some_and(|last| last + 1 != entry.seq) {
                window.clear();
            }
            window.push_back((Arc::clone(&batch), index));
            fed.head.fetch_max(entry.seq, Ordering::AcqRel);
        }
        if bytes > 0 {
            self.keep(batch, bytes);
            self.notifier.send_replace(());
        }
    }

    /// How far a log that is served elsewhere is known: by its entries where memory holds some.
    pub fn known_to(&self, shard: ShardId) -> Seq {
        let fed = self.of(shard);
        let window = fed.window.lock();
        last(&window).unwrap_or_else(|| fed.head.load(Ordering::Acquire))
    }

    /// Whether a shard is served elsewhere, and its log would go further than is known here, were it true
    /// that it goes as far as this.
    pub fn is_news(&self, shard: ShardId, head: Seq) -> bool {
        let is_news = |fed: &FedShard| {
            !fed.fed.load(Ordering::Acquire) && head > fed.head.load(Ordering::Acquire)
        };
        self.shards.get(usize::from(shard)).is_some_and(is_news)
    }

    /// How far the logs go that are served here.
    pub fn fed_heads(&self) -> impl Iterator<Item = (ShardId, Seq)> + '_ {
        let fed = (0..).zip(&self.shards).filter(|(_, fed)| fed.fed.load(Ordering::Acquire));
        fed.map(|(shard, fed)| (shard, fed.head.load(Ordering::Acquire)))
    }

    /// Has followers look again: what others wrote may have come further.
    pub fn ring(&self) {
        self.notifier.send_replace(());
    }

    /// Entries became durable.
    pub fn push(&self, entries: &Batch) {
        let mut bytes = 0;
        for (index, entry) in entries.iter().enumerate() {
            bytes += weight(entry);
            let fed = self.of(entry.shard);
            let mut window = fed.window.lock();
            if entry.seq != fed.head.load(Ordering::Acquire) + 1 {
                // A takeover or a barrier stands in between: the journal has it.
                window.clear();
            }
            window.push_back((Arc::clone(entries), index));
            fed.head.store(entry.seq, Ordering::Release);
        }
        self.keep(Arc::clone(entries), bytes);
        self.notifier.send_replace(());
    }

    /// Keeps a batch, and lets the oldest go while there are more than may be.
    fn keep(&self, batch: Batch, bytes: usize) {
        let mut gone = Vec::new();
        let mut recent = self.recent.lock();
        recent.batches.push_back((batch, bytes));
        recent.bytes += bytes;
        while recent.bytes > self.bytes_max && recent.batches.len() > 1 {
            let Some((oldest, bytes)) = recent.batches.pop_front() else { break };
            recent.bytes -= bytes;
            gone.push(oldest);
        }
        drop(recent);
        for batch in &gone {
            self.forget(batch);
        }
    }

    /// Takes a batch out of the windows of its shards. What else a window holds came later: one
    /// lane writes a shard. Only what another lane's push has let go already is not there any more.
    fn forget(&self, batch: &Batch) {
        for entry in batch.iter() {
            let mut window = self.of(entry.shard).window.lock();
            while window.front().is_some_and(|(list, at)| list[*at].seq <= entry.seq) {
                window.pop_front();
            }
            if window.is_empty() {
                window.shrink_to_fit();
            }
        }
    }

    /// Bytes of the batches that are kept.
    pub fn bytes(&self) -> usize {
        self.recent.lock().bytes
    }

    /// Rings at each commit.
    pub fn notifier(&self) -> watch::Receiver<()> {
        self.notifier.subscribe()
    }

    /// The shards whose head lies behind a position, with their heads.
    pub fn ahead_of<'a>(
        &'a self,
        seq: impl Fn(ShardId) -> Seq + 'a,
    ) -> impl Iterator<Item = (ShardId, Seq)> + 'a {
        (0..).zip(&self.shards).filter_map(move |(shard, fed)| {
            let head = fed.head.load(Ordering::Acquire);
            (head > seq(shard)).then_some((shard, head))
        })
    }

    /// How far the logs go now.
    pub fn heads(&self) -> Position {
        let heads = (0..).zip(&self.shards);
        heads.map(|(shard, fed)| (shard, fed.head.load(Ordering::Acquire))).collect()
    }

    /// No log that is served here ends before this. What others serve is known to them.
    pub fn reaches(&self, position: &Position) -> bool {
        position.shards().all(|(shard, seq)| {
            let fed = self.shards.get(usize::from(shard));
            let head = fed.map(|fed| fed.head.load(Ordering::Acquire));
            head.is_some_and(|head| head == 0 || head >= seq)
        })
    }

    /// At most `limit` entries behind `after`.
    pub fn behind(&self, shard: ShardId, after: Seq, limit: usize) -> Behind {
        let fed = self.of(shard);
        let window = fed.window.lock();
        let head = fed.head.load(Ordering::Acquire);
        if after >= head {
            return Behind::Nothing;
        }
        let first = window.front().map(|(list, at)| list[*at].seq);
        let held = first.filter(|first| *first <= after + 1 && last(&window) > Some(after));
        let Some(first) = held else {
            return Behind::Journal { through: head };
        };
        let skip = usize::try_from(after + 1 - first).expect("a window fits memory");
        Behind::Recent(window.iter().skip(skip).take(limit).cloned().collect())
    }
}

/// The number of the newest entry of a window.
fn last(window: &VecDeque<Shared>) -> Option<Seq> {
    window.back().map(|(list, at)| list[*at].seq)
}

/// What an entry takes of memory, with the room that its text has to spare.
fn weight(entry: &Entry) -> usize {
    entry.events.capacity() + size_of::<Entry>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: usize = 100_000;

    fn entry(shard: ShardId, seq: Seq, bytes: usize) -> Entry {
        Entry {
            shard,
            seq,
            epoch: 1,
            attempt: 1,
            aggregate_type: "order".into(),
            aggregate_id: uuid::Uuid::nil(),
            version: seq,
            count: 1,
            events: "x".repeat(bytes),
            recorded_us: 0,
        }
    }

    /// One that can be asked whether anybody still holds it.
    fn push(feed: &Feed, entries: Vec<Entry>) -> std::sync::Weak<Vec<Entry>> {
        let batch = Arc::new(entries);
        feed.push(&batch);
        Arc::downgrade(&batch)
    }

    fn recent(feed: &Feed, shard: ShardId, after: Seq) -> Option<Vec<Seq>> {
        match feed.behind(shard, after, 1_000) {
            Behind::Nothing => Some(Vec::new()),
            Behind::Recent(all) => Some(all.iter().map(|(list, at)| list[*at].seq).collect()),
            Behind::Journal { .. } => None,
        }
    }

    #[test]
    fn what_is_kept_alive_is_bounded_whatever_small_entries_lie_in_large_batches() {
        let feed = Feed::new(64, BYTES_MAX);
        // Each batch has a small entry of a shard of its own, and a large one of shard 0.
        let batches: Vec<_> = (1..64u16)
            .map(|number| {
                push(&feed, vec![entry(0, u64::from(number), 10_000), entry(number, 1, 10)])
            })
            .collect();
        let alive = batches.iter().filter_map(std::sync::Weak::upgrade);
        let bytes: usize = alive.map(|batch| batch.iter().map(weight).sum::<usize>()).sum();
        assert!(bytes > 0 && bytes <= BYTES_MAX, "{bytes} bytes are alive");
        assert_eq!(feed.bytes(), bytes);
        // Who is behind what is gone reads the journal, who is not does not.
        assert_eq!(recent(&feed, 1, 0), None);
        assert_eq!(recent(&feed, 1, 1), Some(vec![]));
        assert_eq!(recent(&feed, 63, 0), Some(vec![1]));
        assert_eq!(recent(&feed, 0, 60), Some(vec![61, 62, 63]));
    }

    #[test]
    fn the_last_batch_is_kept_however_large() {
        let feed = Feed::new(2, BYTES_MAX);
        push(&feed, vec![entry(0, 1, 10)]);
        push(&feed, vec![entry(0, 2, 2 * BYTES_MAX), entry(1, 1, 10)]);
        assert_eq!(recent(&feed, 0, 1), Some(vec![2]));
        assert_eq!(recent(&feed, 0, 0), None);
        push(&feed, vec![entry(1, 2, 10)]);
        assert_eq!((recent(&feed, 0, 1), recent(&feed, 1, 1)), (None, Some(vec![2])));
    }

    #[test]
    fn what_others_tell_is_taken_once_and_only_of_what_they_serve() {
        let feed = Feed::new(2, BYTES_MAX);
        feed.open(1, 4);
        feed.told(vec![entry(0, 1, 10), entry(0, 2, 10), entry(1, 5, 10), entry(7, 1, 10)]);
        assert_eq!((recent(&feed, 0, 0), feed.heads().seq(1)), (Some(vec![1, 2]), 4));
        feed.told(vec![entry(0, 2, 10), entry(0, 3, 10)]);
        assert_eq!((recent(&feed, 0, 0), feed.known_to(0)), (Some(vec![1, 2, 3]), 3));
        // That it goes further was heard before what stands there was told.
        feed.heard(0, 5);
        assert_eq!((recent(&feed, 0, 1), recent(&feed, 0, 3)), (Some(vec![2, 3]), None));
        feed.told(vec![entry(0, 4, 10), entry(0, 5, 10)]);
        assert_eq!(recent(&feed, 0, 2), Some(vec![3, 4, 5]));
        // Behind a gap the journal has it; behind what was told, memory has.
        feed.told(vec![entry(0, 9, 10)]);
        assert_eq!((recent(&feed, 0, 5), recent(&feed, 0, 8)), (None, Some(vec![9])));
        // A node that takes the shard, and one that stops it, hold nothing of others any more.
        feed.open(0, 9);
        assert_eq!((recent(&feed, 0, 8), recent(&feed, 0, 9)), (None, Some(vec![])));
        feed.told(vec![entry(0, 10, 10)]);
        assert_eq!(feed.heads().seq(0), 9);
    }

    #[test]
    fn a_log_that_others_serve_is_never_too_short() {
        let feed = Feed::new(2, BYTES_MAX);
        feed.open(0, 9);
        let reaches =
            |position: &[(ShardId, Seq)]| feed.reaches(&position.iter().copied().collect());
        assert!(reaches(&[(0, 9), (1, 1_000)]));
        assert!(!reaches(&[(0, 10), (1, 1_000)]));
        assert!(!reaches(&[(2, 1)]), "there is no such shard");
    }

    #[test]
    fn a_gap_and_a_new_ownership_empty_the_window() {
        let feed = Feed::new(1, BYTES_MAX);
        push(&feed, vec![entry(0, 1, 10), entry(0, 2, 10)]);
        push(&feed, vec![entry(0, 4, 10)]);
        assert_eq!((recent(&feed, 0, 2), recent(&feed, 0, 3)), (None, Some(vec![4])));
        feed.open(0, 9);
        assert_eq!((recent(&feed, 0, 8), recent(&feed, 0, 9)), (None, Some(vec![])));
        push(&feed, vec![entry(0, 10, 10)]);
        assert_eq!(recent(&feed, 0, 9), Some(vec![10]));
    }
}
